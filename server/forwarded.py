"""What a reverse proxy says of the connections that it passes on."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.network import is_loopback


class ForwardedMiddleware:
    """Believes the trusted proxies who their clients are.

    That a proxy on this computer serves over TLS is believed without more: who lies about that gets a cookie
    that a browser keeps to TLS. An address is not, as everything on this computer could then be anybody.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str] = ()) -> None:
        self._app = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["client"] is not None and is_loopback(scope["client"][0]):
            told = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
            if told and told[-1].strip() in (b"http", b"https"):
                scope["scheme"] = told[-1].strip().decode()
        await self._app(scope, receive, send)  # type: ignore[arg-type]
