"""The bus to engines on any machine, through Redis. Import it only where `server.redis_url` is set.

A thread listens (`core.cluster.listener`); it hands over through a mailbox that keeps the newest of each bot,
bounded by their number, so a busy event loop neither loses the last state nor lets anything pile up.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Sequence

from core.bots.model import BotState
from core.cluster.commands import CommandSender
from core.cluster.link import Timings, faults
from core.cluster.listener import FleetListener
from core.cluster.messages import BotCommand as RedisCommand
from core.cluster.messages import CommandAnswer
from core.commands import StopBot
from core.errors import WorldError
from core.i18n import tr
from server.bus import BotCommand, StatusSink

log = logging.getLogger(__name__)

_Call = Callable[[StatusSink], None]


class RedisBus:
    """See `server.bus.StatusBus`."""

    def __init__(self, url: str, *, timings: Timings | None = None) -> None:
        self._sender = CommandSender(url, timings=timings)
        self.listener = FleetListener(url, self, timings=timings)
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, ...], _Call] = {}
        self._sink: StatusSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, sink: StatusSink) -> None:
        """See `StatusBus.open`."""
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self.listener.start()

    async def command(self, engine: str, command: BotCommand, timeout: float) -> str | None:
        """See `StatusBus.command`. The owner is that of the state which led to the command; the engine
        refuses if the bot is another's by now."""
        owner = self.listener.owner_of(command.bot_id)
        if owner is None:
            return tr("cluster.unknown_bot", bot=command.bot_id)
        stops = isinstance(command, StopBot)
        order = RedisCommand(
            id=secrets.token_hex(12), owner=owner, bot_id=command.bot_id,
            action="stop" if stops else "start", flatten=isinstance(command, StopBot) and command.flatten,
        )  # fmt: skip
        answer = await _in_thread(lambda: self._sender.send(engine, order, timeout))
        if answer.outcome == "unknown":
            return tr("cluster.unknown_bot", bot=command.bot_id)
        if answer.outcome == "silent":
            raise WorldError(tr("cluster.engine_silent", engine=engine))
        return None if answer.outcome == "unclear" else answer.error

    async def close(self) -> None:
        """See `StatusBus.close`."""
        self._sink = None
        await asyncio.to_thread(self.listener.stop)

    # --- in the listener's thread -------------------------------------------------------------------

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """See `FleetSink.on_bots`."""
        told = tuple(states)
        self._put(("bots", engine), lambda sink: sink.on_bots(engine, told), instead_of=("state", engine))

    def on_state(self, engine: str, state: BotState) -> None:
        """See `FleetSink.on_state`."""
        self._put(("state", engine, state.bot_id), lambda sink: sink.on_state(engine, state))

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """See `FleetSink.on_alive`."""
        self._put(("alive", engine), lambda sink: sink.on_alive(engine, age))

    def on_silent(self, engine: str) -> None:
        """See `FleetSink.on_silent`."""
        self._put(("alive", engine), lambda sink: sink.on_silent(engine))

    def on_ready(self, ready: bool) -> None:
        """See `FleetSink.on_ready`."""
        self._put(("ready",), lambda sink: sink.on_ready(ready))

    def _put(self, name: tuple[str, ...], call: _Call, instead_of: tuple[str, ...] = ()) -> None:
        with self._lock:
            wake = not self._calls
            for other in [key for key in self._calls if instead_of and key[:2] == instead_of]:
                del self._calls[other]
            self._calls.pop(name, None)
            self._calls[name] = call
        if wake and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has ended; so has our interest
                log.debug("a state came after the server's end")

    # --- in the event loop's thread -----------------------------------------------------------------

    def _deliver(self) -> None:
        with self._lock:
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            if self._sink is not None:
                call(self._sink)


async def _in_thread(work: Callable[[], CommandAnswer]) -> CommandAnswer:
    """The result of `work`, in a thread that a server which ends need not wait for. Raises `WorldError`."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[CommandAnswer] = loop.create_future()

    def settle(answer: CommandAnswer | None, error: Exception | None) -> None:
        if result.done():
            return
        if answer is not None:
            result.set_result(answer)
        elif error is not None:
            result.set_exception(error)

    def run() -> None:
        answer: CommandAnswer | None = None
        failure: Exception | None = None
        try:
            answer = work()
        except faults():
            failure = WorldError(tr("cluster.redis_away"))
        except Exception as bug:  # noqa: BLE001 - raised again where it is awaited
            failure = bug
        try:
            loop.call_soon_threadsafe(settle, answer, failure)
        except RuntimeError:
            log.debug("an answer came after the server's end")

    threading.Thread(target=run, name="redis-command", daemon=True).start()
    return await result
