"""The status stream under load: thousands of clients on one server, which shares the machine with them.

The server is a process of its own (`bench.stream_server`), the clients are bare sockets in this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from bench.children import ROOT
from bench.figures import Figure, percentile
from bench.stream_load import Crowd
from bench.stream_server import allow_files, bot_id, token

ALL = "/api/v1/bots/status-stream"
USERS = 1000
CLIENTS = 5000
ON_ONE_BOT = 1000
SECONDS = 15.0
HEARING = 300
DEAF = 15
DEAF_SECONDS = 10.0
ROUNDS = 3
SIZE = 4000
MARGIN = 0.5
"""Seconds after the last change in which it has to arrive everywhere."""


class Server:
    """The child that serves."""

    def __init__(self, users: int, redis_url: str = "") -> None:
        """With `redis_url` it only passes on what engines tell there."""
        command = [sys.executable, "-m", "bench.stream_server", str(users), redis_url]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.answer()["port"])

    def ask(self, line: str) -> dict[str, Any]:
        """Send a command; its answer."""
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        """Send a command whose answer is fetched later."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next answer."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)


def _wishes(count: int, users: int) -> list[tuple[str, str, str]]:
    return [(ALL, token(number % users), bot_id(number % users)) for number in range(count)]


def _milliseconds(crowd: Crowd, share: float) -> float:
    return 1000 * percentile(crowd.latencies, share)


def _publish(server: Server, crowd: Crowd, seconds: float, bots: int, size: int = 0) -> dict[str, Any]:
    """Change bots 50 times a second while the crowd reads; what the server says of it."""
    crowd.latencies.clear()
    server.tell(f"publish 50 {seconds} {bots} {size}")
    crowd.run(lambda: False, seconds + MARGIN)
    return server.answer()


def _wrong(server: Server, crowd: Crowd) -> int:
    """How many clients do not have their bot's last state."""
    versions = server.ask("states")
    return sum(client.version != versions[client.bot_id] for client in crowd.clients if client.bot_id)


def many() -> list[Figure]:
    """5,000 clients of 1,000 users, 50 changes a second in all; then all of them come back at once."""
    with Server(USERS) as server:
        before = server.ask("memory")
        crowd = Crowd(server.port)
        crowd.join(_wishes(CLIENTS, USERS))
        after = server.ask("memory")
        done = _publish(server, crowd, SECONDS, USERS)
        lost = done["published"] * CLIENTS // USERS - sum(client.updates for client in crowd.clients)
        wrong = _wrong(server, crowd)
        p50, p99 = _milliseconds(crowd, 0.5), _milliseconds(crowd, 0.99)
        storm = _storm(crowd)
        crowd.leave()
    name = f"{CLIENTS} clients of {USERS} users, 50/s"
    return [
        Figure(f"{name}: p50", p50, "ms"),
        Figure(f"{name}: p99", p99, "ms", 10),
        Figure(f"{name}: CPU", done["cpu_percent"], "%", 15, note="of one core"),
        Figure(f"{name}: memory per client", (after["uss"] - before["uss"]) / CLIENTS / 1024, "KiB", 64),
        Figure(f"{name}: events lost", lost, "", 0, note=f"of {len(crowd.latencies)}"),
        Figure(f"{name}: clients with a wrong last state", wrong, "", 0),
        *storm,
    ]


