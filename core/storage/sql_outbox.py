"""The part of the store in a database that holds what was signalled and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from msgspec.structs import replace

from core.model import Delivery, OutboxLine, Signal
from core.storage import outbox_rows, pruning, schema
from core.storage.base import LinesOf
from core.storage.bulk import insert_numbered
from core.storage.rows import to_delivery, to_row, to_signal


class OutboxTables:
    """Signals, deliveries and the outbox of `core.storage.base.Store`; `SqlStore` has the transactions."""

    _lines_of: LinesOf = staticmethod(lambda fact: ())

    def _transaction(self, *, write: bool = True) -> AbstractContextManager[sa.Connection]:
        raise NotImplementedError

    @property
    def shared(self) -> bool:
        """See `Store.shared`."""
        raise NotImplementedError

    def route(self, lines_of: LinesOf) -> None:
        """See `Store.route`."""
        self._lines_of = lines_of

    def add_signals(self, signals: Sequence[Signal]) -> tuple[Signal, ...]:
        """See `Store.add_signals`."""
        with self._transaction() as connection:
            numbers = insert_numbered(connection, schema.signals, [to_row(signal) for signal in signals])
            outbox_rows.accept(connection, (line for signal in signals for line in self._lines_of(signal)))
        return tuple(replace(s, id=number) for s, number in zip(signals, numbers, strict=True))

    def signals(self, since: float = 0.0, limit: int = 1000) -> tuple[Signal, ...]:
        """See `Store.signals`."""
        table = schema.signals
        query = sa.select(table).where(table.c.timestamp >= since)
        query = query.order_by(table.c.timestamp.desc(), table.c.id.desc()).limit(limit)
        with self._transaction(write=False) as connection:
            return tuple(to_signal(row._mapping) for row in connection.execute(query))

    def record_deliveries(self, deliveries: Sequence[Delivery], accepted: Sequence[OutboxLine] = ()) -> None:
        """See `Store.record_deliveries`."""
        with self._transaction() as connection:
            outbox_rows.accept(connection, accepted)
            if deliveries:
                outbox_rows.log(connection, deliveries)
                outbox_rows.settle(connection, deliveries)

    def deliveries(self, limit: int = 500) -> tuple[Delivery, ...]:
        """See `Store.deliveries`."""
        table = schema.deliveries
        query = sa.select(table).limit(limit)
        query = query.order_by(
            table.c.created.desc(), table.c.updated.desc(), table.c.message_id, table.c.channel
        )
        with self._transaction(write=False) as connection:
            return tuple(to_delivery(row._mapping) for row in connection.execute(query))

    def claim_outbox(
        self, holder: str, now: float, until: float, channels: Sequence[str], limit: int = 500
    ) -> tuple[OutboxLine, ...]:
        """See `Store.claim_outbox`."""
        with self._transaction() as connection:
            return outbox_rows.claim(connection, holder, now, until, channels, limit, alone=not self.shared)

    def prune(self, before: float, keep: int, limit: int = 500) -> bool:
        """See `Store.prune`."""
        with self._transaction() as connection:
            return pruning.prune(connection, before, keep, limit)
