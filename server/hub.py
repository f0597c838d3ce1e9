"""The hub: takes what the engines report, sorts it by user, and keeps the streams beating.

Everything here belongs to the event loop's thread; the bus brings what comes from other threads.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence

from core.bots.model import BotState
from server.channel import Bot, Channel
from server.day import GoneDays
from server.frames import encode
from server.stream import Stream

BEAT_SECONDS = 2.0
"""A stream shows at least this often that it lives; where there are very many, half as often again."""
MANY = 2000
"""From so many streams on beats are what the server does most."""
ALIVE_SECONDS = 5.0
"""An engine that was silent for longer no longer vouches for its bots."""
NEVER = float("-inf")
_MOST_BEATS = 50
_BREATH = 0.004
_AGES_SECONDS = 0.05


class TooManyStreamsError(Exception):
    """The user has as many open streams as one may have."""


class Hub:
    """All users' channels. A `StatusSink`."""

    def __init__(
        self, max_streams: int = 20, *, beat_seconds: float = BEAT_SECONDS,
        get_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.get_running_loop,
    ) -> None:  # fmt: skip
        self.closed = False
        self._get_loop = get_loop
        self._max_streams = max_streams
        self._beat_seconds = beat_seconds
        self._channels: dict[str, Channel] = {}
        self._homes: dict[str, Channel] = {}
        """The channel in which a bot is."""
        self._gone_days = GoneDays()
        self._ready = False
        self._heard: dict[str, float] = {}
        """When an engine last showed that it lives, by the loop's clock; `NEVER` if it has ended since."""
        self._beats: OrderedDict[Stream, float] = OrderedDict()
        self._beating: asyncio.TimerHandle | None = None
        self._ages: dict[tuple[str, ...], tuple[float, bytes]] = {}

    # --- what the bus reports -----------------------------------------------------------------------

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """See `StatusSink.on_bots`."""
        there = {state.bot_id for state in states}
        for channel in list(self._channels.values()):
            for bot_id in [i for i, bot in channel.bots.items() if bot.engine == engine and i not in there]:
                self._remove(bot_id)
        for state in states:
            home = self._homes.get(state.bot_id)
            known = None if home is None else home.bots[state.bot_id].state
            if known is None or known.version < state.version or known == state:
                self._put(engine, state)
            else:  # another database: its versions count anew
                self._replace(engine, state)

    def on_state(self, engine: str, state: BotState) -> None:
        """See `StatusSink.on_state`."""
        self._put(engine, state)

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """See `StatusSink.on_alive`."""
        self._heard[engine] = max(self._heard.get(engine, NEVER), self._now() - age)

    def on_silent(self, engine: str) -> None:
        """See `StatusSink.on_silent`. Those who see its bots hear of it now, not at their next beat."""
        if self._heard.get(engine) == NEVER:
            return
        self._heard[engine] = NEVER
        self._ages.clear()
        self._beat_now([s for s in self._beats if engine in s.channel.engines(s.bot_id)])

    def on_ready(self, ready: bool) -> None:
        """See `StatusSink.on_ready`. Those who were told otherwise hear of it now."""
        self._ready = ready
        if ready:
            self._beat_now([stream for stream in self._beats if not stream.told_ready])

    def _put(self, engine: str, state: BotState) -> None:
        channel, home = self.channel(state.owner), self._homes.get(state.bot_id)
        if home is not None and home is not channel:
            if home.bots[state.bot_id].state.version >= state.version:
                return  # from before it changed hands
            self._remove(state.bot_id)
        self._homes[state.bot_id] = channel
        channel.put(engine, state)

    def _replace(self, engine: str, state: BotState) -> None:
        self._remove(state.bot_id)
        self._put(engine, state)

    def _remove(self, bot_id: str) -> None:
        self._homes.pop(bot_id).remove(bot_id)

    # --- what is known ------------------------------------------------------------------------------

    def channel(self, user: str) -> Channel:
        """The user's channel."""
        channel = self._channels.get(user)
        if channel is None:
            channel = self._channels[user] = Channel(user, self._get_loop, self._gone_days)
        return channel

    def find(self, user: str, bot_id: str) -> Bot | None:
        """A bot of the user's; None if there is none, and just so if it is another's."""
        channel = self._channels.get(user)
        return None if channel is None else channel.bots.get(bot_id)

    def ages(self, engines: tuple[str, ...]) -> bytes:
        """For how many seconds each engine has been silent, as JSON; null for one that was never heard or
        has ended.

        Made once for all who ask within a twentieth of a second.
        """
        now = self._now()
        made = self._ages.get(engines)
        if made is None or now - made[0] > _AGES_SECONDS:
            ages = {name: _age(now, self._heard.get(name, NEVER)) for name in engines}
            made = self._ages[engines] = (now, encode(ages))
        return made[1]

    def alive(self, engine: str) -> bool:
        """Whether the engine showed a sign of life lately."""
        return self._now() - self._heard.get(engine, NEVER) <= ALIVE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether the bus has told all bots there are, and changes are heard."""
        return self._ready

    def knows_all_of(self, user: str) -> bool:
        """Whether all of the user's bots are known. That there are none, only a living engine can tell."""
        channel = self._channels.get(user)
        has_bots = channel is not None and bool(channel.bots)
        return self._ready and (has_bots or any(map(self.alive, self._heard)))

    @property
    def engines(self) -> tuple[str, ...]:
        """Every engine that was ever heard."""
        return tuple(self._heard)

    def _now(self) -> float:
        return self._get_loop().time()

    # --- streams ------------------------------------------------------------------------------------

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._beats)

    def subscribe(self, user: str, bot_id: str | None, last_event_id: str, credential: str) -> Stream:
        """Open a stream of one bot or of all of the user's. Raises `TooManyStreamsError`.

        Nothing is awaited between the subscription and the snapshot, so nothing is missed between them.
        """
        channel = self.channel(user)
        if len(channel.streams) >= self._max_streams:
            raise TooManyStreamsError
        stream = Stream(self, channel, bot_id, channel.resume(last_event_id), credential)
        channel.streams.add(stream)
        self._beats[stream] = self._now() + self._beat_seconds * random.uniform(0.5, 1.0)
        if self.closed:
            stream.end()
        elif self._beating is None:
            self._beat_later()
        return stream

    def unsubscribe(self, stream: Stream) -> None:
        """The stream has ended. Idempotent."""
        channel = stream.channel
        channel.streams.discard(stream)
        self._beats.pop(stream, None)
        if not channel.streams and not channel.bots and self._channels.get(channel.owner) is channel:
            del self._channels[channel.owner]

    def end_streams(self, is_valid: Callable[[str, str], bool]) -> None:
        """End the streams whose user and credential are no longer valid."""
        for stream in list(self._beats):
            if not is_valid(stream.channel.owner, stream.credential):
                stream.end()

    def close(self) -> None:
        """End all streams, now and in future. Idempotent."""
        self.closed = True
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        for stream in list(self._beats):
            stream.end()

    def _beat_later(self) -> None:
        """Wait for the next stream whose beat is due; they are in this order."""
        loop = self._get_loop()
        due = next(iter(self._beats.values()))
        self._beating = loop.call_later(max(_BREATH, due - loop.time()), self._beat)

    def _beat_now(self, streams: list[Stream]) -> None:
        """Let these beat next, ahead of all others."""
        now = self._now()
        for stream in streams:
            self._beats[stream] = now
            self._beats.move_to_end(stream, last=False)
        if streams and self._beating is not None:
            self._beating.cancel()
            self._beat_later()

    def _beat(self) -> None:
        """Let the streams beat whose time has come; few at once, so that updates need not wait for them."""
        self._beating = None
        now = self._now()
        for stream in [stream for stream, _due in zip(self._beats, range(_MOST_BEATS), strict=False)]:
            if self._beats[stream] > now + _BREATH:
                break
            self._beats[stream] = now + self._beat_seconds * (1.0 if len(self._beats) <= MANY else 1.5)
            self._beats.move_to_end(stream)
            stream.beat()
        if self._beats and not self.closed:
            self._beat_later()


def _age(now: float, heard: float) -> float | None:
    return None if heard == NEVER else round(max(0.0, now - heard), 1)
