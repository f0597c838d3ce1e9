"""The streams' two addresses.

They are plain ASGI, past the framework's machinery: thousands of clients may come back at the same moment.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from server.auth import Gate
from server.errors import unknown_bot
from server.hub import Hub
from server.stream import serve_stream

ALL = "/api/v1/bots/status-stream"
ONE = "/api/v1/bots/{bot_id}/status-stream"


class StreamEndpoint:
    """Follows one of the caller's bots, or all of them."""

    def __init__(self, hub: Hub, gate: Gate) -> None:
        self._hub = hub
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Raises `ApiError` or `TooManyStreamsError` before anything is sent."""
        request = Request(scope)
        caller = self._gate.identify(request)
        bot_id: str | None = request.path_params.get("bot_id")
        if bot_id is not None and self._hub.find(caller.name, bot_id) is None:
            raise unknown_bot()
        last = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        await serve_stream(self._hub, (caller.name, bot_id, last, caller.credential), scope, receive, send)


def routes(hub: Hub, gate: Gate) -> list[BaseRoute]:
    """Must come before `/api/v1/bots/{bot_id}`, which would take the first for a bot."""
    endpoint = StreamEndpoint(hub, gate)
    return [Route(path, endpoint, methods=["GET"]) for path in (ALL, ONE)]


EVENT_STREAM: dict[str, Any] = {
    "description": "An endless stream of Server-Sent Events.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "examples": {
                "first": {
                    "summary": "at once: everything there is",
                    "value": 'retry: 2000\nevent: snapshot\nid: 5f0c6c3a9e21-41\ndata: {"bots":[{'
                    '"bot_id":"a","version":17,"status":"running"}],"engines":{"local":0.3}}\n\n',
                },
                "later": {
                    "summary": "then what has changed, and only that",
                    "value": 'event: update\nid: 5f0c6c3a9e21-42\ndata: {"bot_id":"a","version":18,'
                    '"open_pnl":12.5}\n\n',
                },
                "gone": {
                    "summary": "a bot is no longer there",
                    "value": 'event: removed\nid: 5f0c6c3a9e21-43\ndata: {"bot_id":"a"}\n\n',
                },
                "beat": {
                    "summary": "every two seconds: for how many seconds each engine was silent",
                    "value": 'event: beat\nid: 5f0c6c3a9e21-43\ndata: {"engines":{"local":0.4}}\n\n',
                },
            },
        }
    },
}
