"""What a type cannot say about a configuration: symbols that exist, days that are real, fields that need
others.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from core.bots.remote import token_name
from core.config import Config, EmailConfig, Problem, TelegramConfig
from core.errors import InputError
from core.i18n import tr
from core.instruments import parse_instrument
from core.market_calendar import parse_closure
from core.redis_url import is_redis_url
from core.secrets import environment_name, secret_exists, shown_url


def item_problems(exchange: str, symbols: Any, extra_closures: Any) -> Iterator[Problem]:
    """What is wrong with the items of the two lists; items that are not even text are passed over."""
    yield from _symbol_problems(exchange, symbols)
    for index, text in _texts(extra_closures):
        try:
            parse_closure(text)
        except InputError as error:
            yield _problem(f"extra_closures[{index}]", text, str(error))


def problems_between(config: Config, *, ask_keyring: bool) -> Iterator[Problem]:
    """What is wrong between fields. The keyring is asked only where a secret is needed and not given."""
    live = config.real_time
    if live.stale_after_sec < live.poll_interval_sec:
        accepted = tr("config.accept_stale_after", seconds=f"{live.poll_interval_sec:g}")
        yield _problem("real_time.stale_after_sec", live.stale_after_sec, accepted)
    if live.noise_window % 2 == 0:
        yield _problem("real_time.noise_window", live.noise_window, tr("config.accept_odd"))
    yield from _remote_problems(config)
    yield from _proxy_problems(config.server.trusted_proxies)
    if config.server.redis_url and not is_redis_url(config.server.redis_url):
        found = shown_url(config.server.redis_url)
        yield _problem("server.redis_url", found, tr("config.accept_redis_url"))
    if live.telegram.enabled:
        yield from _telegram_problems(live.telegram, ask_keyring)
    if live.email.enabled:
        yield from _email_problems(live.email, ask_keyring)


def _remote_problems(config: Config) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, server in enumerate(config.remote_servers):
        first = seen.setdefault(token_name(server.name), index)
        if first != index:
            accepted = tr("config.accept_once", first=f"remote_servers[{first}].name")
            yield _problem(f"remote_servers[{index}].name", server.name, accepted)


def _proxy_problems(proxies: tuple[str, ...]) -> Iterator[Problem]:
    for index, proxy in enumerate(proxies):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            yield _problem(f"server.trusted_proxies[{index}]", proxy, tr("config.accept_proxy"))


def _texts(value: Any) -> Iterator[tuple[int, str]]:
    if isinstance(value, list | tuple):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, str))


def _symbol_problems(exchange: str, symbols: Any) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, text in _texts(symbols):
        path = f"symbols[{index}]"
        try:
            key = parse_instrument(text, exchange).key
        except InputError as error:
            yield _problem(path, text, str(error))
            continue
        if key in seen:
            yield _problem(path, text, tr("config.accept_once", first=f"symbols[{seen[key]}]"))
        seen.setdefault(key, index)


def _telegram_problems(telegram: TelegramConfig, ask: bool) -> Iterator[Problem]:
    path = "real_time.telegram"
    if secret_exists("telegram_bot_token", telegram.bot_token, ask=ask) is False:
        yield _missing_secret(f"{path}.bot_token", "telegram_bot_token")
    if not telegram.chat_id:
        yield _problem(f"{path}.chat_id", "", tr("config.accept_chat_id"))


def _email_problems(email: EmailConfig, ask: bool) -> Iterator[Problem]:
    path = "real_time.email"
    if not email.host:
        yield _problem(f"{path}.host", "", tr("config.accept_needed_host"))
    if not email.sender:
        yield _problem(f"{path}.sender", "", tr("config.accept_needed_sender"))
    if not email.recipients:
        yield _problem(f"{path}.recipients", [], tr("config.accept_needed_recipients"))
    if email.username and secret_exists("email_password", email.password, ask=ask) is False:
        yield _missing_secret(f"{path}.password", "email_password")


def _missing_secret(path: str, name: str) -> Problem:
    return _problem(path, "", tr("config.accept_secret", variable=environment_name(name), name=name))


def _problem(path: str, value: Any, accepted: str) -> Problem:
    return Problem(path, json.dumps(value, ensure_ascii=False), accepted)
