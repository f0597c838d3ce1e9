"""Bots in workers do exactly what bots in the engine do, whoever works for them and whenever one dies."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.desk import BotDesk
from core.bots.elsewhere import AnswerLater
from core.bots.model import BotStatus
from core.clock import FakeClock
from core.cluster.dispatcher import Dispatcher, Home, Postbox, encode_home
from core.cluster.link import Names, connect
from core.cluster.locks import BotLock
from core.cluster.remote_desk import RemoteDesk
from core.cluster.runner import BotRunner
from core.commands import RequestBotHistory, RunBotCycle, StartBot, StopBot
from core.config import BotConfig, ChannelsConfig, Config, RealTimeConfig, TelegramConfig
from core.engine.engine import Engine
from core.errors import InputError, StaleBotError, StorageError
from core.events import EventBus
from core.model import Instrument, Quote
from core.notifications.routes import Routes
from core.storage import open_store
from core.storage.base import Store
from core.storage.memory_store import MemoryStore
from tests.cluster_helpers import QUICK, redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.scripted import ASELS, THYAO, WEDNESDAY, quote

BOTS = (
    BotConfig(
        id="b1", name="B1", symbols=("ASELS", "THYAO"), autostart=True, trailing_stop_pct=1.0,
        stop_loss_pct=2.0, max_open_positions=2, max_daily_loss=150.0, cooldown_after_loss_sec=20.0,
        direction="both",
    ),
    BotConfig(id="b2", name="B2", symbols=("THYAO",), autostart=True, strategy="ema_cross", quantity=10,
              params={"timeframe_sec": 60, "fast": 2, "slow": 3}, trailing_stop_atr=2.0,
              take_profit_pct=1.5, check_interval_sec=10.0),
    BotConfig(id="b3", name="B3", symbols=("ASELS",), autostart=True, direction="both", stop_loss_pct=0.7),
)  # fmt: skip
LIVE = RealTimeConfig(signal_threshold_pct=0.6, signal_cooldown_sec=3.0, live_data_source="yfinance")
REMOTE = Config(bots=BOTS, real_time=LIVE, bot_executor="celery")


def walk(count: int, seed: int = 1) -> list[tuple[Instrument, float]]:
    """Prices of two instruments that move by chance, with runs and jumps."""
    rng = random.Random(seed)
    price = {ASELS: 100.0, THYAO: 300.0}
    found = []
    for _ in range(count):
        instrument = rng.choice((ASELS, ASELS, THYAO))
        price[instrument] *= 1 + rng.choice((0.0, 0.001, -0.001, 0.002, -0.002, 0.004, -0.006))
        found.append((instrument, round(price[instrument], 2)))
    return found


class Rig:
    """An engine that a test feeds price by price; with `remote` its bots run in workers."""

    def __init__(self, config: Config, open_store: Any, remote: Any = None) -> None:
        self.clock = FakeClock(WEDNESDAY)
        self.bus = EventBus()
        self.on_price: Any = lambda: None
        self.engine = Engine(config, lambda _config: open_store(), self.clock, self.bus, remote=remote)
        self.engine.watch((ASELS, THYAO))

    def price(self, instrument: Instrument, price: float, seconds: float = 7.0, **fields: Any) -> None:
        """A price of this moment, `seconds` after the last."""
        self.clock.advance(seconds)
        now = self.clock.time()
        told: Quote = quote(instrument, price, stamp=now, source="yfinance", previous_close=None, **fields)
        self.engine.begin_batch()
        self.engine.on_quote(told)
        self.engine.end_batch()
        desk = self.engine.bots
        while isinstance(desk, BotDesk) and desk._cycles.pending:  # a user's strategy answers from a thread
            desk.end_batch(self.clock.monotonic())
        self.on_price()

    def close(self) -> None:
        self.engine.close()


class Plant:
    """A remote engine, a shared database, and workers that come and go."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.stack = ExitStack()
        self.names = Names.of(server.url)
        self.client = connect(server.url, QUICK)
        self.stack.callback(self.client.close)
        self.dispatcher = Dispatcher(server.url, "e1", lambda bot_id, limit: None, timings=QUICK)
        for bot in BOTS:
            self.client.hset(self.names.homes, bot.id, encode_home(Home("e1")))
        self.rig = Rig(
            REMOTE, self.open_store, lambda config, around: RemoteDesk(config, around, self.dispatcher)
        )
        self.stack.callback(self.rig.close)
        self.rig.on_price = self.write
        self.write()
        self.ledger = self.open_store()
        self.stack.callback(self.ledger.close)

    def write(self) -> None:
        """Take the tape to Redis, as the dispatcher's thread would."""
        self.dispatcher.tape.write(self.client)

    def open_store(self) -> Store:
        return open_store("", self.folder)

    def worker(self, **fields: Any) -> BotRunner:
        runner = BotRunner(self.server.url, self.open_store, timings=QUICK, **fields)
        self.stack.callback(runner.close)
        return runner

    def run(self, bot_id: str, worker: BotRunner | None = None) -> str:
        return (worker or self.worker()).run(bot_id)

    def run_all(self) -> None:
        worker = self.worker()
        for bot in BOTS:
            assert worker.run(bot.id) == "done"


