"""Servers that only relay: real HTTP, a real Redis in between, and what clients see when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from core.cluster.engine_link import EngineLink
from core.cluster.link import Timings
from core.commands import StopBot
from server.redis_bus import RedisBus
from tests import server_helpers
from tests.cluster_helpers import QUICK, redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.patience import FOREVER, PATIENCE
from tests.server_helpers import Event, FakeEngine, RunningServer, bot_state, following

TROUBLE = pytest.mark.allow_log(
    r"Redis does not take the bots' states", r"Redis is not heard", r"no commands can come through Redis"
)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, long enough for a busy machine."""
    server_helpers.wait_for(condition)


class Client:
    """A client that follows the stream by the rules of server/README.md; `bots` is what it shows."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.bots: dict[str, dict[str, Any]] = {}
        self.ages: dict[str, float | None] = {}
        self.names: list[str] = []
        self.ready: bool | None = None
        self._thread = threading.Thread(target=self._follow, args=(events,), daemon=True)
        self._thread.start()

    def _follow(self, events: Iterator[Event]) -> None:
        for event in events:
            self.names.append(event.name)
            if event.name == "snapshot" and event.data["ready"]:
                self.bots = {bot["bot_id"]: bot for bot in event.data["bots"]}
            elif event.name == "update":
                known = self.bots.get(event.data["bot_id"], {})
                self.bots = {**self.bots, event.data["bot_id"]: known | event.data}
            elif event.name == "removed":
                self.bots = {i: bot for i, bot in self.bots.items() if i != event.data["bot_id"]}
            self.ages = event.data.get("engines", self.ages)
            self.ready = event.data.get("ready", self.ready)

    def shows(self, bot_id: str) -> int:
        """The version of a bot that is shown, 0 if there is none."""
        return int(self.bots.get(bot_id, {}).get("version", 0))

    def join(self) -> None:
        self._thread.join(PATIENCE)


class Cluster:
    """Fake engines and real servers on one Redis."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.stack = ExitStack()

    def engine(self, name: str, *bots: Any, timings: Timings = QUICK) -> FakeEngine:
        engine = FakeEngine(bots)
        self.tie(name, engine, timings)
        return engine

    def tie(self, name: str, engine: FakeEngine, timings: Timings = QUICK) -> EngineLink:
        link = EngineLink(self.redis.url, name, engine.events, engine.post, timings=timings)
        self.stack.callback(link.close)
        link.open()
        return link

    def server(self, timings: Timings = QUICK, *, beat_seconds: float = 0.1) -> RunningServer:
        server = RunningServer(
            (), make_bus=lambda _engine: RedisBus(self.redis.url, timings=timings), beat_seconds=beat_seconds
        )
        return self.stack.enter_context(server)


@pytest.fixture
def cluster(redis_server: RedisServer) -> Iterator[Cluster]:  # noqa: F811
    made = Cluster(redis_server)
    with made.stack:
        yield made


@contextmanager
def watching(*servers: RunningServer, user: str = "local") -> Iterator[list[Client]]:
    """A client of each server."""
    with ExitStack() as stack:
        clients = []
        for server in servers:
            http = stack.enter_context(server.client(user))
            clients.append(Client(stack.enter_context(following(http))))
        yield clients
        for server in servers:
            server.in_loop(server.hub.close)
        for client in clients:
            client.join()


def test_any_server_shows_the_bots_of_all_engines(cluster: Cluster) -> None:
    home = cluster.engine("home", bot_state("asels"), bot_state("garan", "other"))
    office = cluster.engine("office", bot_state("thyao"))
    servers = [cluster.server(), cluster.server()]
    with watching(*servers) as clients:
        for client in clients:
            wait_for(lambda client=client: client.shows("asels") == 1 and client.shows("thyao") == 1)
        home.change("asels", open_pnl=12.5)
        office.change("thyao", last_error="x")
        for client in clients:
            wait_for(lambda client=client: client.shows("asels") == 2 and client.shows("thyao") == 2)
            assert client.bots["asels"]["open_pnl"] == 12.5
            assert client.bots["asels"]["engine"] == "home"
            assert "garan" not in client.bots


