"""Who is asking, when somebody in between says so; and how often one may ask wrongly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cli import main as command_line
from cli import serve
from cli.arguments import Options, parse
from core.config import ServerConfig
from core.config_check import check_value
from core.errors import UserError
from server.limits import FailureLimiter
from tests.server_helpers import RunningServer

BOTS = "/api/v1/bots"
SESSION = "/api/v1/session"


def wrong_ones(server: RunningServer, **headers: str) -> list[int]:
    """The answers to four wrong tokens, {n} in a header standing for their number."""
    with server.client(None) as stranger:
        return [
            stranger.post(
                SESSION, json={"token": f"wrong{number}"},
                headers={name.replace("_", "-"): value.format(n=number) for name, value in headers.items()},
            ).status_code
            for number in range(4)
        ]  # fmt: skip


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP"])
def test_nobody_gets_more_tries_by_claiming_to_be_another(header: str) -> None:
    with RunningServer() as server:
        server.gate.limiter = FailureLimiter(2)
        claim = "for=192.0.2.{n}" if header == "Forwarded" else "192.0.2.{n}"
        assert wrong_ones(server, **{header: claim}) == [401, 401, 429, 429]


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8"])
def test_a_trusted_proxy_tells_its_clients_apart(trusted: str) -> None:
    with RunningServer(trusted_proxies=[trusted]) as server:
        server.gate.limiter = FailureLimiter(2)
        assert wrong_ones(server, X_Forwarded_For="192.0.2.{n}") == [401] * 4
        assert wrong_ones(server, X_Forwarded_For="203.0.113.{n}, 192.0.2.77") == [401, 401, 429, 429]


def test_only_the_trusted_one_is_believed() -> None:
    with RunningServer(trusted_proxies=["10.0.0.5"]) as server:
        server.gate.limiter = FailureLimiter(2)
        assert wrong_ones(server, X_Forwarded_For="192.0.2.{n}") == [401, 401, 429, 429]


def test_wrong_tokens_of_others_at_an_address_keep_no_right_one_out() -> None:
    with RunningServer() as server, server.client(None) as stranger:
        server.gate.limiter = FailureLimiter(2)
        assert wrong_ones(server) == [401, 401, 429, 429]
        refused = stranger.post(SESSION, json={"token": "wrong"})
        assert refused.json()["code"] == "too_many_failures"
        assert 0 < int(refused.headers["retry-after"]) <= 61
        assert stranger.post(SESSION, json={"token": server.tokens["local"]}).status_code == 200
        assert stranger.get(BOTS).status_code == 200
        assert stranger.get(BOTS, headers={"Authorization": "Bearer wrong"}).status_code == 429


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]])
@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False), ("gopher", False)])
def test_behind_a_proxy_with_tls_on_this_computer_the_cookie_is_secure(
    trusted: list[str], scheme: str, secure: bool
) -> None:
    with RunningServer(trusted_proxies=trusted) as server, server.client(None) as browser:
        answer = browser.post(
            SESSION, json={"token": server.tokens["local"]}, headers={"X-Forwarded-Proto": scheme}
        )
        assert ("Secure" in answer.headers["set-cookie"]) is secure


# --- settings -------------------------------------------------------------------------------------------


def test_proxies_are_named_in_the_file_or_on_the_command_line() -> None:
    options = parse(["serve", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/24"])
    told = serve.server_config(ServerConfig(trusted_proxies=("::1",)), options)
    assert told.trusted_proxies == ("127.0.0.1", "10.0.0.0/24")
    assert serve.server_config(told, Options()) == told
    assert check_value("server.trusted_proxies", ["::1", "fd00::/8", "127.0.0.1"]) is None


@pytest.mark.parametrize("proxy", ["*", "", "localhost", "10.0.0.5/24", "1.2.3", "proxy.example"])
def test_what_is_no_address_is_refused(data_dir: Path, capsys: Any, proxy: str) -> None:
    problem = check_value("server.trusted_proxies", [proxy])
    assert problem is not None and problem.path == "server.trusted_proxies[0]"
    with pytest.raises(UserError, match=re.escape("127.0.0.1")):
        serve.server_config(ServerConfig(), parse(["serve", "--trusted-proxy", proxy]))
    assert command_line.main(["serve", "--data-dir", str(data_dir), "--trusted-proxy", proxy]) != 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_another_mode_has_no_use_for_it(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        parse(["doctor", "--trusted-proxy", "127.0.0.1"])
    assert "--trusted-proxy" in capsys.readouterr().err
