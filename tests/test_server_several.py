"""Several server processes with the same users: one login, one logout, whichever of them is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import accounts
from core.accounts import AccountStore
from core.config import ServerConfig
from server.bus import InProcessBus
from server.sessions import LIFETIME_SECONDS
from server.setup import Users, prepare
from tests.server_helpers import FakeEngine, bot_state, following

BOTS = "/api/v1/bots"
SESSION = "/api/v1/session"
KEY = "the same on every server"


@contextmanager
def serving(data_dir: Path, *, storage_url: str = "") -> Iterator[str]:
    """A whole server, as `serve` puts it together; its address."""
    engine = FakeEngine([bot_state("asels")])
    bus = InProcessBus(engine.events, engine.post, engine.alive_at)
    prepared = prepare(config(), bus, Users(storage_url, data_dir))
    prepared.thread.start()
    try:
        yield prepared.url
    finally:
        assert prepared.thread.stop()


def config(**fields: Any) -> ServerConfig:
    return ServerConfig(**({"port": 0} | fields))


@pytest.fixture
def token(data_dir: Path) -> str:
    store = AccountStore("", data_dir)
    try:
        return store.add("local")
    finally:
        store.close()


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        yield client


def log_in(browser: httpx.Client, url: str, token: str) -> httpx.Cookies:
    answer = browser.post(url + SESSION, json={"token": token})
    assert answer.status_code == 200
    browser.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return httpx.Cookies(browser.cookies)


def test_with_one_key_a_login_holds_on_every_server(
    data_dir: Path, token: str, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWING_SERVER_KEY", KEY)
    with serving(data_dir) as one, serving(data_dir) as two:
        log_in(browser, one, token)
        for url in (one, two, one, two):
            assert browser.get(url + BOTS).status_code == 200
        (name,) = browser.cookies.keys()
        assert KEY not in name


def test_servers_with_keys_of_their_own_do_not_log_each_other_out(
    data_dir: Path, token: str, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        urls = []
        for key in ("", "", "one", "another"):  # two of them with `server.key`
            monkeypatch.setenv("SWING_SERVER_KEY", key)
            urls.append(stack.enter_context(serving(data_dir)))
        for url in urls:
            log_in(browser, url, token)
        assert len(set(browser.cookies.keys())) == len(urls)
        for url in urls:
            assert browser.get(url + BOTS).status_code == 200


def test_a_logout_outlives_a_restart(data_dir: Path, token: str, browser: httpx.Client) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(serving(data_dir))
        kept = log_in(browser, url, token)
        assert browser.delete(url + SESSION).status_code == 204
    (value,) = kept.values()
    with serving(data_dir) as again:
        name = f"swing_session_{httpx.URL(again).port}"
        headers = {"Cookie": f"{name}={value}"}
        assert httpx.get(again + BOTS, headers=headers).status_code == 401


def test_a_logout_ends_the_session_and_its_streams_on_every_server(
    data_dir: Path, token: str, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWING_SERVER_KEY", KEY)
    with serving(data_dir) as one, serving(data_dir) as two:
        kept = log_in(browser, one, token)
        with (
            httpx.Client(base_url=two, cookies=kept, timeout=10) as elsewhere,
            following(elsewhere) as events,
        ):
            assert next(events).name == "snapshot"
            assert browser.delete(one + SESSION).status_code == 204
            assert all(event.name in ("update", "beat") for event in events)  # until its end
            assert elsewhere.get(BOTS).status_code == 401
        log_in(browser, two, token)  # the user is still welcome
        assert browser.get(one + BOTS).status_code == 200


def test_ended_sessions_are_kept_until_they_would_have_ended_anyway(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MOST_ENDED_OF_USER", 5)
    now = [1000.0]
    store = AccountStore("", data_dir, now=lambda: now[0])
    before = store.fingerprint()
    store.end_session("first", "ali", now[0] + 10)
    assert store.fingerprint() != before
    store.end_session("first", "ali", now[0] + 10)  # twice is once
    store.end_session("second", "bea", now[0] + LIFETIME_SECONDS)
    assert store.ended_sessions() == {"first", "second"}
    now[0] += 11
    assert store.ended_sessions() == {"second"}
    store.end_session("third", "ali", now[0] + 10)
    for number in range(20):
        now[0] += 1
        store.end_session(f"n{number}", "ali", now[0] + 100)
    ended = store.ended_sessions()
    assert "second" in ended  # nobody pushes another's out
    assert "n19" in ended
    assert len(ended) == 6
    store.close()
