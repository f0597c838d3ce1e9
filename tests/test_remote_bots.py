"""The desktop follows status servers elsewhere: real servers, cuts, freezes, refusals, certificates."""

from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytestqt.qtbot import QtBot

from core.bots.model import BotStatus
from core.bots.remote import (
    RemoteHealth,
    api_url,
    health_sentence,
    is_open_to_eavesdroppers,
    token_name,
)
from core.clock import FakeClock
from core.commands import StartBot, StopBot
from core.config import RemoteServerConfig
from core.secrets import redactor
from gui.workers.remote_bots import RemoteBots
from gui.workers.remote_transport import Transport
from tests.page_server import TOKEN, page_server
from tests.server_helpers import RunningServer, bot_state

Happenings = list[tuple[Any, ...]]


class Watched:
    """A follower of one server and all that it told."""

    def __init__(self, qtbot: QtBot, url: str, **config: str) -> None:
        self.qtbot = qtbot
        self.clock = FakeClock()
        self.transport = Transport()
        self.bots = RemoteBots(
            RemoteServerConfig(name="Home", url=url, **config), self.transport, clock=self.clock
        )
        self.told: Happenings = []
        self.known: dict[str, dict[str, Any]] = {}
        self.bots.loaded.connect(self._on_loaded)
        self.bots.changed.connect(lambda name, bot: self._note("changed", bot["bot_id"], bot))
        self.bots.gone.connect(lambda name, bot_id: self._note("gone", bot_id, None))
        self.bots.command_done.connect(lambda *what: self.told.append(("done", *what)))

    def _on_loaded(self, name: str, bots: tuple[dict[str, Any], ...]) -> None:
        assert name == "Home"
        self.told.append(("loaded", len(bots)))
        self.known = {bot["bot_id"]: bot for bot in bots}

    def _note(self, what: str, bot_id: str, bot: dict[str, Any] | None) -> None:
        self.told.append((what, bot_id))
        if bot is None:
            del self.known[bot_id]
        else:
            self.known[bot_id] = bot

    def wait(self, condition: Any) -> None:
        """Let Qt work until `condition` holds."""
        self.qtbot.waitUntil(lambda: bool(condition()))

    def wait_reason(self, reason: str) -> None:
        """Wait until the server is so."""
        self.wait(lambda: self.bots.health.reason == reason)

    def wait_retrying(self, reason: str) -> None:
        """The same, while no pause between two tries takes any time."""

        def met() -> bool:
            if self.bots.health.retry_in is not None:
                self.advance(20.0)
            return self.bots.health.reason == reason

        self.wait(met)

    def advance(self, seconds: float) -> None:
        """Let time pass, and the follower notice."""
        self.clock.advance(seconds)
        self.bots._look()

    def times(self, what: str) -> int:
        """How often this was told."""
        return sum(1 for told in self.told if told[0] == what)

    def end(self) -> None:
        """End everything."""
        self.bots.stop()
        self.transport.close()
        self.transport.deleteLater()
        self.bots.deleteLater()


@contextmanager
def following(qtbot: QtBot, url: str, token: str, **config: str) -> Iterator[Watched]:
    """A follower that has begun."""
    watched = Watched(qtbot, url, **config)
    try:
        watched.bots.start(token)
        yield watched
    finally:
        watched.end()


def test_it_shows_the_users_bots_and_every_change(qtbot: QtBot) -> None:
    with (
        RunningServer(beat_seconds=0.2) as server,
        following(qtbot, server.url, server.tokens["local"]) as seen,
    ):
        seen.wait_reason("live")
        assert set(seen.known) == {"asels", "thyao"}
        assert seen.known["asels"]["engine"] == "local"
        server.engine.change("asels", last_price=47.0, last_error="ışık")
        seen.wait(lambda: seen.known["asels"]["last_price"] == 47.0)
        assert seen.known["asels"]["last_error"] == "ışık"
        assert seen.known["asels"]["status"] == "running"
        server.engine.add(bot_state("new"))
        seen.wait(lambda: "new" in seen.known)
        server.engine.remove("thyao")
        seen.wait(lambda: "thyao" not in seen.known)
        assert seen.times("loaded") == 1
        assert seen.bots.heard_at == seen.clock.monotonic()


def test_a_dead_engine_is_told_though_the_server_lives(qtbot: QtBot) -> None:
    with (
        RunningServer(beat_seconds=0.2) as server,
        following(qtbot, server.url, server.tokens["local"]) as seen,
    ):
        seen.wait_reason("live")
        server.engine.dead_since = -1000.0
        seen.wait_reason("engine")
        assert not seen.bots.health.live
        server.engine.dead_since = None
        seen.wait_reason("live")


