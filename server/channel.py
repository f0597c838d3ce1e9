"""One user's bots: their states, the numbered events about them, and the streams that get these.

All of a user's streams get the same events, each built once. Events are numbered when they go out, not when
the engine reports: a bot that changes more often than ten times a second is held back and its changes are put
together, so an event's number promises that everything up to it was sent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from core.bots.model import BotState
from server.day import DayCurve, GoneDays
from server.frames import NO_ID, difference, encode, event_id, frame, parse_id

if TYPE_CHECKING:
    from server.stream import Stream

RING = 512
"""So many events are kept for clients that come back."""
PAUSE = 0.1
"""Seconds at least between two updates of the same bot."""


class Event(NamedTuple):
    """One numbered event; `wire` is the frame as it is sent."""

    seq: int
    bot_id: str
    wire: bytes


class Bot:
    """One bot: what is known of it, and what was sent of it last."""

    __slots__ = ("_json", "day", "due", "engine", "sent", "sent_at", "state", "timer")

    def __init__(self, engine: str, state: BotState, day: DayCurve) -> None:
        self.engine = engine
        self.state = state
        self.sent: dict[str, Any] = {}
        self.sent_at = float("-inf")
        self.due = False
        self.timer: asyncio.TimerHandle | None = None
        self.day = day
        self._json: bytes | None = None

    def take(self, engine: str, state: BotState) -> None:
        """A newer state."""
        self.engine, self.state, self._json = engine, state, None
        self.day.add(state)

    @property
    def fields(self) -> dict[str, Any]:
        """The state as clients see it."""
        return {**self.state.payload(), "engine": self.engine}

    @property
    def json(self) -> bytes:
        """The state as JSON, made once per version."""
        if self._json is None:
            self._json = encode(self.fields)
        return self._json


class Channel:
    """Everything of one user. Belongs to the event loop's thread."""

    def __init__(
        self, owner: str, loop: Callable[[], asyncio.AbstractEventLoop], gone_days: GoneDays
    ) -> None:
        self.owner = owner
        self.epoch = secrets.token_hex(6)
        self.seq = 0
        self.revision = 0
        """Rises with every change, also with those that are still held back."""
        self.bots: dict[str, Bot] = {}
        self.streams: set[Stream] = set()
        self._loop = loop
        self._gone_days = gone_days
        self._ring: deque[Event] = deque(maxlen=RING)
        self._snapshot: tuple[object, bytes] = (None, b"")
        """The bots' part of a snapshot, and of what it was made."""
        self._engines: tuple[int, tuple[str, ...]] = (-1, ())

    # --- what the engines report --------------------------------------------------------------------

    def put(self, engine: str, state: BotState) -> bool:
        """A bot's state; whether it was news."""
        bot = self.bots.get(state.bot_id)
        if bot is None:
            day = self._gone_days.take(self.owner, state.bot_id)
            bot = self.bots[state.bot_id] = Bot(engine, state, day)
        elif (state.version, engine) == (bot.state.version, bot.engine) or state.version < bot.state.version:
            return False
        bot.take(engine, state)
        self.revision += 1
        self._send_soon(bot)
        return True

    def remove(self, bot_id: str) -> None:
        """A bot is gone, or is somebody else's now."""
        bot = self.bots.pop(bot_id)
        if bot.timer is not None:
            bot.timer.cancel()
        self._gone_days.keep(self.owner, bot_id, bot.day)
        self.revision += 1
        self._publish("removed", bot_id, encode({"bot_id": bot_id}))
        for stream in [stream for stream in self.streams if stream.bot_id == bot_id]:
            stream.end()

    def _send_soon(self, bot: Bot) -> None:
        loop = self._loop()
        wait = bot.sent_at + PAUSE - loop.time()
        if wait <= 0:
            self._send(bot)
        elif bot.timer is None:
            bot.timer = loop.call_later(wait, self._send, bot)

    def _send(self, bot: Bot) -> None:
        if bot.timer is not None:
            bot.timer.cancel()
            bot.timer = None
        bot.sent_at = self._loop().time()
        fields = bot.fields
        change, bot.sent = difference(bot.sent, fields), fields
        self._publish("update", bot.state.bot_id, encode(change))

    def _publish(self, name: str, bot_id: str, data: bytes) -> None:
        self.seq += 1
        self._ring.append(Event(self.seq, bot_id, frame(name, self.last_id, data)))
        for stream in self.streams:
            if stream.bot_id is None or stream.bot_id == bot_id:
                stream.wake()

    # --- what the clients get -----------------------------------------------------------------------

    @property
    def last_id(self) -> str:
        """The `id:` of the latest event."""
        return event_id(self.epoch, self.seq)

    def resume(self, last_event_id: str) -> int | None:
        """The number after which a client that comes back goes on; None if it needs a snapshot."""
        found = parse_id(last_event_id)
        if found is None or found[0] != self.epoch or found[1] > self.seq or not self.reaches(found[1]):
            return None
        return found[1]

    def reaches(self, seq: int) -> bool:
        """Whether the events after `seq` are all still there."""
        return seq == self.seq or (bool(self._ring) and self._ring[0].seq <= seq + 1)

    def since(self, seq: int, bot_id: str | None) -> Iterator[bytes]:
        """The frames after `seq`, of one bot or of all; `reaches(seq)` must hold."""
        if seq == self.seq:
            return
        first = seq + 1 - self._ring[0].seq
        for index in range(first, len(self._ring)):
            event = self._ring[index]
            if bot_id is None or event.bot_id == bot_id:
                yield event.wire

    def snapshot(self, bot_id: str | None, engines: bytes, *, ready: bool) -> bytes:
        """The frame that tells everything there is to know, with `engines` (JSON) in it; without `ready`
        something may be missing, and it cannot be resumed from.

        It shows what was sent, so that the events after its number go on from it. The bots' part is made once
        for all who ask between two events.
        """
        key = (self.seq, bot_id)
        if self._snapshot[0] != key:
            bots = [bot for name, bot in self.bots.items() if bot_id in (None, name)]
            self._snapshot = (key, b",".join(map(_sent_json, bots)))
        data = b'{"bots":[%s],"engines":%s,"ready":%s}' % (self._snapshot[1], engines, encode(ready))
        return frame("snapshot", self.last_id if ready else NO_ID, data, retry=True)

    def engines(self, bot_id: str | None = None) -> tuple[str, ...]:
        """The engines that run this user's bots, or one of them."""
        if bot_id is not None:
            return (self.bots[bot_id].engine,) if bot_id in self.bots else ()
        if self._engines[0] != self.revision:
            names = tuple(dict.fromkeys(bot.engine for bot in self.bots.values()))
            self._engines = (self.revision, names)
        return self._engines[1]


def _sent_json(bot: Bot) -> bytes:
    """What was sent of the bot: its newest state unless that is held back."""
    return bot.json if bot.timer is None else encode(bot.sent)
