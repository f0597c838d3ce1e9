"""What every store does for bots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import (
    BotAlert,
    BotAlertKind,
    BotChange,
    BotFill,
    BotOrder,
    BotPosition,
    BotState,
    BotStatus,
    BotTrade,
)
from core.config import BotConfig
from core.errors import StaleBotError
from core.model import Freshness
from core.storage import open_store
from core.storage.base import Store
from core.storage.memory_store import MemoryStore
from tests.storage_helpers import NOON, D

CONFIG = BotConfig(id="b1", name="Şişe", symbols=("BIST:SISE",), params={"fast": 9, "x": [1.5, None]})


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else open_store("", data_dir)
    yield made
    made.close()


def state(version: int = 1, bot_id: str = "b1", **fields: Any) -> BotState:
    held = BotPosition(
        key="BIST:SISE", quantity=D("-7.5"), entry_price=D("44.10"), opened_at=NOON, fees=D("0.04410"),
        stop=D("45.4230"), high_water=D("43"),
    )  # fmt: skip
    named: dict[str, Any] = {
        "owner": "local", "name": "Şişe", "status": BotStatus.IN_POSITION, "key": "BIST:SISE",
        "updated_at": NOON + version, "position": held, "positions": (held,), "last_price": 43.5,
        "price_freshness": Freshness.LIVE, "trailing_stop_price": 45.423, "open_pnl": 4.5,
    }  # fmt: skip
    return BotState(bot_id=bot_id, version=version, **{**named, **fields})


def change(version: int = 1, bot_id: str = "b1", **fields: Any) -> BotChange:
    config = replace(CONFIG, id=bot_id) if version == 1 else None
    named: dict[str, Any] = {
        "state": state(version, bot_id), "cash": D("99999.123456789012345678"), "config": config,
        "memory": {"v": version, "deep": {"ü": [1, 2.5, None, True]}},
    }  # fmt: skip
    return BotChange(**{**named, **fields})


def order(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotOrder:
    named: dict[str, Any] = {
        "key": "BIST:SISE", "side": "SELL", "kind": "limit", "quantity": D("7.5"), "status": "open",
        "reason": "signal", "created_at": NOON + number, "price": D("44.10"),
    }  # fmt: skip
    return BotOrder(order_id=f"{bot_id}-o{number}", bot_id=bot_id, **{**named, **fields})


def fill(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotFill:
    named: dict[str, Any] = {
        "key": "BIST:SISE", "side": "SELL", "quantity": D("7.5"), "price": D("44.10"), "fee": D("0.04410"),
        "filled_at": NOON + number,
    }  # fmt: skip
    return BotFill(
        fill_id=f"{bot_id}-f{number}", order_id=f"{bot_id}-o{number}", bot_id=bot_id, **{**named, **fields}
    )


def trade(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotTrade:
    named: dict[str, Any] = {
        "owner": "local", "key": "BIST:SISE", "quantity": D("-7.5"), "entry_price": D("44.10"),
        "exit_price": D("43"), "opened_at": NOON, "closed_at": NOON + number, "fees": D("0.1"),
        "pnl": D("8.15"), "reason": "target",
    }  # fmt: skip
    return BotTrade(trade_id=f"{bot_id}-t{number}", bot_id=bot_id, **{**named, **fields})


def alert(number: int = 1, bot_id: str = "b1") -> BotAlert:
    return BotAlert(
        alert_id=f"{bot_id}-a{number}", kind=BotAlertKind.ENTRY, bot_id=bot_id, owner="local", name="Şişe",
        key="BIST:SISE", at=NOON, fields={"price": 44.1, "blind_sec": None},
    )  # fmt: skip


def test_a_bot_comes_back_exactly_as_it_was(store: Store) -> None:
    assert store.bots() == ()
    first = change(orders=(order(1), order(2)), fills=(fill(1),), alerts=(alert(),))
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
    second = change(2, orders=(filled,), fills=(fill(1),), trades=(trade(1),), retired=True)
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
    late = change(version, orders=(order(1, status="filled"),), fills=(fill(1),), trades=(trade(1),))
    with pytest.raises(StaleBotError, match="b1"):
        store.commit_bots([change(2, "b2"), late])
    assert store.bots() == before
    assert store.bot_fills() == store.bot_trades() == ()
    store.commit_bots([change(2, "b2")])


def test_an_unknown_bot_cannot_move(store: Store) -> None:
    with pytest.raises(StaleBotError, match="b1"):
        store.commit_bots([change(2)])


def test_nothing_is_stored_twice(store: Store) -> None:
    store.commit_bots([change(orders=(order(1),), fills=(fill(1),), trades=(trade(1),))])
    before = store.bots()
    for doubled in (change(2, fills=(fill(1),)), change(2, trades=(trade(1),))):
        with pytest.raises(ValueError, match="twice"):
            store.commit_bots([doubled])
        assert store.bots() == before
    assert store.bot_fills() == (fill(1),)
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
        store.commit_bots([
            change(bot_id=bot, orders=tuple(order(n, bot) for n in numbers),
                   fills=tuple(fill(n, bot) for n in numbers), trades=tuple(trade(n, bot) for n in numbers))
        ])  # fmt: skip
    assert [f.fill_id for f in store.bot_fills("b1")] == ["b1-f3", "b1-f2", "b1-f1"]
    assert [t.trade_id for t in store.bot_trades("b1", NOON + 2)] == ["b1-t3", "b1-t2"]
    assert [f.fill_id for f in store.bot_fills(limit=3)] == ["b2-f3", "b1-f3", "b2-f2"]
    assert store.bot_fills("b1")[0] == fill(3)
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


def test_a_removed_bot_leaves_its_trades(store: Store) -> None:
    store.commit_bots([change(orders=(order(1),), fills=(fill(1),), trades=(trade(1),))])
    store.remove_bot("b1")
    store.remove_bot("b1")
    assert store.bots() == ()
    assert store.bot_trades() == (trade(1),)
    assert [one.status for one in store.bot_orders()] == ["cancelled"]
    store.commit_bots([change()])
    assert store.bots()[0].state.version == 1
    assert store.bots()[0].orders == ()
