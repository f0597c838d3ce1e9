"""The bots: looking at them and commanding them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from starlette.responses import Response

from core.commands import StartBot, StopBot
from core.errors import WorldError
from server.auth import Looker, Trader
from server.bus import BotCommand, StatusBus
from server.channel import Bot
from server.errors import ApiError, ErrorOut, unknown_bot
from server.frames import encode
from server.hub import Hub
from server.models import BotsOut, CommandOut, DayOut, OneBotOut, StopIn

ANSWER_SECONDS = 3.0
"""For so long a command's end is waited for."""

Responses = dict[int | str, dict[str, Any]]


def _errors(*statuses: int) -> Responses:
    return {status: {"model": ErrorOut} for status in (400, 401, 403, 429, *statuses)}


router = APIRouter(prefix="/api/v1/bots", tags=["bots"])
BotId = Annotated[str, Path(description="The bot's id.", examples=["asels-swing"])]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match", description="The `ETag` of an earlier answer: 304 if nothing has changed.",
        examples=['"9f86d081884c7d659a2feaa0"'],
    ),
]  # fmt: skip
_NOT_MODIFIED: Responses = {304: {"description": "Nothing has changed.", "model": None}}


@router.get("", response_model=BotsOut, responses=_errors() | _NOT_MODIFIED, summary="All of your bots")
async def bots(request: Request, caller: Looker, if_none_match: IfNoneMatch = None) -> Response:
    """Ask again with the answer's `ETag` in `If-None-Match`, and it is 304 while nothing has changed.

    While `ready` is false bots may be missing: an engine has yet to tell of them, or cannot be heard.
    """
    hub: Hub = request.app.state.hub
    channel = hub.channel(caller.name)
    alive = {engine: {"alive": hub.alive(engine)} for engine in channel.engines()}
    body = b'{"bots":[%s],"engines":%s,"ready":%s}' % (
        b",".join(bot.json for bot in channel.bots.values()), encode(alive),
        encode(hub.knows_all_of(caller.name)),
    )  # fmt: skip
    return _tagged(body, if_none_match)


@router.get(
    "/{bot_id}", response_model=OneBotOut, responses=_errors(404) | _NOT_MODIFIED,
    summary="One of your bots",
)  # fmt: skip
async def bot(request: Request, caller: Looker, bot_id: BotId, if_none_match: IfNoneMatch = None) -> Response:
    """Another user's bot is as unknown as one that does not exist.

    Polled as `GET /api/v1/bots`; the answer changes too when the bot's engine falls silent or comes back.
    """
    hub: Hub = request.app.state.hub
    found = _find(request, caller, bot_id)
    return _tagged(b'%s,"alive":%s}' % (found.json[:-1], encode(hub.alive(found.engine))), if_none_match)


@router.get(
    "/{bot_id}/day", response_model=DayOut, responses=_errors(404),
    summary="Its day's P&L over time",
)  # fmt: skip
async def day(request: Request, caller: Looker, bot_id: BotId) -> Response:
    """A point a minute at most, since this server first saw the bot today."""
    body = encode({"points": _find(request, caller, bot_id).day.points})
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


_COMMAND: Responses = {
    202: {"model": CommandOut, "description": "Sent, but not confirmed yet; the stream will show it."},
    409: {"model": ErrorOut, "description": "The engine refused, and says why."},
    503: {"model": ErrorOut, "description": "The bot's engine does not answer."},
}


@router.post(
    "/{bot_id}/start", response_model=CommandOut, responses=_errors(404) | _COMMAND, summary="Start a bot"
)
async def start(request: Request, caller: Trader, bot_id: BotId) -> Response:
    """Let it trade; does nothing while it does. A bot in error begins anew."""
    return await _command(request, _find(request, caller, bot_id), StartBot(bot_id=bot_id))


@router.post(
    "/{bot_id}/stop", response_model=CommandOut, responses=_errors(404, 422) | _COMMAND, summary="Stop a bot"
)
async def stop(request: Request, caller: Trader, bot_id: BotId, how: StopIn | None = None) -> Response:
    """Let it rest. Open positions stay with their stops armed, unless `flatten` says otherwise."""
    flatten = how is not None and how.flatten
    return await _command(request, _find(request, caller, bot_id), StopBot(bot_id=bot_id, flatten=flatten))


def _find(request: Request, caller: Looker, bot_id: str) -> Bot:
    hub: Hub = request.app.state.hub
    found = hub.find(caller.name, bot_id)
    if found is None:
        raise unknown_bot(ready=hub.knows_all_of(caller.name))
    return found


def _tagged(body: bytes, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    known = {word.strip().removeprefix("W/") for word in (if_none_match or "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


async def _command(request: Request, found: Bot, command: BotCommand) -> Response:
    bus: StatusBus = request.app.state.bus
    hub: Hub = request.app.state.hub
    if not hub.alive(found.engine):
        raise ApiError(503, "engine_silent")
    try:
        error = await bus.command(found.engine, command, ANSWER_SECONDS)
    except WorldError as problem:
        raise ApiError(503, "engine_silent", detail=str(problem)) from problem
    if error:
        raise ApiError(409, "refused", detail=error)
    state, status = ("pending", 202) if error is None else ("done", 200)
    body = encode({"bot_id": command.bot_id, "state": state})
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
