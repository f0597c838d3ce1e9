"""Messages of one channel go out in the order in which they arose, be they loud, silent or of two kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.bots.model import BotAlert, BotAlertKind
from core.clock import FakeClock
from core.notifications.dispatcher import Dispatcher
from core.notifications.lane import MAX_BATCHES
from core.notifications.message import Kind, Message
from core.notifications.notifier import Notifier
from tests.notification_fakes import NOON, FakeChannel, HeldClock, Log, signal
from tests.test_outbox import config

Make = Callable[..., tuple[Dispatcher, Log]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes dispatchers (no jitter) and stops them at the end."""
    made: list[Dispatcher] = []

    def build(channel: FakeChannel, clock: FakeClock) -> tuple[Dispatcher, Log]:
        log = Log()
        made.append(Dispatcher([channel], clock=clock, on_delivery=log, jitter=lambda: 0.0))
        made[-1].configure({}, simulated_outside=True)
        return made[-1], log

    yield build
    for dispatcher in made:
        dispatcher.stop()


def bot(number: int, **fields: bool) -> Message:
    return Message(kind=Kind.BOT, title=f"step {number}", body="because", created=NOON, **fields)  # type: ignore[arg-type]


def test_a_silent_message_does_not_overtake_the_loud_one_before_it() -> None:
    log, channel, clock = Log(), FakeChannel(), HeldClock()
    quiet = config(bot_notifications={"entry": {"telegram": "silent"}})
    notifier = Notifier(quiet, (), on_delivery=log, clock=clock)
    notifier._dispatcher.replace(channel)
    for number, kind in enumerate((BotAlertKind.ENTRY, BotAlertKind.STOP, BotAlertKind.ENTRY)):
        notifier.send_bot_alert(
            BotAlert(
                alert_id=f"b1-a{number}", kind=kind, bot_id="b1", owner="local", name=f"{number}",
                key="BIST:ASELS", at=NOON,
            )
        )  # fmt: skip
    clock.released.set()
    log.wait_for("delivered", 3, channel="telegram")
    assert [told.title.partition(":")[0] for told in channel.delivered] == ["0", "1", "2"]
    assert [told.silent for told in channel.delivered] == [True, False, True]
    notifier.stop()


def test_only_neighbours_become_a_summary(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel()
    dispatcher, log = make(channel, clock)
    for message in (bot(1), bot(2), signal("A"), bot(3), bot(4)):
        dispatcher.send(message)
    clock.released.set()
    log.wait_for("delivered", 3)
    assert [told.title for told in channel.delivered] == [
        "2 messages from bots", "BUY A", "2 messages from bots",
    ]  # fmt: skip
    assert channel.delivered[2].lines == ("step 3", "step 4")


def test_a_storm_of_two_kinds_by_turns_stays_short_and_in_order(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel()
    dispatcher, log = make(channel, clock)
    for number in range(20):
        dispatcher.send(bot(number, silent=True))
        dispatcher.send(signal(f"S{number}"))
    clock.released.set()
    log.wait_for("delivered", MAX_BATCHES)
    assert len(channel.delivered) == MAX_BATCHES
    assert sum(told.count for told in channel.delivered) == 40
    lines = [line for told in channel.delivered for line in (told.lines or (told.title,))]
    expected = [line for number in range(20) for line in (f"step {number}", f"BUY S{number}")]
    assert lines == expected[: len(lines)]
    last = channel.delivered[-1]
    rest = 40 - MAX_BATCHES + 1
    assert last.title == f"{rest} messages"
    assert last.body.startswith(expected[MAX_BATCHES - 1] + "\n")
    assert not last.silent, "something in it is to be heard"


def test_a_summary_of_real_and_simulated_signals_marks_each_for_itself(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel()
    dispatcher, log = make(channel, clock)
    for number in range(MAX_BATCHES + 3):
        made_up = number % 2 == 1
        title = f"SIMULATED: {number}" if made_up else f"{number}"
        dispatcher.send(signal(f"S{number}", title=title, simulated=made_up))
    clock.released.set()
    log.wait_for("delivered", MAX_BATCHES)
    last = channel.delivered[-1]
    assert (last.title, last.simulated) == ("4 messages", False)
    assert [line.startswith("SIMULATED") for line in last.lines] == [True, False, True, False]


def test_a_test_message_never_joins_others(make: Make) -> None:
    clock, channel = HeldClock(), FakeChannel()
    dispatcher, log = make(channel, clock)
    for number in range(MAX_BATCHES + 3):
        dispatcher.send(bot(number, silent=number % 2 == 1))
    dispatcher.send(Message(kind=Kind.TEST, title="test", body="", created=NOON), only="telegram")
    dispatcher.send(bot(99))
    clock.released.set()
    log.wait_for("delivered", MAX_BATCHES + 2)
    assert [told.title for told in channel.delivered[-2:]] == ["test", "step 99"]