def test_a_command_given_to_a_relaying_server_reaches_its_engine(cluster: Cluster) -> None:
    calm = Timings()  # an engine whose beat is a little late is not silent
    home = cluster.engine("home", bot_state("asels"), timings=calm)
    office = cluster.engine("office", bot_state("thyao"), bot_state("garan", "other"), timings=calm)
    server = cluster.server(calm)
    with server.client() as http:
        wait_for(lambda: len(http.get("/api/v1/bots").json()["bots"]) == 2)
        answer = http.post("/api/v1/bots/thyao/stop", json={"flatten": True})
        assert (answer.status_code, answer.json()["state"]) == (200, "done")
        assert [type(command) for command in office.commands] == [StopBot]
        assert home.commands == []
        assert http.post("/api/v1/bots/garan/stop").status_code == 404
        wait_for(lambda: http.get("/api/v1/bots/thyao").json()["status"] == "stopped")
        office.refuse = "Not now."
        assert http.post("/api/v1/bots/thyao/start").json()["detail"] == "Not now."


@TROUBLE
def test_redis_killed_and_started_empty_in_mid_stream(cluster: Cluster) -> None:
    engine = cluster.engine("home", bot_state("asels"), bot_state("thyao"))
    servers = [cluster.server(), cluster.server()]
    with watching(*servers) as clients:
        for client in clients:
            wait_for(lambda client=client: client.shows("thyao") == 1)
        cluster.redis.kill()
        for _ in range(20):
            engine.change("asels", open_pnl=1.0)
        engine.remove("thyao")
        with servers[0].client() as http:
            assert http.get("/healthz").status_code == 200
            assert http.get("/api/v1/bots").status_code == 200
            wait_for(lambda: http.post("/api/v1/bots/asels/stop").status_code == 503)
        for client in clients:  # what is shown gets old, and the clients are told so
            wait_for(lambda client=client: (client.ages.get("home") or 0.0) > 0.4)
        cluster.redis.start()
        for client in clients:
            wait_for(lambda client=client: client.shows("asels") == 21 and client.shows("thyao") == 0)
            wait_for(lambda client=client: (client.ages.get("home") or 0.0) < 0.4)
        engine.change("asels", open_pnl=2.0)
        for client in clients:
            wait_for(lambda client=client: client.shows("asels") == 22)
            assert client.names.count("removed") == 1  # the one that the engine has removed


@TROUBLE
def test_redis_frozen_in_mid_stream(cluster: Cluster) -> None:
    engine = cluster.engine("home", bot_state("asels"))
    server = cluster.server()
    with watching(server) as (client,):
        wait_for(lambda: client.shows("asels") == 1)
        cluster.redis.freeze()
        try:
            for _ in range(10):
                engine.change("asels", open_pnl=1.0)
            wait_for(lambda: (client.ages["home"] or 0.0) > 2 * QUICK.dead)
            with server.client() as http:
                assert http.get("/api/v1/bots/asels").json()["version"] == 1
        finally:
            cluster.redis.thaw()
        wait_for(lambda: client.shows("asels") == 11 and (client.ages["home"] or 0.0) < 0.4)


@TROUBLE
def test_the_listener_cut_off_again_and_again(cluster: Cluster) -> None:
    engine = cluster.engine("home", bot_state("asels"))
    server = cluster.server()
    with watching(server) as (client,):
        for version in range(2, 8):
            wait_for(lambda version=version: client.shows("asels") == version - 1)
            cluster.redis.cut()
            engine.change("asels", open_pnl=float(version))
        wait_for(lambda: client.shows("asels") == 7 and client.bots["asels"]["open_pnl"] == 7.0)


@TROUBLE
def test_a_server_ends_in_time_though_redis_is_frozen(cluster: Cluster) -> None:
    engine = cluster.engine("home", bot_state("asels"))
    assert Timings().connect <= 1.0  # half a second more, and the end waits no longer
    # Redis never answers: not what is asked of it, and not the connection that redis-py makes in its place.
    server = cluster.server(replace(QUICK, dead=FOREVER, connect=PATIENCE, reply=FOREVER))
    with server.client() as http:
        wait_for(lambda: len(http.get("/api/v1/bots").json()["bots"]) == 1)
    cluster.redis.freeze()
    try:
        assert server.thread.stop(PATIENCE)
    finally:
        cluster.redis.thaw()
    engine.change("asels", open_pnl=1.0)
