"""What only a database server can do to us: it goes away, it hangs, others write at the same time."""

from __future__ import annotations

import contextlib
import os
import random
import signal as signals
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from core.errors import StaleBotError, StorageError
from core.i18n import set_language
from core.storage import server_link
from core.storage.memory_store import MemoryStore
from core.storage.server_link import Breaker, Watchdog
from core.storage.sql_store import SqlStore
from tests.bot_helpers import alert, bot_fill, bot_work, change, check_books, order, trade
from tests.loopback.postgres import PASSWORD, PostgresServer
from tests.patience import FOREVER
from tests.storage_helpers import D, contents, fill, position, signal
from tests.test_storage_crash import Writer

ROOT = Path(__file__).parents[1]
Open = Callable[..., SqlStore]
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'swing-hunter'"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.fresh()


@pytest.fixture
def opened(url: str, data_dir: Path) -> Iterator[Open]:
    """Opens stores in the one database and closes them at the end."""
    made: list[SqlStore] = []

    def build(where: str = url, **options: Any) -> SqlStore:
        made.append(SqlStore(where, data_dir=data_dir, **options))
        return made[-1]

    yield build
    for store in made:
        store.close()


def test_a_plain_address_is_enough(opened: Open, url: str) -> None:
    assert opened(url.replace("+psycopg", "")).positions() == ()


def test_nothing_is_lost_between_two_runs(opened: Open) -> None:
    store = opened()
    before = fill(store)
    store.commit_bots([change(orders=(order(1),), fills=(bot_fill(1),), trades=(trade(1),))])
    bots = store.bots()
    store.close()
    again = opened()
    assert contents(again) == before
    assert again.bots() == bots
    assert again.shared


@pytest.mark.parametrize("statement", ["UPDATE position_events SET kind = 'x'", "DELETE FROM position_events",
                                       "TRUNCATE position_events CASCADE"])  # fmt: skip
def test_the_journal_cannot_be_changed(
    opened: Open, postgres: PostgresServer, url: str, statement: str
) -> None:
    import psycopg

    opened().add_positions([position()])
    with pytest.raises(psycopg.errors.RaiseException, match="is a journal"):
        postgres.execute(statement, url)
    assert postgres.execute("SELECT count(*) FROM position_events", url) == [(1,)]


def columns(postgres: PostgresServer, url: str) -> dict[str, list[Any]]:
    """Tables, indices and triggers of a database."""
    queries = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default "
                   "FROM information_schema.columns WHERE table_schema = 'public' "
                   "ORDER BY 1, ordinal_position",
        "indices": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
                   "AND tablename <> 'alembic_version' ORDER BY 1, 2",
        "triggers": "SELECT trigger_name, event_manipulation, action_statement "
                    "FROM information_schema.triggers ORDER BY 1, 2",
    }  # fmt: skip
    return {name: postgres.execute(query, url) for name, query in queries.items()}


