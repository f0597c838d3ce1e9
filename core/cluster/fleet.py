"""What a listener knows of all engines' bots, and what each message changes in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from core.bots.model import BotState
from core.cluster.messages import BeatMessage, ByeMessage, GoneMessage, Message, StateMessage

LONG_AGO = 86_400.0
"""Seconds since an engine's last sign of life, where there is none."""


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


class Fleet:
    """The newest state of every bot. Belongs to the listener's thread; tells `sink` of every change."""

    def __init__(self, sink: FleetSink) -> None:
        self._sink = sink
        self._bots: dict[str, StateMessage] = {}
        self._engines: set[str] = set()

    def replace_all(self, told: Iterable[StateMessage], ages: Mapping[str, float]) -> None:
        """Everything as it is in Redis; `ages` are those of the engines that live."""
        self._bots = {message.state.bot_id: message for message in told}
        engines = {message.engine for message in self._bots.values()} | ages.keys()
        for engine in sorted(self._engines - engines):
            self._sink.on_bots(engine, ())
        for engine in sorted(engines):
            self._tell_bots(engine)
            self._sink.on_alive(engine, ages.get(engine, LONG_AGO))
        self._engines = engines

    def take(self, message: Message) -> None:
        """One message."""
        if isinstance(message, StateMessage):
            self._take_state(message)
        elif isinstance(message, GoneMessage):
            gone = self._bots.pop(message.bot_id, None)
            if gone is not None:
                self._tell_bots(gone.engine)
        elif isinstance(message, BeatMessage):
            self._engines.add(message.engine)
            if message.serving:
                self._sink.on_alive(message.engine, message.age)
        elif isinstance(message, ByeMessage):
            self._sink.on_alive(message.engine, LONG_AGO)

    def owner_of(self, bot_id: str) -> str | None:
        """Whose the bot is."""
        known = self._bots.get(bot_id)
        return None if known is None else known.state.owner

    def agrees(self, held: Mapping[str, str]) -> bool:
        """Whether this is what Redis has, by its "VERSION ENGINE" per bot."""
        return held == {
            bot_id: f"{message.state.version} {message.engine}" for bot_id, message in self._bots.items()
        }

    def _take_state(self, message: StateMessage) -> None:
        known = self._bots.get(message.state.bot_id)
        moved = known is not None and known.engine != message.engine
        counts_on = known is not None and not (moved or message.anew)
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

    def _tell_bots(self, engine: str) -> None:
        states = [message.state for message in self._bots.values() if message.engine == engine]
        self._sink.on_bots(engine, states)
