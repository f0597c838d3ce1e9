"""What travels through Redis, as JSON. Fields that a reader does not know are ignored."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.bots.model import BotAlert, BotFill, BotState, BotTrade


class StateMessage(msgspec.Struct, frozen=True, tag="state", tag_field="kind"):
    """A bot as it is now, told by its engine. The whole of it, so that a lost message costs little."""

    engine: str
    state: BotState
    anew: bool = False
    """The bot began anew in another database: this version counts though it is no higher."""


class GoneMessage(msgspec.Struct, frozen=True, tag="gone", tag_field="kind"):
    """A bot is no more."""

    bot_id: str


class BeatMessage(msgspec.Struct, frozen=True, tag="beat", tag_field="kind"):
    """An engine's process lives. If it is not `serving`, nobody works for its bots: they are not live all the
    same."""

    engine: str
    label: str = ""
    serving: bool = True
    age: float = 0.0
    """For how many seconds the engine itself has done nothing: its process may live while it hangs."""
    complete: bool = True
    """Redis holds all of its bots: one that is not there is gone, and not just forgotten."""


class ByeMessage(msgspec.Struct, frozen=True, tag="bye", tag_field="kind"):
    """An engine ends."""

    engine: str


class PingMessage(msgspec.Struct, frozen=True, tag="ping", tag_field="kind"):
    """A listener speaks to itself."""

    listener: str
    number: int


class StepsMessage(msgspec.Struct, frozen=True, tag="steps", tag_field="kind", kw_only=True):
    """What a worker stored of a bot of `engine`, for that engine; see `core.bots.elsewhere.BotsMoved`."""

    engine: str
    fills: tuple[BotFill, ...] = ()
    trades: tuple[BotTrade, ...] = ()
    alerts: tuple[BotAlert, ...] = ()
    results: tuple[tuple[int, str], ...] = ()


Message = StateMessage | GoneMessage | BeatMessage | ByeMessage | PingMessage | StepsMessage


class BotCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks of a bot. `owner` is the user for whom it is asked: another's bot is unknown."""

    id: str
    owner: str
    bot_id: str
    action: Literal["start", "stop"]
    flatten: bool = False


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command.

    `outcome` is "done", "refused" (`error` is the engine's sentence), "unknown" (no such bot of this owner),
    "silent" (nobody took it: it was withdrawn and will not happen) or "unclear" (taken, but no answer came).
    """

    id: str
    outcome: Literal["done", "refused", "unknown", "silent", "unclear"]
    error: str = ""


encode = msgspec.json.Encoder(decimal_format="string").encode
decode_message = msgspec.json.Decoder(Message).decode
decode_beat = msgspec.json.Decoder(BeatMessage).decode
decode_state = msgspec.json.Decoder(StateMessage).decode
decode_command = msgspec.json.Decoder(BotCommand).decode
decode_answer = msgspec.json.Decoder(CommandAnswer).decode

UNREADABLE = (msgspec.DecodeError, UnicodeError)
"""What a decoder raises."""
