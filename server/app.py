"""The application: hub, gate and bus put together behind the routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.responses import Response

from server import bot_routes, docs, errors, openapi, page_routes, session_routes, stream_routes
from server.account_watch import AccountWatch
from server.auth import Gate
from server.bus import StatusBus
from server.errors import ApiError
from server.hub import Hub, TooManyStreamsError
from server.security import SecurityMiddleware


def create_app(
    hub: Hub, gate: Gate, bus: StatusBus, allowed_hosts: Iterable[str] = (), watch: AccountWatch | None = None
) -> FastAPI:
    """The status server's application. `allowed_hosts` are names besides localhost and our own address;
    `watch` keeps the gate's users as they are stored."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # a tenth of a second's work, done before there is a stream that it could hold up
        await bus.open(hub)
        if watch is not None:
            watch.start(gate.update, gate.sessions.know_ended)
        try:
            yield
        finally:
            hub.close()
            if watch is not None:
                watch.stop()
            await bus.close()

    app = FastAPI(
        title="Swing Hunter status server", version="1", openapi_url="/openapi.json", docs_url=None,
        redoc_url=None, lifespan=lifespan, separate_input_output_schemas=False,
        description="Every bot of yours, live. Each call needs a token of a user.",
    )  # fmt: skip
    app.state.hub, app.state.gate, app.state.bus = hub, gate, bus
    if watch is not None:
        gate.store_end = watch.end_session
    gate.on_change = lambda: hub.end_streams(gate.is_valid)
    errors.install(app)
    app.add_exception_handler(TooManyStreamsError, _too_many_streams)
    app.router.routes += stream_routes.routes(hub, gate)
    app.include_router(bot_routes.router)
    app.include_router(session_routes.router)
    openapi.install(app, gate.cookie_name)
    docs.install(app)
    page_routes.install(app)
    app.add_middleware(SecurityMiddleware, allowed_hosts=tuple(allowed_hosts))
    return app


async def _too_many_streams(_request: Request, _error: Exception) -> Response:
    return ApiError(429, "too_many_streams", headers={"Retry-After": "5"}).response()
