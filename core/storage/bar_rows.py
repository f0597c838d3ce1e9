"""Bars in the database: an instrument is a small number there, and a bar's row lies where its key says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from core.model import Bar
from core.storage import schema
from core.storage.bulk import BulkInsert

_table = schema.bars
_columns = (_table.c.start, _table.c.open, _table.c.high, _table.c.low, _table.c.close, _table.c.volume)
_LAST = 2**62
_KEY, _FIGURES = ("instrument", "seconds", "start"), ("open", "high", "low", "close", "volume")
_put_bar, _keep_bar = BulkInsert(_table, _KEY, _FIGURES), BulkInsert(_table, _KEY)
_put_instrument = BulkInsert(schema.instruments, ["key"])


class BarRows:
    """Reads and writes `bars` and `instruments`; remembers the instruments' numbers, which never change."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, connection: sa.Connection, bars: Sequence[Bar], seconds: int, *, keep: bool) -> None:
        """See `Store.add_bars`."""
        if not bars:
            return
        numbers = self._numbers_of(connection, (bar.key for bar in bars))
        rows = {(numbers[bar.key], round(bar.start)): bar for bar in bars}
        values = [
            {"instrument": number, "seconds": seconds, "start": start, "open": bar.open, "high": bar.high,
             "low": bar.low, "close": bar.close, "volume": bar.volume}
            for (number, start), bar in rows.items()
        ]  # fmt: skip
        (_keep_bar if keep else _put_bar).run(connection, values)

    def newest(
        self, connection: sa.Connection, key: str, seconds: int, since: float, until: float, limit: int
    ) -> tuple[Bar, ...]:
        """See `Store.bars`."""
        query = self._select(connection, key, seconds, since, until)
        if query is None:
            return ()
        rows = connection.execute(query.order_by(_table.c.start.desc()).limit(limit)).all()
        return tuple(_bar(key, row) for row in reversed(rows))

    def oldest(
        self, connection: sa.Connection, key: str, seconds: int, until: float, limit: int
    ) -> tuple[Bar, ...]:
        """See `Store.oldest_bars`."""
        query = self._select(connection, key, seconds, -math.inf, until)
        if query is None:
            return ()
        rows = connection.execute(query.order_by(_table.c.start).limit(limit))
        return tuple(_bar(key, row) for row in rows)

    def keys(self, connection: sa.Connection) -> tuple[str, ...]:
        """See `Store.bar_keys`."""
        column = schema.instruments.c.key
        return tuple(connection.execute(sa.select(column).order_by(column)).scalars())

    def remove(self, connection: sa.Connection, key: str, seconds: int, until: float) -> None:
        """See `Store.remove_bars`."""
        number = self._number(connection, key)
        if number is not None:
            old = (_table.c.instrument == number, _table.c.seconds == seconds, _table.c.start < _whole(until))
            connection.execute(_table.delete().where(*old))

    def _select(
        self, connection: sa.Connection, key: str, seconds: int, since: float, until: float
    ) -> sa.Select[Any] | None:
        number = self._number(connection, key)
        if number is None:
            return None
        start = _table.c.start
        return sa.select(*_columns).where(
            _table.c.instrument == number, _table.c.seconds == seconds, start >= _whole(since),
            start < _whole(until),
        )  # fmt: skip

    def _number(self, connection: sa.Connection, key: str) -> int | None:
        number = self._numbers.get(key)
        if number is None:
            table = schema.instruments
            number = connection.execute(sa.select(table.c.id).where(table.c.key == key)).scalar()
            if number is not None:
                self._numbers[key] = number
        return number

    def _numbers_of(self, connection: sa.Connection, keys: Iterable[str]) -> dict[str, int]:
        """The numbers of `keys`; new ones are given, and remembered only once they are known to be stored."""
        numbers: dict[str, int] = {}
        table = schema.instruments
        for key in dict.fromkeys(keys):
            number = self._number(connection, key)
            if number is None:  # another process may be as quick
                _put_instrument.run(connection, [{"key": key}])
                number = connection.execute(sa.select(table.c.id).where(table.c.key == key)).scalar_one()
            numbers[key] = number
        return numbers


def _bar(key: str, row: Any) -> Bar:
    start, *figures = row
    return Bar(key, float(start), *figures)


def _whole(moment: float) -> int:
    """The first whole second that is not before `moment`, within what the database can hold."""
    return math.ceil(min(max(moment, -_LAST), _LAST))
