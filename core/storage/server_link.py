"""What a database server needs beside a file: bounded waits, and a pause after it was not there."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 8.0
"""For how long the server itself lets a statement of ours run."""
ANSWER_SECONDS = 10.0
"""After so long without the end of a transaction the connection is cut: its server hangs."""
IDLE_SECONDS = 5.0
"""A connection that rested for longer is asked whether it still stands before it is used."""
SLOW_FAILURE = 0.5
LONGEST_REST = 15.0


def postgres_options(url: sa.URL, busy_seconds: float) -> dict[str, Any]:
    """How to connect, as far as the URL does not say: nobody waits long for a lock or for an answer."""
    times = {
        "lock_timeout": 1000 * busy_seconds, "statement_timeout": 1000 * STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": 1000 * ANSWER_SECONDS,
    }  # fmt: skip
    wanted = {
        "application_name": "swing-hunter", "connect_timeout": CONNECT_SECONDS,
        "options": " ".join(f"-c {name}={value:.0f}" for name, value in times.items()),
    }  # fmt: skip
    return {name: value for name, value in wanted.items() if name not in url.query}


class Breaker:
    """Spares the caller another wait for a server that just let it wait in vain."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until = -math.inf
        self._rest = 1.0
        self._why = ""

    @property
    def why(self) -> str:
        """What the last attempt failed with, "" once another one may be made."""
        return self._why if self._now() < self._until else ""

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Around an attempt to connect. A failure that comes at once calls for no pause."""
        started = self._now()
        try:
            yield
        except Exception as error:
            if self._now() - started > SLOW_FAILURE:
                self._why = str(error)  # not the error itself: it holds the half-made connection
                self._until = self._now() + self._rest
                self._rest = min(LONGEST_REST, 2 * self._rest)
            raise
        self._why, self._rest = "", 1.0


class Watchdog:
    """Cuts a connection whose transaction takes longer than `seconds`; one thread, as long as it is open.

    A driver waits for its server for ever, and the engine's thread would wait with it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._state = threading.Condition()
        self._due: float | None = None
        self._descriptor = -1
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def over(self, descriptor: int) -> Iterator[None]:
        """Watch over one transaction of the connection with this file descriptor."""
        with self._state:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watchdog", daemon=True)
                self._thread.start()
            self._descriptor, self._due = descriptor, time.monotonic() + self._seconds
            self._state.notify()
        try:
            yield
        finally:
            with self._state:
                self._due = None

    def relax(self) -> None:
        """Let this one transaction take any time."""
        with self._state:
            self._due = None

    def close(self) -> None:
        """End the thread. Idempotent."""
        with self._state:
            self._closed = True
            self._state.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._state:
            while not self._closed:
                rest = None if self._due is None else self._due - time.monotonic()
                if rest is not None and rest <= 0:
                    self._due = None
                    _shut_down(self._descriptor)
                else:
                    self._state.wait(rest)


def _shut_down(descriptor: int) -> None:
    """End the connection from outside; whoever waits on it is told that it is over."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
        twin.shutdown(socket.SHUT_RDWR)
