"""What the tests of stored bots share: sample values, and bots that trade at random but keep exact books."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from core.bots.model import (
    BotAlert,
    BotAlertKind,
    BotChange,
    BotFill,
    BotOrder,
    BotPosition,
    BotRecord,
    BotState,
    BotStatus,
    BotTrade,
)
from core.config import BotConfig
from core.model import Freshness, OutboxLine, Signal
from core.storage.base import Store
from tests.storage_helpers import NOON, D

CONFIG = BotConfig(id="b1", name="Şişe", symbols=("BIST:SISE",), params={"fast": 9, "x": [1.5, None]})
CASH = Decimal("100000")
"""What each random bot begins with."""


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
    named: dict[str, Any] = {
        "state": state(version, bot_id), "cash": D("99999.123456789012345678"),
        "config": replace(CONFIG, id=bot_id) if version == 1 else None,
        "memory": {"v": version, "deep": {"ü": [1, 2.5, None, True]}},
    }  # fmt: skip
    return BotChange(**{**named, **fields})


def order(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotOrder:
    named: dict[str, Any] = {
        "key": "BIST:SISE", "side": "SELL", "kind": "limit", "quantity": D("7.5"), "status": "open",
        "reason": "signal", "created_at": NOON + number, "price": D("44.10"),
    }  # fmt: skip
    return BotOrder(order_id=f"{bot_id}-o{number}", bot_id=bot_id, **{**named, **fields})


def bot_fill(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotFill:
    named: dict[str, Any] = {
        "key": "BIST:SISE", "side": "SELL", "quantity": D("7.5"), "price": D("44.10"), "fee": D("0.04410"),
        "filled_at": NOON + number, "order_id": f"{bot_id}-o{number}",
    }  # fmt: skip
    return BotFill(fill_id=f"{bot_id}-f{number}", bot_id=bot_id, **{**named, **fields})


def trade(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotTrade:
    named: dict[str, Any] = {
        "owner": "local", "key": "BIST:SISE", "quantity": D("-7.5"), "entry_price": D("44.10"),
        "exit_price": D("43"), "opened_at": NOON, "closed_at": NOON + number, "fees": D("0.1"),
        "pnl": D("8.15"), "reason": "target",
    }  # fmt: skip
    return BotTrade(trade_id=f"{bot_id}-t{number}", bot_id=bot_id, **{**named, **fields})


def alert(number: int = 1, bot_id: str = "b1", **fields: Any) -> BotAlert:
    named: dict[str, Any] = {
        "kind": BotAlertKind.ENTRY, "owner": "local", "name": "Şişe", "key": "BIST:SISE", "at": NOON,
        "fields": {"price": 44.1, "blind_sec": None},
    }  # fmt: skip
    return BotAlert(alert_id=f"{bot_id}-a{number}", bot_id=bot_id, **{**named, **fields})


# --- bots that trade at random ------------------------------------------------------------------------


def bot_work(store: Store, seed: int, bots: int = 4) -> Iterator[int]:
    """Endless trading that depends on nothing but `seed` and what `store` holds; yields after each step."""
    dice = random.Random(seed)
    store.route(_line_of)
    names = [f"b{number}" for number in range(bots)]
    known = {record.state.bot_id: record for record in store.bots()}
    for number in itertools.count(1):
        moved = [name for name in names if dice.random() < 0.5] or [dice.choice(names)]
        changes = [_turn(known.get(name), name, dice) for name in moved]
        store.commit_bots(changes)
        known.update((made.state.bot_id, _record(known.get(made.state.bot_id), made)) for made in changes)
        yield number


def _line_of(fact: Signal | BotAlert) -> tuple[OutboxLine, ...]:
    name = fact.alert_id if isinstance(fact, BotAlert) else str(fact.timestamp)
    return (OutboxLine(message_id=name, channel="toast", kind="bot", payload="{}", created=NOON),)


def _record(before: BotRecord | None, made: BotChange) -> BotRecord:
    config = made.config or (before.config if before else CONFIG)
    return BotRecord(config=config, state=made.state, cash=made.cash, memory=made.memory)


def _turn(before: BotRecord | None, bot_id: str, dice: random.Random) -> BotChange:
    """One step of one bot: it is made, looks at a price, buys, or sells what it holds."""
    if before is None:
        first = state(1, bot_id, position=None, positions=())
        return BotChange(state=first, cash=CASH, memory={"n": 0}, config=replace(CONFIG, id=bot_id))
    version = before.state.version + 1
    price = Decimal(dice.randrange(1000, 9999)) / 100
    if dice.random() < 0.3:
        looked = replace(before.state, version=version, last_price=float(price))
        return BotChange(state=looked, cash=before.cash, memory=before.memory)
    return _trade(before, version, price, dice)


def _trade(before: BotRecord, version: int, price: Decimal, dice: random.Random) -> BotChange:
    held, bot_id = before.state.position, before.state.bot_id
    quantity = held.quantity if held else Decimal(dice.randrange(1, 100))
    side, sign = ("SELL", 1) if held else ("BUY", -1)
    fee = (price * quantity * Decimal("0.001")).quantize(Decimal("0.01"))
    number, at = before.memory["n"] + 1, NOON + version
    given = order(number, bot_id, side=side, kind="market", quantity=quantity, status="filled", price=None)
    filled = bot_fill(number, bot_id, side=side, quantity=quantity, price=price, fee=fee, filled_at=at)
    now = None if held else BotPosition(
        key="BIST:SISE", quantity=quantity, entry_price=price, opened_at=at, fees=fee, stop=price * D("0.97")
    )  # fmt: skip
    trades: tuple[BotTrade, ...] = ()
    if held:
        fees = held.fees + fee
        pnl = (price - held.entry_price) * quantity - fees
        trades = (trade(number, bot_id, quantity=quantity, entry_price=held.entry_price, exit_price=price,
                        fees=fees, pnl=pnl, closed_at=at),)  # fmt: skip
    status = BotStatus.IN_POSITION if now else BotStatus.RUNNING
    moved = replace(
        before.state, version=version, status=status, position=now, positions=(now,) if now else ()
    )
    return BotChange(
        state=moved, cash=before.cash + sign * price * quantity - fee, memory={"n": number},
        orders=(given,), fills=(filled,), trades=trades, alerts=(alert(number, bot_id, at=at),),
    )  # fmt: skip


def check_books(records: Sequence[BotRecord], fills: Sequence[BotFill], trades: Sequence[BotTrade]) -> None:
    """Cash, positions at cost, realised results and fees must agree to the last digit, for every bot."""
    for record in records:
        bot_id, held = record.state.bot_id, record.state.position
        own = [fill for fill in fills if fill.bot_id == bot_id]
        signed = [(fill.quantity if fill.side == "BUY" else -fill.quantity, fill) for fill in own]
        assert record.cash == CASH - sum(q * fill.price + fill.fee for q, fill in signed)
        assert sum(q for q, _ in signed) == (held.quantity if held else 0)
        realised = sum(one.pnl for one in trades if one.bot_id == bot_id)
        at_cost = held.quantity * held.entry_price + held.fees if held else 0
        assert record.cash + at_cost == CASH + realised
        assert len(own) == record.memory["n"] == len({fill.fill_id for fill in own})
