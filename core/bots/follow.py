"""Following the bots of a status server: their states right over gaps, and the truth about how live they are.

The web page does the same (`server/page/follow.js`, `stream.js`); `server/README.md` has the protocol. Pure:
time comes from a `Clock`, bytes from whoever owns the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from core.bots.sse import SseEvent
from core.clock import Clock

BEAT_SECONDS = 2.0
"""The server beats so often."""
SILENT_SECONDS = 4.0
"""After so long without a word nothing on the stream is live."""
GIVE_UP_SECONDS = 8.0
"""After so long the connection is taken for dead."""
ENGINE_SECONDS = 4.5
"""An engine that has been silent for longer does not vouch for its bots."""
LATE_SECONDS = 4.0
"""A beat that comes later than the earliest one by so much has waited in a buffer, while a computer slept."""
_OVERDUE_SECONDS = 3.0
_ID = re.compile(r"([0-9a-f]{1,64})-(\d{1,18})\Z")

Payload = dict[str, Any]


class GapError(Exception):
    """Something was missed or makes no sense: connect anew without a last id, for a snapshot."""


class LateError(Exception):
    """What comes is old: connect anew, with the last id."""


class BotsSeen(NamedTuple):
    """All bots there are; whatever was known before is void."""

    bots: tuple[Payload, ...]


class BotSeen(NamedTuple):
    """One bot has changed, or is new; its whole payload."""

    bot: Payload


class BotGone(NamedTuple):
    """One bot is no more."""

    bot_id: str


Change = BotsSeen | BotSeen | BotGone


class Health(NamedTuple):
    """How live a stream is. `reason` is "" when it is, "silent" when nothing comes, "engine" when the server
    answers but an engine (one of `engines`) does not, "not_ready" when the server itself hears nothing and
    bots may be missing, "waiting" before the first word."""

    live: bool
    reason: str
    engines: tuple[str, ...] = ()


class _Moment(NamedTuple):
    """A moment on both clocks."""

    monotonic: float
    wall: float


class BotFollower:
    """The bots of one server as far as they are known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.bots: dict[str, Payload] = {}
        self._epoch = ""
        self._number = -1
        self._heard: _Moment | None = None
        self._beat: _Moment | None = None
        self._engines: dict[str, float | None] = {}
        self._ready = True
        self._ahead: float | None = None
        """How far our clock is ahead of the server's, at the least; None until this connection has told."""

    @property
    def last_id(self) -> str:
        """The id of the last event that counted, "" if a snapshot is needed."""
        return f"{self._epoch}-{self._number}" if self._epoch else ""

    # --- the connection ---

    def connected(self) -> None:
        """A connection has begun: nothing has come on it yet."""
        self._heard = self._beat = self._ahead = None
        self._engines = {}

    lost = connected

    def take(self, event: SseEvent) -> Change | None:
        """Take one event; what it changes. Raises `GapError` or `LateError`, after which the connection is of
        no more use."""
        try:
            data = _decoded(event)
            if isinstance(engines := data.get("engines"), Mapping):
                self._take_beat(data, engines)
            self._heard = self._now()
            return self._apply(event, data)
        except GapError:
            self._epoch = ""
            raise

    def _take_beat(self, data: Payload, engines: Mapping[str, Any]) -> None:
        at = data.get("at")
        if isinstance(at, int | float):
            ahead = self._clock.time() - at
            if self._ahead is not None and ahead - self._ahead > LATE_SECONDS:
                raise LateError
            self._ahead = ahead if self._ahead is None else min(ahead, self._ahead)
        self._engines = {
            str(name): float(age) if isinstance(age, int | float) else None for name, age in engines.items()
        }
        self._ready = data.get("ready") is not False
        self._beat = self._now()

    # --- the bots ---

    def _apply(self, event: SseEvent, data: Payload) -> Change | None:
        if event.name not in ("snapshot", "update", "removed"):
            return None
        match = _ID.match(event.id)
        if match is None:
            raise GapError(f"the event id {event.id!r}")
        epoch, number = match[1], int(match[2])
        if event.name == "snapshot":
            return self._snapshot(epoch, number, data)
        if epoch != self._epoch:
            raise GapError(f"epoch {epoch} after {self._epoch!r}")
        if number <= self._number:
            return None
        if number != self._number + 1:
            raise GapError(f"event {number} after {self._number}")
        self._number = number
        bot_id = data.get("bot_id")
        if not isinstance(bot_id, str):
            raise GapError("an event without a bot")
        if event.name == "removed":
            return BotGone(bot_id) if self.bots.pop(bot_id, None) is not None else None
        before = self.bots.get(bot_id)
        if before is None and "status" not in data:
            raise GapError(f"a change of the unknown bot {bot_id!r}")
        self.bots[bot_id] = after = {**(before or {}), **data}
        return BotSeen(after)

    def _snapshot(self, epoch: str, number: int, data: Payload) -> BotsSeen:
        bots = data.get("bots")
        if not isinstance(bots, list) or not all(isinstance(bot, dict) for bot in bots):
            raise GapError("a snapshot without bots")
        try:
            told = {bot["bot_id"]: bot for bot in bots}
            if data.get("ready") is False:  # bots may be missing in it, but none is gone
                told = {**self.bots, **{i: bot for i, bot in told.items() if self._is_news(i, bot)}}
        except (KeyError, TypeError) as error:
            raise GapError("a snapshot of bots without names") from error
        self.bots = told
        self._epoch, self._number = epoch, number
        return BotsSeen(tuple(self.bots.values()))

    def _is_news(self, bot_id: str, bot: Payload) -> bool:
        known = self.bots.get(bot_id)
        return known is None or bool(bot["version"] > known["version"])

    # --- the truth about it ---

    def health(self) -> Health:
        """How live the stream is right now."""
        if self._heard is None:
            return Health(False, "waiting")
        if self._beat is None or self._since(self._heard) > SILENT_SECONDS:
            return Health(False, "silent")
        since_beat = self._since(self._beat)
        silent = tuple(
            name for name, age in self._engines.items() if age is None or age + since_beat > ENGINE_SECONDS
        )
        if self._ready and not silent:
            return Health(True, "")
        # A beat that is overdue says nothing against the engine.
        reason = "silent" if since_beat >= _OVERDUE_SECONDS else "engine" if self._ready else "not_ready"
        return Health(False, reason, silent)

    def blind_for(self) -> float | None:
        """For how many seconds the bots, or some of them, cannot have been heard of; None if nobody knows,
        as with an engine that has ended, or while the server itself hears nothing."""
        if self._heard is None or self._beat is None or not self._ready:
            return None
        ages = [self._engines[name] for name in self.health().engines]
        known = [age + self._since(self._beat) for age in ages if age is not None]
        return max([self._since(self._heard), *known]) if len(known) == len(ages) else None

    def quiet_for(self) -> float | None:
        """For how many seconds nothing has come; None before the first word."""
        return None if self._heard is None else self._since(self._heard)

    def _now(self) -> _Moment:
        return _Moment(self._clock.monotonic(), self._clock.time())

    def _since(self, then: _Moment) -> float:
        """The monotonic clock may stand still while the computer sleeps, and the wall clock may be set: the
        larger of the two ages counts, so nothing old looks fresh."""
        now = self._now()
        return max(now.monotonic - then.monotonic, now.wall - then.wall, 0.0)


def _decoded(event: SseEvent) -> Payload:
    try:
        data = msgspec.json.decode(event.data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise GapError("an event that is no JSON") from error
    if not isinstance(data, dict):
        raise GapError("an event that is no object")
    return data