@pytest.fixture
def plant(redis_server: RedisServer, data_dir: Path) -> Iterator[Plant]:  # noqa: F811
    made = Plant(redis_server, data_dir)
    with made.stack:
        yield made


def locally(
    prices: Sequence[tuple[Instrument, float]], act: Any = lambda rig, number: None,
    bots: tuple[BotConfig, ...] = BOTS,
) -> Store:  # fmt: skip
    """What the local executor makes of `prices`."""
    store = MemoryStore()
    store.close = lambda: None  # type: ignore[method-assign]
    rig = Rig(Config(bots=bots, real_time=LIVE), lambda: store)
    for number, (instrument, price) in enumerate(prices):
        act(rig, number)
        rig.price(instrument, price)
    rig.close()
    return store


def ledger(store: Store, bots: tuple[BotConfig, ...] = BOTS) -> list[Any]:
    """All that is in the books, to the last digit, by bot."""
    found = []
    for bot in bots:
        record = store.bot(bot.id)
        assert record is not None
        fills = [
            (f.fill_id, f.key, f.side, f.quantity, f.price, f.fee, f.filled_at)
            for f in store.bot_fills(bot.id)
        ]
        trades = [(t.trade_id, t.key, t.pnl, t.reason, t.closed_at) for t in store.bot_trades(bot.id)]
        found.append((bot.id, record.cash, record.state.positions, record.state.status, fills, trades,
                      record.state.daily_trades, record.state.trailing_stop_price))  # fmt: skip
    return found


def test_workers_keep_the_same_books_as_the_local_executor(plant: Plant) -> None:
    prices = walk(300)
    rng = random.Random(7)
    workers = [plant.worker() for _ in range(3)]
    for instrument, price in prices:
        plant.rig.price(instrument, price)
        if rng.random() < 0.15:
            assert rng.choice(workers).run(rng.choice(BOTS).id) == "done"
    plant.run_all()
    expected = ledger(locally(prices))
    assert all(len(bot[4]) > 1 for bot in expected), [len(bot[4]) for bot in expected]
    assert ledger(plant.ledger) == expected


def test_a_worker_that_dies_before_it_has_stored_changes_nothing(plant: Plant) -> None:
    prices = walk(150, seed=3)
    rng = random.Random(5)
    workers = [plant.worker() for _ in range(3)]
    for instrument, price in prices:
        plant.rig.price(instrument, price)
        if rng.random() < 0.2:
            bot_id, worker = rng.choice(BOTS).id, rng.choice(workers)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(worker._store, "commit_bots", _die)
                with pytest.raises(StorageError):
                    worker.run(bot_id)
    plant.run_all()
    assert ledger(plant.ledger) == ledger(locally(prices))


def _die(_changes: Any) -> None:
    raise StorageError("killed")


def test_a_worker_that_dies_after_it_has_stored_is_not_heard_twice(plant: Plant) -> None:
    prices = walk(150, seed=4)
    workers = [plant.worker() for _ in range(3)]
    for number, (instrument, price) in enumerate(prices):
        plant.rig.price(instrument, price)
        if number % 9 == 0:
            worker = workers[number % 3]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(worker, "_tell", lambda engine, batch: _die(batch))
                with pytest.raises(StorageError):
                    worker.run("b1")
    plant.run_all()
    assert ledger(plant.ledger) == ledger(locally(prices))


def test_commands_come_in_the_order_in_which_they_were_given_among_the_prices(plant: Plant) -> None:
    prices = walk(120, seed=9)
    commands = {40: StopBot(bot_id="b1"), 60: StartBot(bot_id="b1"), 80: StopBot(bot_id="b3", flatten=True)}

    def act(rig: Rig, number: int) -> None:
        command = commands.get(number)
        if command is not None:
            try:
                rig.engine.bots.execute(command)
            except AnswerLater:
                plant.write()

    for number, (instrument, price) in enumerate(prices):
        act(plant.rig, number)
        plant.rig.price(instrument, price)
    plant.run_all()
    assert ledger(plant.ledger) == ledger(locally(prices, act))
    record = plant.ledger.bot("b3")
    assert record is not None
    assert record.state.status is BotStatus.STOPPED
    assert record.state.positions == ()


def test_a_bot_that_another_worker_holds_is_left_alone(plant: Plant) -> None:
    plant.rig.price(*walk(1)[0])
    lock = BotLock(plant.client, plant.names, "b1", 30.0)
    assert lock.take()
    assert plant.run("b1") == "busy"
    assert plant.ledger.bot("b1") is None
    lock.give_back()
    assert plant.run("b1") == "done"
    assert plant.ledger.bot("b1") is not None


