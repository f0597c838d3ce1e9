"""What carries the bots' states from engines to this server, and commands back; here within one process.

`server.redis_bus` does the same between machines. A bus hands over whole `BotState` values, never
differences: a lost message is healed by the next one, and `on_bots` puts right whatever is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from core.bots.model import BotState
from core.commands import BotsLoaded, Command, CommandResult, RequestSnapshot, StartBot, StopBot
from core.events import EventBus, Unsubscribe

log = logging.getLogger(__name__)

LOCAL_ENGINE = "local"
LOOK_SECONDS = 0.5
BotCommand = StartBot | StopBot


class StatusSink(Protocol):
    """Who listens to a bus: the hub. Everything is called in the event loop's thread."""

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """These are all bots of `engine` from now on; any other of that engine is gone."""
        ...

    def on_state(self, engine: str, state: BotState) -> None:
        """One bot of `engine` has changed; its transaction is committed. Older versions do no harm."""
        ...

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """The last sign of life of `engine` was `age` seconds ago."""
        ...

    def on_silent(self, engine: str) -> None:
        """`engine` has ended, or nobody works for its bots: whatever it showed before, it is not alive."""
        ...

    def on_ready(self, ready: bool) -> None:
        """Whether all bots there are have been told, and changes are heard; not so at first."""
        ...


class StatusBus(Protocol):
    """The way to the engines. All methods belong to the event loop's thread."""

    async def open(self, sink: StatusSink) -> None:
        """Begin to hand over to `sink`: first all bots there are, then their changes. Does not wait for an
        engine, and does not fail because none is there yet."""
        ...

    async def command(self, engine: str, command: BotCommand, timeout: float) -> str | None:
        """Have `engine` carry out a command: "" once done, a sentence if refused, None if it is still on
        its way after `timeout` seconds. Raises `WorldError` if it cannot be sent."""
        ...

    async def close(self) -> None:
        """Hand over nothing more. Idempotent."""
        ...


class InProcessBus:
    """The bus to the engine in this process.

    The engine's thread only puts the newest state of each bot into a mailbox (bounded by the number of bots)
    and wakes the event loop if the mailbox was empty, so it never waits for the server.
    """

    def __init__(
        self, events: EventBus, post: Callable[[Command], object], alive_at: Callable[[], float], *,
        engine: str = LOCAL_ENGINE, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`events` and `post` are the engine's; `alive_at` tells when its thread last did something, by
        `monotonic`."""
        self._events = events
        self._post = post
        self._alive_at = alive_at
        self._engine = engine
        self._monotonic = monotonic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sink: StatusSink | None = None
        self._unsubscribe: list[Unsubscribe] = []
        self._looking: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._loaded: BotsLoaded | None = None
        self._states: dict[str, BotState] = {}
        self._results: list[CommandResult] = []
        self._waiting: dict[int, asyncio.Future[str]] = {}

    async def open(self, sink: StatusSink) -> None:
        """See `StatusBus.open`."""
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = [
            self._events.subscribe(BotsLoaded, self._on_loaded),
            self._events.subscribe(BotState, self._on_state),
            self._events.subscribe(CommandResult, self._on_result),
        ]
        self._post(RequestSnapshot())
        self._looking = asyncio.create_task(self._look())

    async def command(self, engine: str, command: BotCommand, timeout: float) -> str | None:
        """See `StatusBus.command`."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = answer
        try:
            self._post(command)
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(command.id, None)

    async def close(self) -> None:
        """See `StatusBus.close`."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        self._sink = None
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look(self) -> None:
        """Tell every now and then how long ago the engine's thread last showed that it lives."""
        while self._sink is not None:
            self._sink.on_alive(self._engine, max(0.0, self._monotonic() - self._alive_at()))
            await asyncio.sleep(LOOK_SECONDS)

    # --- in the engine's thread ---------------------------------------------------------------------

    def _on_loaded(self, event: BotsLoaded) -> None:
        with self._lock:
            wake = self._empty()
            self._loaded = event
            self._states.clear()
        self._wake(wake)

    def _on_state(self, state: BotState) -> None:
        with self._lock:
            wake = self._empty()
            self._states[state.bot_id] = state
        self._wake(wake)

    def _on_result(self, result: CommandResult) -> None:
        if result.command_id not in self._waiting:
            return  # somebody else's command
        with self._lock:
            wake = self._empty()
            self._results.append(result)
        self._wake(wake)

    def _empty(self) -> bool:
        return not (self._loaded or self._states or self._results)

    def _wake(self, needed: bool) -> None:
        if needed and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has ended; so has our interest
                log.debug("a state came after the server's end")

    # --- in the event loop's thread -----------------------------------------------------------------

    def _deliver(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
            states, self._states = self._states, {}
            results, self._results = self._results, []
        if self._sink is not None:
            if loaded is not None:
                self._sink.on_bots(self._engine, loaded.states)
                self._sink.on_ready(True)
            for state in states.values():
                self._sink.on_state(self._engine, state)
        for result in results:
            answer = self._waiting.get(result.command_id)
            if answer is not None and not answer.done():
                answer.set_result(result.error)
