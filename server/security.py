"""What every call must pass before anything else looks at it, and the headers on every answer. Plain ASGI."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import ApiError
from server.stream import DIRECT_SEND

MOST_BODY = 16_384
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
CSP = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:"
)
HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }.items()
)


class SecurityMiddleware:
    """Refuses foreign host names and origins and large bodies; adds the headers."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = LOCAL_NAMES | {host.lower().strip("[]") for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        scope[DIRECT_SEND] = send
        problem = self._problem(scope)
        if problem is not None:
            await problem.response()(scope, receive, send_with_headers)
        else:
            await self._app(scope, _limited(receive), send_with_headers)

    def _problem(self, scope: Scope) -> ApiError | None:
        hosts, origins, length = [], [], b"0"
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origins.append(value)
            elif name == b"content-length":
                length = value
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if not self._is_known(_name_of(host), scope):
            return ApiError(400, "unknown_host")
        if any(_netloc(origin) != host for origin in origins):
            return ApiError(403, "foreign_origin")
        if not length.isdigit() or int(length) > MOST_BODY:
            return ApiError(413, "too_large", headers={"Connection": "close"})
        return None

    def _is_known(self, name: str, scope: Scope) -> bool:
        """Our configured names, and the address itself at which the connection arrived: a page of another
        site can bring its own host name to our address, never an address of ours."""
        server = scope.get("server")
        return bool(name) and (name in self._allowed or (server is not None and name == server[0]))


def _name_of(host: str) -> str:
    """The name in a `Host` header, without its port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return "" if parts.username is not None or parts.path else parts.hostname or ""


def _netloc(origin: bytes) -> str | None:
    try:
        parts = urlsplit(origin.decode("latin-1").lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None


def _limited(receive: Receive) -> Receive:
    """Bodies without a declared length are cut short, too."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MOST_BODY:
                raise HTTPException(413, headers={"Connection": "close"})
        return message

    return limited
