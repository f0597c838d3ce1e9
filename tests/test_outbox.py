"""The outbox from end to end: nothing that was stored is left untold, and nothing old is told as if new."""

from __future__ import annotations

import os
import random
import re
import signal as signals
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotAlertKind
from core.clock import FakeClock
from core.commands import OutboxDue
from core.config import Config
from core.config_file import as_config
from core.engine.outbox import Outbox
from core.errors import DeliveryError, StorageError
from core.events import EventBus
from core.exchanges import EXCHANGES
from core.i18n import set_language
from core.model import OutboxLine
from core.notifications.message import Kind, Message
from core.notifications.notifier import Notifier
from core.notifications.routes import CHANNELS, LEASE, Routes
from core.storage.memory_store import MemoryStore
from tests.bot_helpers import alert, change
from tests.loopback.telegram_server import TelegramServer
from tests.notification_fakes import FakeChannel, Log, payload
from tests.patience import PATIENCE
from tests.storage_helpers import NOON, delivery, signal
from tests.test_storage_crash import Writer

ALL_ON = {
    "notification_channels": dict.fromkeys(CHANNELS, True),
    "telegram": {"enabled": True, "bot_token": "1:x", "chat_id": "1", "api_base": "http://127.0.0.1:9"},
    "email": {"enabled": True, "host": "127.0.0.1", "port": 9, "security": "none", "sender": "a@example.org",
              "recipients": ["b@example.org"]},
}  # fmt: skip


def config(**real_time: Any) -> Config:
    return as_config({"real_time": {**ALL_ON, **real_time}})


# --- which channels get what --------------------------------------------------------------------------


def channels_of(lines: tuple[OutboxLine, ...]) -> list[str]:
    assert len({line.message_id for line in lines}) <= 1
    return [line.channel for line in lines]


def test_a_signal_is_for_every_channel_that_is_there_and_on() -> None:
    assert channels_of(Routes(config()).lines(signal())) == list(CHANNELS)
    assert channels_of(Routes(config(), ("telegram",)).lines(signal())) == ["telegram"]
    only_toast = as_config({"real_time": {"notification_channels": {"desktop": False}}})
    assert channels_of(Routes(only_toast).lines(signal())) == ["toast"]
    assert Routes(config(enable_notifications=False)).lines(signal()) == ()


def test_what_is_simulated_stays_on_the_computer_unless_it_was_chosen() -> None:
    made_up = signal(simulated=True)
    assert channels_of(Routes(config()).lines(made_up)) == ["toast", "desktop"]
    assert channels_of(Routes(config(live_data_source="simulation")).lines(made_up)) == list(CHANNELS)
    assert channels_of(Routes(config(), demo=True).lines(replace(alert(), simulated=True))) == list(
        CHANNELS[:3]
    )
    assert channels_of(Routes(config()).lines(replace(alert(), simulated=True))) == ["toast", "desktop"]
    assert Routes(config(live_data_source="replay")).lines(made_up) == ()


def test_each_kind_of_a_bots_messages_has_channels_of_its_own() -> None:
    chosen = config(bot_notifications={"stop": {"toast": "off", "telegram": "silent"}})
    routes = Routes(chosen)
    assert channels_of(routes.lines(alert(kind=BotAlertKind.STOP))) == ["desktop", "telegram", "email"]
    assert channels_of(routes.lines(alert(kind=BotAlertKind.ENTRY))) == ["toast", "desktop", "telegram"]
    routes.configure(config(bot_notifications={"entry": {"desktop": "off"}}))
    assert channels_of(routes.lines(alert(kind=BotAlertKind.ENTRY))) == ["toast", "telegram", "email"]


def test_a_workers_lines_belong_to_whoever_looks_next() -> None:
    (line,) = Routes(config(), ("telegram",), holder="").lines(alert())
    assert (line.held_by, line.held_until) == ("", 0.0)
    (line,) = Routes(config(), ("telegram",), holder="me", now=lambda: NOON).lines(alert())
    assert (line.held_by, line.held_until, line.created) == ("me", NOON + LEASE, NOON)


# --- the notifier and what is left of an earlier run --------------------------------------------------


Make = Callable[..., tuple[Notifier, Log, dict[str, FakeChannel]]]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Notifier] = []

    def build(settings: Config | None = None, **options: Any) -> tuple[Notifier, Log, dict[str, FakeChannel]]:
        log = Log()
        local = {name: FakeChannel(name, external=False) for name in ("toast", "desktop")}
        options.setdefault("clock", FakeClock())
        notifier = Notifier(settings or config(), local.values(), on_delivery=log, **options)
        fakes = {name: FakeChannel(name) for name in ("telegram", "email")}
        for fake in fakes.values():
            notifier._dispatcher.replace(fake)
        made.append(notifier)
        return notifier, log, {**local, **fakes}

    yield build
    for notifier in made:
        notifier.stop()


def lines(fact: Any, age: float = 0.0, **options: Any) -> tuple[OutboxLine, ...]:
    return Routes(config(), now=lambda: NOON - age, **options).lines(fact)


