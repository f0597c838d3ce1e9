"""The immutable values that travel through the program.

Times are Unix seconds (UTC, float) inside; they become ISO 8601 with the exchange's offset only in
payloads. Prices on the tick path are floats, money in the ledger is `Decimal`. An instrument is named by
its `key`, "EXCHANGE:SYMBOL", so that one ticker on two exchanges is never mixed up.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from core.exchanges import exchange_of, iso_time


class Freshness(StrEnum):
    """What a shown price is worth right now."""

    LIVE = "live"
    DELAYED = "delayed"
    STALE = "stale"
    CLOSED = "closed"
    SIMULATED = "simulated"


class Side(StrEnum):
    """The direction of a signal."""

    BUY = "BUY"
    SELL = "SELL"


class Instrument(msgspec.Struct, frozen=True, order=True):
    """A symbol on an exchange; `Instrument("BIST", "ASELS").key == "BIST:ASELS"`."""

    exchange: str
    symbol: str

    @property
    def key(self) -> str:
        """The instrument's name everywhere inside the program."""
        return f"{self.exchange}:{self.symbol}"

    @classmethod
    def from_key(cls, key: str) -> Instrument:
        """Take "BIST:ASELS" apart."""
        exchange, _, symbol = key.partition(":")
        return cls(exchange, symbol)


