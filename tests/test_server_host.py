"""The status server beside the desktop: started late, restarted by the settings, stopped with the window."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.accounts import AccountStore
from core.config import Config, ServerConfig
from gui.workers.server_host import ServerHost
from gui.workers.websocket_worker import WebSocketWorker
from server.bus import InProcessBus
from tests.patience import PATIENCE
from tests.server_helpers import bot_state, following, wait_for


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def worker() -> Iterator[WebSocketWorker]:
    worker = WebSocketWorker([], Config(), autostart=False)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def host(worker: WebSocketWorker, data_dir: Path) -> Iterator[ServerHost]:
    host = ServerHost(worker, data_dir)
    yield host
    host.stop()


def config(port: int, **fields: Any) -> Config:
    return Config(server=ServerConfig(**({"enabled": True, "port": port} | fields)))


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.allow_log("users add local")
def test_without_a_wish_nothing_is_started_or_imported(qtbot: Any, host: ServerHost) -> None:
    host.apply(Config())
    assert "status-server-start" not in {thread.name for thread in threading.enumerate()}


def test_the_worker_s_bots_are_served(
    qtbot: Any, worker: WebSocketWorker, host: ServerHost, data_dir: Path
) -> None:
    store = AccountStore("", data_dir)
    token = store.add("local")
    store.close()
    port = free_port()
    host.apply(config(port))
    qtbot.waitUntil(lambda: answers(port))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE) as client:
        with following(client) as events:
            assert next(events).data["bots"] == []
            worker.bus.publish(bot_state("asels"))
            event = next(event for event in events if event.name == "update")
            assert event.data["bot_id"] == "asels"
        wait_for(lambda: client.get("/healthz").json()["engines"] == "alive")
        worker.stop()
        with following(client) as events:
            host.stop()
            assert next(events).name == "snapshot"
    assert not answers(port)


@pytest.mark.allow_log("users add local")
def test_settings_start_move_and_stop_it(qtbot: Any, host: ServerHost) -> None:
    first, second = free_port(), free_port()
    with qtbot.waitSignal(host.said) as said:
        host.apply(config(first))
    assert said.args[0] == "warning"
    assert "users add" in said.args[1]
    qtbot.waitUntil(lambda: answers(first))
    host.apply(config(first))
    host.apply(config(second))
    qtbot.waitUntil(lambda: answers(second))
    qtbot.waitUntil(lambda: not answers(first))
    host.apply(Config())
    qtbot.waitUntil(lambda: not answers(second))


@pytest.mark.allow_log("cannot listen")
def test_what_cannot_be_served_is_said(qtbot: Any, host: ServerHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with qtbot.waitSignal(host.said) as said:
            host.apply(config(taken.getsockname()[1]))
        assert said.args[0] == "error"
        assert "--port" in said.args[1] or "server.port" in said.args[1]


@pytest.mark.allow_log(
    "in the bus", "startup failed", "did not start", "Traceback", "of its own", "users add"
)
def test_a_server_that_breaks_is_said(qtbot: Any, host: ServerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("in the bus")

    monkeypatch.setattr(InProcessBus, "open", broken)
    said: list[tuple[str, str]] = []
    host.said.connect(lambda level, sentence: said.append((level, sentence)))
    host.apply(config(free_port()))
    qtbot.waitUntil(lambda: any(level == "error" for level, _ in said))


@pytest.mark.allow_log("did not start")
def test_a_bug_is_said_and_logged(qtbot: Any, host: ServerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("in the server")

    monkeypatch.setattr(ServerHost, "_begin", broken)
    with qtbot.waitSignal(host.said) as said:
        host.apply(config(1))
    assert "ZeroDivisionError" in said.args[1]


@pytest.mark.allow_log("users add local")
def test_a_window_closed_while_it_starts_leaves_nothing(qtbot: Any, host: ServerHost) -> None:
    port = free_port()
    host.apply(config(port))
    host.stop()
    host.stop()
    host.apply(config(port))
    assert not answers(port)
