"""A real redis-server on 127.0.0.1 that can be killed, started again empty, and frozen."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """Runs from its construction until `stop`, keeps nothing on the disk. A context manager."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = Path(tempfile.mkdtemp(prefix="swing-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self.start()

    @staticmethod
    def available() -> bool:
        """Whether Redis is installed."""
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        """Start, empty, on the same port."""
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
             "no", "--dir", str(self._folder), "--loglevel", "warning"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.01)

    def kill(self) -> None:
        """As the power cord would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)
        self._frozen = False

    def freeze(self) -> None:
        """Let it do nothing: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._frozen = False

    def client(self) -> Any:
        """A plain client; close it."""
        from redis import Redis

        return Redis(host="127.0.0.1", port=self.port)

    def cut(self, kind: str = "pubsub") -> int:
        """Break the connections of one kind from the server's side; how many there were."""
        client = self.client()
        try:
            return int(client.execute_command("CLIENT", "KILL", "TYPE", kind))
        finally:
            client.close()

    def stop(self) -> None:
        """End for good. Idempotent."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
