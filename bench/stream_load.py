"""Thousands of clients of the status stream in one thread, on bare sockets."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable, Sequence

_UPDATE = re.compile(
    rb'event: update\nid: [^\n]*\ndata: [^\n]*?"version":(\d+)[^\n]*?"realised_pnl":([\d.]+)'
)
_SNAPSHOT = re.compile(rb'event: snapshot\n.*?"version":(\d+)', re.DOTALL)
_AT_ONCE = 100


class Client:
    """One open stream: what it has seen."""

    __slots__ = ("bot_id", "chunks", "ended", "failed", "snapshot_at", "socket", "tail", "updates", "version")

    def __init__(self, bot_id: str) -> None:
        self.bot_id = bot_id
        self.socket: socket.socket | None = None
        self.tail = b""
        self.version = 0
        self.updates = 0
        self.snapshot_at = 0.0
        self.ended = False
        """The stream ended as it should, with the last chunk."""
        self.failed = False


class Crowd:
    """All clients. `latencies` are the seconds between a bot's change and its arrival."""

    def __init__(self, port: int) -> None:
        self.clients: list[Client] = []
        self.latencies: list[float] = []
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._waiting = 0

    def join(self, wishes: Sequence[tuple[str, str, str]], *, at_once: int = _AT_ONCE) -> list[Client]:
        """Open a stream for each (path, token, bot id) and wait until all have their snapshots."""
        joined = []
        for path, token, bot_id in wishes:
            client = Client(bot_id)
            client.socket = _connect(self._port, path, token)
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            joined.append(client)
            self._waiting += 1
            if self._waiting >= at_once:
                self.run(lambda: self._waiting < at_once, 30.0)
        self.clients += joined
        self.run(lambda: not self._waiting, 60.0)
        return joined

    def deaf(self, path: str, token: str) -> socket.socket:
        """A client that asks for a stream and never reads."""
        return _connect(self._port, path, token, buffer=4096)

    def run(self, until: Callable[[], bool], seconds: float) -> None:
        """Read what comes until the condition holds, `seconds` at most."""
        deadline = time.monotonic() + seconds
        while not until() and (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(min(left, 0.05)):
                self._read(key.data)

    def leave(self) -> None:
        """Close everything."""
        for client in self.clients:
            if client.socket is not None:
                client.socket.close()
        self.clients.clear()
        self._selector.close()
        self._selector = selectors.DefaultSelector()

    def _read(self, client: Client) -> None:
        assert client.socket is not None
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
            client.failed = True
        now = time.monotonic()
        data = client.tail + data if client.tail else data
        if data.endswith(b"0\r\n\r\n"):
            client.ended = True
        if not data or client.ended:
            self._selector.unregister(client.socket)
            client.socket.close()
            client.socket = None
            return
        end = data.rfind(b"\n\n") + 2
        client.tail = data[end:]
        if client.tail == b"\r\n":
            client.tail = b""
        if not client.snapshot_at and b"event: snapshot" in data[:end]:
            client.snapshot_at = now
            found = _SNAPSHOT.search(data)
            client.version = int(found[1]) if found else 0
            self._waiting -= 1
        if b"event: update" in data[:end]:
            for version, moment in _UPDATE.findall(data[:end]):
                client.version = int(version)
                client.updates += 1
                self.latencies.append(now - float(moment))


def _connect(port: int, path: str, token: str, *, buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(30.0)
    connection.connect(("127.0.0.1", port))
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    connection.setblocking(False)
    return connection