def test_an_old_database_is_brought_up_to_date(
    opened: Open, postgres: PostgresServer, data_dir: Path
) -> None:
    from alembic import command
    from alembic.config import Config

    from core.storage import versions

    old, new = postgres.database(), postgres.database()
    config = Config()
    config.set_main_option("script_location", str(Path(versions.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = sa.create_engine(old, poolclass=sa.NullPool)
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO positions VALUES (1, 'ASELS', 'BIST', '100.50', '44.10', 5.5, NULL, '60')"
        )
    engine.dispose()
    store = opened(old)
    assert [p.quantity for p in store.positions()] == [D("100.50")]
    opened(new)
    assert columns(postgres, old) == columns(postgres, new)


def in_threads(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """Do `work` in several threads at once; what was raised."""
    barrier, failures = threading.Barrier(count), list[BaseException]()

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - it is the result
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_several_processes_may_make_the_schema_at_once(postgres: PostgresServer, data_dir: Path) -> None:
    where = postgres.database()
    assert in_threads(4, lambda _: SqlStore(where, data_dir=data_dir).close()) == []


def test_only_one_of_several_workers_moves_a_bot(url: str, data_dir: Path) -> None:
    first = SqlStore(url, data_dir=data_dir)
    first.commit_bots([change(1, f"b{number}") for number in range(6)])
    first.close()
    moved: list[tuple[str, int]] = []

    def work(number: int) -> None:
        dice, store = random.Random(number), SqlStore(url, data_dir=data_dir, busy_seconds=10.0)
        for _ in range(25):
            known = {record.state.bot_id: record.state.version for record in store.bots()}
            steps = [(bot, known[bot] + 1) for bot in dice.sample(sorted(known), 3)]
            try:
                store.commit_bots([
                    change(version, bot, alerts=(alert(version, bot),), orders=(order(version, bot),),
                           fills=(bot_fill(version, bot),)) for bot, version in steps
                ])  # fmt: skip
            except StaleBotError:
                continue
            moved.extend(steps)
        store.close()

    assert in_threads(4, work) == []
    last = SqlStore(url, data_dir=data_dir)
    assert len(moved) == len(set(moved)), "no step was made twice"
    for record in last.bots():
        own = sorted(version for bot, version in moved if bot == record.state.bot_id)
        assert own == list(range(2, record.state.version + 1)), "nor left out"
    assert len(last.bot_fills()) == len(moved)
    last.close()


def test_a_message_is_taken_over_by_one_process_only(opened: Open) -> None:
    from core.model import OutboxLine

    stores = [opened(), opened()]
    line = OutboxLine(message_id="", channel="telegram", kind="error", payload="{}", created=0.0)
    stores[0].record_deliveries([], [replace(line, message_id=f"m{n}") for n in range(30)])
    taken = [stores[n % 2].claim_outbox(f"p{n % 2}", 100.0, 200.0, ("telegram",), limit=7) for n in range(6)]
    names = [one.message_id for lines in taken for one in lines]
    assert sorted(names) == sorted(f"m{n}" for n in range(30))
    assert stores[1].claim_outbox("p3", 150.0, 250.0, ("telegram",)) == ()
    stores[0].claim_outbox("p0", 150.0, 400.0, ("telegram",))  # it says that it still lives
    left = stores[1].claim_outbox("p3", 300.0, 500.0, ("telegram",))
    assert {one.message_id for one in left} == {one.message_id for n in (1, 3, 5) for one in taken[n]}


# --- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "tr"])
def test_a_server_that_crashes_in_mid_transaction(
    opened: Open, postgres: PostgresServer, language: str
) -> None:
    set_language(language)
    store = opened()
    before = fill(store)
    with pytest.raises(StorageError) as caught, store._transaction() as connection:
        connection.exec_driver_sql("UPDATE positions SET quantity = '1'")
        postgres.stop("immediate")
        connection.exec_driver_sql("UPDATE positions SET quantity = '2'")
    assert str(caught.value).endswith(".")
    assert PASSWORD not in str(caught.value)
    for _ in range(2):
        with pytest.raises(StorageError, match=r"cannot be reached|ulaşılamıyor"):
            store.add_positions([position()])
    postgres.start()
    assert contents(store) == before
    store.add_positions([position()])
    assert len(store.positions()) == len(before["positions"]) + 1


def test_a_step_whose_answer_was_lost_is_not_made_twice(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.commit_bots([change(1)])
    steps = [change(2, orders=(order(1),), fills=(bot_fill(1),)), change(3, trades=(trade(1),))]
    real = store._database.transaction

    @contextlib.contextmanager
    def lose_the_answer(*, write: bool) -> Iterator[Any]:
        with real(write=write) as connection:
            yield connection
        monkeypatch.setattr(store._database, "transaction", real)
        raise StorageError("gone")

    monkeypatch.setattr(store._database, "transaction", lose_the_answer)
    with pytest.raises(StorageError, match="gone"):
        store.commit_bots(steps)
    more = [change(4, fills=(bot_fill(2, order_id="b1-o1"),)), change(1, "b2")]
    store.commit_bots([*steps, *more])
    assert [record.state.version for record in store.bots()] == [4, 1]
    assert (len(store.bot_fills()), len(store.bot_trades())) == (2, 1)
    with pytest.raises(StaleBotError, match="b1"):
        store.commit_bots(steps)  # now everything is known


def test_a_connection_that_was_cut_while_it_rested_is_made_anew(
    opened: Open, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.set_value("key", 1)
    postgres.execute(CUT)
    monkeypatch.setattr("core.storage.database.IDLE_SECONDS", -1.0)
    assert store.value("key") == 1


def test_a_connection_that_is_cut_in_use_heals_by_itself(opened: Open, postgres: PostgresServer) -> None:
    store = opened()
    postgres.execute(CUT)
    with pytest.raises(StorageError, match="cannot be reached"):
        store.add_signals([signal()])
    assert len(store.add_signals([signal()])) == 1
    assert len(store.signals()) == 1


def test_a_server_that_hangs_holds_nobody_up(
    opened: Open, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.storage.database.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(server_link, "CONNECT_SECONDS", 2)
    store = opened()
    tries: list[int] = []
    connect = store._database._engine.connect
    monkeypatch.setattr(store._database._engine, "connect", lambda: (tries.append(1), connect())[1])
    store._database._breaker._rest = FOREVER
    postgres.freeze()
    try:
        for tried in (0, 1, 1):  # cut off; in vain for a new connection; not even tried
            with pytest.raises(StorageError, match="cannot be reached"):
                store.set_value("key", 1)
            assert len(tries) == tried
    finally:
        postgres.thaw()


def test_a_row_that_somebody_holds_is_not_waited_for_long(
    opened: Open, postgres: PostgresServer, url: str
) -> None:
    import psycopg

    store = opened(busy_seconds=0.1)
    (held,) = store.add_positions([position()])
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("UPDATE positions SET note = 'mine'")
        with pytest.raises(StorageError, match="too busy"):
            store.replace_position(replace(held, note="ours"))
    assert store.positions()[0].note == "mine"


@pytest.mark.parametrize("wrong", ["password", "database", "server"])
def test_what_cannot_be_opened_is_told_without_the_password(
    postgres: PostgresServer, data_dir: Path, wrong: str
) -> None:
    where = {
        "password": postgres.url("postgres", "wrong-sentinel"), "database": postgres.url("nothing"),
        "server": postgres.url().replace(str(postgres.port), "1"),
    }[wrong]  # fmt: skip
    with pytest.raises(StorageError) as caught:
        SqlStore(where, data_dir=data_dir)
    assert "storage.url" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "wrong-sentinel" not in str(caught.value)


def test_a_database_of_another_program_is_left_alone(postgres: PostgresServer, data_dir: Path) -> None:
    where = postgres.database()
    postgres.execute("CREATE TABLE theirs (x int)", where)
    with pytest.raises(StorageError, match="another program"):
        SqlStore(where, data_dir=data_dir)


def test_a_database_that_may_only_be_read_says_so(postgres: PostgresServer, opened: Open) -> None:
    where = postgres.database()
    opened(where).close()
    postgres.execute(f"ALTER DATABASE {where.rpartition('/')[2]} SET default_transaction_read_only = on")
    store = opened(where)
    assert store.positions() == ()
    with pytest.raises(StorageError, match="may not be written to"):
        store.add_positions([position()])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is only on POSIX")
def test_killed_in_the_middle_of_it_workers_lose_and_double_nothing(
    postgres: PostgresServer, data_dir: Path
) -> None:
    where, dice, model = postgres.database(), random.Random(), MemoryStore()
    SqlStore(where, data_dir=data_dir).close()
    writer = Writer()
    try:
        for number in range(12):
            pid = writer.order("server", where, number)
            writer.wait_for(dice.randrange(4))
            moment = time.perf_counter() + dice.random() * 0.01
            while time.perf_counter() < moment:
                pass
            os.kill(pid, signals.SIGKILL)
            code, acknowledged = writer.end()
            assert code == -signals.SIGKILL
            steps = bot_work(model, number)
            for _ in range(acknowledged):
                next(steps)
            store = SqlStore(where, data_dir=data_dir)
            _wait_for_the_dead(postgres, where)
            if store.bots() != model.bots():
                next(steps)
            assert store.bots() == model.bots()
            assert store.bot_fills() == model.bot_fills()
            check_books(store.bots(), store.bot_fills(), store.bot_trades())
            store.close()
    finally:
        writer.close()


def _wait_for_the_dead(postgres: PostgresServer, where: str) -> None:
    """The server may still be committing what a killed client asked for."""
    name = where.rpartition("/")[2]
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state <> 'idle'"
    while postgres.execute(query) != [(0,)]:
        pass


def test_the_driver_is_imported_only_for_such_an_address(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.storage import open_store;"
        f"open_store('', Path({str(data_dir)!r})).close(); assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --- the parts ----------------------------------------------------------------------------------------


def test_after_a_wait_in_vain_there_is_a_growing_pause() -> None:
    now = [100.0]
    breaker = Breaker(lambda: now[0])

    def attempt(takes: float, *, works: bool = False) -> None:
        with contextlib.suppress(OSError), breaker.connecting():
            now[0] += takes
            if not works:
                raise OSError("timed out")

    attempt(0.01)
    assert not breaker.why
    for pause in (1.0, 2.0, 4.0, 8.0, 15.0, 15.0):
        attempt(3.0)
        now[0] += pause - 0.1
        assert breaker.why == "timed out"
        now[0] += 0.2
        assert not breaker.why
    attempt(3.0, works=True)
    assert not breaker.why
    attempt(3.0)
    now[0] += 1.1
    assert not breaker.why


def test_a_watchdog_that_never_had_to_watch_ends() -> None:
    dog = Watchdog(1.0)
    dog.close()
    dog.close()
