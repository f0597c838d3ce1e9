"""Real Celery workers, a real Redis, a real PostgreSQL: whatever is killed, the books stay the same."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.bots.elsewhere import BotsMoved
from core.bots.registry import USER_FOLDER, load_user_strategies
from core.cluster.remote_bots import RemoteBots
from core.config import BotConfig, Config
from core.errors import StorageError
from core.model import Notice
from core.storage import open_store
from core.storage.base import Store
from tests.cluster_helpers import PATIENT, redis_server  # noqa: F401
from tests.cluster_worker import lock_for
from tests.loopback.redis_server import RedisServer
from tests.patience import PATIENCE
from tests.test_cluster_workers import BOTS, LIVE, Rig, ledger, locally, walk

ROOT = Path(__file__).parents[1]
LONG = 150.0
"""Workers are processes that import much and share the machine with whatever else it does."""
pytestmark = pytest.mark.timeout(2 * LONG)
STRATEGY = '''
import time
from pathlib import Path
from core.bots.strategy import Action, Decision, Wake

HERE = Path(__file__).parent


class Sleepy:
    """Buys and sells by turns; as long as the file "block" is there it hangs in mid-cycle."""

    name = "sleepy"
    wake = Wake.TICK
    defaults = {}

    def check(self, params):
        return ""

    def bar_seconds(self, params):
        return 0

    def lookback(self, params):
        return 0

    def decide(self, view, params, memory):
        memory["asked"] = memory.get("asked", 0) + 1
        if memory["asked"] == 20 and (HERE / "block").exists():
            (HERE / "in_cycle").touch()
            time.sleep(600)
        if memory["asked"] % 7 == 0:
            return Decision(action=Action.EXIT if view.position else Action.BUY)
        return Decision()
'''


class Workers:
    """An engine whose bots run in worker processes."""

    def __init__(
        self, server: RedisServer, folder: Path, database: str, bots: tuple[BotConfig, ...]
    ) -> None:  # fmt: skip
        self.database = database
        self.server = server
        self.folder = folder
        self.stack = ExitStack()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.heard: queue.Queue[Any] = queue.Queue()
        self.serving: list[bool] = []
        self.remote = RemoteBots(
            server.url,
            "e1",
            self.heard.put,
            timings=PATIENT,
            lock_for=lock_for,
            on_serving=self.serving.append,
        )
        self.stack.callback(self.remote.stop)
        config = Config(bots=bots, real_time=LIVE, bot_executor="celery")
        self.rig = Rig(config, self.open_store, remote=self.remote.desk)
        self.stack.callback(self.rig.close)
        self.ledger = self.open_store()
        self.stack.callback(self.ledger.close)
        self.stack.callback(self.end)

    def open_store(self) -> Store:
        return open_store(self.database, self.folder)

    def work(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster_worker", self.server.url, str(self.folder), self.database],
            cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(PATIENCE)

    def settled(self) -> bool:
        """Whether every bot has taken in everything that was said so far."""
        dispatcher = self.remote.dispatcher
        client = self.server.client()
        try:
            done = client.hmget(dispatcher._names.done, list(dispatcher._last))
        finally:
            client.close()
        return not dispatcher.tape.waiting and all(
            number is not None and int(number) >= last
            for number, last in zip(done, dispatcher._last.values(), strict=True)
        )

    def at_work(self) -> bool:
        """Whether a worker has taken a cycle and not finished it."""
        names = self.remote.dispatcher._names
        client = self.server.client()
        try:
            begun = client.exists(*map(names.queued, self.remote.dispatcher._last))
            taken = begun and not client.llen(names.queue)
        finally:
            client.close()
        return bool(taken) and not self.settled()

    def settle(self) -> None:
        wait(self.settled)


def wait(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def make(
    redis_server: RedisServer,  # noqa: F811
    postgres: Any,
    data_dir: Path,
) -> Iterator[Callable[..., Workers]]:
    with ExitStack() as stack:

        def build(bots: tuple[BotConfig, ...] = BOTS) -> Workers:
            made = Workers(redis_server, data_dir, postgres.fresh(), bots)
            stack.push(made.stack)
            return made

        yield build


@pytest.fixture
def sleepy(data_dir: Path) -> Iterator[Path]:
    """A user's strategy that hangs while a file says so; the folder."""
    folder = data_dir / USER_FOLDER
    folder.mkdir()
    (folder / "sleepy.py").write_text(STRATEGY)
    assert load_user_strategies(folder) == ()
    yield folder
    load_user_strategies(data_dir / "none")


