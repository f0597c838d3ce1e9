"""`run.py serve`, as a program of its own and piece by piece."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli import serve
from cli.arguments import Options, ServeOptions
from core.accounts import AccountStore
from core.config import ServerConfig
from core.errors import UserError, WorldError
from core.instance_lock import InstanceLock
from core.network import is_loopback
from server import account_watch
from server.bus import InProcessBus
from server.setup import Users, prepare
from tests.patience import PATIENCE
from tests.serve_helpers import serving
from tests.server_helpers import FakeEngine, following, parse_events, wait_for

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals as here only on Unix")


@unix_only
def test_the_demo_serves_its_visitor_and_ends_with_code_0(data_dir: Path) -> None:
    with serving(data_dir, "--demo") as (process, url):
        assert process.stdout is not None
        token = process.stdout.readline().rpartition(" ")[2].strip()
        assert token.startswith("swing_")
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            assert client.get("/api/v1/session").json()["user"] == "local"
            wait_for(lambda: client.get("/healthz").json()["engines"] == "alive")
            with client.stream("GET", "/api/v1/bots/status-stream") as stream:
                events = parse_events(stream.iter_lines())
                assert next(events).name == "snapshot"
                process.send_signal(signal.SIGTERM)
                assert all(event.name in ("update", "beat") for event in events)  # until its clean end
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
    log = (data_dir / "swing_hunter.log").read_text("utf-8")
    assert token not in log
    assert not re.search(r" (ERROR|CRITICAL) ", log)


@unix_only
def test_a_token_revoked_by_the_command_line_ends_the_stream_within_a_second(data_dir: Path) -> None:
    assert account_watch.LOOK_SECONDS < 1.0  # the store is looked at so often, and a stream ends at once
    store = AccountStore("", data_dir)
    token = store.add("ali")
    with serving(data_dir, "--demo") as (process, url):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            # before the engine has told of its bots a stream says that some may be missing, and begins anew
            wait_for(lambda: client.get("/healthz").json()["engines"] == "alive")
            with following(client) as events:
                assert next(events).data["bots"] == []
                store.revoke("ali")
                assert all(event.name == "beat" for event in events)  # until its clean end
            assert client.get("/api/v1/bots").status_code == 401
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
    store.close()


@pytest.mark.allow_log("users add local")
@pytest.mark.parametrize("language", ["en", "tr"])
def test_without_users_it_says_in_one_sentence_how_to_make_one(
    data_dir: Path, tmp_path: Path, capsys: Any, language: str
) -> None:
    path = tmp_path / "mine.json"
    live = {"live_data_source": "simulation"}
    path.write_text(json.dumps({"language": language, "server": {"port": 0}, "real_time": live}), "utf-8")
    options = Options(
        mode="serve", config_path=path, data_dir=data_dir, duration=0.2, serve=ServeOptions(port=0)
    )
    path.write_text(json.dumps({"language": language, "real_time": live}), "utf-8")
    assert serve.run_serve(options) == 0
    said = capsys.readouterr().out.splitlines()
    assert "http://127.0.0.1:" in said[0]
    assert "python3 run.py users add local" in said[1]


@pytest.mark.allow_log("in the bus", "startup failed", "did not start", "Traceback")
def test_a_server_that_breaks_is_a_failure_with_a_sentence(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("in the bus")

    monkeypatch.setattr(InProcessBus, "open", broken)
    options = Options(mode="serve", data_dir=data_dir, demo=True, serve=ServeOptions(port=0))
    with pytest.raises(WorldError, match="the details are in the log"):
        serve.run_serve(options)
    assert "in the bus" in (data_dir / "swing_hunter.log").read_text("utf-8")


def test_a_second_engine_on_the_same_data_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InstanceLock, "notify_first", lambda *_: True)
    lock = InstanceLock(data_dir)
    lock.acquire()
    try:
        with pytest.raises(UserError):
            serve.run_serve(Options(mode="serve", data_dir=data_dir, demo=True, serve=ServeOptions(port=0)))
    finally:
        lock.release()


def test_a_relay_needs_redis(data_dir: Path) -> None:
    with pytest.raises(UserError, match="redis_url"):
        serve.run_serve(Options(mode="serve", data_dir=data_dir, serve=ServeOptions(engine=False)))


def test_the_command_line_wins_over_the_file() -> None:
    config = ServerConfig(host="10.0.0.1", port=9000, redis_url="redis://a", max_streams_per_user=3)
    assert serve.server_config(config, Options()) == config
    told = ServeOptions(host="::1", port=0, tls_cert=Path("c"), tls_key=Path("k"), redis_url="redis://b")
    changed = serve.server_config(config, Options(serve=told))
    assert (changed.host, changed.port, changed.redis_url) == ("::1", 0, "redis://b")
    assert (changed.tls_cert, changed.tls_key, changed.max_streams_per_user) == ("c", "k", 3)


# --- what stands between the settings and a server ------------------------------------------------------


def engine_bus() -> InProcessBus:
    engine = FakeEngine()
    return InProcessBus(engine.events, engine.post, engine.alive_at)


def config(**fields: Any) -> ServerConfig:
    return ServerConfig(**({"port": 0} | fields))  # type: ignore[arg-type]


def test_without_a_user_the_network_stays_closed(data_dir: Path) -> None:
    users = Users("", data_dir)
    with pytest.raises(UserError, match="users add"):
        prepare(config(host="0.0.0.0"), engine_bus(), users)
    prepare(config(host="127.0.0.1"), engine_bus(), users).thread.stop()
    store = users.open()
    store.add("ali")
    opened = prepare(config(host="0.0.0.0"), engine_bus(), users)
    opened.thread.stop()
    assert any("TLS" in remark for remark in opened.remarks)
    assert opened.url.startswith("http://localhost:")
    store.revoke("ali")
    store.close()
    with pytest.raises(UserError, match="users add"):
        prepare(config(host="0.0.0.0"), engine_bus(), users)


def test_a_port_in_use_is_said_in_one_sentence(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}.*--port"):
            prepare(config(port=port), engine_bus(), Users("", data_dir))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.5"])
def test_an_address_that_is_not_ours_is_said_in_one_sentence(
    data_dir: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    if host.endswith("invalid"):
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
    else:
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [place])
    users = Users("", data_dir)
    store = users.open()
    store.add("ali")
    store.close()
    with pytest.raises(UserError, match=host):
        prepare(config(host=host), engine_bus(), users)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("", False), ("192.168.1.5", False),
     ("localhost.evil.example", False)],
)  # fmt: skip
def test_what_only_this_computer_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_certificates_are_checked_before_anything_starts(data_dir: Path, tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    paths = {}
    for name in ("one", "two"):
        leaf = authority.issue_cert(f"{name}.example")
        for kind, blob in (("cert", leaf.cert_chain_pems[0]), ("key", leaf.private_key_pem)):
            paths[name, kind] = str(tmp_path / f"{name}.{kind}")
            blob.write_to_path(paths[name, kind])
    users = Users("", data_dir)
    good = config(tls_cert=paths["one", "cert"], tls_key=paths["one", "key"])
    prepared = prepare(good, engine_bus(), users)
    prepared.thread.stop()
    assert prepared.url.startswith("https://127.0.0.1:")
    bad = [
        (str(tmp_path / "nothing"), ""), (paths["one", "cert"], paths["two", "key"]),
        (paths["one", "key"], paths["one", "key"]), ("", paths["one", "key"]), (str(tmp_path), ""),
    ]  # fmt: skip
    for cert, key in bad:
        with pytest.raises(UserError, match="TLS"):
            prepare(config(tls_cert=cert, tls_key=key), engine_bus(), users)
