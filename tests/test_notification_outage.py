"""A channel that cannot be reached for a while: what the outbox keeps is told late, not lost."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from core.bots.model import BotAlert, BotAlertKind
from core.clock import FakeClock
from core.errors import DeliveryError
from core.model import SETTLED
from core.notifications.notifier import Notifier
from core.notifications.routes import Routes
from core.storage.memory_store import MemoryStore
from tests.notification_fakes import FakeChannel, Log
from tests.patience import FOREVER, PATIENCE
from tests.test_outbox import config

HOUR = 3600.0
Make = Callable[..., tuple[Notifier, Log, FakeChannel]]


class Network:
    """Outcomes for a channel: there is no network until a moment of the clock."""

    def __init__(self, clock: FakeClock, until: float, error: Exception | None = None) -> None:
        self.clock, self.until = clock, clock.time() + until
        self.error = error or DeliveryError("No network.")

    def __bool__(self) -> bool:
        return self.clock.time() < self.until

    def popleft(self) -> Exception:
        return self.error


class HaltingClock(FakeClock):
    """Jumps over short waits; in one of over a minute it stands until somebody sets the event."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if seconds <= 60.0:
            return super().wait(event, seconds)
        self.waits.set()
        return event.wait(FOREVER)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes notifiers with an outbox and one channel that counts, and stops them at the end."""
    made: list[Notifier] = []

    def build(
        clock: FakeClock, outcomes: Any = (), name: str = "telegram", **options: Any
    ) -> tuple[Notifier, Log, FakeChannel]:
        log = Log()
        others = dict.fromkeys({"toast", "desktop", "telegram", "email"} - {name}, False)
        settings = config(notification_channels={name: True, **others})
        channel = FakeChannel(name, external=name in ("telegram", "email"))
        channel.outcomes = outcomes if isinstance(outcomes, Network) else channel.outcomes
        if isinstance(outcomes, Iterable):
            channel.outcomes.extend(outcomes)
        options.setdefault("on_accept", lambda *_: None)
        local = (channel,) if name in ("toast", "desktop") else ()
        notifier = Notifier(settings, local, on_delivery=log, clock=clock, **options)
        if not local:
            notifier._dispatcher.replace(channel)
        made.append(notifier)
        return notifier, log, channel

    yield build
    for notifier in made:
        notifier.stop()


def alert(clock: FakeClock, number: int = 1, kind: BotAlertKind = BotAlertKind.STOP) -> BotAlert:
    return BotAlert(
        alert_id=f"b1-a{number}", kind=kind, bot_id="b1", owner="local", name=f"B{number}", key="BIST:ASELS",
        at=clock.time(),
        fields={"price": 97.0, "quantity": 100.0, "side": "SELL", "reason": "stop"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["telegram", "email"])
def test_a_stop_hit_is_told_after_an_outage_of_hours_with_its_real_time(make: Make, name: str) -> None:
    clock = FakeClock()
    notifier, log, channel = make(clock, Network(clock, 3 * HOUR), name)
    arose = clock.time()
    notifier.send_bot_alert(alert(clock))
    (done,) = log.wait_for("delivered", channel=name)
    assert [word for word in log.statuses("b1-a1", name) if word in SETTLED] == ["delivered"]
    (told,) = channel.delivered
    assert told.created == arose
    assert re.fullmatch(r"\d\d:\d\d: B1: stop hit, .*, sent late", told.title)
    assert done.updated - arose < 3 * HOUR + 1000.0


def test_the_pauses_grow_and_the_log_says_that_it_waits(make: Make) -> None:
    clock = FakeClock()
    notifier, log, channel = make(clock, Network(clock, 3 * HOUR))
    notifier.send_bot_alert(alert(clock))
    log.wait_for("delivered")
    waits = [one for one in log.all if one.status == "retrying"][6:]
    assert all(re.match(r"No network\. Not given up: next try in \d+ s", one.detail) for one in waits)
    assert len({one.message_id for one in log.all}) == 1, "one line in the log, not one per try"
    assert len(channel.tries) < 60


def test_the_outbox_keeps_the_line_open_while_it_waits(make: Make) -> None:
    clock, store = HaltingClock(), MemoryStore()
    notifier, log, _ = make(clock, Network(clock, HOUR))
    notifier.send_bot_alert(alert(clock))
    assert clock.waits.wait(PATIENCE)
    store.record_deliveries(log.all, Routes(config(), ("telegram",), now=clock.time).lines(alert(clock)))
    (line,) = store.claim_outbox("the next run", clock.time(), clock.time(), ("telegram",))
    assert line.message_id == "b1-a1"
    notifier.stop()
    assert log.all[-1].status == "kept"


def test_what_arises_meanwhile_waits_behind_it(make: Make) -> None:
    clock = HaltingClock()
    notifier, log, channel = make(clock, Network(clock, HOUR))
    notifier.send_bot_alert(alert(clock, 1))
    assert clock.waits.wait(PATIENCE)
    clock.advance(600.0)
    notifier.send_bot_alert(alert(clock, 2))
    notifier.send_bot_alert(alert(clock, 3))
    clock.advance(HOUR)
    notifier._dispatcher._lanes["telegram"]._wake.set()
    log.wait_for("delivered", 2)
    first, second = channel.delivered
    assert first.title.split(": ")[1] == "B1"
    assert second.count == 2
    assert re.match(r"\d\d:\d\d: 2 messages from bots, sent late", second.title)
    assert all(re.match(r"\d\d:\d\d: B[23]: ", line) for line in second.lines), second.lines


@pytest.mark.parametrize(("name", "hours"), [("toast", 1 / 6), ("desktop", 1 / 6), ("telegram", 24.0)])
def test_it_expires_in_the_end(make: Make, name: str, hours: float) -> None:
    clock = FakeClock()
    notifier, log, _ = make(clock, Network(clock, 100 * HOUR), name)
    arose = clock.time()
    notifier.send_bot_alert(alert(clock))
    (expired,) = log.wait_for("expired", channel=name)
    assert abs(expired.updated - arose - hours * HOUR) < 1.0
    assert "too old" in expired.detail
    assert expired.detail.startswith("No network.")
    assert not [one for one in log.all if one.status == "failed"]


def test_what_expired_behind_it_is_not_even_tried(make: Make) -> None:
    clock = HaltingClock()
    notifier, log, channel = make(clock, Network(clock, 100 * HOUR))
    notifier.send_bot_alert(alert(clock, 1))
    assert clock.waits.wait(PATIENCE)
    notifier.send_bot_alert(alert(clock, 2))
    clock.advance(25 * HOUR)
    notifier._dispatcher._lanes["telegram"]._wake.set()
    assert {one.message_id for one in log.wait_for("expired", 2)} == {"b1-a1", "b1-a2"}
    assert {told.id for told in channel.tries} == {"b1-a1"}


def test_a_permanent_failure_settles_at_once(make: Make) -> None:
    clock = FakeClock()
    notifier, log, channel = make(clock, [DeliveryError("Wrong token.", permanent=True)])
    notifier.send_bot_alert(alert(clock, 1))
    assert log.wait_for("failed")[0].detail == "Wrong token."
    assert len(channel.tries) == 1


@pytest.mark.allow_log("the channel telegram failed with RuntimeError")
def test_a_fault_of_ours_does_not_block_the_channel(make: Make) -> None:
    clock = FakeClock()
    notifier, log, _ = make(clock, [RuntimeError("bug") for _ in range(6)])
    notifier.send_bot_alert(alert(clock, 1))
    assert "Given up after 6 tries" in log.wait_for("failed")[0].detail
    notifier.send_bot_alert(alert(clock, 2))
    log.wait_for("delivered")


def test_without_an_outbox_it_is_given_up_as_before(make: Make) -> None:
    clock = FakeClock()
    notifier, log, _ = make(clock, Network(clock, HOUR), on_accept=None)
    notifier.send_bot_alert(alert(clock))
    assert "Given up after 6 tries" in log.wait_for("failed")[0].detail


def test_a_test_is_sent_though_something_waits_and_frees_it_when_it_arrives(make: Make) -> None:
    clock = HaltingClock()
    network = Network(clock, HOUR)
    notifier, log, channel = make(clock, network)
    notifier.send_bot_alert(alert(clock))
    assert clock.waits.wait(PATIENCE)
    network.until = clock.time()
    notifier.send_trial("telegram")
    log.wait_for("delivered", 2)
    assert channel.delivered[0].title.endswith("test")
    assert channel.delivered[1].id == "b1-a1"


def test_a_test_fails_as_before_though_something_waits(make: Make) -> None:
    clock = HaltingClock()
    notifier, log, _ = make(clock, Network(clock, HOUR))
    notifier.send_bot_alert(alert(clock))
    assert clock.waits.wait(PATIENCE)
    notifier.send_trial("telegram")
    (failed,) = log.wait_for("failed")
    assert failed.title.endswith("test")


def test_a_corrected_channel_is_tried_at_once(make: Make) -> None:
    clock = HaltingClock()
    notifier, log, _ = make(clock, Network(clock, HOUR))
    notifier.send_bot_alert(alert(clock))
    assert clock.waits.wait(PATIENCE)
    notifier._dispatcher.replace(FakeChannel("telegram"))
    log.wait_for("delivered")


def test_a_channel_that_is_turned_off_sends_nothing_that_waits(make: Make) -> None:
    clock = HaltingClock()
    notifier, log, channel = make(clock, Network(clock, HOUR))
    notifier.send_bot_alert(alert(clock, 1))
    assert clock.waits.wait(PATIENCE)
    notifier.send_bot_alert(alert(clock, 2))
    tries = len(channel.tries)
    notifier.apply_config(config(notification_channels={"telegram": False}))
    assert {one.message_id for one in log.wait_for("skipped", 2, channel="telegram")} == {"b1-a1", "b1-a2"}
    assert len(channel.tries) == tries
