"""Commands from a server that only relays to the engine that owns the bot: through Redis, once, answered.

A command waits in the engine's list until its deadline, by Redis' own clock. It is taken out in one step, so
it is carried out at most once; if the engine dies right then, the user is told that nothing is certain.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from core.cluster import scripts
from core.cluster.link import Names, Pauses, Timings, connect, end_thread, faults
from core.cluster.messages import UNREADABLE, BotCommand, CommandAnswer, decode_answer, decode_command, encode
from core.secrets import redactor

log = logging.getLogger(__name__)

KEEP_SEEN_MS = 120_000
WAIT_SLICE = 1.0
"""Seconds for which Redis is asked to wait for something in a list."""


class CommandSender:
    """The server's end. `send` waits: call it in a thread that may."""

    def __init__(self, url: str, *, timings: Timings | None = None) -> None:
        self._url = url
        self._timings = timings or Timings()
        self._names = Names.of(url)

    def send(self, engine_id: str, command: BotCommand, timeout: float) -> CommandAnswer:
        """Have the engine carry out `command`, and wait for its answer, about `timeout` seconds.

        A command with the same id is given only once, whoever gives it again. Raises what `faults` names if
        Redis does not take it.
        """
        names = self._names
        client = connect(self._url, self._timings, reply=timeout + self._timings.reply)
        try:
            text = encode(command)
            deadline = client.eval(
                scripts.GIVE, 3, names.engine(engine_id), names.seen(command.id), names.commands(engine_id),
                text, round(timeout * 1000), KEEP_SEEN_MS,
            )  # fmt: skip
            if deadline == b"silent":
                return CommandAnswer(id=command.id, outcome="silent")
            key = names.answer(command.id)
            found = client.blpop([key], timeout=timeout)
            if found is not None:
                client.rpush(key, found[1])  # for whoever else gave the same command
                client.pexpire(key, KEEP_SEEN_MS)
                return decode_answer(found[1])
            withdrawn = client.lrem(names.commands(engine_id), 1, deadline + b" " + text)
            return CommandAnswer(id=command.id, outcome="silent" if withdrawn else "unclear")
        finally:
            client.close()


Carry = Callable[[BotCommand], None]


class CommandReceiver:
    """The engine's end: a thread that hands each command to `carry`, which must not wait."""

    def __init__(self, url: str, engine_id: str, carry: Carry, *, timings: Timings | None = None) -> None:
        self._url = url
        self._timings = timings or Timings()
        self._names = Names.of(url)
        self._engine_id = engine_id
        self._carry = carry
        self._stop = threading.Event()
        self._client: Any = None
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="redis-commands", daemon=True)

    def start(self) -> None:
        """Begin to take commands."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no more commands; returns at once."""
        self._stop.set()

    def stop(self) -> None:
        """End, in little more than a second whatever Redis does. Idempotent."""
        self._stop.set()
        end_thread(self._thread, lambda: self._client, 0.0, self._timings)

    def _run(self) -> None:
        pauses = Pauses(self._timings)
        while not self._stop.is_set():
            client = self._client = connect(self._url, self._timings, reply=WAIT_SLICE + self._timings.reply)
            try:
                while not self._stop.is_set():
                    self._take(client)
                    pauses.reset()
                    self._trouble = ""
            except faults() as error:
                self._lost(error)
            except Exception:
                log.exception("a command from Redis could not be taken")
            finally:
                client.close()
            self._stop.wait(pauses.next())

    def _take(self, client: Any) -> None:
        found = client.blpop([self._names.commands(self._engine_id)], timeout=WAIT_SLICE)
        if found is None:
            return
        deadline, _, text = found[1].partition(b" ")
        seconds, micros = client.time()
        if seconds * 1000 + micros // 1000 > int(deadline):
            return  # whoever gave it was told that it did not happen
        try:
            command = decode_command(text)
        except UNREADABLE as error:
            log.warning("a command in Redis cannot be read: %s", error)
            return
        self._carry(command)

    def _lost(self, error: Exception) -> None:
        if self._stop.is_set():
            return
        text = redactor.mask(f"{type(error).__name__}: {error}")
        if not self._trouble:
            log.warning("no commands can come through Redis: %s", text)
        self._trouble = text
