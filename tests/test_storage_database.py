"""What only a database can do: last, keep its journal, and grow with the program."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from core.errors import InputError, StorageError
from core.i18n import set_language
from core.storage import open_store
from core.storage.schema import HEAD
from core.storage.sql_store import SqlStore
from tests.storage_helpers import NOON, D, build_old, contents, fill, position, query, schema_of, signal


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "swing_hunter.db"


def run_python(code: str) -> str:
    root = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True, timeout=30
    ).stdout


def test_nothing_heavy_is_imported_before_a_database_is_opened() -> None:
    code = (
        "import sys, core.storage, core.storage.base, core.storage.memory_store\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'sqlite3') if name in sys.modules])"
    )
    assert run_python(code) == "[]\n"


def test_alembic_is_imported_only_to_migrate(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.storage import open_store\n"
        f"for _ in range(2): open_store('', Path({str(data_dir)!r})).close()\n"
        "print([name for name in sys.modules if name.startswith('alembic')])"
    )
    assert run_python(code) == "[]\n"


def test_everything_outlives_the_program(data_dir: Path, path: Path) -> None:
    store = open_store("", data_dir)
    before = fill(store)
    store.close()
    assert [p.name for p in data_dir.iterdir()] == [path.name]
    store = open_store("", data_dir)
    assert contents(store) == before
    store.close()


def test_a_named_database_is_always_its_own(data_dir: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    real, demo = open_store(url, data_dir), open_store(url, data_dir, name="demo")
    real.add_positions([position()])
    assert demo.positions() == ()
    real.close()
    demo.close()
    assert (tmp_path / "mine.db").exists()
    assert [p.name for p in data_dir.iterdir()] == ["demo.db"]


def test_a_relative_file_lies_in_the_data_directory(data_dir: Path) -> None:
    open_store("sqlite:///mine#1 ü?.db".replace("?", "%3F"), data_dir).close()
    assert len(list(data_dir.glob("mine*.db"))) == 1


def test_the_data_directory_is_made_for_its_owner_alone(data_dir: Path) -> None:
    folder = data_dir / "a" / "b"
    open_store("", folder).close()
    assert (folder / "swing_hunter.db").exists()
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o077 == 0


def test_the_file_is_safe_against_power_loss(data_dir: Path, path: Path) -> None:
    connections: list[sqlite3.Connection] = []

    def remember(connection: sqlite3.Connection, _: Any) -> None:
        connections.append(connection)

    sa.event.listen(sa.Engine, "connect", remember)
    try:
        store = open_store("", data_dir)
    finally:
        sa.event.remove(sa.Engine, "connect", remember)
    (connection,) = connections
    pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in (
        "journal_mode", "synchronous", "foreign_keys", "busy_timeout")}  # fmt: skip
    store.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 1000}


def test_another_thread_is_refused(data_dir: Path) -> None:
    store = open_store("", data_dir)
    errors: list[BaseException] = []

    def use() -> None:
        for act in (store.positions, store.close, lambda: store.add_signals([signal()])):
            try:
                act()
            except RuntimeError as error:
                errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(errors) == 3
    assert "thread" in str(errors[0])
    assert store.signals() == ()
    store.close()


def test_every_change_of_a_position_is_in_the_journal(data_dir: Path, path: Path) -> None:
    store = SqlStore("", data_dir=data_dir, now=lambda: NOON + 5)
    (one, two) = store.add_positions([position("100"), position("-3", note="n")])
    store.replace_position(replace(one, quantity=D("90")))
    store.close_position(one.id, D("45"), NOON, D("30"))
    store.close_position(one.id, D("46"), NOON)
    store.delete_position(two.id)
    with pytest.raises(InputError):
        store.delete_position(two.id)
    store.close()
    events = query(path, "SELECT kind, position_id, quantity, note, at FROM position_events ORDER BY id")
    assert events == [
        ("opened", 1, "100", "", NOON + 5), ("opened", 2, "-3", "n", NOON + 5),
        ("edited", 1, "90", "", NOON + 5), ("reduced", 1, "60", "", NOON + 5),
        ("closed", 1, "0", "", NOON + 5), ("deleted", 2, "0", "n", NOON + 5),
    ]  # fmt: skip
    assert query(path, "SELECT id, event_id, realised_pnl FROM trades") == [(1, 4, "27.00"), (2, 5, "114.00")]


@pytest.mark.parametrize("change", ["UPDATE position_events SET kind = 'x'", "DELETE FROM position_events"])
def test_the_journal_is_never_rewritten(data_dir: Path, path: Path, change: str) -> None:
    store = open_store("", data_dir)
    fill(store)
    store.close()
    with pytest.raises(sqlite3.IntegrityError, match="journal"):
        query(path, change)


def test_a_bug_of_ours_is_not_called_a_fault_of_the_world(data_dir: Path) -> None:
    store = open_store("", data_dir)
    with pytest.raises(sa.exc.IntegrityError):
        store.add_signals([signal(price=None)])
    assert len(store.add_signals([signal()])) == 1
    store.close()


# --- versions -----------------------------------------------------------------------------------------------


def test_the_revisions_are_those_of_the_scripts() -> None:
    from alembic.script import ScriptDirectory

    from core.storage import schema, versions

    script = ScriptDirectory(str(Path(versions.__file__).parent / "migrations"))
    assert tuple(reversed([step.revision for step in script.walk_revisions()])) == schema.REVISIONS
    assert script.get_current_head() == schema.HEAD


def test_an_old_database_is_backed_up_and_brought_up_to_date(data_dir: Path, path: Path) -> None:
    build_old(path)
    store = open_store("", data_dir)
    (old,) = store.positions()
    assert old == position("100.50", opened_at=5.5, target=D("60"), id=1)
    assert store.value("key") == [1]
    store.replace_position(replace(old, note="now there is room"))
    (new,) = store.add_positions([position()])
    assert new.id == 2
    store.close()
    (backup,) = (data_dir / "backups").iterdir()
    assert re.fullmatch(r"swing_hunter-\d{8}-\d{6}-\d{6}\.db", backup.name)
    assert query(backup, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert query(backup, "SELECT quantity FROM positions") == [("100.50",)]
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_migrated_database_is_built_like_a_new_one(data_dir: Path, path: Path) -> None:
    build_old(path)
    open_store("", data_dir).close()
    open_store("", data_dir, name="new").close()
    assert schema_of(path) == schema_of(data_dir / "new.db")


def test_only_the_last_five_backups_of_a_database_stay(data_dir: Path, path: Path) -> None:
    folder = data_dir / "backups"
    folder.mkdir()
    old = [folder / f"swing_hunter-2026010{day}-120000-000000.db" for day in range(1, 8)]
    others = [folder / "swing_hunter-demo-20260101-120000-000000.db", folder / "swing_hunter-mine.db"]
    for file in (*old, *others):
        file.touch()
    build_old(path)
    open_store("", data_dir).close()
    left = set(folder.iterdir())
    assert set(others) <= left
    assert set(old) & left == set(old[-4:])
    assert len(left) == len(others) + 5


@pytest.mark.allow_log("could not be removed")
def test_an_old_backup_that_cannot_be_removed_is_no_obstacle(data_dir: Path, path: Path) -> None:
    for day in range(1, 7):
        (data_dir / "backups" / f"swing_hunter-2026010{day}-120000-000000.db").mkdir(parents=True)
    build_old(path)
    store = open_store("", data_dir)
    assert len(store.positions()) == 1
    store.close()


@pytest.mark.parametrize("language", ["en", "tr"])
def test_a_newer_database_is_refused_and_left_untouched(data_dir: Path, path: Path, language: str) -> None:
    set_language(language)
    open_store("", data_dir).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="0999"):
        open_store("", data_dir)
    assert path.read_bytes() == before
    assert [p.name for p in data_dir.iterdir()] == [path.name]


def test_another_programs_database_is_refused_and_left_untouched(data_dir: Path, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        open_store("", data_dir)
    assert path.read_bytes() == before


def test_without_a_backup_nothing_is_migrated(data_dir: Path, path: Path) -> None:
    build_old(path)
    (data_dir / "backups").write_text("in the way")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="no backup"):
        open_store("", data_dir)
    assert query(path, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert before[100:] == path.read_bytes()[100:]
    (data_dir / "backups").unlink()
    store = open_store("", data_dir)
    assert len(store.positions()) == 1
    store.close()


@pytest.mark.allow_log("migration failed")
def test_a_migration_that_fails_changes_nothing(data_dir: Path, path: Path) -> None:
    build_old(path)
    with_obstacle = sqlite3.connect(path)
    with_obstacle.execute("CREATE INDEX ix_deliveries_created ON deliveries (title)")
    with_obstacle.close()
    before = schema_of(path)
    with pytest.raises(StorageError, match="could not be brought up to date"):
        open_store("", data_dir)
    assert schema_of(path) == before
    with_obstacle = sqlite3.connect(path)
    with_obstacle.execute("DROP INDEX ix_deliveries_created")
    with_obstacle.close()
    store = open_store("", data_dir)
    assert len(store.positions()) == 1
    store.close()


def test_two_programs_may_make_the_database_at_once(data_dir: Path, path: Path) -> None:
    from core.storage import versions

    first = open_store("", data_dir, name="model")
    first.close()
    made = versions.Database(sa.make_url(f"sqlite:///{path}"), busy_seconds=1)
    made.connect()
    open_store("", data_dir).close()
    versions._create(made)  # it saw an empty file, then the other one was quicker
    made.close()
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_the_sentences_fit_in_both_languages() -> None:
    catalogue = json.loads((Path(__file__).parents[1] / "core/locale/storage.json").read_text("utf-8"))
    for name, texts in catalogue.items():
        fields = [sorted(re.findall(r"{(\w+)}", texts[language])) for language in ("en", "tr")]
        assert fields[0] == fields[1], name
