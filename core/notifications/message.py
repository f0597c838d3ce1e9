"""What is sent through the channels."""

from __future__ import annotations

from enum import StrEnum
from uuid import uuid4

import msgspec


class Kind(StrEnum):
    """What a message is about; only messages of one kind are ever gathered into a summary."""

    SIGNAL = "signal"
    RISK = "risk"
    ERROR = "error"
    BOT = "bot"
    TEST = "test"


def new_id() -> str:
    """An id that no other message bears."""
    return uuid4().hex


def signal_id(key: str, side: str, stamp: object) -> str:
    """The id of the message about a signal: the same one whenever and wherever it is made."""
    return f"signal:{key}:{side}:{stamp}"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message in the interface's language, with all marks already in its title.

    `created` is when it arose (Unix seconds). Messages with the same `dedup_key` ("" for none) within a
    window are sent once. `side` is "BUY", "SELL" or "". A summary has the `lines` of its first messages, for
    channels with room for them, and `count` tells of how many it speaks; `moments` tell when those lines
    arose, 0 for one that says so itself. A `silent` one must not disturb anybody; a `late` one says in its
    title when it arose, by the clock of its `exchange` (a code, "" for this computer's), as that is a while
    ago. `tone` is "up", "down", "warning" or "": how it is coloured where
    there are colours and no `side`.
    """

    kind: Kind
    title: str
    body: str
    created: float
    id: str = msgspec.field(default_factory=new_id)
    dedup_key: str = ""
    simulated: bool = False
    symbol: str = ""
    side: str = ""
    lines: tuple[str, ...] = ()
    count: int = 1
    moments: tuple[float, ...] = ()
    silent: bool = False
    late: bool = False
    exchange: str = ""
    tone: str = ""

    def text(self) -> str:
        """Everything there is to say, as plain text."""
        return "\n".join(part for part in (self.title, self.body, *self.lines) if part)