class Quote(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a source claims about one instrument; nobody has vetted it yet.

    `stamp` is the provider's own time of the price and `span` the length in seconds of the bar it comes
    from (0 for a trade), so the price is good up to `stamp + span`. `received` is when it arrived here.
    `declared_delay` is the delay in seconds that the provider admits, None if it says nothing.
    """

    key: str
    price: float
    stamp: float
    received: float
    source: str
    previous_close: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    declared_delay: float | None = None
    span: float = 0.0
    simulated: bool = False


class Tick(msgspec.Struct, frozen=True, gc=False):
    """A vetted price of one instrument, with what it is worth.

    `change_pct` is against the previous session's close, or, where `basis` is "session_open", against the
    first price of the session; `delay` is in seconds, None where nothing is known.
    """

    key: str
    price: float
    change_pct: float
    stamp: float
    received: float
    source: str
    simulated: bool
    freshness: Freshness
    delay: float | None
    basis: str
    previous_close: float | None
    open: float | None
    high: float | None
    low: float | None
    volume: float | None

    @property
    def symbol(self) -> str:
        """The ticker without its exchange."""
        return self.key.partition(":")[2]

    @property
    def exchange(self) -> str:
        """The exchange's code."""
        return self.key.partition(":")[0]

    def payload(self) -> dict[str, Any]:
        """The contract's `tick_received` payload."""
        zone = exchange_of(self.exchange)
        return {
            "symbol": self.symbol, "exchange": self.exchange, "price": self.price,
            "change_pct": self.change_pct, "open": self.open, "high": self.high, "low": self.low,
            "volume": self.volume, "timestamp": iso_time(self.stamp, zone),
            "received_at": iso_time(self.received, zone), "source": self.source,
            "simulated": self.simulated, "freshness": self.freshness.value,
            "delay_sec": None if self.delay is None else round(self.delay, 3),
        }  # fmt: skip


class Bar(msgspec.Struct, frozen=True, gc=False):
    """Open, high, low and close of one instrument over the stretch of time that begins at `start` (Unix s).

    How long it is belongs to the series it stands in. `volume` is None where nobody tells it.
    """

    key: str
    start: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None


class FreshnessChange(msgspec.Struct, frozen=True):
    """An instrument's price aged without a new one: `freshness` since the Unix time `since`."""

    key: str
    freshness: Freshness
    since: float
    delay: float | None


class SourceConflict(msgspec.Struct, frozen=True):
    """Two sources tell prices of one instrument that cannot both be true; its signals are held meanwhile.

    `prices` are theirs of `ago` seconds before it was noticed (0: of the same moment), or, if `of_closes`,
    the previous closes that they name. `since` is a Unix time; `over` tells that they agree again.
    """

    key: str
    sources: tuple[str, str]
    prices: tuple[float, float]
    since: float
    of_closes: bool = False
    over: bool = False
    ago: float = 0.0


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A BUY or SELL of SPEC section 6. `gap` is the silence in seconds before its price, 0 if none."""

    key: str
    side: Side
    price: float
    confidence: float
    timestamp: float
    source: str
    simulated: bool
    reference_price: float
    change_pct: float
    gap: float = 0.0
    id: int = 0

    @property
    def symbol(self) -> str:
        """The ticker without its exchange."""
        return self.key.partition(":")[2]

    @property
    def exchange(self) -> str:
        """The exchange's code."""
        return self.key.partition(":")[0]

    def payload(self, reason: str) -> dict[str, Any]:
        """The contract's signal payload; `reason` is the sentence in the interface's language."""
        return {
            "symbol": self.symbol, "exchange": self.exchange, "type": self.side.value, "price": self.price,
            "confidence": self.confidence, "reason": reason,
            "timestamp": iso_time(self.timestamp, exchange_of(self.exchange)), "source": self.source,
            "simulated": self.simulated, "reference_price": self.reference_price,
            "change_pct": self.change_pct, "gap_sec": self.gap,
        }  # fmt: skip


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open position. A short one has a negative quantity. `id` is 0 until it is stored."""

    symbol: str
    exchange: str
    quantity: Decimal
    entry_price: Decimal
    opened_at: float
    stop: Decimal | None = None
    target: Decimal | None = None
    note: str = ""
    id: int = 0

    @property
    def key(self) -> str:
        """The instrument's key."""
        return f"{self.exchange}:{self.symbol}"


class ClosedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A position, or a part of one, that was closed, with its realised P&L in the exchange's currency."""

    position_id: int
    symbol: str
    exchange: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_at: float
    closed_at: float
    realised_pnl: Decimal
    id: int = 0


class PositionPnl(msgspec.Struct, frozen=True, kw_only=True):
    """One position valued at its last known price; figures are None until there is a price.

    Percentages are of the entry value (`open_pnl_pct`) and of the value at the day's start
    (`daily_pnl_pct`). `freshness` is that of the price used and `stamp` its provider's time, so that its age
    can be shown.
    """

    position: Position
    price: float | None
    value: float | None
    open_pnl: float | None
    open_pnl_pct: float | None
    daily_pnl: float | None
    daily_pnl_pct: float | None
    freshness: Freshness | None
    stamp: float | None = None


class CurrencyTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The sums over all positions of one currency ("₺", "$"); `daily_pnl` includes today's realised P&L."""

    currency: str
    total_value: float
    open_pnl: float
    open_pnl_pct: float
    daily_pnl: float
    daily_pnl_pct: float
    realised_today: float
    positions: int
    stale_positions: int


class PortfolioSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole portfolio at `updated`; `rows` in the order of the positions, `totals` one per currency."""

    rows: tuple[PositionPnl, ...]
    totals: tuple[CurrencyTotal, ...]
    updated: float

    def total_for(self, currency: str) -> CurrencyTotal | None:
        """The totals in `currency`, if any position is held in it."""
        return next((total for total in self.totals if total.currency == currency), None)

    def payloads(self) -> list[dict[str, Any]]:
        """The contract's `portfolio_updated` payloads, one per position that has a price."""
        result = []
        for row in self.rows:
            position = row.position
            exchange = exchange_of(position.exchange)
            total = self.total_for(exchange.currency)
            if row.price is None or total is None:
                continue
            result.append({
                "symbol": position.symbol, "exchange": position.exchange, "current_price": row.price,
                "total_value": total.total_value, "open_pnl": row.open_pnl,
                "open_pnl_pct": row.open_pnl_pct, "daily_pnl": total.daily_pnl,
                "daily_pnl_pct": total.daily_pnl_pct, "update_time": iso_time(self.updated, exchange),
                "stale_positions": total.stale_positions,
            })  # fmt: skip
        return result


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One source as the feed sees it.

    `state` is "idle", "connecting", "ok", "old" (it answers, but its `newest` price of an open market is an
    old one), "failing" or "blocked" (rate limited). `next_try`, `newest` and `connected_since` are Unix
    times; `requests` of `budget` went to its provider in the last minute. A source that pushes also tells how
    often it had to connect again; `rate` is its prices per second.
    """

    name: str
    state: str
    last_error: str = ""
    next_try: float | None = None
    lag: float | None = None
    requests: int = 0
    budget: int = 0
    failures: int = 0
    push: bool = False
    connected_since: float | None = None
    reconnects: int = 0
    rate: float | None = None
    newest: float | None = None


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed is doing, for the status line.

    `state` is "stopped", "connecting", "running" (real prices arrive), "old" (only old ones do), "simulated"
    or "offline". `used` of `budget` requests were made to providers in the last minute. `replay_speed` is
    not 0 while a recording is replayed, so many times faster than it was recorded, and told by the clock of
    `exchange`.
    """

    state: str
    active: str = ""
    sources: tuple[SourceStatus, ...] = ()
    used: int = 0
    budget: int = 0
    next_try: float | None = None
    updated: float = 0.0
    replay_speed: int = 0
    exchange: str = ""

    @property
    def connected(self) -> bool:
        """Whether real (or chosen simulated) prices arrive, be they old; a fallback simulation is not a
        connection."""
        return self.state in ("running", "old")


class Notice(msgspec.Struct, frozen=True):
    """One sentence for the user, by catalogue key. `level` is "info", "warning" or "error"."""

    level: str
    key: str
    params: dict[str, Any] = {}


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the notification log.

    `status` is "queued", "delivered", "retrying", "coalesced", "throttled", "failed", "skipped", "kept" (the
    program ended, it is sent at the next start) or "expired" (it became too old to be sent); `attempt` counts
    from 1; `detail` says why, without any secret. `created` is when the message arose and `updated` when this
    happened, both Unix seconds. `into` is the id of the summary that a coalesced one went into; it is not
    stored in the log.
    """

    message_id: str
    channel: str
    status: str
    title: str
    detail: str = ""
    attempt: int = 0
    created: float = 0.0
    updated: float = 0.0
    into: str = ""


SETTLED = frozenset(("delivered", "failed", "skipped", "expired"))
"""The last words on a message in one channel."""


class OutboxLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the user is still to get through one `channel`.

    `kind` is "signal", "bot", "risk" or "error"; `payload` is JSON: the `Signal`, the `BotAlert`, or `title`
    and `body` as they were told. `created` is when it arose (Unix seconds). The process `held_by` sees to its
    delivery until `held_until` (Unix seconds), then any other one may.
    """

    message_id: str
    channel: str
    kind: str
    payload: str
    created: float
    held_by: str = ""
    held_until: float = 0.0
    id: int = 0
