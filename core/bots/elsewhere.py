"""What the engine hears of bots that run elsewhere, in workers."""

from __future__ import annotations

import msgspec

from core.bots.model import BotAlert, BotFill, BotState, BotTrade


class AnswerLater(Exception):  # noqa: N818 - it is no error
    """A command is on its way; its `CommandResult` will come with a `BotsMoved`."""


class BotsMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of bots that are stored already. `results` are commands' numbers with "" or the error."""

    states: tuple[BotState, ...] = ()
    fills: tuple[BotFill, ...] = ()
    trades: tuple[BotTrade, ...] = ()
    alerts: tuple[BotAlert, ...] = ()
    results: tuple[tuple[int, str], ...] = ()