def test_a_server_that_hears_nothing_is_not_live_and_takes_no_bots_away(qtbot: QtBot) -> None:
    with RunningServer(beat_seconds=0.2) as first, following(qtbot, first.url, first.tokens["local"]) as seen:
        seen.wait_reason("live")
        assert first.thread.stop()
        second = RunningServer(port=first.port, beat_seconds=0.2)
        second.let_in(first)
        second.engine.loading = True
        with second:
            seen.wait_retrying("not_ready")
            assert set(seen.known) == {"asels", "thyao"}
            assert "hears nothing" in seen.bots.sentence()
            second.engine.loading = False
            second.engine.publish_all()
            seen.wait_reason("live")
            seen.bots.stop()  # Qt complains if both ends hang up in the same instant


def test_a_frozen_server_is_grey_in_time_and_a_killed_one_is_found_again(qtbot: QtBot) -> None:
    with page_server() as server, following(qtbot, server.url, TOKEN) as seen:
        seen.wait_reason("live")
        server.freeze()
        seen.advance(4.1)
        assert seen.bots.health == RemoteHealth(False, "silent")
        seen.advance(4.0)
        assert seen.bots.health.reason == "silent"
        assert seen.bots.health.retry_in is not None
        server.thaw()
        seen.advance(1.0)
        seen.wait_reason("live")
        server.kill()
        seen.wait(lambda: not seen.bots.health.live)
        with page_server(server.port) as second:
            second.change(last_price=51.5)
            seen.wait_retrying("live")
            seen.wait(lambda: seen.known["asels"]["last_price"] == 51.5)
            seen.bots.stop()  # Qt complains if both ends hang up in the same instant


def test_after_a_cut_only_what_was_missed_comes(qtbot: QtBot) -> None:
    with (
        RunningServer(beat_seconds=0.2) as server,
        following(qtbot, server.url, server.tokens["local"]) as seen,
    ):
        seen.wait_reason("live")
        server.in_loop(lambda: server.hub.end_streams(lambda *_: False))
        seen.wait_reason("lost")
        server.engine.change("asels", last_price=48.0)
        seen.wait_retrying("live")
        seen.wait(lambda: seen.known["asels"]["last_price"] == 48.0)
        assert seen.times("loaded") == 1


def test_a_revoked_or_wrong_token_is_not_tried_again(qtbot: QtBot) -> None:
    with RunningServer() as server, following(qtbot, server.url, server.tokens["local"]) as seen:
        seen.wait_reason("live")
        server.revoke("local")
        seen.wait_reason("lost")
        seen.wait_retrying("refused")
        assert seen.bots.health.retry_in is None
        assert seen.bots.sentence() == "Home does not accept the token. Enter a valid one under “Servers…”."
        seen.bots.start(server.tokens["other"])
        seen.wait_reason("live")
        assert set(seen.known) == {"garan"}


