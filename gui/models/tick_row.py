"""One instrument in the price list, and what may be said of its price."""

from __future__ import annotations

from enum import StrEnum

from core.model import Freshness, FreshnessChange, Instrument, SourceConflict, Tick


class RowState(StrEnum):
    """What a row's price is worth, the best first (the order in which rows are sorted by state).

    Beyond `Freshness`: UNTIMED came without a time, LOST was good until the connection went, WAITING and
    EMPTY have no price yet (with the feed at work, and resting), UNKNOWN has none because the provider knows
    no such symbol. DISPUTED is a price that another source contradicts.
    """

    LIVE = "live"
    DELAYED = "delayed"
    UNTIMED = "untimed"
    CLOSED = "closed"
    DISPUTED = "disputed"
    SIMULATED = "simulated"
    STALE = "stale"
    LOST = "lost"
    WAITING = "waiting"
    EMPTY = "empty"
    UNKNOWN = "unknown"


STATE_RANK = {state: rank for rank, state in enumerate(RowState)}
OLD_STATES = frozenset((RowState.STALE, RowState.LOST))


class Link:
    """What is known of the connection.

    `connected` is None until anybody has said anything; `trying` tells that the feed is at work, `simulated`
    that it falls back to made-up prices.
    """

    __slots__ = ("connected", "simulated", "trying")

    def __init__(self) -> None:
        self.connected: bool | None = None
        self.trying = False
        self.simulated = False


class TickRow:
    """The latest value of one instrument. `dirty` tells the painter that its texts must be made anew.

    `received` is when the price came in and `new_at` when it was last a new one, in Unix seconds. `lost`
    stays set from a loss of the connection until the next price: coming back alone makes no old price live.
    """

    __slots__ = (
        "cells", "change", "conflict", "delay", "dirty", "exchange", "flash_from", "flash_up", "freshness",
        "key", "lost", "new_at", "place", "price", "received", "shown_price", "simulated", "symbol", "tick",
        "unknown",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, place: int) -> None:
        self.key = instrument.key
        self.symbol = instrument.symbol
        self.exchange = instrument.exchange
        self.place = place
        self.unknown = False
        self.conflict: SourceConflict | None = None
        self.clear()

    def clear(self) -> None:
        """Forget the price."""
        self.price: float | None = None
        self.change = 0.0
        self.freshness: Freshness | None = None
        self.delay: float | None = None
        self.tick: Tick | None = None
        self.received = 0.0
        self.new_at = 0.0
        self.lost = False
        self.simulated = False
        self.shown_price: float | None = None
        self.flash_from = 0.0
        self.flash_up = False
        self.cells: object = None
        self.dirty = True

    def take(self, tick: Tick) -> None:
        """Show this price from now on."""
        self.tick = tick
        self.price = tick.price
        self.change = tick.change_pct
        self.freshness = tick.freshness
        self.delay = tick.delay
        self.simulated = tick.simulated or tick.freshness is Freshness.SIMULATED
        self.received = tick.received
        self.new_at = tick.stamp if tick.freshness is Freshness.STALE else tick.received
        self.lost = False
        self.unknown = False
        self.dirty = True

    def take_bare(self, price: float, change_pct: float, now: float) -> None:
        """Show a price of which nothing else is known. One that a tick brought already says nothing new.

        Where made-up prices were shown it counts as one too, until a tick says otherwise.
        """
        if self.tick is not None and self.freshness is not None and not self.lost and price == self.price:
            return
        self.price = price
        self.change = change_pct
        self.freshness = None
        self.delay = None
        self.tick = None
        self.received = self.new_at = now
        self.lost = False
        self.unknown = False
        self.dirty = True

    def age(self, change: FreshnessChange) -> None:
        """Let the price grow old without a new one."""
        if self.price is None:
            return
        self.freshness = change.freshness
        self.delay = change.delay
        if change.freshness is Freshness.STALE:
            self.new_at = change.since
        self.dirty = True

    def dispute(self, conflict: SourceConflict) -> None:
        """Two sources tell different prices of it, or no longer do."""
        self.conflict = None if conflict.over else conflict
        self.dirty = True

    def state(self, link: Link) -> RowState:
        """What the price is worth, given the connection."""
        if self.price is None:
            if self.unknown:
                return RowState.UNKNOWN
            return RowState.WAITING if link.trying else RowState.EMPTY
        if self.simulated or (link.simulated and self.freshness is None):
            return RowState.SIMULATED
        if self.freshness in (Freshness.CLOSED, Freshness.STALE):
            return RowState(self.freshness.value)
        if self.lost or link.connected is False:
            return RowState.LOST
        if self.conflict is not None:
            return RowState.DISPUTED
        return RowState.UNTIMED if self.freshness is None else RowState(self.freshness.value)
