"""The immutable values of the bots: what one is doing, what it ordered, what was filled, what it earned.

Quantities, prices of fills, fees and cash are `Decimal` and exact; figures that only tell what a position is
worth right now (`open_pnl`, `last_price`, ...) are floats for the screen. Times are Unix seconds (UTC). Money
is in the currency of the bot's exchanges, of which a bot has just one.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from core.config import BotConfig
from core.exchanges import EXCHANGES, Exchange, iso_time
from core.model import Freshness


class BotStatus(StrEnum):
    """What a bot is doing."""

    STOPPED = "stopped"
    RUNNING = "running"
    IN_POSITION = "in_position"
    MARKET_CLOSED = "market_closed"
    ERROR = "error"


class BotPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot holds of one instrument; a short position has a negative quantity.

    `stop`, `target` and `trailing_stop` are the prices that are enforced (None where there is none), and
    `high_water` the best true price since the entry, which the trailing stop follows.
    """

    key: str
    quantity: Decimal
    entry_price: Decimal
    opened_at: float
    fees: Decimal = Decimal(0)
    stop: Decimal | None = None
    target: Decimal | None = None
    trailing_stop: Decimal | None = None
    high_water: Decimal | None = None


class BotState(msgspec.Struct, frozen=True, kw_only=True):
    """One bot at one `version`; the version rises by one at each change, without gaps, for ever.

    `key` ("BIST:ASELS") is the instrument that is shown: that of `position`, else the last traded, else the
    first of the bot's. `position` is the oldest open one, `positions` are all of them. `open_pnl` sums over
    all open positions, `open_pnl_pct` is of their entry value; `daily_pnl` adds what was realised since the
    exchange's day began, net of fees. `trailing_stop_price` is the stop nearest to the price that is
    enforced for `position`. `price_freshness` is that of `last_price`, "" while there is none.
    """

    bot_id: str
    owner: str
    name: str
    version: int
    status: BotStatus
    key: str
    updated_at: float
    strategy: str = ""
    keys: tuple[str, ...] = ()
    position: BotPosition | None = None
    positions: tuple[BotPosition, ...] = ()
    open_pnl: float = 0.0
    open_pnl_pct: float = 0.0
    daily_pnl: float = 0.0
    daily_trades: int = 0
    realised_pnl: float = 0.0
    equity: float = 0.0
    last_trade_time: float | None = None
    trailing_stop_price: float | None = None
    last_price: float | None = None
    price_freshness: Freshness | None = None
    simulated: bool = False
    last_error: str | None = None

    @property
    def symbol(self) -> str:
        """The shown ticker without its exchange."""
        return self.key.partition(":")[2]

    @property
    def exchange(self) -> Exchange:
        """The shown instrument's exchange."""
        return EXCHANGES[self.key.partition(":")[0]]

    def payload(self) -> dict[str, Any]:
        """The contract's `BotState` payload (SPEC section 8): JSON values, times in ISO 8601."""
        zone = self.exchange
        return {
            "bot_id": self.bot_id, "owner": self.owner, "name": self.name, "version": self.version,
            "status": self.status.value, "symbol": self.symbol,
            "position": None if self.position is None else _position_payload(self.position),
            "open_pnl": self.open_pnl, "open_pnl_pct": self.open_pnl_pct, "daily_pnl": self.daily_pnl,
            "daily_trades": self.daily_trades, "last_trade_time": _iso(self.last_trade_time, zone),
            "trailing_stop_price": self.trailing_stop_price, "last_price": self.last_price,
            "price_freshness": None if self.price_freshness is None else self.price_freshness.value,
            "last_error": self.last_error, "updated_at": iso_time(self.updated_at, zone),
            "exchange": zone.code, "currency": zone.currency, "strategy": self.strategy,
            "symbols": list(self.keys), "positions": [_position_payload(each) for each in self.positions],
            "realised_pnl": self.realised_pnl, "equity": self.equity, "simulated": self.simulated,
        }  # fmt: skip


