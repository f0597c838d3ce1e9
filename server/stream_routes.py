"""The streams' two addresses.

They are plain ASGI, past the framework's machinery: thousands of clients may come back at the same moment.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from server.auth import Gate
from server.errors import unknown_bot
from server.hub import Hub
from server.stream import HEADERS, serve_stream

PLAIN_HEADERS = {name.decode(): value.decode() for name, value in HEADERS}
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
            raise unknown_bot(ready=self._hub.knows_all_of(caller.name))
        if scope["method"] == "HEAD":
            await Response(headers=PLAIN_HEADERS)(scope, receive, send)
            return
        last = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        await serve_stream(self._hub, (caller.name, bot_id, last, caller.credential), scope, receive, send)


def routes(hub: Hub, gate: Gate) -> list[BaseRoute]:
    """Must come before `/api/v1/bots/{bot_id}`, which would take the first for a bot."""
    endpoint = StreamEndpoint(hub, gate)
    return [Route(path, endpoint, methods=["GET"]) for path in (ALL, ONE)]
