"""What strangers may hold of the server: for how long a connection, and how many of them."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.bots.model import BotState
from server import doors, protocol, run
from server.admission import Admission
from tests.server_helpers import RunningServer, bot_state, wait_for

ALL = "/api/v1/bots/status-stream"
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: local"
HALF_BODY = (
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 20\r\n\r\n{"
)
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(server: RunningServer, words: bytes = b"", *, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 5, (source, 0))
    connection.sendall(words)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the connection ends."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def open_ones(server: RunningServer) -> int:
    return int(server.in_loop(lambda: len(server.server.server_state.connections)))


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    """Connections that are closed in the end."""
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


# --- how long -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "head", "body"])
@pytest.mark.parametrize("before", [b"", WHOLE], ids=["first", "second"])
def test_a_request_that_is_never_complete_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, before: bytes, words: bytes
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(run, "KEEP_ALIVE_SECONDS", 1)
    with RunningServer() as server, connect(server, before) as connection:
        if before:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(words)
        rest(connection)  # times out if the end never comes
        wait_for(lambda: open_ones(server) == 0)


def test_empty_lines_keep_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    with RunningServer() as server, connect(server, WHOLE) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"\r\n")  # uvicorn no longer takes the connection for an idle one
        rest(connection)


def test_an_open_stream_is_no_late_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.1)
    with RunningServer(beat_seconds=0.15) as server:
        head = f"GET {ALL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.tokens['local']}\r\n"
        with connect(server, f"{head}\r\n".encode()) as connection:
            connection.sendall(b"\r\n")
            data = b""
            while data.count(b"event: beat") < 4 and (piece := connection.recv(65536)):
                data += piece
            assert data.count(b"event: beat") >= 4


def test_a_second_request_that_waits_for_its_turn_is_cut_off_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    with RunningServer() as server, connect(server, WHOLE + HALF_BODY) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("words", [b"", HALF_HEAD, HALF_BODY, WHOLE], ids=["nothing", "head", "body", "idle"])
def test_the_end_of_the_server_waits_for_no_half_request(
    monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr(run, "CLEAN_SECONDS", 0.1)
    with RunningServer() as server, connect(server, words) as connection:
        if words == HALF_BODY:
            wait_for(lambda: server.in_loop(lambda: len(server.server.server_state.tasks)) == 1)
        else:
            wait_for(lambda: open_ones(server) == 1)
        assert server.thread.stop(2.0)
        rest(connection)


# --- how many -------------------------------------------------------------------------------------------


def test_one_address_holds_only_so_many_before_it_shows_a_token(crowd: list[socket.socket]) -> None:
    with RunningServer(admission=Admission(100, 5)) as server:
        crowd += [connect(server, HALF_BODY) for _ in range(5)]
        wait_for(lambda: open_ones(server) == 5)
        with connect(server) as refused:
            answer = rest(refused)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in answer
        crowd.pop().close()
        wait_for(lambda: open_ones(server) == 4)
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.skipif("sys.platform != 'linux'", reason="only on Linux are all of 127.0.0.0/8 ours")
def test_a_crowded_address_keeps_no_other_out(crowd: list[socket.socket]) -> None:
    with RunningServer(admission=Admission(100, 5)) as server:
        crowd += [connect(server, HALF_HEAD) for _ in range(5)]
        wait_for(lambda: open_ones(server) == 5)
        with connect(server, WHOLE, source="127.0.0.2") as other:
            assert other.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_who_has_shown_a_token_counts_no_more(crowd: list[socket.socket]) -> None:
    with RunningServer(admission=Admission(100, 3)) as server:
        head = f"GET {ALL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.tokens['local']}\r\n"
        for _ in range(8):
            crowd.append(connect(server, f"{head}\r\n".encode()))
            assert crowd[-1].recv(4096).startswith(b"HTTP/1.1 200 ")
        with server.client() as client:
            assert client.get("/api/v1/session").status_code == 200


def test_a_proxy_may_hold_many(crowd: list[socket.socket]) -> None:
    with RunningServer(admission=Admission(100, 3, ("127.0.0.0/8",))) as server:
        crowd += [connect(server, HALF_HEAD) for _ in range(8)]
        wait_for(lambda: open_ones(server) == 8)


def test_all_together_hold_only_so_many(crowd: list[socket.socket]) -> None:
    with RunningServer(admission=Admission(4, 100)) as server:
        crowd += [connect(server, HALF_HEAD) for _ in range(4)]
        wait_for(lambda: open_ones(server) == 4)
        with connect(server) as refused:
            assert rest(refused).startswith(b"HTTP/1.1 503 ")
        for connection in crowd:
            connection.close()
        wait_for(lambda: open_ones(server) == 0)
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.fixture
def tls(tmp_path: Path) -> tuple[str, str]:
    import trustme

    certificate = trustme.CA().issue_cert("127.0.0.1", "localhost")
    paths = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    return paths


def test_who_never_shakes_hands_counts_and_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[str, str], crowd: list[socket.socket]
) -> None:
    monkeypatch.setattr(doors, "HANDSHAKE_SECONDS", 0.5)
    admission = Admission(100, 3)
    with RunningServer(tls=tls, admission=admission) as server:
        crowd += [connect(server) for _ in range(3)]
        wait_for(lambda: server.in_loop(lambda: admission.inside) == 3)
        with connect(server) as refused:
            assert rest(refused) == b""
        for connection in crowd:
            assert rest(connection) == b""
        wait_for(lambda: server.in_loop(lambda: admission.inside) == 0)
        assert httpx.get(f"{server.url}/healthz", verify=False).status_code == 200


def test_no_handshake_outlasts_the_server(tls: tuple[str, str]) -> None:
    admission = Admission(100, 3)
    with RunningServer(tls=tls, admission=admission) as server, connect(server) as connection:
        wait_for(lambda: server.in_loop(lambda: admission.inside) == 1)
        assert server.thread.stop(2.0)
        assert rest(connection) == b""
    assert admission.inside == 0


def test_an_address_is_written_in_many_ways() -> None:
    admission = Admission(100, 1)
    first = admission.enter("::ffff:192.0.2.1")
    assert first is not None
    assert admission.enter("192.0.2.1") is None
    other = admission.enter("::ffff:192.0.2.2")
    assert other is not None
    for entry in (first, first, other):
        entry.leave()
        entry.known()
    assert admission.inside == 0
    assert admission.enter("192.0.2.1") is not None


# --- how slowly -----------------------------------------------------------------------------------------


class SlowReader:
    """A client that takes a little each time the server looks whether it takes anything."""

    PIECE = 48 * 1024

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked = threading.Semaphore(1)  # the first piece is taken at once
        check = protocol.StatusProtocol._look

        def look(watched: protocol.StatusProtocol) -> None:
            check(watched)
            self.looked.release()

        monkeypatch.setattr(protocol.StatusProtocol, "_look", look)

    def read(self, connection: socket.socket, end: bytes) -> tuple[bytes, int]:
        """What came until `end` or the connection's, and how often the server looked meanwhile."""
        data, looks, piece = b"", 0, b"-"
        with contextlib.suppress(ConnectionResetError):
            while piece and end not in data:
                seen = self.looked.acquire(timeout=2)
                looks += seen
                wanted = len(data) + (self.PIECE if seen else 2**30)  # nothing waits: there is no hurry
                while len(data) < wanted and end not in data[-70_000:]:
                    piece = connection.recv(min(65536, wanted - len(data)))
                    if not piece:
                        break
                    data += piece
        return data, looks