@pytest.mark.allow_log("was moved by somebody else")
def test_a_worker_that_comes_late_drops_what_it_has(plant: Plant) -> None:
    prices = walk(60, seed=2)
    late = plant.worker()
    for instrument, price in prices[:30]:
        plant.rig.price(instrument, price)
    commit, overtaken = late._store.commit_bots, []

    def be_overtaken(changes: Any) -> None:
        if not overtaken:
            overtaken.append(1)
            plant.client.delete(plant.names.lock("b1"))  # it has expired
            assert plant.run("b1") == "done"
            with pytest.raises(StaleBotError):
                commit(changes)
            raise StaleBotError("b1")
        commit(changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late._store, "commit_bots", be_overtaken)
        assert late.run("b1") == "done"
    for instrument, price in prices[30:]:
        plant.rig.price(instrument, price)
    plant.run_all()
    assert ledger(plant.ledger) == ledger(locally(prices))


def test_versions_have_no_gaps(plant: Plant) -> None:
    versions: dict[str, list[int]] = {}
    worker = plant.worker()
    commit = worker._store.commit_bots

    def note(changes: Any) -> None:
        for change in changes:
            versions.setdefault(change.state.bot_id, []).append(change.state.version)
        commit(changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker._store, "commit_bots", note)
        for instrument, price in walk(60):
            plant.rig.price(instrument, price)
            worker.run("b1")
    assert versions["b1"] == list(range(1, len(versions["b1"]) + 1))


def test_an_edited_and_a_removed_bot_are_so_in_the_workers_too(plant: Plant) -> None:
    for instrument, price in walk(50):
        plant.rig.price(instrument, price)
    plant.run_all()
    edited = BotConfig(id="b1", name="New name", symbols=("ASELS",), autostart=True)
    plant.rig.engine.apply(Config(bots=(edited, BOTS[1]), real_time=LIVE, bot_executor="celery"))
    plant.write()
    plant.run_all()
    first, third = plant.ledger.bot("b1"), plant.ledger.bot("b3")
    assert first is not None
    assert first.state.name == "New name"
    assert first.config == edited
    assert third is not None
    assert third.retired


def test_bots_that_ran_in_the_engine_go_on_in_workers_and_hear_nothing_old(plant: Plant) -> None:
    for instrument, price in walk(60):
        plant.rig.price(instrument, price)
    with pytest.raises(AnswerLater):
        plant.rig.engine.bots.execute(StopBot(bot_id="b1", flatten=True))
    plant.write()
    plant.rig.engine.apply(replace(REMOTE, bot_executor="local"))  # before any worker came to it
    for instrument, price in walk(40, seed=8):
        plant.rig.price(instrument, price)
    before = ledger(plant.ledger)
    plant.dispatcher = Dispatcher(plant.server.url, "e1", lambda bot_id, limit: None, timings=QUICK)
    plant.rig.engine.apply(REMOTE)
    plant.write()
    for bot in BOTS:
        since = plant.dispatcher._since[bot.id]
        plant.client.hset(plant.names.homes, bot.id, encode_home(Home("e1", since=since)))
    plant.run_all()
    assert ledger(plant.ledger) == before


def test_a_command_for_nobody_is_refused_at_once(plant: Plant) -> None:
    with pytest.raises(InputError):
        plant.rig.engine.bots.execute(StartBot(bot_id="nobody"))
    with pytest.raises(AnswerLater):
        plant.rig.engine.bots.execute(RunBotCycle(bot_id="b1"))
    plant.rig.engine.bots.execute(RequestBotHistory(bot_id="b1"))


def test_a_cycle_that_took_too_long_stops_the_bot_and_says_so(plant: Plant) -> None:
    plant.rig.price(ASELS, 100.0)
    worker = plant.worker()
    worker.run("b1")
    worker.give_up("b1", "Too long.")
    record = plant.ledger.bot("b1")
    assert record is not None
    assert (record.state.status, record.state.last_error) == (BotStatus.ERROR, "Too long.")
    assert record.cash == Decimal(100_000)


def test_alerts_are_accepted_for_the_engine_that_delivers_them(plant: Plant) -> None:
    postbox = Postbox("the engine", ("telegram",))
    plant.client.hset(plant.names.homes, "b1", encode_home(Home("e1", 1.0, postbox)))
    channels = ChannelsConfig(telegram=True)
    live = RealTimeConfig(
        notification_channels=channels, telegram=TelegramConfig(enabled=True, bot_token="t", chat_id="1")
    )
    worker = plant.worker(
        route=lambda box: Routes(Config(real_time=live), box.channels, holder=box.holder).lines
    )
    for instrument, price in walk(60):
        plant.rig.price(instrument, price)
    worker.run("b1")
    assert plant.ledger.bot_fills("b1")
    with contextlib.closing(sqlite3.connect(plant.folder / "swing_hunter.db")) as connection:
        lines = connection.execute("SELECT message_id, channel, held_by FROM outbox").fetchall()
    assert lines
    assert {line[1:] for line in lines} == {("telegram", "the engine")}
    assert all(line[0].startswith("b1-a") for line in lines)