def test_two_workers_keep_the_books_of_the_local_executor(make: Callable[..., Workers]) -> None:
    workers = make()
    prices = walk(300)
    for instrument, price in prices[:100]:
        workers.rig.price(instrument, price)
    workers.work()
    workers.work()
    for instrument, price in prices[100:]:
        workers.rig.price(instrument, price)
        if workers.rig.clock.time() % 10 == 0:
            time.sleep(0.01)
    workers.settle()
    assert ledger(workers.ledger) == ledger(locally(prices))
    told = [message for message in workers.heard.queue if isinstance(message, BotsMoved)]
    states = [state for message in told for state in message.states]
    assert {state.bot_id for state in states} == {bot.id for bot in BOTS}
    fills = {fill.fill_id for message in told for fill in message.fills}
    assert fills == {fill.fill_id for fill in workers.ledger.bot_fills()}


def test_a_worker_killed_in_mid_cycle_is_followed_by_another(
    make: Callable[..., Workers], sleepy: Path
) -> None:
    bots = (BotConfig(id="b1", name="B1", symbols=("ASELS", "THYAO"), strategy="sleepy", autostart=True,
                      max_open_positions=2, stop_loss_pct=1.0, time_limit_sec=60.0),)  # fmt: skip
    prices = walk(160)
    expected = locally(prices, bots=bots)
    (sleepy / "block").touch()
    workers = make(bots)
    first = workers.work()
    for instrument, price in prices[:60]:
        workers.rig.price(instrument, price)
    wait((sleepy / "in_cycle").exists)
    first.kill()
    first.wait(PATIENCE)
    (sleepy / "block").unlink()
    workers.work()
    for instrument, price in prices[60:]:
        workers.rig.price(instrument, price)
    workers.settle()
    assert len(expected.bot_fills()) > 10
    assert ledger(workers.ledger, bots) == ledger(expected, bots)


@pytest.mark.allow_log("prices do not reach the bots' workers", "Redis is not heard")
def test_redis_killed_and_started_empty_between_prices(make: Callable[..., Workers]) -> None:
    workers = make()
    prices = walk(200)
    workers.work()
    for instrument, price in prices[:80]:
        workers.rig.price(instrument, price)
    workers.settle()
    for instrument, price in prices[80:120]:
        workers.rig.price(instrument, price)
    workers.server.kill()
    for instrument, price in prices[120:160]:
        workers.rig.price(instrument, price)
    workers.server.start()
    for instrument, price in prices[160:]:
        workers.rig.price(instrument, price)
    workers.settle()
    assert ledger(workers.ledger) == ledger(locally(prices))


@pytest.mark.allow_log(r"WARNING (core\.(engine|bots|bars|storage|cluster)|psycopg)")
def test_a_database_that_goes_away_is_waited_for(make: Callable[..., Workers], postgres: Any) -> None:
    workers = make()
    prices = walk(150)
    workers.work()
    for instrument, price in prices[:50]:
        workers.rig.price(instrument, price)
    workers.settle()
    postgres.stop("immediate")
    try:
        for instrument, price in prices[50:100]:
            workers.rig.price(instrument, price)
        wait(workers.at_work)  # on what it cannot finish now
    finally:
        postgres.start()
    with contextlib.suppress(StorageError):
        workers.ledger.bots()  # the test's own connection has died, too; the next call makes a new one
    for instrument, price in prices[100:]:
        workers.rig.price(instrument, price)
    workers.settle()
    assert ledger(workers.ledger) == ledger(locally(prices))


def test_the_engine_hears_whether_anybody_works(make: Callable[..., Workers]) -> None:
    workers = make()
    serving = workers.serving
    workers.rig.price(*walk(1)[0])
    wait(lambda: serving[-1:] == [False])
    worker = workers.work()
    wait(lambda: serving[-1:] == [True])
    worker.send_signal(signal.SIGTERM)
    wait(lambda: serving[-1:] == [False])
    assert worker.wait(PATIENCE) == 0
    assert not any(isinstance(message, Notice) for message in workers.heard.queue)
