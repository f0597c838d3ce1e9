"""Ties an engine to Redis: its bots' states go out, users' commands come in."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.atomic import write_atomically
from core.bots.model import BotState
from core.cluster.commands import CommandReceiver
from core.cluster.link import Timings
from core.cluster.messages import BotCommand, CommandAnswer
from core.cluster.publisher import BotPublisher
from core.commands import BotsLoaded, Command, CommandResult, RequestSnapshot, StartBot, StopBot
from core.events import EventBus, Unsubscribe
from core.model import Notice

log = logging.getLogger(__name__)

ID_FILE = "engine_id"
MOST_OPEN = 1000
"""So many commands may wait for the engine's answer; older ones are forgotten."""


class EngineLink:
    """Publishes the `BotState` events of an engine's bus, and posts to it what servers ask.

    `open` and `close` belong to one thread; the handlers run in the engine's and only put things into queues.
    """

    def __init__(
        self, url: str, engine_id: str, bus: EventBus, post: Callable[[Any], object], *,
        label: str = "", timings: Timings | None = None, alone: bool = True,
        idle_for: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        """`post` puts a message into the engine's inbox; `alone`: the bots run in the engine itself;
        `idle_for` tells for how many seconds the engine's thread has done nothing."""
        self._bus = bus
        self._post = post
        self.publisher = BotPublisher(
            url, engine_id, label=label or socket.gethostname(), timings=timings,
            on_conflict=self._tell_conflict, alone=alone, idle_for=idle_for,
        )  # fmt: skip
        self._receiver = CommandReceiver(url, engine_id, self._carry, timings=timings)
        self._lock = threading.Lock()
        self._open: dict[int, str] = {}
        self._unsubscribe: list[Unsubscribe] = []

    def open(self) -> None:
        """Begin. Does not wait for Redis, and does not fail because it is away."""
        self._unsubscribe = [
            self._bus.subscribe(BotState, self.publisher.put),
            self._bus.subscribe(BotsLoaded, lambda event: self.publisher.replace_all(event.states)),
            self._bus.subscribe(CommandResult, self._on_result),
        ]
        self.publisher.start()
        self._receiver.start()
        self._post(RequestSnapshot())

    def close(self) -> None:
        """Send what waits, take leave, take no more commands. Idempotent."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        self._receiver.ask_to_stop()
        self.publisher.stop()
        self._receiver.stop()

    # --- in the receiver's thread ---------------------------------------------------------------------

    def _carry(self, command: BotCommand) -> None:
        state = self.publisher.state_of(command.bot_id)
        if state is None or state.owner != command.owner:
            self.publisher.answer(CommandAnswer(id=command.id, outcome="unknown"))
            return
        if command.action == "start":
            order: Command = StartBot(bot_id=command.bot_id)
        else:
            order = StopBot(bot_id=command.bot_id, flatten=command.flatten)
        with self._lock:
            self._open[order.id] = command.id
            while len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        self._post(order)

    # --- in the engine's thread -----------------------------------------------------------------------

    def _on_result(self, result: CommandResult) -> None:
        with self._lock:
            command_id = self._open.pop(result.command_id, None)
        if command_id is not None:
            answer = CommandAnswer(id=command_id, outcome="done")
            if result.error:
                answer = CommandAnswer(id=command_id, outcome="refused", error=result.error)
            self.publisher.answer(answer)

    # --- in the publisher's thread --------------------------------------------------------------------

    def _tell_conflict(self, bot_id: str, engine_id: str) -> None:
        self._post(Notice("warning", "cluster.conflict", {"bot": bot_id, "engine": engine_id}))


def engine_id_of(data_dir: Path) -> str:
    """The name of the engine that works on this data directory, the same for ever. Raises `StorageError`."""
    path = data_dir / ID_FILE
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known = path.read_text("ascii").strip()
        if re.fullmatch(r"[a-z0-9-]{4,80}", known):
            return known
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40]
    name = f"{host or 'engine'}-{secrets.token_hex(4)}"
    write_atomically(path, f"{name}\n".encode("ascii"))
    return name
