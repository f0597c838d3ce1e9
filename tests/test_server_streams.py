"""The status streams over real connections: their beginning, their end, and who does not read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import protocol, run
from tests.patience import FOREVER, PATIENCE
from tests.server_helpers import RunningServer, bot_state, following, wait_for

ROOT = Path(__file__).parent.parent
ALL = "/api/v1/bots/status-stream"
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals as here only on Unix")


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer() as running:
        yield running


def raw_stream(
    server: RunningServer, user: str = "local", path: str = ALL, *, buffer: int = 0
) -> socket.socket:
    """A connection on which a stream was asked for."""
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", server.port))
    token = server.tokens[user]
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data and (piece := connection.recv(65536)):
        data += piece
    return data


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changed_fields_only(server: RunningServer) -> None:
    with server.client() as client, following(client) as events:
        first = next(events)
        assert (first.name, first.retry) == ("snapshot", 2000)
        assert [bot["bot_id"] for bot in first.data["bots"]] == ["asels", "thyao"]
        server.engine.change("asels", open_pnl=12.5)
        update = next(events)
        assert update.name == "update"
        assert update.data.keys() == {"bot_id", "version", "open_pnl", "updated_at"}
        assert update.data["version"] == 2
        assert update.data["open_pnl"] == 12.5


def test_the_answer_is_an_event_stream_that_nobody_may_keep(server: RunningServer) -> None:
    with server.client() as client, client.stream("GET", ALL) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "default-src 'self'" in response.headers["content-security-policy"]


def test_a_head_request_is_answered_and_ends(server: RunningServer) -> None:
    with server.client() as client:
        assert client.head(ALL).headers["content-type"].startswith("text/event-stream")
        assert client.head("/api/v1/bots/garan/status-stream").status_code == 404
    assert server.in_loop(lambda: server.hub.streams) == 0


@pytest.mark.parametrize("way", ["header", "query"])
def test_who_comes_back_misses_nothing(server: RunningServer, way: str) -> None:
    with server.client() as client:
        with following(client) as events:
            last = next(events).id
        server.engine.change("asels", open_pnl=1.0)
        wait_for(lambda: server.in_loop(lambda: server.hub.channel("local").seq) > int(last.split("-")[1]))
        path, header = (ALL, last) if way == "header" else (f"{ALL}?last_event_id={last}", "")
        with following(client, path, header) as events:
            event = next(events)
            assert (event.name, event.data["open_pnl"]) == ("update", 1.0)


def test_a_dead_engine_shows_in_the_beats() -> None:
    with (
        RunningServer(beat_seconds=0.2) as server,
        server.client() as client,
        following(client) as events,
    ):
        server.engine.dead_since = time.monotonic() - 60.0
        server.in_loop(server.hub._heard.clear)
        for event in events:
            if event.name == "beat" and event.data["engines"]["local"] is not None:
                assert event.data["engines"]["local"] > 50.0
                break


def test_the_stream_of_one_bot(server: RunningServer) -> None:
    with server.client() as client, following(client, "/api/v1/bots/thyao/status-stream") as events:
        assert [bot["bot_id"] for bot in next(events).data["bots"]] == ["thyao"]
        server.engine.change("asels", open_pnl=5.0)
        server.engine.change("thyao", open_pnl=6.0)
        assert next(event for event in events if event.name == "update").data["bot_id"] == "thyao"
        server.engine.remove("thyao")
        assert [event.name for event in events if event.name != "beat"] == ["removed"]  # and then its end


@pytest.mark.parametrize("bot_id", ["garan", "nothing", "%00", "a b"])
def test_anothers_bot_is_as_unknown_as_none(server: RunningServer, bot_id: str) -> None:
    with server.client() as client:
        answer = client.get(f"/api/v1/bots/{bot_id}/status-stream")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_bot")


def test_one_stream_too_many_is_refused_until_one_is_closed() -> None:
    with RunningServer(max_streams=3) as server, server.client() as client:
        open_ = [raw_stream(server) for _ in range(3)]
        for connection in open_:
            read_until(connection, b"snapshot")
        refused = client.get(ALL)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
        other = raw_stream(server, "other")
        assert b"200 OK" in read_until(other, b"snapshot")
        open_.pop().close()
        wait_for(lambda: server.in_loop(lambda: server.hub.streams) == 3)
        with following(client) as events:
            assert next(events).name == "snapshot"
        for connection in [*open_, other]:
            connection.close()


def test_a_revoked_token_ends_its_streams_and_no_others(server: RunningServer) -> None:
    mine, others = raw_stream(server), raw_stream(server, "other")
    read_until(mine, b"snapshot")
    read_until(others, b"snapshot")
    server.revoke("local")
    assert read_until(mine, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
    server.engine.change("garan", open_pnl=3.0)
    assert b'"open_pnl":3.0' in read_until(others, b"open_pnl")
    with server.client() as client:
        assert client.get(ALL).status_code == 401
    mine.close()
    others.close()


@pytest.fixture
def quiet_server() -> Iterator[RunningServer]:
    """Writes nothing by itself."""
    with RunningServer(beat_seconds=FOREVER) as running:
        yield running


def test_a_closed_tab_frees_everything_at_once(quiet_server: RunningServer) -> None:
    server = quiet_server  # so no beat that fails is needed to find out

    def tasks() -> int:
        return len(asyncio.all_tasks(server.server._own_loop))

    def files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = server.in_loop(tasks), files()
    gc.disable()
    try:
        tabs = [raw_stream(server) for _ in range(15)]
        for tab in tabs:
            read_until(tab, b"snapshot")
        assert server.in_loop(lambda: server.hub.streams) == 15
        for tab in tabs:
            tab.close()
        wait_for(lambda: server.in_loop(lambda: server.hub.streams) == 0)
        wait_for(lambda: server.in_loop(tasks) <= before[0] and files() <= before[1])
    finally:
        gc.enable()


def test_who_does_not_read_is_cut_off_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SLOW_SECONDS", 1.0)  # the healthy one may be slow for a while
    states = [bot_state(f"bot{n}", last_error="y" * 2000) for n in range(200)]
    with RunningServer(states) as server:
        healthy, deaf = raw_stream(server), raw_stream(server, buffer=4096)
        reader = threading.Thread(target=read_until, args=(healthy, b'"last_error":"the end"'))
        reader.start()
        wait_for(lambda: server.in_loop(lambda: server.hub.streams) == 2)
        deadline, count = time.monotonic() + PATIENCE, 0
        while server.in_loop(lambda: server.hub.streams) == 2:
            assert time.monotonic() < deadline, "it is still there"
            server.engine.change(f"bot{count % 200}", last_error=str(count) * 500)
            count += 1
        wait_for(lambda: len(server.server.server_state.connections) == 1)
        server.engine.change("bot0", last_error="the end")
        reader.join(PATIENCE)
        assert not reader.is_alive()
        healthy.close()
        deaf.close()


@pytest.mark.parametrize("word", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_who_connects_and_asks_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch, word: bytes) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.1)
    with (
        RunningServer() as server,
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection,
    ):
        connection.sendall(word)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_the_end_of_the_server_ends_every_stream_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CLEAN_SECONDS", FOREVER)  # none is cut off
    with RunningServer(max_streams=100) as server:
        streams = [raw_stream(server) for _ in range(60)]
        for stream in streams:
            read_until(stream, b"snapshot")
        assert server.thread.stop(PATIENCE)
        for stream in streams:
            assert read_until(stream, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
            stream.close()


def test_the_end_does_not_wait_for_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.CLEAN_SECONDS <= 1.0
    monkeypatch.setattr(protocol, "SLOW_SECONDS", FOREVER)
    states = [bot_state(f"bot{n}", last_error="y" * 2000) for n in range(200)]
    with RunningServer(states) as server:
        deaf = raw_stream(server, buffer=4096)
        wait_for(lambda: any(c.flow.write_paused for c in list(server.server.server_state.connections)))
        server.server.config.timeout_graceful_shutdown = int(FOREVER)
        assert server.thread.stop(PATIENCE)
        deaf.close()


def test_many_come_back_at_once() -> None:
    with RunningServer(max_streams=300) as server:
        for _ in range(2):
            streams = [raw_stream(server) for _ in range(200)]
            for stream in streams:
                assert b"event: snapshot" in read_until(stream, b"snapshot")
            for stream in streams:
                stream.close()
        wait_for(lambda: server.in_loop(lambda: server.hub.streams) == 0)


def test_a_stream_asked_for_while_the_server_ends_is_short(server: RunningServer) -> None:
    server.in_loop(server.hub.close)
    with server.client() as client, following(client) as events:
        assert [event.name for event in events] == ["snapshot"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_can_follow(server: RunningServer) -> None:
    command = ["curl", "-sN", server.url + ALL, "-H", f"Authorization: Bearer {server.tokens['local']}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        assert [curl.stdout.readline().strip() for _ in range(2)] == ["retry: 2000", "event: snapshot"]
        curl.terminate()


@unix_only
def test_sigterm_ends_a_process_with_open_streams_within_two_seconds() -> None:
    assert run.CLEAN_SECONDS < 2.0  # so long it would wait for one that does not end
    command = [sys.executable, "-W", "error", "-m", "tests.server_process"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        streams = []
        for _ in range(100):
            stream = socket.create_connection(("127.0.0.1", told["port"]), PATIENCE)
            head = f"GET {ALL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {told['token']}\r\n\r\n"
            stream.sendall(head.encode())
            assert b"snapshot" in read_until(stream, b"snapshot")
            streams.append(stream)
        process.send_signal(signal.SIGTERM)
        for stream in streams:
            assert read_until(stream, b"0\r\n\r\n").endswith(b"0\r\n\r\n")  # not cut off
        _, errors = process.communicate(timeout=PATIENCE)
        for stream in streams:
            stream.close()
    assert errors == ""


def test_a_lost_connection_is_no_error(server: RunningServer) -> None:
    for _ in range(5):
        stream = raw_stream(server)
        read_until(stream, b"snapshot")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        stream.close()  # a reset, as when a phone loses its network
        server.engine.change("asels", open_pnl=1.0)
    wait_for(lambda: server.in_loop(lambda: server.hub.streams) == 0)


def test_a_stream_goes_through_tls(tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    with RunningServer(tls=(cert, key)) as server:
        import ssl

        context = ssl.create_default_context()
        authority.configure_trust(context)
        with (
            httpx.Client(base_url=server.url, headers=server.headers(), verify=context) as client,
            following(client) as events,
        ):
            assert next(events).name == "snapshot"
