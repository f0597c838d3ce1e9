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
from core.commands import CommandResult, StartBot
from core.config import BotConfig, Config, RealTimeConfig, ServerConfig
from core.engine.loop import EngineLoop
from core.storage.memory_store import MemoryStore
from server.hub import ALIVE_SECONDS
from tests.cluster_helpers import redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.scripted import WEDNESDAY, ScriptedSource
from tests.test_cluster_server import Cluster, cluster, wait_for, watching  # noqa: F401


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
