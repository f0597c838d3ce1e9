"""Logging in with a token, once, for a browser; and whether the server is well."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Caller, Gate, Looker, check_csrf, check_same_origin, welcome
from server.errors import ErrorOut
from server.hub import Hub
from server.models import HealthOut, LoginIn, SessionOut
from server.sessions import LIFETIME_SECONDS

router = APIRouter()
_NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/api/v1/session", tags=["session"], response_model=SessionOut, summary="Log in",
    responses={status: {"model": ErrorOut} for status in (400, 401, 403, 422, 429)},
)  # fmt: skip
async def log_in(request: Request, login: LoginIn) -> Response:
    """Sets an HttpOnly, SameSite=Strict cookie that lasts for 30 days or until the token is revoked."""
    gate: Gate = request.app.state.gate
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        check_same_origin(request)
    account = gate.find(login.token.strip())
    if account is None:
        raise gate.refusal(request)
    welcome(request)
    cookie = gate.sessions.begin(account)
    response = _session(gate, Caller(account.name, account.role, account.token_hash, cookie))
    response.set_cookie(
        gate.cookie_name, cookie, max_age=LIFETIME_SECONDS, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@router.get(
    "/api/v1/session", tags=["session"], response_model=SessionOut, summary="Who am I",
    responses={status: {"model": ErrorOut} for status in (400, 401, 403, 429)},
)  # fmt: skip
async def who(request: Request, caller: Looker) -> Response:
    """Also tells a page that was loaded anew its CSRF token."""
    return _session(request.app.state.gate, caller)


@router.delete(
    "/api/v1/session", tags=["session"], status_code=204, response_class=Response, summary="Log out",
    responses={status: {"model": ErrorOut} for status in (400, 401, 403, 429)},
)  # fmt: skip
async def log_out(request: Request, caller: Looker) -> Response:
    """Ends the session and its streams. A token stays as it is."""
    gate: Gate = request.app.state.gate
    response = Response(status_code=204, headers=_NO_STORE)
    if caller.cookie:
        check_csrf(request, gate.sessions.csrf(caller.cookie))
        await gate.log_out(caller.cookie)
        response.delete_cookie(
            gate.cookie_name, path="/", httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
    return response


@router.get(
    "/healthz", tags=["health"], response_model=HealthOut, summary="Is the server well",
    responses={400: {"model": ErrorOut}, 403: {"model": ErrorOut}},
)  # fmt: skip
async def healthz(request: Request) -> Response:
    """For load balancers and watchdogs; needs no token and tells nothing of anybody's bots."""
    hub: Hub = request.app.state.hub
    engines = "none"
    if hub.engines:
        engines = "alive" if any(map(hub.alive, hub.engines)) else "silent"
    return JSONResponse({"status": "ok", "engines": engines, "ready": hub.ready}, headers=_NO_STORE)


def _session(gate: Gate, caller: Caller) -> JSONResponse:
    csrf = gate.sessions.csrf(caller.cookie) if caller.cookie else ""
    return JSONResponse({"user": caller.name, "role": caller.role, "csrf": csrf}, headers=_NO_STORE)
