"""What the engine needs of a store. Only the engine's thread writes.

Every method is one transaction: it is wholly done when it returns, or it raises `StorageError` and nothing
has changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

from core.bots.model import BotChange, BotDay, BotFill, BotOrder, BotRecord, BotTrade
from core.model import Bar, ClosedTrade, Delivery, Position, Signal


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

    def record_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Insert lines of the notification log, or overwrite those with the same message and channel."""
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

    def commit_bots(self, changes: Sequence[BotChange]) -> None:
        """Store steps of bots, all or none, each with its orders, fills, trades, positions, cash and alerts.

        Alerts are accepted into the outbox. Raises `StaleBotError` if a bot's stored version is not the one
        before `state.version`: somebody else has moved it. Raises `ValueError` or `TypeError` for what only
        a bug makes: a fill or trade stored twice, a figure that is no number, a memory that is no JSON.
        """
        ...

    def remove_bot(self, bot_id: str) -> None:
        """Forget a bot's state; its fills and trades stay, its open orders are cancelled.

        Nothing happens if there is none.
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
