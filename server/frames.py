"""How an event looks on the wire (Server-Sent Events), built once and shared by all who get it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

RETRY_MS = 2000
"""After so long a browser comes back by itself when a stream has ended."""
_ID = re.compile(r"([0-9a-f]{12})-(\d{1,18})\Z")
encode = msgspec.json.Encoder().encode


def event_id(epoch: str, seq: int) -> str:
    """The `id:` of the event `seq` of the epoch."""
    return f"{epoch}-{seq}"


NO_ID = event_id("0" * 12, 0)
"""The `id:` of a snapshot in which something may be missing: who comes back with it gets a new one."""


def parse_id(text: str) -> tuple[str, int] | None:
    """The epoch and the number in an `id:`, None if it is none of ours."""
    match = _ID.match(text)
    return None if match is None else (match[1], int(match[2]))


def frame(name: str, last_id: str, data: bytes, *, retry: bool = False) -> bytes:
    """One event. `data` is JSON and so holds no line break; `name` and `last_id` are never a user's."""
    head = f"retry: {RETRY_MS}\n" if retry else ""
    return b"%sevent: %s\nid: %s\ndata: %s\n\n" % (head.encode(), name.encode(), last_id.encode(), data)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The fields of `after` that `before` has not, or otherwise; `bot_id` and `version` in any case."""
    changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
    return {"bot_id": after["bot_id"], "version": after["version"], **changed}
