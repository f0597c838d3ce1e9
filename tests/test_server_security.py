"""Who is let in, who is not, and what nobody ever gets to read."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from core.accounts import Account, hash_token, new_token
from server.limits import FailureLimiter
from server.security import MOST_BODY
from server.sessions import LIFETIME_SECONDS, Sessions
from tests.server_helpers import KEY, RunningServer, wait_for

BOTS = "/api/v1/bots"
SESSION = "/api/v1/session"
GUARDED = [("GET", BOTS), ("GET", f"{BOTS}/asels"), ("GET", f"{BOTS}/asels/day"), ("GET", SESSION),
           ("DELETE", SESSION), ("POST", f"{BOTS}/asels/start"), ("POST", f"{BOTS}/asels/stop"),
           ("GET", f"{BOTS}/status-stream"), ("GET", f"{BOTS}/asels/status-stream")]  # fmt: skip


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer() as running:
        wait_for(lambda: running.in_loop(lambda: "asels" in running.hub.channel("local").bots))
        yield running


@pytest.fixture
def stranger(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client(None) as client:
        yield client


@pytest.fixture
def browser(server: RunningServer) -> Iterator[httpx.Client]:
    """A browser that has logged in as "local"."""
    with server.client(None) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        answer = client.post(SESSION, json={"token": server.tokens["local"]})
        assert answer.status_code == 200
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        yield client


# --- tokens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic bG9jYWw6eA==", "bearer swing_" + "x" * 43, "ü"]
)
def test_nobody_is_let_in_without_a_valid_token(
    server: RunningServer, stranger: httpx.Client, header: str
) -> None:
    server.gate.limiter = FailureLimiter(100)
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    for method, path in GUARDED:
        answer = stranger.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json() == {"code": "unauthorized", "detail": "A valid token or session is needed."}


def test_a_token_in_the_url_opens_nothing(server: RunningServer, stranger: httpx.Client) -> None:
    token = server.tokens["local"]
    for name in ("token", "access_token", "authorization"):
        assert stranger.get(f"{BOTS}?{name}={token}").status_code == 401


def test_a_revoked_token_opens_nothing(server: RunningServer) -> None:
    with server.client() as client:
        assert client.get(BOTS).status_code == 200
        server.revoke("local")
        assert client.get(BOTS).status_code == 401


def test_who_may_only_look_may_not_command(server: RunningServer) -> None:
    server.engine.states["asels"] = msgspec.structs.replace(server.engine.states["asels"], owner="viewer")
    server.engine.publish_all()
    with server.client("viewer") as client:
        wait_for(lambda: client.get(f"{BOTS}/asels").status_code == 200)
        for path in ("start", "stop"):
            answer = client.post(f"{BOTS}/asels/{path}")
            assert (answer.status_code, answer.json()["code"]) == (403, "only_looking")
    assert server.engine.commands == []


def test_the_limiter_forgets_and_is_bounded() -> None:
    now = [0.0]
    limiter = FailureLimiter(2, 10.0, lambda: now[0])
    for _ in range(2):
        limiter.failed("192.0.2.1")
    assert limiter.wait("192.0.2.1") == 11
    assert limiter.wait("192.0.2.2") == 0
    now[0] = 10.5
    assert limiter.wait("192.0.2.1") == 0
    limiter.failed("2001:db8::1")
    limiter.failed("2001:db8::ffff")
    assert limiter.wait("2001:db8::2") > 0  # one network
    assert limiter.wait("2001:db8:0:1::2") == 0
    for number in range(20_000):
        limiter.failed(f"host{number}")
    assert len(limiter._seen) <= 10_000


# --- sessions -------------------------------------------------------------------------------------------


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_cannot_use(
    server: RunningServer, stranger: httpx.Client
) -> None:
    answer = stranger.post(SESSION, json={"token": server.tokens["local"]})
    assert answer.json().keys() == {"user", "role", "csrf"}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"swing_session_{server.port}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert server.tokens["local"] not in answer.text + cookie
    assert answer.headers["cache-control"] == "no-store"
    assert [bot["bot_id"] for bot in stranger.get(BOTS).json()["bots"]] == ["asels", "thyao"]


@pytest.mark.parametrize("token", ["wrong", "", "x" * 300, " "])
def test_a_wrong_token_logs_nobody_in(stranger: httpx.Client, token: str) -> None:
    answer = stranger.post(SESSION, json={"token": token})
    assert answer.status_code == (401 if token in ("wrong", " ") else 422)
    assert "set-cookie" not in answer.headers


def test_a_page_that_was_loaded_anew_learns_who_it_is(server: RunningServer, browser: httpx.Client) -> None:
    told = browser.get(SESSION).json()
    assert told == {"user": "local", "role": "trader", "csrf": browser.headers["X-CSRF-Token"]}


def test_a_session_outlives_a_restart_of_the_server(server: RunningServer, browser: httpx.Client) -> None:
    server.gate.sessions = Sessions(KEY)
    assert browser.get(BOTS).status_code == 200
    server.gate.sessions = Sessions(b"another key")
    assert browser.get(BOTS).status_code == 401


def test_logging_out_ends_the_session_and_its_streams(server: RunningServer, browser: httpx.Client) -> None:
    with browser.stream("GET", f"{BOTS}/status-stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        answer = browser.delete(SESSION)
        assert answer.status_code == 204
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert list(lines)  # the rest of it, and then its end
    browser.cookies.set(server.gate.cookie_name, answer.request.headers["cookie"].partition("=")[2])
    assert browser.get(BOTS).status_code == 401


def test_a_revoked_token_ends_its_sessions(server: RunningServer, browser: httpx.Client) -> None:
    server.revoke("local")
    assert browser.get(BOTS).status_code == 401


def test_commands_by_cookie_need_the_sessions_word(server: RunningServer, browser: httpx.Client) -> None:
    word = browser.headers.pop("X-CSRF-Token")
    for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": word[:-1]}, {"X-CSRF-Token": "ü".encode()}):
        for method, path in (("POST", f"{BOTS}/asels/start"), ("DELETE", SESSION)):
            answer = browser.request(method, path, headers=wrong)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert server.engine.commands == []
    assert browser.post(f"{BOTS}/asels/start", headers={"X-CSRF-Token": word}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_commands_by_cookie_must_come_from_our_page(
    server: RunningServer, browser: httpx.Client, site: str
) -> None:
    browser.headers.pop("Sec-Fetch-Site")
    headers = {"Sec-Fetch-Site": site} if site else {}
    answer = browser.post(f"{BOTS}/asels/start", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert server.engine.commands == []


def test_an_old_browser_tells_by_its_origin(server: RunningServer, browser: httpx.Client) -> None:
    browser.headers.pop("Sec-Fetch-Site")
    assert browser.post(f"{BOTS}/asels/start", headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_on_another_port_cannot_use_the_cookie_to_look(browser: httpx.Client, site: str) -> None:
    for path in (BOTS, f"{BOTS}/status-stream"):
        assert browser.get(path, headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_nobody_can_be_logged_in_from_another_site(
    server: RunningServer, stranger: httpx.Client, site: str
) -> None:
    answer = stranger.post(SESSION, json={"token": server.tokens["local"]}, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


ALI = Account(name="ali.b", role="trader", token_hash=hash_token(new_token()), created=0.0)


def test_a_cookie_is_good_for_its_user_its_token_and_its_time() -> None:
    now = [1000.0]
    sessions = Sessions(KEY, lambda: now[0])
    cookie = sessions.begin(ALI)
    assert sessions.owner(cookie) == "ali.b"
    assert sessions.is_valid(cookie, ALI)
    assert not sessions.is_valid(cookie, msgspec.structs.replace(ALI, token_hash=hash_token("new")))
    assert not sessions.is_valid(cookie, msgspec.structs.replace(ALI, name="bea"))
    now[0] += LIFETIME_SECONDS
    assert not sessions.is_valid(cookie, ALI)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        ".",
        "...",
        "a.b.c.d",
        "9" * 12 + ".n.s.ali.b",
        "9" * 5000 + ".a.b.ali.b",
        "٣.n.s.ali.b",
        "\udcff...ali.b",
    ],
)
def test_what_is_no_cookie_of_ours_is_refused(cookie: str) -> None:
    assert not Sessions(KEY).is_valid(cookie, ALI)


def test_each_part_of_a_cookie_is_signed() -> None:
    sessions = Sessions(KEY)
    cookie = sessions.begin(ALI)
    for index in range(len(cookie)):
        forged = cookie[:index] + ("1" if cookie[index] != "1" else "2") + cookie[index + 1 :]
        assert not sessions.is_valid(forged, ALI) or sessions.owner(forged) != "ali.b"


# --- hosts and origins ----------------------------------------------------------------------------------


def raw(server: RunningServer, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(head.encode("latin-1"))
        data = b""
        while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
            data += piece
        return data


FOREIGN_HOSTS = [
    "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "",
    "127.0.0.1@evil", "192.168.1.5", "[::1", "localhost:x", "127.0.0.2", "localhost/.evil.example",
    "LOCALHOST.", "ü",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/healthz", BOTS, f"{BOTS}/status-stream", "/", "/docs"])
def test_a_foreign_host_name_is_refused_before_anything_else(server: RunningServer, path: str) -> None:
    token = server.tokens["local"]
    for host in FOREIGN_HOSTS:
        answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), host
        assert b"content-security-policy" in answer


def test_two_host_names_are_one_too_many(server: RunningServer) -> None:
    head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert raw(server, head).startswith(b"HTTP/1.1 400 ")


def test_our_own_names_are_known() -> None:
    with RunningServer(allowed_hosts=["Swing.Example"]) as server:
        for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:99", "swing.example"):
            head = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"
            assert raw(server, head).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "file://", "http://[", ""]
)
def test_a_foreign_origin_is_refused_whatever_it_holds(server: RunningServer, origin: str) -> None:
    calls = [*GUARDED, ("POST", SESSION), ("GET", "/healthz"), ("OPTIONS", BOTS)]
    with server.client() as client:
        for method, path in calls:
            answer = client.request(method, path, headers={"Origin": origin})
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
            assert not [name for name in answer.headers if name.startswith("access-control")]
    assert server.engine.commands == []


def test_large_bodies_are_refused(server: RunningServer) -> None:
    with server.client() as client:
        path = f"{BOTS}/asels/stop"
        answer = client.post(path, content=b"x" * (MOST_BODY + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        headers = {"Content-Type": "application/json"}
        answer = client.post(path, content=iter([b" " * 4096] * 10), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert server.engine.commands == []


@pytest.mark.parametrize("path", ["/healthz", BOTS, "/docs", "/nothing", "/openapi.json"])
def test_every_answer_bears_the_guards_of_the_browser(server: RunningServer, path: str) -> None:
    with server.client() as client:
        headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


def test_only_this_computer_is_listened_to(server: RunningServer) -> None:
    assert server.listener.getsockname()[0] == "127.0.0.1"


# --- secrets --------------------------------------------------------------------------------------------


@pytest.mark.allow_log
def test_no_secret_is_in_any_log_or_error(
    server: RunningServer, browser: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token, wrong = server.tokens["local"], "swing_wrong_sentinel_" + "w" * 30
    cookie = browser.cookies[server.gate.cookie_name]
    texts = []
    with server.client() as client:
        for path in (BOTS, f"{BOTS}/{token}", f"{BOTS}?token={token}", f"/{wrong}", f"{BOTS}/{wrong}/day"):
            texts.append(client.get(path).text)
        texts.append(client.get(BOTS, headers={"Authorization": f"Bearer {wrong}"}).text)
        texts.append(client.post(SESSION, json={"token": wrong}).text)
        texts.append(client.post(SESSION, json={"token": [wrong], "x": token}).text)
        texts.append(client.post(f"{BOTS}/asels/stop", json={"flatten": token}).text)
    texts.append(browser.get(BOTS).text)
    said = "\n".join(
        [
            record.getMessage()
            for record in caplog.records
            if "httpx" not in record.name and "httpcore" not in record.name
        ]
        + texts
    )
    for secret in (token, wrong, cookie, hash_token(token), browser.headers["X-CSRF-Token"]):
        assert secret not in said
    assert not re.search(r"swing_[\w-]{20,}", said)


def test_a_head_that_never_ends_is_cut_off(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        with pytest.raises(OSError):
            for _ in range(10_000):
                connection.sendall(b"x" * 4096)
    with server.client() as client:
        for _ in range(100):  # one connection, one head after the other
            assert client.get(BOTS, headers={"X": "x" * 2000}).status_code == 200


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 100])
@pytest.mark.allow_log("Invalid HTTP request")
def test_garbage_is_refused_and_the_server_goes_on(server: RunningServer, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(garbage)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    with server.client() as client:
        assert client.get(BOTS).status_code == 200