def test_the_token_comes_from_the_environment_and_never_into_the_log(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RunningServer() as server, following(qtbot, server.url, "") as seen:
        seen.wait_reason("no_token")
        assert seen.bots.health.retry_in is None
        monkeypatch.setenv("SWING_REMOTE_TOKEN_HOME", server.tokens["local"])
        seen.bots.start()
        seen.wait_reason("live")
        assert server.tokens["local"] not in caplog.text
        assert redactor.mask(server.tokens["local"]) == "***"


def test_too_many_connections_and_an_absent_server_are_tried_again(qtbot: QtBot) -> None:
    with (
        RunningServer(max_streams=1) as server,
        following(qtbot, server.url, server.tokens["local"]) as first,
    ):
        first.wait_reason("live")
        with following(qtbot, server.url, server.tokens["local"]) as second:
            second.wait_reason("crowded")
            first.bots.stop()
            second.wait_retrying("live")
        url = server.url
    with following(qtbot, url, "token") as third:
        pauses = []
        for _ in range(7):
            third.wait(lambda: third.bots.health.retry_in is not None)
            assert third.bots.health.reason == "unreachable"
            pauses.append(third.bots._retry_at - third.clock.monotonic())  # type: ignore[operator]
            third.bots._retry_at = None
            third.bots._connect()
            third.wait(lambda: third.bots._retry_at is not None)
        assert pauses[0] < 0.7
        assert pauses[-1] > 10


class _Foreign(http.server.BaseHTTPRequestHandler):
    """Somebody else's web server, which sends everybody to another one."""

    status: int
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def foreign(status: int) -> Iterator[str]:
    handler = type("Handler", (_Foreign,), {"status": status, "seen": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        assert len(handler.seen) == 1  # the token was not carried on


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_server_of_another_kind_is_told_and_gets_the_token_once(qtbot: QtBot, status: int) -> None:
    with foreign(status) as url, following(qtbot, url, "token") as seen:
        seen.wait_reason("answer")
        assert str(status) in seen.bots.sentence()


@pytest.mark.allow_log("WARNING gui.workers.remote_bots: Home: .*")
def test_what_makes_no_sense_leads_to_a_new_beginning(qtbot: QtBot) -> None:
    with RunningServer() as server, following(qtbot, server.url, server.tokens["local"]) as seen:
        seen.wait_reason("live")
        seen.bots._take(b"event: update\nid: abc-7\ndata: {\n\n")
        assert seen.bots.health.reason == "broken"
        seen.wait_retrying("live")
        assert seen.times("loaded") == 2


def test_commands_reach_the_engine_and_refusals_come_back(qtbot: QtBot) -> None:
    with RunningServer() as server, following(qtbot, server.url, server.tokens["local"]) as seen:
        seen.wait_reason("live")
        seen.bots.command("asels", "stop", flatten=True)
        seen.wait(lambda: ("done", "Home", "asels", "") in seen.told)  # its state may come later
        seen.bots.command("asels", "start")
        seen.wait(lambda: seen.times("done") == 2)
        stop, start = server.engine.commands
        assert isinstance(stop, StopBot) and stop.flatten
        assert isinstance(start, StartBot)
        seen.wait(lambda: seen.known["asels"]["status"] == BotStatus.RUNNING)
        server.engine.refuse = "The database is full."
        seen.bots.command("asels", "stop")
        seen.wait(lambda: seen.times("done") == 3)
        assert ("done", "Home", "asels", "Home: not done. The database is full.") in seen.told
    with RunningServer() as server, following(qtbot, server.url, server.tokens["viewer"]) as seen:
        seen.wait_reason("live")
        seen.bots.command("asels", "start")
        seen.wait(lambda: seen.times("done") == 1)
        assert seen.told[-1][-1] == "Home: not done. This token may only look."
        url = server.url
    with following(qtbot, url, "token") as seen:
        seen.bots.command("asels", "start")
        seen.wait(lambda: seen.times("done") == 1)
        assert "it is not known whether this was done" in seen.told[-1][-1]


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[str, str, str]:
    """An authority's file, and the certificate and key of 127.0.0.1."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = tuple(str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(paths[0])
    issued.cert_chain_pems[0].write_to_path(paths[1])
    issued.private_key_pem.write_to_path(paths[2])
    return paths[0], paths[1], paths[2]


def test_an_own_certificate_is_trusted_only_when_it_is_named(
    qtbot: QtBot, certificates: tuple[str, str, str]
) -> None:
    authority, *tls = certificates
    with RunningServer(tls=(tls[0], tls[1])) as server:
        with following(qtbot, server.url, server.tokens["local"]) as seen:
            seen.wait_reason("tls")
            assert "certificate cannot be trusted" in seen.bots.sentence()
        with following(qtbot, server.url, server.tokens["local"], tls_ca="/nowhere/ca.pem") as seen:
            seen.wait_reason("bad_ca")
        with following(qtbot, server.url, server.tokens["local"], tls_ca=authority) as seen:
            seen.wait_reason("live")
            server.engine.change("asels", last_price=52.0)
            seen.wait(lambda: seen.known["asels"]["last_price"] == 52.0)
            seen.bots.command("asels", "stop")
            seen.wait(lambda: seen.times("done") == 1)
            assert isinstance(server.engine.commands[0], StopBot)
            server.in_loop(lambda: server.hub.end_streams(lambda *_: False))
            seen.wait_reason("lost")
            seen.wait_retrying("live")


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("https://example.org", False), ("http://127.0.0.1:8765", False), ("http://localhost:8765", False),
        ("http://[::1]:8765", False), ("http://192.168.1.5:8765", True), ("http://home.example:8765", True),
        ("http://127.0.0.1.evil.example", True), ("HTTPS://example.org", False),
    ],
)  # fmt: skip
def test_a_token_in_the_clear_is_warned_of(url: str, is_open: bool) -> None:
    assert is_open_to_eavesdroppers(url) == is_open


def test_names_addresses_and_sentences() -> None:
    assert token_name("Ev Bilgisayarı 2") == "remote_token_ev_bilgisayari_2"
    assert token_name("家") == "remote_token_server"
    assert api_url("https://a.example/swing/", "bots") == "https://a.example/swing/api/v1/bots"
    health = RemoteHealth(False, "unreachable", "refused", 12.0)
    sentence = "Home: not live, the server cannot be reached (refused). Trying again in 12 s."
    assert health_sentence("Home", health) == sentence
