"""The lanes and the dispatcher: gathering, pacing, retrying, stopping. No channel of this file is real."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.clock import FakeClock
from core.errors import DeliveryError
from core.model import Delivery
from core.notifications.batch import KEPT_LINES, Batch, Bucket, Limits
from core.notifications.channels.base import Channel
from core.notifications.dispatcher import Dispatcher
from core.notifications.message import Kind, Message
from tests.notification_fakes import NOON, FakeChannel, HeldClock, Log, signal
from tests.patience import FOREVER, PATIENCE

NAMES = ("toast", "desktop", "telegram", "email")
Make = Callable[..., tuple[Dispatcher, Log]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes dispatchers (no jitter) and stops them at the end."""
    made: list[Dispatcher] = []

    def build(
        *channels: Channel, limits: Limits | None = None, clock: FakeClock | None = None
    ) -> tuple[Dispatcher, Log]:
        log = Log()
        by_name = {} if limits is None else {channel.name: limits for channel in channels}
        dispatcher = Dispatcher(
            channels, clock=clock or FakeClock(), on_delivery=log, limits=by_name, jitter=lambda: 0.0
        )
        made.append(dispatcher)
        return dispatcher, log

    yield build
    for dispatcher in made:
        dispatcher.stop()


def times(log: Log, status: str) -> list[float]:
    return [d.updated for d in log.all if d.status == status]


def test_a_single_message_goes_out_at_once(make: Make) -> None:
    channel, clock = FakeChannel(), FakeClock()
    start = clock.time()
    dispatcher, log = make(channel, clock=clock)
    message = signal()
    dispatcher.send(message)
    (done,) = log.wait_for("delivered")
    assert channel.delivered == [message]
    assert log.statuses(message.id) == ["queued", "delivered"]
    assert (done.attempt, done.created, done.title) == (1, message.created, "BUY ASELS")
    assert done.updated - start < 0.5


def test_a_storm_of_200_signals_gives_one_summary_in_each_channel(make: Make) -> None:
    clock = HeldClock()
    channels = [FakeChannel(name, external=name in ("telegram", "email")) for name in NAMES]
    dispatcher, log = make(*channels, clock=clock)
    dispatcher.configure({}, simulated_outside=False)
    for number in range(200):
        dispatcher.send(signal(f"S{number:03}", "BUY" if number < 120 else "SELL"))
    clock.released.set()
    log.wait_for("delivered", len(NAMES))
    for channel in channels:
        (summary,) = channel.delivered
        assert summary.title == "200 signals: 120 BUY, 80 SELL"
        assert summary.body == "S000, S001, S002, S003, S004, ... and 195 more"
        assert len(summary.lines) == KEPT_LINES
        gathered = [d for d in log.all if d.channel == channel.name and d.status == "coalesced"]
        assert len({d.message_id for d in gathered}) == 200
        assert all(summary.id[:8] in d.detail for d in gathered)
        assert log.statuses(summary.id, channel.name) == ["queued", "delivered"]


def test_a_storm_spread_over_a_second_is_still_one_summary() -> None:
    limits, batch = Limits(), Batch(signal(), 0.0)
    for step in range(1, 200):
        assert batch.wait(limits, step * 0.005) > 0
        batch.add(signal(f"S{step}"), step * 0.005)
    assert batch.wait(limits, 199 * 0.005 + limits.gather_quiet) <= 0


def test_an_endless_storm_is_not_waited_out() -> None:
    limits, batch = Limits(), Batch(signal(), 0.0)
    for step in range(1, 50):
        batch.add(signal(), step * 0.1)
    assert batch.wait(limits, limits.gather_max) <= 0


