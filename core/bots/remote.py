"""Servers elsewhere whose bots the desktop shows: their names, addresses, and what to say about them."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from core.i18n import tr
from core.instruments import fold

API = "/api/v1"


def token_name(server: str) -> str:
    """Under which name the token of a server is looked up (`core.secrets`): "Home PC" is
    remote_token_home_pc, in the environment SWING_REMOTE_TOKEN_HOME_PC."""
    return "remote_token_" + (re.sub(r"[^a-z0-9]+", "_", fold(server).lower()).strip("_") or "server")


def api_url(base: str, path: str) -> str:
    """The address of `path` ("bots") of the server at `base`."""
    return f"{base.rstrip('/')}{API}/{path}"


def is_open_to_eavesdroppers(url: str) -> bool:
    """Whether a token sent there can be read on the way: no TLS, and not this computer."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


class RemoteHealth(NamedTuple):
    """How live the bots of a server are.

    `reason` is the end of a sentence's name in `remote.json`, "live" if they are; `detail` what the system or
    the server says about it. `retry_in` are the seconds to the next try, None if there is none.
    """

    live: bool
    reason: str
    detail: str = ""
    retry_in: float | None = None


def health_sentence(server: str, health: RemoteHealth) -> str:
    """One sentence about a server for its owner."""
    text = tr(f"remote.{health.reason}", server=server, detail=health.detail)
    if health.retry_in is not None and health.retry_in >= 1.0:
        text += " " + tr("remote.retry_in", seconds=round(health.retry_in))
    return text
