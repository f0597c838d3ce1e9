"""What a listener knows of all engines' bots, and what each message changes in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from core.bots.model import BotState
from core.cluster.messages import BeatMessage, ByeMessage, GoneMessage, Message, StateMessage

LONG_AGO = 86_400.0
"""Seconds since an engine's last sign of life, where there is none."""


class Life(NamedTuple):
    """An engine that lives: how old its last sign of life is, whether anybody works for its bots, and whether
    Redis holds all of them."""

    age: float
    serving: bool
    complete: bool


class FleetSink(Protocol):
    """Who wants to know what the bots of all engines do."""

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """These are all bots of `engine` from now on."""
        ...

    def on_state(self, engine: str, state: BotState) -> None:
        """One bot of `engine` has changed."""
        ...

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """The last sign of life of `engine` was `age` seconds ago."""
        ...

    def on_silent(self, engine: str) -> None:
        """`engine` has ended, or nobody works for its bots: whatever it showed before, it is not alive."""
        ...

    def on_ready(self, ready: bool) -> None:
        """Whether all that Redis holds has been told, and changes are heard; not so at first."""
        ...


class Fleet:
    """The newest state of every bot. Belongs to the listener's thread; tells `sink` of every change."""

    def __init__(self, sink: FleetSink) -> None:
        self._sink = sink
        self._bots: dict[str, StateMessage] = {}
        self._engines: set[str] = set()
        self._forgotten: set[str] = set()
        """Bots that Redis does not hold though nobody said that they are gone."""

    def replace_all(self, told: Iterable[StateMessage], lives: Mapping[str, Life]) -> None:
        """Everything as it is in Redis; `lives` are those of the engines that Redis knows to live.

        A Redis that was started anew is empty until the engines have told everything again, and one that has
        died tells nothing: a bot that is missing is gone only if its engine says that all are there.
        """
        held = {message.state.bot_id: message for message in told}
        complete = {engine for engine, life in lives.items() if life.complete}
        forgotten = {
            bot_id: message for bot_id, message in self._bots.items()
            if bot_id not in held and message.engine not in complete
        }  # fmt: skip
        self._bots, self._forgotten = held | forgotten, set(forgotten)
        engines = {message.engine for message in self._bots.values()} | lives.keys()
        for engine in sorted(engines):
            self._tell_bots(engine)
            self._tell_life(engine, lives.get(engine))
        for engine in sorted(self._engines - engines):
            self._sink.on_bots(engine, ())
        self._engines = engines

    def take(self, message: Message) -> None:
        """One message."""
        if isinstance(message, StateMessage):
            self._take_state(message)
        elif isinstance(message, GoneMessage):
            gone = self._bots.pop(message.bot_id, None)
            self._forgotten.discard(message.bot_id)
            if gone is not None:
                self._tell_bots(gone.engine)
        elif isinstance(message, BeatMessage):
            self._engines.add(message.engine)
            if message.complete:
                self._drop_forgotten(message.engine)
            if message.serving:
                self._sink.on_alive(message.engine, message.age)
            else:
                self._sink.on_silent(message.engine)
        elif isinstance(message, ByeMessage):
            self._sink.on_silent(message.engine)

    def owner_of(self, bot_id: str) -> str | None:
        """Whose the bot is."""
        known = self._bots.get(bot_id)
        return None if known is None else known.state.owner

    def agrees(self, held: Mapping[str, str]) -> bool:
        """Whether this is what Redis has, by its "VERSION ENGINE" per bot."""
        return held == {
            bot_id: f"{message.state.version} {message.engine}" for bot_id, message in self._bots.items()
            if bot_id not in self._forgotten
        }  # fmt: skip

    def _take_state(self, message: StateMessage) -> None:
        known = self._bots.get(message.state.bot_id)
        moved = known is not None and known.engine != message.engine
        counts_on = known is not None and not (moved or message.anew)
        self._forgotten.discard(message.state.bot_id)
        if known is not None and counts_on and known.state.version >= message.state.version:
            return  # it was told before the hashes were read
        self._bots[message.state.bot_id] = message
        self._engines.add(message.engine)
        if message.anew:
            self._tell_bots(message.engine)
        else:
            self._sink.on_state(message.engine, message.state)
        if known is not None and moved:
            self._tell_bots(known.engine)  # last, so that nobody thinks that the bot is gone

    def _drop_forgotten(self, engine: str) -> None:
        gone = {bot_id for bot_id in self._forgotten if self._bots[bot_id].engine == engine}
        if gone:
            self._forgotten -= gone
            self._bots = {bot_id: message for bot_id, message in self._bots.items() if bot_id not in gone}
            self._tell_bots(engine)

    def _tell_life(self, engine: str, life: Life | None) -> None:
        """An engine that Redis does not know has ended, or Redis has forgotten it: its age grows."""
        if life is not None and not life.serving:
            self._sink.on_silent(engine)
        else:
            self._sink.on_alive(engine, LONG_AGO if life is None else life.age)

    def _tell_bots(self, engine: str) -> None:
        states = [message.state for message in self._bots.values() if message.engine == engine]
        self._sink.on_bots(engine, states)