def test_a_message_of_an_earlier_run_carries_its_real_time(make: Make) -> None:
    notifier, log, channels = make()
    notifier.resend(lines(signal(), 500.0))
    log.wait_for("delivered", 4)
    moment = datetime.fromtimestamp(NOON - 500.0, EXCHANGES["BIST"].zone).strftime("%H:%M")
    for channel in channels.values():
        (told,) = channel.delivered
        assert re.fullmatch(rf"{moment}: ↓ SELL ASELS at 45\.32\s₺, sent late", told.title)
        assert told.created == NOON - 500.0
        assert told.id == lines(signal())[0].message_id


def test_a_message_of_yesterday_carries_its_date(make: Make) -> None:
    set_language("tr")
    notifier, log, channels = make()
    notifier.resend([line for line in lines(alert(), 20 * 3600.0) if line.channel == "telegram"])
    log.wait_for("delivered")
    day = datetime.fromtimestamp(NOON - 20 * 3600.0, EXCHANGES["BIST"].zone).strftime("%d.%m.%Y %H:%M")
    title = channels["telegram"].delivered[0].title
    assert title.startswith(f"{day}: ")
    assert title.endswith("(geç gönderildi)")


def test_what_is_a_moment_old_is_not_called_late(make: Make) -> None:
    notifier, log, channels = make()
    notifier.resend(lines(alert(), 5.0))
    log.wait_for("delivered", 3)
    assert not channels["toast"].delivered[0].late


def test_what_is_too_old_is_settled_and_said_in_the_log(make: Make) -> None:
    notifier, log, channels = make()
    notifier.resend(lines(signal(), 11 * 60.0))
    assert {one.channel for one in log.wait_for("expired", 2)} == {"toast", "desktop"}
    log.wait_for("delivered", 2)
    notifier.resend(lines(signal(NOON + 1), 25 * 3600.0))
    expired = log.wait_for("expired", 6)
    assert all("too old" in one.detail and "SELL ASELS" in one.title for one in expired)
    assert not channels["toast"].delivered


def test_what_is_not_wanted_any_more_is_not_sent(make: Make) -> None:
    notifier, log, channels = make(config(bot_notifications={"entry": {"toast": "off", "desktop": "silent"}}))
    notifier.resend(lines(alert()))
    notifier.resend(lines(replace(signal(), simulated=True), demo=True))
    skipped = {(one.channel, one.message_id) for one in log.wait_for("skipped", 3)}
    name = lines(signal())[0].message_id
    assert skipped == {("toast", "b1-a1"), ("telegram", name), ("email", name)}
    log.wait_for("delivered", 4)
    assert [told.silent for told in channels["desktop"].delivered] == [True, False]


@pytest.mark.allow_log("cannot be sent")
def test_a_line_that_cannot_be_read_is_settled_as_failed(make: Make) -> None:
    notifier, log, _ = make()
    notifier.resend([replace(line, payload="{") for line in lines(signal())])
    assert len(log.wait_for("failed", 4)) == 4


def test_old_and_new_messages_do_not_share_a_summary(make: Make) -> None:
    notifier, log, channels = make()
    log_before = len(log.all)
    notifier.resend([line for line in lines(signal(), 100.0) if line.channel == "telegram"])
    notifier.send_signal(payload("THYAO"))
    log.wait_for("delivered", 2, channel="telegram")
    assert [told.late for told in channels["telegram"].delivered] == [True, False]
    assert log_before == 0


def test_a_message_that_a_channel_could_not_send_for_long_says_when_it_arose(make: Make) -> None:
    notifier, log, channels = make()
    channels["telegram"].outcomes.extend([DeliveryError("down", retry_after=150.0), None])
    notifier.send_error("the disk is full")
    log.wait_for("delivered", channel="telegram")
    assert channels["telegram"].delivered[0].title.endswith("sent late")


def test_errors_and_risks_are_accepted_before_they_go_out(make: Make) -> None:
    accepted: list[tuple[Message, tuple[str, ...]]] = []
    notifier, log, _ = make(on_accept=lambda message, to: accepted.append((message, tuple(to))))
    notifier.send_error("the disk is full")
    notifier.send_error("the disk is full")
    notifier.send_risk("high")
    notifier.send_signal(payload())
    notifier.send_trial("toast")
    assert [(message.kind, to) for message, to in accepted] == [
        (Kind.ERROR, CHANNELS), (Kind.RISK, CHANNELS),
    ]  # fmt: skip
    made = Routes(config()).message_lines(*accepted[0])
    log.wait_for("delivered", 13)
    notifier.resend([replace(line, created=NOON - 60) for line in made[:1]])
    late = log.wait_for("delivered", 14)[-1]
    assert late.message_id == accepted[0][0].id
    assert late.title.endswith("Swing Hunter: error, sent late")