def test_kinds_stay_apart_and_in_order(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel()
    dispatcher, log = make(channel, clock=clock)
    risk = Message(kind=Kind.RISK, title="Risk alert: high", body="stops", created=NOON)
    error = Message(kind=Kind.ERROR, title="error", body="", created=NOON)
    errors = [replace(error, id=f"e{n}", body=f"fault {n}\nmore") for n in range(5)]
    for message in (signal("A"), risk, *errors, signal("B"), signal("C", simulated=True)):
        dispatcher.send(message)
    dispatcher.configure({}, simulated_outside=True)
    dispatcher.send(signal("D", simulated=True))
    clock.released.set()
    log.wait_for("delivered", 5)
    assert [m.title for m in channel.delivered] == [
        "BUY A", "Risk alert: high", "5 errors", "BUY B", "BUY D",
    ]  # fmt: skip
    assert channel.delivered[2].body == "fault 0\nfault 1\nfault 2, ... and 2 more"
    assert log.wait_for("skipped")[0].title == "BUY C"


def test_simulated_and_real_signals_never_share_a_summary(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel("toast", external=False)
    dispatcher, log = make(channel, clock=clock)
    for number in range(4):
        dispatcher.send(signal(f"S{number}", simulated=number >= 2))
    clock.released.set()
    log.wait_for("delivered", 2)
    assert [m.title for m in channel.delivered] == ["2 signals: 2 BUY", "SIMULATED: 2 signals: 2 BUY"]
    assert [m.simulated for m in channel.delivered] == [False, True]


def test_too_many_in_a_row_wait_and_are_gathered(make: Make) -> None:
    clock, channel = FakeClock(), FakeChannel("email")
    dispatcher, log = make(channel, clock=clock, limits=Limits(burst=1, spacing=60.0))
    dispatcher.send(signal("A"))
    first = log.wait_for("delivered")[0]
    dispatcher.send(signal("B"))
    second = log.wait_for("delivered", 2)[1]
    assert log.statuses(second.message_id) == ["queued", "throttled", "delivered"]
    assert "60 s" in log.wait_for("throttled")[0].detail
    assert second.updated - first.updated >= 59.0


def test_no_spacing_means_no_throttle() -> None:
    bucket = Bucket(Limits(burst=1, spacing=0.0), 0.0)
    for _ in range(5):
        bucket.take(0.0)
        assert bucket.wait(0.0) == 0.0


def test_retries_wait_longer_each_time_and_say_so(make: Make) -> None:
    trouble = [DeliveryError("No answer.") for _ in range(3)]
    channel = FakeChannel(outcomes=trouble)
    dispatcher, log = make(channel)
    message = signal()
    dispatcher.send(message)
    (done,) = log.wait_for("delivered")
    assert log.statuses(message.id) == ["queued", "retrying", "retrying", "retrying", "delivered"]
    assert [d.detail for d in log.wait_for("retrying")] == [
        f"No answer. Next try in {seconds} s." for seconds in (1, 2, 4)
    ]
    moments = [*times(log, "retrying"), done.updated]
    assert [round(b - a, 6) for a, b in pairwise(moments)] == [1.0, 2.0, 4.0]
    assert done.attempt == 4
    assert channel.tries == [message] * 4


def test_jitter_lengthens_a_pause_by_less_than_a_third() -> None:
    log = Log()
    channel = FakeChannel(outcomes=[DeliveryError("No answer.")])
    dispatcher = Dispatcher([channel], clock=FakeClock(), on_delivery=log, jitter=lambda: 0.999)
    dispatcher.send(signal())
    (done,) = log.wait_for("delivered")
    dispatcher.stop()
    assert 1.25 < done.updated - times(log, "retrying")[0] < 1.34


def test_a_pause_that_is_asked_for_is_kept(make: Make) -> None:
    channel = FakeChannel(outcomes=[DeliveryError("Slow down.", retry_after=37.0)])
    dispatcher, log = make(channel)
    dispatcher.send(signal())
    (done,) = log.wait_for("delivered")
    assert round(done.updated - times(log, "retrying")[0], 6) == 37.0


def test_a_pause_longer_than_an_alert_is_worth_is_not_waited_for(make: Make) -> None:
    channel = FakeChannel(outcomes=[DeliveryError("Slow down.", retry_after=5000.0)])
    dispatcher, log = make(channel)
    dispatcher.send(signal())
    (failed,) = log.wait_for("failed")
    assert "5000 s" in failed.detail
    assert len(channel.tries) == 1


def test_a_permanent_error_is_not_tried_again(make: Make) -> None:
    channel = FakeChannel(outcomes=[DeliveryError("Wrong token.", permanent=True)])
    dispatcher, log = make(channel)
    dispatcher.send(signal("A"))
    (failed,) = log.wait_for("failed")
    assert failed.detail == "Wrong token."
    dispatcher.send(signal("B"))
    log.wait_for("delivered")
    assert [m.symbol for m in channel.tries] == ["A", "B"]


@pytest.mark.parametrize(
    "limits", [Limits(tries=3), Limits(tries=99, total=8.0)], ids=["by the tries", "by the time"]
)
def test_it_gives_up_in_the_end(make: Make, limits: Limits) -> None:
    channel = FakeChannel(outcomes=[DeliveryError("No answer.") for _ in range(99)])
    dispatcher, log = make(channel, limits=limits)
    dispatcher.send(signal())
    (failed,) = log.wait_for("failed")
    assert failed.detail == f"No answer. Given up after {len(channel.tries)} tries."
    assert len(channel.tries) in (3, 4)


def test_a_channels_bug_is_logged_without_its_text_and_tried_again(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    channel = FakeChannel(outcomes=[RuntimeError("https://x/bot1:SENTINEL/sendMessage")])
    dispatcher, log = make(channel)
    dispatcher.send(signal())
    log.wait_for("delivered")
    assert "RuntimeError" in caplog.text
    assert "notification_fakes.py" in caplog.text
    assert "SENTINEL" not in caplog.text
    assert "SENTINEL" not in str(log.all)


def test_the_same_message_is_sent_once_within_its_window(make: Make) -> None:
    clock, channel = FakeClock(), FakeChannel()
    dispatcher, log = make(channel, clock=clock)
    errors = [
        Message(kind=Kind.ERROR, title="error", body="disk full", created=NOON, dedup_key="disk")
        for _ in range(3)
    ]
    dispatcher.send(errors[0])
    log.wait_for("delivered")
    dispatcher.send(errors[1])
    (skipped,) = log.wait_for("skipped")
    assert skipped.message_id == errors[1].id
    clock.advance(301.0)
    dispatcher.send(errors[2])
    log.wait_for("delivered", 2)


def test_what_was_sent_is_not_remembered_for_ever(make: Make) -> None:
    dispatcher, _ = make()
    for number in range(6000):
        dispatcher.send(Message(kind=Kind.ERROR, title="", body="", created=0.0, dedup_key=str(number)))
    assert len(dispatcher._seen) <= 5000


def test_simulated_prices_do_not_leave_unless_chosen(make: Make) -> None:
    outside, inside = FakeChannel("telegram"), FakeChannel("toast", external=False)
    dispatcher, log = make(outside, inside)
    dispatcher.send(signal("A", simulated=True))
    log.wait_for("delivered", channel="toast")
    assert "simulat" in log.wait_for("skipped", channel="telegram")[0].detail.lower()
    dispatcher.configure({}, simulated_outside=True)
    dispatcher.send(signal("B", simulated=True))
    log.wait_for("delivered", channel="telegram")
    assert [m.symbol for m in outside.delivered] == ["B"]


def test_a_channel_that_is_off_skips_all_but_tests(make: Make) -> None:
    channel = FakeChannel()
    dispatcher, log = make(channel)
    dispatcher.configure({"telegram": "turned off"}, simulated_outside=False)
    dispatcher.send(signal())
    assert log.wait_for("skipped")[0].detail == "turned off"
    dispatcher.send(Message(kind=Kind.TEST, title="test", body="", created=NOON), only="telegram")
    log.wait_for("delivered")
    with pytest.raises(KeyError):
        dispatcher.send(signal(), only="pigeon")


def test_nobody_waits_for_a_channel_that_hangs(make: Make) -> None:
    hanging, quick = FakeChannel("email", hang=True), FakeChannel("toast", external=False)
    dispatcher, log = make(hanging, quick)
    dispatcher.send(signal("FIRST"))
    log.wait_for("delivered", channel="toast")
    assert hanging.entered.wait(PATIENCE)
    for number in range(1000):
        dispatcher.send(signal(f"S{number}"))
    log.wait_for("delivered", 2, channel="toast")
    assert dispatcher.channels == (hanging, quick)


def test_stopping_frees_a_channel_that_hangs_and_tells_what_was_lost(make: Make) -> None:
    channel = FakeChannel(hang=True)
    dispatcher, log = make(channel)
    dispatcher.send(signal("A"))
    assert channel.entered.wait(PATIENCE)
    for symbol in "BC":
        dispatcher.send(signal(symbol))
    assert dispatcher.stop(PATIENCE)
    lost = log.wait_for("failed", 2)
    assert {d.title for d in lost} == {"BUY A", "2 signals: 2 BUY"}
    assert {d.detail for d in lost} == {"Not delivered: the program was closed."}
    dispatcher.send(signal("D"))
    assert log.wait_for("failed", 3)[2].title == "BUY D"
    assert dispatcher.stop()


@pytest.mark.allow_log("WARNING core.notifications.lane: the notification channel telegram did not end")
def test_a_channel_deaf_to_cancel_is_left_behind_in_time(make: Make) -> None:
    channel = FakeChannel(hang=True)
    channel.deaf = True
    dispatcher, log = make(channel)
    dispatcher.send(signal("A"))
    assert channel.entered.wait(PATIENCE)
    assert not dispatcher.stop(0.2)
    assert log.wait_for("failed")[0].title == "BUY A"
    channel.released.set()
    assert dispatcher.stop()
    assert len(log.wait_for("failed")) == 1


def test_stopping_ends_a_wait_between_two_tries() -> None:
    class StoppingClock(FakeClock):
        """Really waits, as long as need be."""

        def wait(self, event: threading.Event, seconds: float) -> bool:
            return event.wait(FOREVER) if seconds > 1.0 else super().wait(event, seconds)

    log, channel = Log(), FakeChannel(outcomes=[DeliveryError("No answer.", retry_after=100.0)])
    dispatcher = Dispatcher([channel], clock=StoppingClock(), on_delivery=log)
    dispatcher.send(signal())
    log.wait_for("retrying")
    assert dispatcher.stop(PATIENCE)
    assert log.wait_for("failed")[0].detail == "Not delivered: the program was closed."


def test_another_channel_takes_over_what_waits(make: Make) -> None:
    old, new = FakeChannel(hang=True), FakeChannel()
    dispatcher, log = make(old)
    message = signal()
    dispatcher.send(message)
    assert old.entered.wait(PATIENCE)
    dispatcher.replace(new)
    log.wait_for("delivered")
    assert new.delivered == [message]
    assert log.statuses(message.id) == ["queued", "delivered"]
    assert dispatcher.channels == (new,)


def test_a_listener_that_fails_costs_no_message(caplog: pytest.LogCaptureFixture) -> None:
    channel, arrived = FakeChannel(), threading.Event()

    def listen(delivery: Delivery) -> None:
        if delivery.status == "delivered":
            arrived.set()
        raise RuntimeError("a broken listener")

    dispatcher = Dispatcher([channel], on_delivery=listen)
    dispatcher.send(signal())
    assert arrived.wait(PATIENCE)
    assert dispatcher.stop()
    assert "could not be reported" in caplog.text


@given(
    st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60), st.integers(1, 5), st.floats(0.5, 20)
)
def test_the_bucket_never_lets_more_through_than_allowed(
    steps: list[tuple[float, bool]], burst: int, spacing: float
) -> None:
    limits, now, taken = Limits(burst=burst, spacing=spacing), 0.0, 0
    bucket = Bucket(limits, now)
    for pause, eager in steps:
        now += pause
        wait = bucket.wait(now)
        assert 0 <= wait <= spacing + 1e-6
        now += wait if eager else 0.0
        if wait == 0 or eager:
            bucket.take(now)
            taken += 1
    assert taken <= burst + now / spacing + 1e-6


@given(
    st.lists(st.tuples(st.text("ABC", min_size=1, max_size=3), st.sampled_from(["BUY", "SELL"])), min_size=2)
)
def test_a_summary_counts_every_message(sent: list[tuple[str, str]]) -> None:
    batch = Batch(signal(*sent[0]), 0.0)
    for symbol, side in sent[1:]:
        batch.add(signal(symbol, side), 0.0)
    summary = batch.message()
    numbers = [int(number) for number in re.findall(r"\d+", summary.title)]
    assert numbers[0] == len(sent) == summary.count == sum(numbers[1:])
    more = re.search(r"and (\d+) more", summary.body)
    shown = summary.body.partition(", ...")[0].split(", ")
    assert len(shown) + int(more[1] if more else 0) == len({symbol for symbol, _ in sent})
    assert len(summary.lines) <= KEPT_LINES
