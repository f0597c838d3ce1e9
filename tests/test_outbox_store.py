"""The outbox in every store: accepted once, settled when delivered, held by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotAlert
from core.errors import StaleBotError
from core.model import Delivery, OutboxLine, Signal
from core.storage import open_store
from core.storage.base import Store
from core.storage.memory_store import MemoryStore
from tests.bot_helpers import alert, change
from tests.storage_helpers import NOON, delivery, signal
from tests.store_kinds import KINDS, open_kind

CHANNELS = ("toast", "telegram")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Store]:
    made = open_kind(request, data_dir)
    made.route(lines_of)
    yield made
    made.close()


def lines_of(fact: Signal | BotAlert) -> list[OutboxLine]:
    name = fact.alert_id if isinstance(fact, BotAlert) else f"s{fact.timestamp:g}"
    return [line(name, channel) for channel in CHANNELS]


def line(message_id: str = "m1", channel: str = "telegram", **fields: Any) -> OutboxLine:
    named = {"kind": "error", "payload": "{}", "created": NOON, "held_by": "me", "held_until": NOON + 60}
    return OutboxLine(message_id=message_id, channel=channel, **{**named, **fields})


def left(store: Store, holder: str = "next") -> list[tuple[str, str]]:
    """What the next run would find."""
    found = store.claim_outbox(holder, NOON + 3600, NOON + 7200, CHANNELS)
    assert all(one.held_by == holder and one.held_until == NOON + 7200 for one in found)
    return [(one.message_id, one.channel) for one in found]


def test_a_signal_is_accepted_with_its_own_transaction(store: Store) -> None:
    store.add_signals([signal(1.0), signal(2.0)])
    assert left(store) == [("s1", "toast"), ("s1", "telegram"), ("s2", "toast"), ("s2", "telegram")]
    assert left(store) == []


def test_a_bots_alert_is_accepted_with_its_step_or_not_at_all(store: Store) -> None:
    store.commit_bots([change(alerts=(alert(1),))])
    with pytest.raises(StaleBotError):
        store.commit_bots([change(7, alerts=(alert(2),))])
    assert left(store) == [("b1-a1", "toast"), ("b1-a1", "telegram")]


def test_a_message_is_accepted_once(store: Store) -> None:
    store.record_deliveries([], [line(), line(), line(channel="toast")])
    store.record_deliveries([delivery(status="delivered")], [line()])
    store.record_deliveries([], [line()])
    assert left(store) == [("m1", "toast")]


@pytest.mark.parametrize(
    ("status", "is_left"),
    [("delivered", False), ("failed", False), ("skipped", False), ("expired", False), ("queued", True),
     ("retrying", True), ("throttled", True), ("kept", True)],
)  # fmt: skip
def test_only_a_last_word_settles(store: Store, status: str, is_left: bool) -> None:
    store.record_deliveries([], [line()])
    store.record_deliveries([delivery(status=status)])
    assert bool(left(store)) is is_left


def test_a_summary_settles_all_that_went_into_it(store: Store) -> None:
    store.record_deliveries([], [line("m1"), line("m2"), line("m3"), line("m1", "toast")])
    into = [delivery(name, status="coalesced", into="sum") for name in ("m1", "m2")]
    store.record_deliveries(into)
    assert all(one.into == "" for one in store.deliveries())
    store.record_deliveries([delivery("sum", status="queued"), delivery("sum", "toast", status="delivered")])
    store.record_deliveries([delivery("sum", status="delivered")])
    assert left(store) == [("m3", "telegram"), ("m1", "toast")]


def test_only_ones_own_channels_are_taken_and_only_so_many(store: Store) -> None:
    store.record_deliveries([], [line(f"m{n}", "desktop" if n == 2 else "telegram") for n in range(5)])
    later = NOON + 100
    first = store.claim_outbox("a", later, later + 60, ("telegram",), limit=3)
    assert [one.message_id for one in first] == ["m0", "m1", "m3"]
    assert [one.message_id for one in store.claim_outbox("a", later, later + 60, CHANNELS)] == ["m4"]


def test_what_is_old_or_too_much_is_forgotten_a_little_at_a_time(store: Store) -> None:
    store.route(lambda fact: ())
    store.add_signals([signal(float(n)) for n in range(10)])
    store.record_deliveries(
        [delivery(f"m{n}", created=float(n), status="delivered") for n in range(10)],
        [line(f"m{n}", created=float(n)) for n in range(10)]
        + [line("open", created=5.0), line("unwanted", created=1.0)],
    )
    assert store.prune(4.0, keep=100, limit=3)
    assert not store.prune(4.0, keep=100, limit=3)
    assert [one.timestamp for one in store.signals()] == [9, 8, 7, 6, 5, 4]
    assert [one.created for one in store.deliveries()] == [9, 8, 7, 6, 5, 4]
    assert not store.prune(0.0, keep=2)
    assert [one.timestamp for one in store.signals()] == [9, 8]
    assert [one.created for one in store.deliveries()] == [9, 8]
    assert not store.prune(0.0, keep=2)
    assert [one.id for one in store.add_signals([signal(20.0)])] == [11]
    assert left(store) == [("open", "telegram")]


def test_nothing_is_accepted_before_somebody_says_what(data_dir: Path) -> None:
    for store in (MemoryStore(), open_store("", data_dir)):
        store.add_signals([signal()])
        store.commit_bots([change(alerts=(alert(),))])
        assert left(store) == []
        store.close()


def test_the_outbox_outlives_the_program(data_dir: Path) -> None:
    store = open_store("", data_dir)
    store.record_deliveries([], [line(payload='{"title": "ş"}')])
    store.close()
    again = open_store("", data_dir)
    (found,) = again.claim_outbox("next", NOON, NOON + 1, CHANNELS)
    assert found == replace(line(payload='{"title": "ş"}'), held_by="next", held_until=NOON + 1, id=1)
    again.close()


def test_a_report_without_a_line_is_only_logged(store: Store) -> None:
    store.record_deliveries([Delivery(message_id="x", channel="toast", status="delivered", title="t")])
    assert left(store) == []
    assert [one.message_id for one in store.deliveries()] == ["x"]
