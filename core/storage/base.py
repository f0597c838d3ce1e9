"""What the engine needs of a store. Only the engine's thread writes.

Every method is one transaction: it is wholly done when it returns, or it raises `StorageError` and nothing
has changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from core.bots.model import BotAlert, BotChange, BotDay, BotFill, BotOrder, BotRecord, BotTrade
from core.model import Bar, ClosedTrade, Delivery, OutboxLine, Position, Signal

LinesOf = Callable[[Signal | BotAlert], Sequence[OutboxLine]]
"""Which channels are to get a message, as lines for the outbox."""


class Store(Protocol):
    """The ledger and what is remembered between two runs."""

    def positions(self) -> tuple[Position, ...]:
        """All open positions, by id."""
        ...

    def add_positions(self, positions: Sequence[Position]) -> tuple[Position, ...]:
        """Store new positions, all or none; the result bears their ids."""
        ...

    def replace_position(self, position: Position) -> None:
        """Overwrite the open position with the same id. Raises `InputError` if there is none."""
        ...

    def delete_position(self, position_id: int) -> None:
        """Remove an open position without booking anything. Raises `InputError` if there is none."""
        ...

    def close_position(
        self, position_id: int, price: Decimal, closed_at: float, quantity: Decimal | None = None
    ) -> ClosedTrade:
        """Close a position, or `quantity` (> 0) of it, and book `(price - entry) x quantity`, signed.

        Raises `InputError` if there is no such position or `quantity` is more than it holds.
        """
        ...

    def trades(self, since: float = 0.0, limit: int = 1000) -> tuple[ClosedTrade, ...]:
        """Closed trades since the Unix time `since`, newest first."""
        ...

    def add_signals(self, signals: Sequence[Signal]) -> tuple[Signal, ...]:
        """Store signals; the result bears their ids."""
        ...

    def signals(self, since: float = 0.0, limit: int = 1000) -> tuple[Signal, ...]:
        """Stored signals, newest first."""
        ...

    def route(self, lines_of: LinesOf) -> None:
        """From now on accept into the outbox, with each signal and each bot's alert, what `lines_of` says.

        It is asked within the transaction and must be quick. Before this is called nothing is accepted.
        """
        ...

    def record_deliveries(self, deliveries: Sequence[Delivery], accepted: Sequence[OutboxLine] = ()) -> None:
        """Insert lines of the notification log, or overwrite those with the same message and channel.

        `accepted` go into the outbox first (one that was accepted before is passed over); then the lines
        there that the deliveries settle, one by one or by their summary, are settled.
        """
        ...

    def claim_outbox(
        self, holder: str, now: float, until: float, channels: Sequence[str], limit: int = 500
    ) -> tuple[OutboxLine, ...]:
        """Take over the delivery of open lines that nobody holds at the Unix time `now`, in their order.

        What `holder` holds already is held until `until`, too, but not returned. A database that no other
        process writes to has no other living holder: all others' lines are free then.
        """
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may write to this database at the same time."""
        ...

    def prune(self, before: float, keep: int, limit: int = 500) -> bool:
        """Forget some signals, deliveries and settled outbox lines, at most `limit` of each.

        That is those from before the Unix time `before`, and all but the newest `keep`; of the outbox also
        what nobody came for since then. True if there may be more.
        """
        ...

    def deliveries(self, limit: int = 500) -> tuple[Delivery, ...]:
        """The notification log, newest first."""
        ...

    def value(self, key: str, default: Any = None) -> Any:
        """A remembered JSON value."""
        ...

    def set_value(self, key: str, value: Any) -> None:
        """Remember a JSON value."""
        ...

    def add_bars(self, bars: Sequence[Bar], seconds: int = 60, *, keep: bool = False) -> None:
        """Store bars of `seconds`; one that is there already is overwritten, or stays if `keep`."""
        ...

    def bars(
        self, key: str, seconds: int = 60, since: float = 0.0, until: float = math.inf, limit: int = 5000
    ) -> tuple[Bar, ...]:
        """The newest `limit` bars that begin at `since` or later and before `until`, oldest first."""
        ...

    def oldest_bars(self, key: str, seconds: int, until: float, limit: int) -> tuple[Bar, ...]:
        """The oldest `limit` bars that begin before `until`, oldest first."""
        ...

    def bar_keys(self) -> tuple[str, ...]:
        """The instruments of which bars were ever stored."""
        ...

    def remove_bars(self, key: str, seconds: int, until: float) -> None:
        """Forget the bars that begin before `until`."""
        ...

    def bots(self) -> tuple[BotRecord, ...]:
        """All bots, retired ones too, in the order in which they were first stored."""
        ...

    def bot(self, bot_id: str) -> BotRecord | None:
        """One bot, retired or not."""
        ...

    def commit_bots(self, changes: Sequence[BotChange]) -> None:
        """Store steps of bots, all or none, each with its orders, fills, trades, positions, cash and alerts.

        Alerts are accepted into the outbox. Raises `StaleBotError` if a bot's stored version is not the one
        before `state.version`: somebody else has moved it. Raises `ValueError` or `TypeError` for what only
        a bug makes: a fill or trade stored twice, a figure that is no number, a memory that is no JSON.
        """
        ...

    def bot_orders(self, bot_id: str = "", limit: int = 5000) -> tuple[BotOrder, ...]:
        """Orders of one bot or of all, newest first."""
        ...

    def bot_fills(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotFill, ...]:
        """Fills of one bot or of all since a Unix time, newest first."""
        ...

    def bot_trades(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotTrade, ...]:
        """Finished trades of one bot or of all, closed since a Unix time, newest first."""
        ...

    def bot_days(self, bot_id: str = "", since: float = 0.0) -> tuple[BotDay, ...]:
        """Per bot and day (local to the trade's exchange) the sums of its finished trades, newest first."""
        ...

    def close(self) -> None:
        """Release the file; idempotent."""
        ...