def ask(server: RunningServer, *, context: ssl.SSLContext | None = None) -> socket.socket:
    """A stream asked for by a client that has little room."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    if context is not None:
        connection = context.wrap_socket(connection, server_hostname="localhost")
    token = server.tokens["local"]
    connection.sendall(
        f"GET {ALL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    return connection


def bots(size: int) -> list[BotState]:
    return [bot_state(f"bot{number}", last_error="y" * size) for number in range(100)]


def fill(server: RunningServer) -> None:
    """Change bots until the only connection is paused: below TLS a buffer takes the first snapshot whole."""
    numbers = itertools.count()

    def paused() -> bool:
        server.engine.change(f"bot{next(numbers) % 100}", last_error="z" * 2500)
        return server.in_loop(
            lambda: any(c.flow.write_paused for c in server.server.server_state.connections)
        )

    wait_for(paused)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_who_reads_slowly_but_steadily_gets_its_whole_snapshot(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[str, str], secure: bool
) -> None:
    monkeypatch.setattr(protocol, "SLOW_SECONDS", 0.3)
    context = ssl._create_unverified_context() if secure else None
    with RunningServer(bots(3000), tls=tls if secure else ("", ""), beat_seconds=60) as server:
        wait_for(lambda: len(server.hub.channel("local").bots) == 100)
        reader = SlowReader(monkeypatch)
        with ask(server, context=context) as connection:
            fill(server)
            data, looks = reader.read(connection, b"\n\n")
        assert b"\n\n" in data
        assert looks > 2


def test_even_a_steady_reader_must_be_done_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "MOST_SLOW_SECONDS", 0.4)
    with RunningServer(bots(10_000), beat_seconds=60) as server:
        wait_for(lambda: len(server.hub.channel("local").bots) == 100)
        reader = SlowReader(monkeypatch)
        with ask(server) as connection:
            data, looks = reader.read(connection, b"\n\n")
        assert b"\n\n" not in data
        assert looks > 1