def test_what_waits_at_the_end_is_kept_where_there_is_an_outbox(make: Make) -> None:
    for options, status in (({"on_accept": lambda *_: None}, "kept"), ({}, "failed")):
        notifier, log, channels = make(**options)
        for channel in channels.values():
            channel.hang = True
        notifier.send_signal(payload())
        assert channels["telegram"].entered.wait(PATIENCE)
        notifier.stop(PATIENCE)
        assert {one.channel for one in log.all if one.status == status} >= {"telegram"}


# --- the engine's side --------------------------------------------------------------------------------


class Rig:
    """An outbox on a store in memory, and what it hands out."""

    def __init__(self, store: MemoryStore, holder: str = "me") -> None:
        self.clock, self.bus, self.due = FakeClock(), EventBus(), list[OutboxLine]()
        self.bus.subscribe(OutboxDue, lambda event: self.due.extend(event.lines))
        routes = Routes(config(), ("telegram",), holder=holder, now=self.clock.time)
        self.outbox = Outbox(store, self.clock, self.bus, routes)


def test_what_one_run_leaves_the_next_one_hands_out_once() -> None:
    store = MemoryStore()
    first = Rig(store)
    first.outbox.look(quiet=True)
    store.add_signals([signal(1.0), signal(2.0)])
    first.outbox.look(quiet=True)
    assert first.due == []
    first.outbox.record([delivery(lines(signal(1.0))[0].message_id, status="delivered")])
    first.outbox.close()
    second = Rig(store, "other")
    for _ in range(3):
        second.outbox.look(quiet=True)
    assert [line.message_id for line in second.due] == [lines(signal(2.0))[0].message_id]


def test_reports_are_kept_while_the_store_cannot_write(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    rig = Rig(store)
    write, store.record_deliveries = store.record_deliveries, _full  # type: ignore[method-assign]
    rig.outbox.record([delivery(status="queued")])
    rig.outbox.accept(Message(kind=Kind.ERROR, title="t", body="b", created=NOON, id="e"), ("telegram",))
    rig.outbox.flush()
    rig.outbox.record([delivery(status="delivered")])
    rig.outbox.flush()
    assert len(caplog.records) == 1  # it waits before it tries again
    store.record_deliveries = write  # type: ignore[method-assign]
    rig.clock.advance(3.0)
    rig.outbox.flush()
    assert [one.status for one in store.deliveries()] == ["delivered"]
    assert [one.message_id for one in store.claim_outbox("x", NOON, NOON, CHANNELS)] == ["e"]
    store.record_deliveries = _full  # type: ignore[method-assign]
    rig.outbox.record([delivery()])
    rig.outbox.close()
    assert "never stored" in caplog.text


def _full(*_: Any) -> None:
    raise StorageError("The disk is full.")


def test_old_rows_go_in_quiet_moments() -> None:
    store = MemoryStore()
    store.add_signals([signal(1.0), signal(NOON)])
    rig = Rig(store)
    rig.outbox.look(quiet=True)
    assert len(store.signals()) == 2
    rig.clock.advance(100.0)
    rig.outbox.look(quiet=False)
    assert len(store.signals()) == 2
    rig.outbox.look(quiet=True)
    assert len(store.signals()) == 1


def test_without_routes_nothing_is_accepted_nor_handed_out() -> None:
    store, bus, due = MemoryStore(), EventBus(), list[Any]()
    bus.subscribe(OutboxDue, due.append)
    outbox = Outbox(store, FakeClock(), bus, None)
    store.commit_bots([change(alerts=(alert(),))])
    outbox.accept(Message(kind=Kind.ERROR, title="t", body="b", created=NOON), ("telegram",))
    outbox.flush()
    outbox.look(quiet=True)
    assert due == []
    assert store.claim_outbox("x", NOON, NOON, CHANNELS) == ()


# --- killed -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is only on POSIX")
def test_killed_at_any_moment_every_stored_step_is_told_in_order(data_dir: Path) -> None:
    path, dice = data_dir / "swing_hunter.db", random.Random()
    writer = Writer("tests.outbox_teller")
    try:
        with TelegramServer() as api:
            for _ in range(25):
                pid = writer.order("tell", path, api.base)
                writer.wait_for(dice.randrange(1, 8))
                moment = time.perf_counter() + dice.random() * 0.01
                while time.perf_counter() < moment:
                    pass
                os.kill(pid, signals.SIGKILL)
                assert writer.end()[0] == -signals.SIGKILL
            writer.order("drain", path, api.base)
            assert writer.end()[0] == 0
            texts = [sent["text"] for sent in api.sent]
    finally:
        writer.close()
    told = [int(number) for text in texts for number in re.findall(r"step (\d+)\.", text.split("\n\n")[0])]
    firsts = list(dict.fromkeys(told))
    from core.storage import open_store

    store = open_store("", data_dir)
    version = store.bots()[0].state.version
    store.close()
    assert sorted(firsts) == list(range(1, version + 1)), "each stored step was told"
    assert firsts == sorted(firsts), "in order"
    assert len(told) < 3 * version, "and not over and over again"
