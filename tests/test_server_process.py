"""`run.py serve` with more clients than usual: what it may have open, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import descriptors
from tests.serve_helpers import serving
from tests.server_helpers import wait_for

PATIENCE = 30.0
STREAMS = 1000
HALF_BODY = (
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 20\r\n\r\n{"
)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux are there /proc and 127.0.0.2")
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals as here only on Unix")


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    """Connections that are closed in the end; there may be many."""
    descriptors.raise_limit()
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


def connect(url: str, words: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), 10, (source, 0))
    connection.sendall(words)
    return connection


def is_well(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=10).json()["engines"] == "alive"
    except (httpx.TransportError, json.JSONDecodeError):
        return False


@linux_only
def test_it_may_have_as_many_files_open_as_its_user(data_dir: Path) -> None:
    with serving(data_dir, "--demo", files=(256, 4096)) as (process, _):
        limits = Path(f"/proc/{process.pid}/limits").read_text("utf-8")
    assert re.search(r"^Max open files +4096 +4096 ", limits, re.MULTILINE)


@linux_only
def test_strangers_never_take_the_engines_descriptors(data_dir: Path, crowd: list[socket.socket]) -> None:
    with serving(data_dir, "--demo", files=(256, 256)) as (process, url):
        wait_for(lambda: is_well(url), PATIENCE)
        for network in range(1, 9):
            crowd += [connect(url, b"", f"127.0.{network}.1") for _ in range(60)]
        for connection in crowd:
            try:
                connection.sendall(HALF_BODY)
            except OSError:
                continue  # refused
        taken = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert 100 < taken < 250
        while crowd:
            crowd.pop().close()
        wait_for(lambda: is_well(url), PATIENCE)
        crowd.append(connect(url, HALF_BODY))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
    log = (data_dir / "swing_hunter.log").read_text("utf-8")
    assert not re.search(r" (ERROR|CRITICAL) |Too many open files", log)


@unix_only
def test_sigterm_ends_a_thousand_streams_cleanly(
    data_dir: Path, tmp_path: Path, crowd: list[socket.socket]
) -> None:
    settings = tmp_path / "mine.json"
    settings.write_text(json.dumps({"server": {"max_streams_per_user": STREAMS}}), "utf-8")
    with serving(data_dir, "--demo", "--config", str(settings)) as (process, url):
        assert process.stdout is not None
        token = process.stdout.readline().rpartition(" ")[2].strip()
        wish = "GET /api/v1/bots/status-stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        for _ in range(STREAMS):
            crowd.append(connect(url, f"{wish}{token}\r\n\r\n".encode()))
        beginnings = [connection.recv(65536) for connection in crowd]
        assert all(beginning.startswith(b"HTTP/1.1 200 ") for beginning in beginnings)
        process.send_signal(signal.SIGTERM)
        for connection, beginning in zip(crowd, beginnings, strict=True):
            last = beginning
            while piece := connection.recv(65536):
                last = last[-5:] + piece
            assert last.endswith(b"0\r\n\r\n")
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
    log = (data_dir / "swing_hunter.log").read_text("utf-8")
    assert not re.search(r" (ERROR|CRITICAL) ", log)