def _storm(crowd: Crowd) -> list[Figure]:
    """All lose their connections and come back at once, as browsers do after a restart."""
    crowd.leave()
    begin = time.monotonic()
    clients = crowd.join(_wishes(CLIENTS, USERS), at_once=CLIENTS)
    seconds = [client.snapshot_at - begin for client in clients]
    first = sorted(seconds)[: CLIENTS // 5]
    return [
        Figure("reconnect storm: the first 1000 have a snapshot after", max(first), "s", 5),
        Figure(f"reconnect storm: all {CLIENTS} have one after", max(seconds), "s"),
    ]


def busy() -> list[Figure]:
    """1,000 clients on one bot that changes 50 times a second."""
    with Server(1) as server:
        crowd = Crowd(server.port)
        crowd.join(_wishes(ON_ONE_BOT, 1))
        _publish(server, crowd, 2.0, 1)
        done = _publish(server, crowd, SECONDS, 1)
        wrong = _wrong(server, crowd)
        p50, p99 = _milliseconds(crowd, 0.5), _milliseconds(crowd, 0.99)
        crowd.leave()
    name = f"{ON_ONE_BOT} clients on one bot, 50/s"
    return [
        Figure(f"{name}: p50", p50, "ms"),
        Figure(f"{name}: p99", p99, "ms", 300),
        Figure(f"{name}: CPU", done["cpu_percent"], "%", note="of one core"),
        Figure(f"{name}: clients with a wrong last state", wrong, "", 0),
    ]


def _left(server: Server, crowd: Crowd) -> int:
    """How many that never read are not cut off within 30 s."""
    for _ in range(int((30.0 - DEAF_SECONDS) / 2.0)):
        if server.ask("memory")["streams"] == HEARING:
            return 0
        _publish(server, crowd, 2.0, 1, SIZE)
    return int(server.ask("memory")["streams"]) - HEARING


def deaf() -> list[Figure]:
    """Some clients on one bot, 4 KB a change so that buffers fill soon; now and then 5% that never read."""
    alone, together, left = _Phases(), _Phases(), 0
    with Server(1) as server:
        crowd = Crowd(server.port)
        crowd.join(_wishes(HEARING, 1))
        for _ in range(ROUNDS):
            alone.add(crowd, _publish(server, crowd, DEAF_SECONDS / 2, 1, SIZE))
            silent = [crowd.deaf(ALL, token(0)) for _ in range(DEAF)]
            together.add(crowd, _publish(server, crowd, DEAF_SECONDS, 1, SIZE))
            left = max(left, _left(server, crowd))
            for connection in silent:
                connection.close()
        alone.add(crowd, _publish(server, crowd, DEAF_SECONDS / 2, 1, SIZE))
        crowd.leave()
    name = f"{DEAF} of {HEARING + DEAF} never read"
    return [
        *(
            Figure(
                f"{name}: the others slower by (p{100 * share:.0f})",
                together.slower_than(alone, share),
                "%",
                10,
            )
            for share in (0.5, 0.99)
        ),
        Figure(f"{name}: CPU per update that arrives, more by", together.dearer_than(alone), "%"),
        Figure(f"{name}: not cut off within 30 s", left, "", 0),
    ]


class _Phases:
    """Latencies and CPU of the phases of one kind."""

    def __init__(self) -> None:
        self._latencies: list[float] = []
        self._cpu: list[float] = []

    def add(self, crowd: Crowd, done: dict[str, Any]) -> None:
        """One more phase."""
        self._latencies += crowd.latencies
        self._cpu.append(done["cpu_percent"] / max(1, len(crowd.latencies)) * done["published"])

    def slower_than(self, other: _Phases, share: float) -> float:
        """By how many per cent the latency that `share` of the updates keep to is longer."""
        return 100 * (percentile(self._latencies, share) / percentile(other._latencies, share) - 1)

    def dearer_than(self, other: _Phases) -> float:
        """By how many per cent an update that arrives costs more CPU."""
        return 100 * (percentile(self._cpu, 0.5) / percentile(other._cpu, 0.5) - 1)


def end() -> list[Figure]:
    """SIGTERM with 1,000 open streams."""
    server = Server(1)
    crowd = Crowd(server.port)
    crowd.join(_wishes(ON_ONE_BOT, 1))
    begin = time.monotonic()
    server.process.terminate()
    crowd.run(lambda: all(client.socket is None for client in crowd.clients), 10.0)
    _, errors = server.process.communicate(timeout=20)
    seconds = time.monotonic() - begin
    clean = sum(client.ended for client in crowd.clients)
    crowd.leave()
    return [
        Figure(f"SIGTERM with {ON_ONE_BOT} streams: gone after", seconds, "s", 2),
        Figure(f"SIGTERM with {ON_ONE_BOT} streams: ended cleanly", clean, "", ON_ONE_BOT, higher=True),
        Figure(f"SIGTERM with {ON_ONE_BOT} streams: error lines", len(errors.splitlines()), "", 0),
    ]


def run() -> list[Figure]:
    """All loads."""
    allow_files()
    return many() + busy() + deaf() + end()
