"""The status stream under load: thousands of clients on one server, beside the clients on the same machine."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from bench.children import ROOT
from bench.figures import Figure, percentile
from bench.stream_load import Crowd
from bench.stream_server import allow_files, token

ALL = "/api/v1/bots/status-stream"
USERS = 1000
CLIENTS = 5000


class Server:
    """The child that serves."""

    def __init__(self, users: int, redis_url: str = "") -> None:
        """With `redis_url` it only passes on what engines tell there."""
        command = [sys.executable, "-m", "bench.stream_server", str(users), redis_url]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._hear()["port"])

    def ask(self, line: str) -> dict[str, Any]:
        """Send a command; its answer."""
        self.tell(line)
        return self._hear()

    def tell(self, line: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answered(self) -> dict[str, Any]:
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(10)


def many() -> list[Figure]:
    """5,000 clients of 1,000 users, 50 changes a second in all."""
    with Server(USERS) as server:
        before = server.ask("memory")
        crowd = Crowd(server.port)
        crowd.join([(ALL, token(i % USERS), f"bot-{i % USERS:06d}") for i in range(CLIENTS)])
        after = server.ask("memory")
        server.tell("publish 50 20 1000")
        crowd.run(lambda: False, 20.5)
        done = server.answered()
        states = server.ask("states")
        wrong = sum(
            client.version != states[client.bot_id] and states[client.bot_id] > 1 for client in crowd.clients
        )
        updates = sum(client.updates for client in crowd.clients)
        expected = done["published"] * CLIENTS // USERS
        print(before, after, done, updates, expected, wrong)
        milli = [1000 * value for value in crowd.latencies]
        crowd.leave()
    return [
        Figure("p50", percentile(milli, 0.5), "ms"), Figure("p99", percentile(milli, 0.99), "ms", 10),
        Figure("CPU", done["cpu_percent"], "%", 15),
        Figure("memory per client", (after["uss"] - before["uss"]) / CLIENTS / 1024, "KiB", 64),
        Figure("events lost", expected - updates, "", 0), Figure("clients wrong", wrong, "", 0),
    ]  # fmt: skip


def busy() -> list[Figure]:
    """1,000 clients on one bot that changes 50 times a second."""
    with Server(1) as server:
        crowd = Crowd(server.port)
        crowd.join([(ALL, token(0), "bot-000000")] * 1000)
        server.tell("publish 50 10 1")
        crowd.run(lambda: False, 11.0)
        done = server.answered()
        last = server.ask("states")["bot-000000"]
        wrong = sum(client.version != last for client in crowd.clients)
        milli = [1000 * value for value in crowd.latencies]
        crowd.leave()
    return [
        Figure("busy p50", percentile(milli, 0.5), "ms"), Figure("busy p99", percentile(milli, 0.99), "ms", 300),
        Figure("busy CPU", done["cpu_percent"], "%"), Figure("busy wrong", wrong, "", 0),
    ]  # fmt: skip


def run() -> list[Figure]:
    """All loads."""
    allow_files()
    return many() + busy()
