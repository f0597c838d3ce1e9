"""Runs a function that may never return, in a thread that can be given up.

Python cannot end a thread by force. One that is given up is asked to end (an exception is raised in it at its
next instruction), is a daemon, and whatever it still brings about is ignored. A thread that waits in the
operating system or in C sees the request only when it comes back from there.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")


class _GivenUpError(SystemExit):
    """Raised in a thread that was given up; `except Exception` does not catch it, and nobody reports it."""


class Limited(Generic[T]):
    """One call of `work`, begun at once. `on_done` is called in the thread when it ends by itself in time."""

    def __init__(self, work: Callable[[], T], name: str, on_done: Callable[[], None] | None = None) -> None:
        self._work = work
        self._on_done = on_done
        self._lock = threading.Lock()
        self._ended = self._given_up = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self.finished = threading.Event()
        """Set when the work has ended by itself and was not given up before."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the work still runs, given up or not."""
        return not self._ended and self._thread.is_alive()

    def result(self) -> T:
        """What `work` returned; raises what it raised. Only after `finished`."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set, because the work has ended

    def frame(self) -> FrameType | None:
        """Where the work is at this moment."""
        return sys._current_frames().get(self._thread.ident or 0)

    def give_up(self) -> bool:
        """Ask the thread to end and ignore it from now on; False if it has just finished."""
        with self._lock:  # while it is held the thread cannot end, so its number is nobody else's
            if self._ended:
                return False
            if not self._given_up:
                self._given_up = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_GivenUpError)
                )
            return True

    def _run(self) -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = self._work()
        except BaseException as raised:  # noqa: BLE001 - it is handed to whoever asks for the result
            error = raised
        with self._lock:
            self._ended = True
            if self._given_up:
                return
            self._value, self._error = value, error
        self.finished.set()
        if self._on_done is not None:
            self._on_done()
