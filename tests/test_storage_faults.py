"""A full disk, a lock, a write-protected or damaged file: one clear sentence, nothing lost, usable again."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from core.errors import StorageError
from core.i18n import set_language
from core.storage import open_store
from core.storage.base import Store
from core.storage.sql_store import SqlStore
from tests.storage_helpers import build_old, contents, delivery, fill, position, query, schema_of, signal


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "swing_hunter.db"


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    """Every connection that is made from now on."""
    made: list[sqlite3.Connection] = []

    def remember(connection: sqlite3.Connection, _: Any) -> None:
        made.append(connection)

    sa.event.listen(sa.Engine, "connect", remember)
    yield made
    sa.event.remove(sa.Engine, "connect", remember)


BIG = "x" * 100_000
WRITES: dict[str, Callable[[Store], Any]] = {
    "add": lambda store: store.add_positions([position(note=BIG)]),
    "replace": lambda store: store.replace_position(replace(store.positions()[0], note=BIG)),
    "signals": lambda store: store.add_signals([signal(source=BIG)]),
    "deliveries": lambda store: store.record_deliveries([delivery("m9", detail=BIG)]),
    "value": lambda store: store.set_value("big", BIG),
}


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_disk_loses_nothing(
    data_dir: Path, connections: list[sqlite3.Connection], write: Callable[[Store], Any], language: str
) -> None:
    set_language(language)
    store = open_store("", data_dir)
    before = fill(store)
    (connection,) = connections
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"disk is full|Disk dolu"):
            write(store)
    assert contents(store) == before
    connection.execute("PRAGMA max_page_count=1000000")
    write(store)
    assert contents(store) != before or store.value("big") == BIG
    store.close()


def test_a_disk_that_is_full_during_a_migration_changes_nothing(data_dir: Path, path: Path) -> None:
    build_old(path)
    before = schema_of(path)
    pages = query(path, "PRAGMA page_count")[0][0]

    def limit(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    sa.event.listen(sa.Engine, "connect", limit)
    try:
        with pytest.raises(StorageError, match="disk is full"):
            open_store("", data_dir)
    finally:
        sa.event.remove(sa.Engine, "connect", limit)
    assert schema_of(path) == before
    store = open_store("", data_dir)
    assert len(store.positions()) == 1
    store.close()


def test_a_write_protected_file_can_be_read_and_heals(
    data_dir: Path, connections: list[sqlite3.Connection]
) -> None:
    store = open_store("", data_dir)
    before = fill(store)
    connections[-1].execute("PRAGMA query_only=ON")
    with pytest.raises(StorageError, match="write-protected"):
        store.add_positions([position()])
    assert contents(store) == before  # by a new connection
    assert len(connections) == 2
    assert store.add_positions([position()])[0].id == 3
    store.close()


def test_a_file_that_is_opened_for_reading_only_says_so(data_dir: Path, path: Path) -> None:
    open_store("", data_dir).close()
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    store = open_store(url, data_dir)
    assert store.positions() == ()
    with pytest.raises(StorageError, match="write-protected"):
        store.add_positions([position()])
    assert store.positions() == ()
    store.close()


@pytest.mark.parametrize("where", ["file", "file/deeper", "folder"])
def test_a_place_that_cannot_hold_a_database_is_told(data_dir: Path, where: str) -> None:
    (data_dir / "file").write_text("a file")
    (data_dir / "folder" / "swing_hunter.db").mkdir(parents=True)
    with pytest.raises(StorageError, match="--data-dir"):
        open_store("", data_dir / where)
    assert (data_dir / "file").read_text() == "a file"


def test_a_locked_database_is_told_in_time_and_loses_nothing(data_dir: Path, path: Path) -> None:
    store = SqlStore("", data_dir=data_dir, busy_seconds=0.05)
    before = fill(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for write in WRITES.values():
        with pytest.raises(StorageError, match="another program"):
            write(store)
    assert contents(store) == before
    other.execute("ROLLBACK")
    other.close()
    assert len(store.add_positions([position()])) == 1
    store.close()


def test_a_database_that_is_locked_from_the_start_is_told(data_dir: Path, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="another program"):
        SqlStore("", data_dir=data_dir, busy_seconds=0.05)
    other.execute("ROLLBACK")
    other.close()
    open_store("", data_dir).close()


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 400)


def damage_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.allow_log("is damaged and was set aside")
@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("damage", [damage_header, damage_pages])
def test_a_damaged_database_is_kept_aside_untouched(
    data_dir: Path, path: Path, damage: Callable[[Path], None], language: str
) -> None:
    set_language(language)
    store = open_store("", data_dir)
    fill(store)
    store.close()
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        open_store("", data_dir)
    (aside,) = data_dir.glob("swing_hunter.damaged-*.db")
    assert aside.read_bytes() == before
    assert str(aside) in str(caught.value)
    assert not path.exists()
    store = open_store("", data_dir)
    assert store.positions() == ()
    store.close()
    assert aside.read_bytes() == before


@pytest.mark.allow_log("is damaged and was set aside")
def test_a_damaged_database_names_its_newest_backup(data_dir: Path, path: Path) -> None:
    build_old(path)
    store = open_store("", data_dir)
    store.close()
    damage_header(path)
    (backup,) = (data_dir / "backups").iterdir()
    with pytest.raises(StorageError, match=re.escape(str(backup))):
        open_store("", data_dir)
    path.write_bytes(backup.read_bytes())
    store = open_store("", data_dir)
    assert len(store.positions()) == 1
    store.close()


@pytest.mark.allow_log("could not be renamed")
def test_a_damaged_database_that_cannot_be_moved_stays_where_it_is(
    data_dir: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("in use")

    damage_header(path)
    monkeypatch.setattr("os.rename", refuse)
    with pytest.raises(StorageError, match="left untouched"):
        open_store("", data_dir)
    assert path.read_bytes().startswith(b"not a database")


def test_damage_that_shows_while_running_is_told(
    data_dir: Path, path: Path, connections: list[sqlite3.Connection]
) -> None:
    store = open_store("", data_dir)
    fill(store)
    store.close()
    store = open_store("", data_dir)
    damage_pages(path)
    connections[-1].execute("PRAGMA shrink_memory")
    with pytest.raises(StorageError, match="damaged"):
        store.positions()
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="only on POSIX can an open file be moved")
def test_nothing_is_written_into_a_file_that_was_moved_away(data_dir: Path, path: Path) -> None:
    store = open_store("", data_dir)
    fill(store)
    path.rename(data_dir / "moved.db")
    with pytest.raises(StorageError, match="moved or deleted"):
        store.add_positions([position()])
    (data_dir / "moved.db").rename(path)
    assert store.add_positions([position()])[0].id == 3
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="only on POSIX can an open file be moved")
def test_a_lost_file_is_not_replaced_by_an_empty_one(
    data_dir: Path, path: Path, connections: list[sqlite3.Connection]
) -> None:
    store = open_store("", data_dir)
    connections[-1].execute("PRAGMA query_only=ON")
    with pytest.raises(StorageError, match="write-protected"):
        store.set_value("key", 1)
    path.unlink()
    with pytest.raises(StorageError, match="moved or deleted"):
        store.value("key")
    assert not path.exists()
    store.close()


def test_a_disk_that_fails_is_told(data_dir: Path, path: Path, connections: list[sqlite3.Connection]) -> None:
    store = open_store("", data_dir)
    before = fill(store)
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE

    def fail(*_: Any) -> None:
        raise broken

    sa.event.listen(sa.Engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(StorageError, match="disk I/O error"):
            store.positions()
    except sqlite3.OperationalError:
        raise AssertionError("the driver's error escaped") from None
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", fail)
    assert contents(store) == before
    store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite", "storage.url"),
        ("nonsense://x", "nonsense"),
        ("postgresql+psycopg2://user:hunter2@127.0.0.1:9/x", "postgresql"),
        ("sqlite+nonsense:///x.db", "sqlite"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(
    data_dir: Path, url: str, sentence: str
) -> None:
    with pytest.raises(StorageError, match=sentence) as caught:
        open_store(url, data_dir)
    assert "hunter2" not in str(caught.value)


def test_a_store_needs_a_place() -> None:
    with pytest.raises(ValueError, match="data directory"):
        SqlStore("", data_dir=None)


@pytest.mark.allow_log("cannot use a write-ahead log")
def test_a_file_system_without_shared_memory_is_told_and_used(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.storage.database import Database

    real = Database._pragmas
    monkeypatch.setattr(
        Database,
        "_pragmas",
        lambda self, *names: real(self, *(n for n in names if "WAL" not in n)) or "delete",
    )
    store = open_store("", data_dir)
    fill(store)
    store.close()
