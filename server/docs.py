"""`/docs`: the OpenAPI description as a plain page of our own, without scripts."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core.i18n import tr


def install(app: FastAPI) -> None:
    """Serve the page at `/docs`."""

    async def page(_request: Request) -> Response:
        return HTMLResponse(f"<!doctype html><title>{tr('server.docs_title')}</title>")

    app.router.routes.append(Route("/docs", page, methods=["GET"]))
