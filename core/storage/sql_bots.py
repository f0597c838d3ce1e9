"""The part of the store in a database that belongs to the bots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from core.bots.model import BotChange, BotDay, BotFill, BotOrder, BotRecord, BotTrade
from core.errors import StaleBotError, StorageError
from core.storage import bot_rows, outbox_rows
from core.storage.base import LinesOf
from core.storage.bot_checks import check_change


class BotTables:
    """The methods of `core.storage.base.Store` about bots; `SqlStore` has the transactions."""

    _lines_of: LinesOf
    _unsure: set[tuple[str, int]]
    """Steps of which it is not known whether they are stored."""

    def _transaction(self, *, write: bool = True) -> AbstractContextManager[sa.Connection]:
        raise NotImplementedError

    def bots(self) -> tuple[BotRecord, ...]:
        """See `Store.bots`."""
        with self._transaction(write=False) as connection:
            return bot_rows.all_bots(connection)

    def bot(self, bot_id: str) -> BotRecord | None:
        """See `Store.bot`."""
        with self._transaction(write=False) as connection:
            return next(iter(bot_rows.all_bots(connection, bot_id)), None)

    def commit_bots(self, changes: Sequence[BotChange]) -> None:
        """See `Store.commit_bots`."""
        for change in changes:
            check_change(change)
        if not changes:
            return
        try:
            self._commit(changes)
        except StaleBotError:
            raise
        except StorageError:
            # A server may have carried it out and be gone before it said so: the steps may come again.
            self._unsure.update((change.state.bot_id, change.state.version) for change in changes)
            raise
        self._unsure.clear()

    def _commit(self, changes: Sequence[BotChange]) -> None:
        with self._transaction() as connection:
            if any((change.state.bot_id, change.state.version) in self._unsure for change in changes):
                changes = bot_rows.not_stored(connection, changes)
            bot_rows.commit(connection, changes)
            alerts = [alert for change in changes for alert in change.alerts]
            outbox_rows.accept(connection, (line for alert in alerts for line in self._lines_of(alert)))

    def bot_orders(self, bot_id: str = "", limit: int = 5000) -> tuple[BotOrder, ...]:
        """See `Store.bot_orders`."""
        with self._transaction(write=False) as connection:
            return bot_rows.orders(connection, bot_id, limit)

    def bot_fills(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotFill, ...]:
        """See `Store.bot_fills`."""
        with self._transaction(write=False) as connection:
            return bot_rows.fills(connection, bot_id, since, limit)

    def bot_trades(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotTrade, ...]:
        """See `Store.bot_trades`."""
        with self._transaction(write=False) as connection:
            return bot_rows.trades(connection, bot_id, since, limit)

    def bot_days(self, bot_id: str = "", since: float = 0.0) -> tuple[BotDay, ...]:
        """See `Store.bot_days`."""
        with self._transaction(write=False) as connection:
            return bot_rows.days(connection, bot_id, since)
