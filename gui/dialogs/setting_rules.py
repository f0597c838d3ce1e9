"""Judges what is entered in the settings dialog: the file's own rules, with sentences that suit a form."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from core.config import Config, Problem
from core.config_check import all_paths, check_value, with_value
from core.config_rules import problems_between
from core.i18n import format_number, tr

KEPT_AS_THEY_STAND = frozenset(
    path
    for path in all_paths()
    if path.partition(".")[0] in ("bots", "remote_servers")  # the bots' panel has forms for them
)
PAGES: dict[str, tuple[str, ...]] = {
    "general": ("language", "theme", "flash_changes", "exchange", "symbols", "extra_closures", "log_level",
                "debug_mode"),
    "prices": ("real_time.live_data_source", "real_time.use_tvdata", "real_time.allow_simulation",
               "real_time.poll_interval_sec", "real_time.max_live_symbols", "real_time.stale_after_sec",
               "real_time.update_interval_ms", "real_time.enable_portfolio_tracking", "real_time.yahoo_base",
               "real_time.yahoo_stream", "real_time.cross_check_pct", "real_time.record",
               "real_time.replay_file", "real_time.replay_speed"),
    "signals": ("real_time.enable_signal_triggers", "real_time.signal_threshold_pct",
                "real_time.signal_cooldown_sec", "real_time.noise_filter", "real_time.noise_window"),
    "notifications": ("real_time.enable_notifications", "real_time.notification_channels.toast",
                      "real_time.notification_channels.desktop", "real_time.notification_channels.telegram",
                      "real_time.notification_channels.email"),
    "bot_alerts": tuple(path for path in all_paths() if path.startswith("real_time.bot_notifications.")),
    "telegram": ("real_time.telegram.enabled", "real_time.telegram.bot_token", "real_time.telegram.chat_id",
                 "real_time.telegram.api_base"),
    "email": ("real_time.email.enabled", "real_time.email.host", "real_time.email.port",
              "real_time.email.security", "real_time.email.username", "real_time.email.password",
              "real_time.email.sender", "real_time.email.recipients"),
    "push": ("websocket.enabled", "websocket.endpoint", "websocket.use_tvdata",
             "websocket.reconnect_attempts", "websocket.reconnect_delay_ms",
             "websocket.heartbeat_interval_ms", "websocket.timeout_ms"),
    "server": ("server.enabled", "server.host", "server.port", "server.allowed_hosts",
               "server.trusted_proxies", "server.tls_cert", "server.tls_key", "server.max_streams_per_user",
               "server.redis_url", "bot_executor"),
    "storage": ("storage.url", "storage.keep_minute_bars_days"),
}  # fmt: skip
TESTS: dict[str, tuple[str, ...]] = {
    "notifications": ("toast", "desktop", "telegram", "email"),
    "telegram": ("telegram",),
    "email": ("email",),
}
LINKED = {
    "real_time.telegram.enabled": "real_time.notification_channels.telegram",
    "real_time.email.enabled": "real_time.notification_channels.email",
}
"""Two switches that both have to be on: in the dialog one moves the other."""

_NO_BLANKS = frozenset(("real_time.telegram.bot_token", "real_time.telegram.chat_id"))


def pages() -> dict[str, tuple[str, ...]]:
    """The settings on each page; one that was forgotten above comes last on the first page."""
    placed = {path for paths in PAGES.values() for path in paths} | KEPT_AS_THEY_STAND
    forgotten = tuple(path for path in all_paths() if path not in placed)
    return {**PAGES, "general": PAGES["general"] + forgotten}


def sentence_for(path: str, value: Any) -> str:
    """What is wrong with `value` alone, "" if nothing is."""
    if path in _NO_BLANKS and isinstance(value, str) and re.search(r"\s", value):
        return tr("settings.no_spaces")
    problem = check_value(path, value)
    return _sentence(problem) if problem else ""


def candidate(config: Config, values: dict[str, Any]) -> Config:
    """`config` with `values`, each of which is right by itself."""
    data: dict[str, Any] = msgspec.to_builtins(config)
    for path, value in values.items():
        data = with_value(data, path, msgspec.to_builtins(value))
    result: Config = msgspec.convert(data, Config)
    return result


def sentences_between(config: Config) -> dict[str, str]:
    """What is wrong between fields, by path.

    An empty secret may be in the system's keyring, which can take seconds to answer, so it is not asked here:
    the test button tells.
    """
    live = config.real_time
    result: dict[str, str] = {}
    for problem in problems_between(config, ask_keyring=False):
        path = problem.path.partition("[")[0]
        if path == "real_time.stale_after_sec":
            seconds = format_number(live.poll_interval_sec, 0 if live.poll_interval_sec % 1 == 0 else 1)
            result[path] = tr("settings.stale_too_soon", seconds=seconds)
        else:
            result.setdefault(path, _sentence(problem))
    return result


def _sentence(problem: Problem) -> str:
    """A problem of the file as a sentence beside a field."""
    text = problem.accepted
    if not text.endswith((".", "?", "!")):
        text = tr("settings.accepted", accepted=text)
    if problem.nearest:
        text += " " + tr("settings.nearest", nearest=problem.nearest)
    item = re.search(r"\[(\d+)\]$", problem.path)
    return tr("settings.on_line", line=int(item[1]) + 1, text=text) if item else text