def _iso(stamp: float | None, exchange: Exchange) -> str | None:
    return None if stamp is None else iso_time(stamp, exchange)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _position_payload(position: BotPosition) -> dict[str, Any]:
    code, _, symbol = position.key.partition(":")
    return {
        "symbol": symbol, "exchange": code, "quantity": float(position.quantity),
        "entry_price": float(position.entry_price),
        "opened_at": iso_time(position.opened_at, EXCHANGES[code]), "stop": _float(position.stop),
        "target": _float(position.target), "trailing_stop": _float(position.trailing_stop),
    }  # fmt: skip


class BotOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands: `side` is "BUY" or "SELL", `kind` "market", "limit" or "stop".

    `status` is "open", "filled", "cancelled" or "rejected"; `quantity` is positive; `price` is the limit's or
    the stop's. `reason` names why it was given: "signal", "stop", "trailing_stop", "target", "daily_loss",
    "daily_target", "flatten". `order_id` is unique for ever: the bot's id, "-o" and a number that counts up.
    """

    order_id: str
    bot_id: str
    key: str
    side: str
    kind: str
    quantity: Decimal
    status: str
    reason: str
    created_at: float
    price: Decimal | None = None
    updated_at: float = 0.0


class BotFill(msgspec.Struct, frozen=True, kw_only=True):
    """A whole order's fill: `price` includes slippage and `fee` is what the broker took beside it."""

    fill_id: str
    order_id: str
    bot_id: str
    key: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    filled_at: float
    simulated: bool = False


class BotTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A position from its entry to its exit, or the part of it that was closed.

    `quantity` bears the position's sign; `pnl` is net: (exit - entry) x quantity - fees. `reason` is the
    closing order's.
    """

    trade_id: str
    bot_id: str
    owner: str
    key: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_at: float
    closed_at: float
    fees: Decimal
    pnl: Decimal
    reason: str
    simulated: bool = False


class BotAlertKind(StrEnum):
    """Of what a bot tells its owner."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    LIMIT = "limit"
    ERROR = "error"
    RECOVERED = "recovered"


class BotAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell the owner; stored in the transaction of what it tells of, told afterwards.

    `at` is when it happened. `fields` hold plain JSON values: price, quantity, side, pnl, reason, error,
    stop and level (of the order that was filled), blind_sec (for how long nobody watched), crashed (whether a
    crash was the reason), positions (how many are guarded again), ... `alert_id` is unique for ever.
    """

    alert_id: str
    kind: BotAlertKind
    bot_id: str
    owner: str
    name: str
    key: str
    at: float
    simulated: bool = False
    fields: dict[str, Any] = {}


class BotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A bot as it is stored: enough to go on exactly where it was.

    `memory` holds plain JSON: what the strategy and the risk rules remember, counters of ids, and the last
    price seen per instrument. `retired` tells that the configuration no longer has it.
    """

    config: BotConfig
    state: BotState
    cash: Decimal
    memory: dict[str, Any] = {}
    orders: tuple[BotOrder, ...] = ()
    """Open orders only."""
    retired: bool = False
    series: dict[str, Any] = {}
    """The finished bars that its strategy sees, by instrument."""


class BotChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one bot, stored as a whole or not at all.

    `state.version` must be the stored one plus 1. `orders` are new or changed ones, `fills`, `trades` and
    `alerts` new ones. `config` is there only if it changed, or if the bot is new (then the version is 1), and
    `series` (plain JSON, rather large) only if it changed.
    """

    state: BotState
    cash: Decimal
    memory: dict[str, Any] = {}
    orders: tuple[BotOrder, ...] = ()
    fills: tuple[BotFill, ...] = ()
    trades: tuple[BotTrade, ...] = ()
    alerts: tuple[BotAlert, ...] = ()
    config: BotConfig | None = None
    retired: bool = False
    series: dict[str, Any] | None = None


class BotDay(msgspec.Struct, frozen=True, kw_only=True):
    """One bot's finished trades of one local day of its exchange ("2026-11-25")."""

    bot_id: str
    day: str
    pnl: Decimal
    fees: Decimal
    trades: int
    wins: int
