"""The store in a database, by SQLAlchemy. Import it only where one is opened: it is heavy."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from core.errors import StorageError
from core.i18n import tr
from core.model import Bar, ClosedTrade, Position
from core.storage import schema
from core.storage.backups import FOLDER, backups_of, set_aside
from core.storage.bar_rows import BarRows
from core.storage.booking import book_close, check_position, no_position
from core.storage.bulk import BulkInsert, insert_numbered
from core.storage.database import Database, parse_url
from core.storage.faults import DatabaseFault
from core.storage.rows import to_position, to_row, to_trade
from core.storage.sql_bots import BotTables
from core.storage.sql_outbox import OutboxTables
from core.storage.versions import bring_up_to_date

log = logging.getLogger(__name__)

_put_value = BulkInsert(schema.values, ["key"], ["value"])
BUSY_SECONDS = 1.0
"""How long another program's lock is waited for; short, because the engine's thread waits with it."""


class SqlStore(BotTables, OutboxTables):
    """See `core.storage.base.Store`. Belongs to the thread that makes it; another one gets a `RuntimeError`.

    `url` is an SQLAlchemy URL; "" is the file `data_dir/NAME.db`, in SQLite. Every change of a position also
    writes a line of the journal, in the same transaction. Raises `StorageError` if the database cannot be
    opened, is newer than this program, is not ours or is damaged (then it is kept under another name).
    """

    def __init__(
        self, url: str, *, data_dir: Path | None, name: str = "swing_hunter",
        busy_seconds: float = BUSY_SECONDS, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._thread = threading.get_ident()
        self._closed = False
        self._unsure = set()
        self._now = now
        self._database = Database(parse_url(url, data_dir, name), busy_seconds=busy_seconds)
        self._bar_rows = BarRows()
        path = self._database.path
        _make_folder(data_dir if path is None else path.parent)
        home = data_dir or (path.parent if path else None)
        self._backup_folder = home / FOLDER if home else None
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    @property
    def shared(self) -> bool:
        """See `Store.shared`: a file is ours alone, a server is not."""
        return not self._database.is_sqlite

    # --- positions ----------------------------------------------------------------------------------

    def positions(self) -> tuple[Position, ...]:
        """See `Store.positions`."""
        table = schema.positions
        with self._transaction(write=False) as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.id))
            return tuple(to_position(row._mapping) for row in rows)

    def add_positions(self, positions: Sequence[Position]) -> tuple[Position, ...]:
        """See `Store.add_positions`. Raises `InputError` for one that cannot be."""
        for position in positions:
            check_position(position)
        with self._transaction() as connection:
            numbers = insert_numbered(
                connection, schema.positions, [to_row(position) for position in positions]
            )
            stored = tuple(replace(p, id=number) for p, number in zip(positions, numbers, strict=True))
            self._note_events(connection, "opened", stored)
        return stored

    def replace_position(self, position: Position) -> None:
        """See `Store.replace_position`."""
        with self._transaction() as connection:
            _open_position(connection, position.id)
            check_position(position)
            self._update(connection, position)
            self._note_events(connection, "edited", (position,))

    def delete_position(self, position_id: int) -> None:
        """See `Store.delete_position`."""
        with self._transaction() as connection:
            position = _open_position(connection, position_id)
            self._remove(connection, position_id)
            self._note_events(connection, "deleted", (replace(position, quantity=Decimal(0)),))

    def close_position(
        self, position_id: int, price: Decimal, closed_at: float, quantity: Decimal | None = None
    ) -> ClosedTrade:
        """See `Store.close_position`."""
        with self._transaction() as connection:
            position = _open_position(connection, position_id)
            trade, rest = book_close(position, price, closed_at, quantity)
            if rest is None:
                self._remove(connection, position_id)
                kind, after = "closed", replace(position, quantity=Decimal(0))
            else:
                self._update(connection, rest)
                kind, after = "reduced", rest
            (event,) = self._note_events(connection, kind, (after,))
            (number,) = insert_numbered(connection, schema.trades, [{**to_row(trade), "event_id": event}])
        return replace(trade, id=number)

    def trades(self, since: float = 0.0, limit: int = 1000) -> tuple[ClosedTrade, ...]:
        """See `Store.trades`."""
        table = schema.trades
        query = sa.select(table).where(table.c.closed_at >= since)
        query = query.order_by(table.c.closed_at.desc(), table.c.id.desc()).limit(limit)
        with self._transaction(write=False) as connection:
            return tuple(to_trade(row._mapping) for row in connection.execute(query))

    # --- values --------------------------------------------------------------------------------------

    def value(self, key: str, default: Any = None) -> Any:
        """See `Store.value`."""
        table = schema.values
        with self._transaction(write=False) as connection:
            text = connection.execute(sa.select(table.c.value).where(table.c.key == key)).scalar()
        return default if text is None else json.loads(text)

    def set_value(self, key: str, value: Any) -> None:
        """See `Store.set_value`. Raises `TypeError` or `ValueError` for what JSON cannot hold."""
        text = json.dumps(value, allow_nan=False)
        with self._transaction() as connection:
            _put_value.run(connection, [{"key": key, "value": text}])

    # --- bars ---------------------------------------------------------------------------------------

    def add_bars(self, bars: Sequence[Bar], seconds: int = 60, *, keep: bool = False) -> None:
        """See `Store.add_bars`."""
        with self._transaction() as connection:
            self._bar_rows.add(connection, bars, seconds, keep=keep)

    def bars(
        self, key: str, seconds: int = 60, since: float = 0.0, until: float = math.inf, limit: int = 5000
    ) -> tuple[Bar, ...]:
        """See `Store.bars`."""
        with self._transaction(write=False) as connection:
            return self._bar_rows.newest(connection, key, seconds, since, until, limit)

    def oldest_bars(self, key: str, seconds: int, until: float, limit: int) -> tuple[Bar, ...]:
        """See `Store.oldest_bars`."""
        with self._transaction(write=False) as connection:
            return self._bar_rows.oldest(connection, key, seconds, until, limit)

    def bar_keys(self) -> tuple[str, ...]:
        """See `Store.bar_keys`."""
        with self._transaction(write=False) as connection:
            return self._bar_rows.keys(connection)

    def remove_bars(self, key: str, seconds: int, until: float) -> None:
        """See `Store.remove_bars`."""
        with self._transaction() as connection:
            self._bar_rows.remove(connection, key, seconds, until)

    def close(self) -> None:
        """See `Store.close`."""
        self._check_thread()
        self._closed = True
        self._database.close()

    # --- inside -------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._database.connect()
            damage = self._database.damage()
            if damage:
                raise DatabaseFault("damaged", path=self._database.where, error=damage)
            bring_up_to_date(self._database, self._backup_folder)
        except DatabaseFault as fault:
            if fault.kind != "damaged" or self._database.path is None:
                raise
            self._database.close()
            raise self._set_aside(self._database.path) from fault

    def _set_aside(self, path: Path) -> StorageError:
        backups = backups_of(path, self._backup_folder) if self._backup_folder else []
        backup = str(backups[-1]) if backups else tr("storage.none")
        aside = set_aside(path)
        if aside is None:
            return StorageError(tr("storage.damaged_here", path=str(path), backup=backup))
        log.error("%s is damaged and was set aside as %s", path, aside)
        return StorageError(tr("storage.damaged_aside", path=str(path), aside=str(aside), backup=backup))

    @contextlib.contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sa.Connection]:
        self._check_thread()
        if self._closed:
            raise RuntimeError("the store is closed")
        with self._database.transaction(write=write) as connection:
            yield connection

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a store may be used only by the thread that opened it")

    def _note_events(self, connection: sa.Connection, kind: str, after: Sequence[Position]) -> list[int]:
        """Lines for the journal; `after` are the positions as they are now."""
        common = {"at": self._now(), "kind": kind}
        rows = [{**to_row(position), **common, "position_id": position.id} for position in after]
        return insert_numbered(connection, schema.position_events, rows)

    @staticmethod
    def _update(connection: sa.Connection, position: Position) -> None:
        table = schema.positions
        connection.execute(table.update().where(table.c.id == position.id).values(to_row(position)))

    @staticmethod
    def _remove(connection: sa.Connection, position_id: int) -> None:
        table = schema.positions
        connection.execute(table.delete().where(table.c.id == position_id))


def _open_position(connection: sa.Connection, position_id: int) -> Position:
    table = schema.positions
    query = sa.select(table).where(table.c.id == position_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise no_position(position_id)
    return to_position(row._mapping)


def _make_folder(folder: Path | None) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(tr("storage.no_folder", path=str(folder))) from error
