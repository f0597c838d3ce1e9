"""Whether servers that relay tell the truth about engines that hang, end, or have nobody to work for them."""

# ruff: noqa: F811 - fixtures are parameters of the same name

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.clock import FakeClock
from core.cluster.engine_link import engine_id_of
from core.cluster.link import Names
from core.cluster.locks import living_workers, worker_beat
from core.commands import CommandResult, StartBot
from core.config import BotConfig, Config, RealTimeConfig, ServerConfig
from core.engine.loop import EngineLoop
from core.storage.memory_store import MemoryStore
from server.hub import ALIVE_SECONDS
from tests.cluster_helpers import redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.scripted import WEDNESDAY, ScriptedSource
from tests.server_helpers import FakeEngine, bot_state, following
from tests.test_cluster_server import (  # noqa: F401
    TROUBLE,
    Client,
    Cluster,
    cluster,
    wait_for,
    watching,
)

BOTS = "/api/v1/bots"
LONG = 600.0
"""Seconds between two beats of a stream that show that what comes does not wait for them."""


class HangingEngine:
    """A real engine that works on a Redis and whose thread can be made to hang."""

    def __init__(self, redis: RedisServer, data_dir: Path) -> None:
        config = Config(
            bots=(BotConfig(id="asels", name="ASELS", symbols=("ASELS",), owner="local"),),
            real_time=RealTimeConfig(live_data_source="yfinance"),
            server=ServerConfig(redis_url=redis.url),
        )
        self.name = engine_id_of(data_dir)
        self.clock = FakeClock(WEDNESDAY)
        self._loop = EngineLoop(
            config, lambda _config: MemoryStore(), self.clock, data_dir=data_dir,
            create_source=lambda *_: ScriptedSource(),
        )  # fmt: skip
        self._hangs, self._goes_on = threading.Event(), threading.Event()
        self._goes_on.set()
        self._loop.bus.subscribe(CommandResult, self._hang)
        self._thread = threading.Thread(target=self._loop.run, name="engine")
        self._thread.start()

    def _hang(self, _result: CommandResult) -> None:
        self._hangs.set()
        assert self._goes_on.wait(30)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Its thread does nothing while the block lasts."""
        self._goes_on.clear()
        self._loop.post(StartBot(bot_id="nobody"))
        assert self._hangs.wait(30)
        try:
            yield
        finally:
            self._goes_on.set()

    def close(self) -> None:
        self._loop.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


def engine_alive(http: Any, name: str) -> bool:
    """Whether a polling client is told that the engine lives."""
    return bool(http.get("/api/v1/bots").json()["engines"].get(name, {}).get("alive"))


@pytest.mark.allow_log("StartBot was not carried out")
def test_an_engine_that_hangs_is_not_alive_though_its_process_is(cluster: Cluster, data_dir: Path) -> None:
    engine = HangingEngine(cluster.redis, data_dir)
    cluster.stack.callback(engine.close)
    server = cluster.server()
    with watching(server) as (client,), server.client() as http:
        wait_for(lambda: client.shows("asels") == 1 and engine_alive(http, engine.name))
        with engine.hanging():
            engine.clock.advance(60.0)
            wait_for(lambda: not engine_alive(http, engine.name))
            wait_for(lambda: (client.ages[engine.name] or 0.0) > ALIVE_SECONDS)
            assert http.get("/healthz").json()["engines"] == "silent"
            assert http.post("/api/v1/bots/asels/start").status_code == 503
        wait_for(lambda: (client.ages[engine.name] or 99.0) < ALIVE_SECONDS)
        assert engine_alive(http, engine.name)


def test_an_engine_that_ends_is_told_at_once(cluster: Cluster) -> None:
    ends = cluster.tie("ends", FakeEngine([bot_state("asels")]))
    cluster.engine("stays", bot_state("thyao"))
    server = cluster.server(beat_seconds=LONG)
    with watching(server) as (client,), server.client() as http:
        wait_for(lambda: client.shows("asels") == 1 and client.shows("thyao") == 1)
        wait_for(lambda: engine_alive(http, "ends") and engine_alive(http, "stays"))
        ends.close()
        wait_for(lambda: "ends" in client.ages and client.ages["ends"] is None)
        assert client.ages["stays"] is not None
        assert not engine_alive(http, "ends")
        assert client.shows("asels") == 1
        assert http.get("/healthz").json()["engines"] == "alive"


def test_bots_without_workers_are_told_at_once(cluster: Cluster) -> None:
    link = cluster.tie("home", FakeEngine([bot_state("asels")]))
    server = cluster.server(beat_seconds=LONG)
    with watching(server) as (client,), server.client() as http:
        wait_for(lambda: client.shows("asels") == 1 and engine_alive(http, "home"))
        link.publisher.set_serving(False)
        wait_for(lambda: "home" in client.ages and client.ages["home"] is None)
        assert not engine_alive(http, "home")
        assert http.get("/healthz").json()["engines"] == "silent"
        link.publisher.set_serving(True)
        wait_for(lambda: engine_alive(http, "home"))


def test_workers_that_died_count_no_more_after_three_seconds(redis_server: RedisServer) -> None:
    client, names = redis_server.client(), Names.of(redis_server.url)
    try:
        seconds, micros = client.time()
        client.zadd(names.workers, {"dead": seconds + micros / 1e6 - 3.2})
        assert living_workers(client, names) == 0
        worker_beat(client, names, "w1")
        assert living_workers(client, names) == 1
        client.zincrby(names.workers, -2.0, "w1")
        assert living_workers(client, names) == 1
    finally:
        client.close()


@TROUBLE
def test_a_redis_that_comes_back_empty_takes_no_bots_away(cluster: Cluster) -> None:
    engine = FakeEngine([bot_state("asels"), bot_state("thyao")])
    link = cluster.tie("home", engine)
    server = cluster.server()
    with server.client() as http, watching(server) as (client,):
        wait_for(lambda: client.shows("asels") == 1 and client.shows("thyao") == 1)
        for minute in range(3):
            version = engine.change("asels", updated_at=WEDNESDAY + 60 * minute).version
        wait_for(lambda: client.shows("asels") == version)
        with following(http, f"{BOTS}/asels/status-stream") as events:
            alone = Client(events)
            wait_for(lambda: alone.shows("asels") == version)
            day = http.get(f"{BOTS}/asels/day").json()["points"]
            cluster.redis.kill()
            link.close()
            sessions = server.app.state.bus.listener.sessions
            cluster.redis.start()
            wait_for(lambda: server.app.state.bus.listener.sessions > sessions)
            server.in_loop(lambda: None)
            assert (client.shows("asels"), client.shows("thyao")) == (version, 1)
            assert http.get(f"{BOTS}/asels/day").json()["points"] == day
            engine.remove("thyao")
            cluster.tie("home", engine)
            wait_for(lambda: client.shows("thyao") == 0)
            version = engine.change("asels", updated_at=WEDNESDAY + 300).version
            wait_for(lambda: alone.shows("asels") == client.shows("asels") == version)
            assert client.names.count("removed") == 1
            assert "removed" not in alone.names
            assert http.get(f"{BOTS}/asels/day").json()["points"][:-1] == day
            server.in_loop(server.hub.close)
            alone.join()


@TROUBLE
def test_a_server_that_starts_without_redis_does_not_say_that_there_are_no_bots(cluster: Cluster) -> None:
    engine = cluster.engine("home", bot_state("asels"))
    cluster.redis.kill()
    server = cluster.server()
    with watching(server) as (client,), server.client() as http:
        wait_for(lambda: client.ready is False)
        assert http.get(BOTS).json()["ready"] is False
        assert http.get(f"{BOTS}/asels").json()["code"] == "not_ready"
        assert http.get("/healthz").json()["ready"] is False
        cluster.redis.start()
        wait_for(lambda: client.shows("asels") == 1 and client.ready)
        assert http.get("/healthz").json()["ready"] is True
        engine.change("asels", open_pnl=1.0)
        wait_for(lambda: client.shows("asels") == 2)


@TROUBLE
def test_a_server_that_is_cut_off_from_redis_says_so_and_keeps_the_bots(cluster: Cluster) -> None:
    cluster.engine("home", bot_state("asels"))
    server = cluster.server()
    with watching(server) as (client,), server.client() as http:
        wait_for(lambda: client.shows("asels") == 1 and client.ready)
        snapshots = client.names.count("snapshot")
        cluster.redis.kill()
        wait_for(lambda: client.ready is False)
        assert http.get("/healthz").json()["ready"] is False
        assert [bot["bot_id"] for bot in http.get(BOTS).json()["bots"]] == ["asels"]
        cluster.redis.start()
        wait_for(lambda: client.ready is True)
        assert client.shows("asels") == 1
        assert client.names.count("snapshot") == snapshots
