"""The streams' part of the OpenAPI description."""

from __future__ import annotations

from typing import Any

from server.stream_routes import ALL, ONE

_EXAMPLES = {
    "snapshot": (
        "at once: everything there is; it replaces all that the client has, unless it is not `ready`: then "
        "bots may be missing, and another snapshot follows",
        'retry: 2000\nevent: snapshot\nid: 5f0c6c3a9e21-41\ndata: {"bots":[{"bot_id":"asels-swing",'
        '"version":17,"status":"running"}],"engines":{"local":0.3},"ready":true}\n\n',
    ),
    "update": (
        "then what has changed, and only that; an unknown bot comes whole",
        'event: update\nid: 5f0c6c3a9e21-42\ndata: {"bot_id":"asels-swing","version":18,"open_pnl":12.5}\n\n',
    ),
    "removed": (
        "a bot is no longer there",
        'event: removed\nid: 5f0c6c3a9e21-43\ndata: {"bot_id":"asels-swing"}\n\n',
    ),
    "beat": (
        "every few seconds: the stream lives; for how many seconds each engine was silent",
        'event: beat\nid: 5f0c6c3a9e21-43\ndata: {"at":1795633604,"engines":{"local":0.4},"ready":true}\n\n',
    ),
}
_STREAM = {
    "description": "An endless stream of Server-Sent Events.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "examples": {
                name: {"summary": summary, "value": value} for name, (summary, value) in _EXAMPLES.items()
            },
        }
    },
}
_REFUSALS = {
    "400": "The host name is not one of ours.", "401": "A valid token or session is needed.",
    "403": "A page of another site asked.",
    "404": "There is no such bot; the code `not_ready` says that bots may be missing at the moment.",
    "429": "As many streams are open as one may have, or too many wrong tokens came from here.",
}  # fmt: skip
_LAST_ID = {
    "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"},
    "example": "5f0c6c3a9e21-41",
    "description": "The last `id` that was seen: what was missed follows, or a snapshot.",
}  # fmt: skip
_LAST_ID_QUERY = {**_LAST_ID, "name": "last_event_id", "in": "query"}
_BOT_ID = {
    "name": "bot_id", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "The bot's id.", "example": "asels-swing",
}  # fmt: skip


def _operation(name: str, summary: str, description: str, *own: dict[str, Any]) -> dict[str, Any]:
    refusals = {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}},
        }
        for status, text in _REFUSALS.items()
        if own or status != "404"
    }
    return {
        "get": {
            "tags": ["streams"], "summary": summary, "description": description, "operationId": name,
            "parameters": [*own, _LAST_ID, _LAST_ID_QUERY], "responses": {"200": _STREAM, **refusals},
            "security": [{"HTTPBearer": []}, {"Session": []}],
        }
    }  # fmt: skip


STREAM_PATHS = {
    ALL: _operation(
        "follow_all", "Follow all your bots",
        "First a `snapshot`, then `update`s with changed fields only, `removed`, and `beat`s. At most ten "
        "updates a second of each bot; an update may stand for several versions.",
    ),
    ONE: _operation(
        "follow_one", "Follow one bot", "As the stream of all bots; it ends when the bot is removed.", _BOT_ID
    ),
}  # fmt: skip
