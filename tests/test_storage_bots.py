"""What every store does for bots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.bots.model import BotChange
from core.errors import StaleBotError
from core.storage.base import Store
from tests.bot_helpers import CONFIG, alert, bot_fill, change, order, state, trade
from tests.storage_helpers import NOON, D
from tests.store_kinds import KINDS, open_kind


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Store]:
    made = open_kind(request, data_dir)
    yield made
    made.close()


def test_a_bot_comes_back_exactly_as_it_was(store: Store) -> None:
    assert store.bots() == ()
    first = change(orders=(order(1), order(2)), fills=(bot_fill(1),), alerts=(alert(),))
    store.commit_bots([first, change(bot_id="b0")])
    b1, b0 = store.bots()
    assert (b1.config, b1.state, b1.cash, b1.memory) == (CONFIG, first.state, first.cash, first.memory)
    assert str(b1.state.positions[0].fees) == "0.04410"
    assert b1.orders == (order(1), order(2))
    assert not b1.retired
    assert (b0.config.id, b0.orders) == ("b0", ())


def test_a_step_replaces_the_state_and_keeps_what_it_does_not_name(store: Store) -> None:
    store.commit_bots([change(orders=(order(1), order(2)))])
    filled = order(1, status="filled", updated_at=NOON + 9)
    second = change(2, orders=(filled,), fills=(bot_fill(1),), trades=(trade(1),), retired=True)
    store.commit_bots([second])
    (record,) = store.bots()
    assert (record.config, record.state, record.memory) == (CONFIG, second.state, second.memory)
    assert record.retired
    assert record.orders == (order(2),)
    renamed = replace(CONFIG, name="x")
    store.commit_bots([change(3), change(4, config=renamed), change(5)])
    assert store.bots()[0].config == renamed
    assert store.bots()[0].state.version == 5
    assert store.bot_orders() == (order(2), filled)
    assert store.bot_orders("b1", limit=1) == (order(2),)
    assert store.bot_orders("b2") == ()


@pytest.mark.parametrize("version", [1, 2, 4])
def test_a_step_from_another_version_changes_nothing(store: Store, version: int) -> None:
    store.commit_bots([change(), change(bot_id="b2")])
    store.commit_bots([change(2, orders=(order(1),))])
    before = store.bots()
    late = change(version, orders=(order(1, status="filled"),), fills=(bot_fill(1),), trades=(trade(1),))
    with pytest.raises(StaleBotError, match="b1"):
        store.commit_bots([change(2, "b2"), late])
    assert store.bots() == before
    assert store.bot_fills() == store.bot_trades() == ()
    store.commit_bots([change(2, "b2")])


def test_an_unknown_bot_cannot_move(store: Store) -> None:
    with pytest.raises(StaleBotError, match="b1"):
        store.commit_bots([change(2)])


def test_nothing_is_stored_twice(store: Store) -> None:
    store.commit_bots([change(orders=(order(1),), fills=(bot_fill(1),), trades=(trade(1),))])
    before = store.bots()
    for doubled in (change(2, fills=(bot_fill(1),)), change(2, trades=(trade(1),))):
        with pytest.raises(ValueError, match="twice"):
            store.commit_bots([doubled])
        assert store.bots() == before
    assert store.bot_fills() == (bot_fill(1),)
    assert store.bot_trades() == (trade(1),)


@pytest.mark.parametrize(
    "bad",
    [
        change(state=state(open_pnl=float("nan"))),
        change(state=state(last_price=float("inf"))),
        change(cash=D("NaN")),
        change(state=state(0)),
        change(config=None),
        change(memory={"x": object()}),
    ],
    ids=["no number", "endless", "no money", "version 0", "no configuration", "no JSON"],
)
def test_what_could_not_be_read_again_is_refused(store: Store, bad: BotChange) -> None:
    with pytest.raises((ValueError, TypeError)):
        store.commit_bots([change(bot_id="b2"), bad])
    assert store.bots() == ()
    store.commit_bots([])


def test_memory_is_a_copy(store: Store) -> None:
    memory = {"a": [1]}
    store.commit_bots([change(memory=memory)])
    memory["a"].append(2)
    store.bots()[0].memory["a"].append(3)
    assert store.bots()[0].memory == {"a": [1]}


def test_fills_and_trades_are_newest_first_and_bounded(store: Store) -> None:
    for bot in ("b1", "b2"):
        numbers = (3, 1, 2)
        orders, fills = (tuple(make(n, bot) for n in numbers) for make in (order, bot_fill))
        trades = tuple(trade(n, bot) for n in numbers)
        store.commit_bots([change(bot_id=bot, orders=orders, fills=fills, trades=trades)])
    assert [f.fill_id for f in store.bot_fills("b1")] == ["b1-f3", "b1-f2", "b1-f1"]
    assert [t.trade_id for t in store.bot_trades("b1", NOON + 2)] == ["b1-t3", "b1-t2"]
    assert [f.fill_id for f in store.bot_fills(limit=3)] == ["b2-f3", "b1-f3", "b2-f2"]
    assert store.bot_fills("b1")[0] == bot_fill(3)
    assert store.bot_trades("b1")[0] == trade(3)


def test_days_are_those_of_the_exchange(store: Store) -> None:
    midnight = 1_794_949_200.0  # of 18 November 2026 in Istanbul
    late = [trade(1, closed_at=midnight), trade(2, closed_at=midnight - 1, pnl=D("-0.05"), fees=D("0.02"))]
    other = trade(3, "b2", key="NASDAQ:AAPL", closed_at=midnight, pnl=D("1E-18"))
    store.commit_bots([change(trades=tuple(late)), change(bot_id="b2", trades=(other,))])
    days = store.bot_days()
    assert [(d.bot_id, d.trades, d.wins) for d in days] == [("b1", 1, 1), ("b1", 1, 0), ("b2", 1, 1)]
    assert [d.day for d in days] == ["2026-11-18", "2026-11-17", "2026-11-17"]
    assert (days[1].pnl, days[1].fees, days[2].pnl) == (D("-0.05"), D("0.02"), D("1E-18"))
    assert store.bot_days("b1", midnight) == days[:1]
