"""Runs a function that may never return, in a thread that can be given up.

Python cannot end a thread by force. One that is given up is asked to end (an exception is raised in it at its
next instruction), is a daemon, and whatever it still brings about is ignored. A thread that waits in the
operating system or in C does not see the request, which is then taken back: before Python 3.13 a request that
nobody sees slows all other threads down, by a third.

Threads are used again for a short while, because to start one takes longer than most functions do.
"""

from __future__ import annotations

import contextlib
import ctypes
import queue
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
LINGER = 0.1
"""Seconds for which a thread waits for more to do."""
ASK = 0.03
"""Seconds for which a thread is asked to end; one that runs Python sees it within a few milliseconds."""
_HARMLESS = sys.version_info >= (3, 13)
_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_take_back = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_idle: list[_Worker] = []
_idle_lock = threading.Lock()


class _GivenUpError(SystemExit):
    """Raised in a thread that was given up; `except Exception` does not catch it, and nobody reports it."""


class _SeenError(BaseException):
    """Raised in the thread that has given another one up, and caught at once."""


class Limited(Generic[T]):
    """One call of `work`, begun at once. `on_done` is called in its thread when it ends by itself in time."""

    def __init__(self, work: Callable[[], T], name: str, on_done: Callable[[], None] | None = None) -> None:
        self._work = work
        self._on_done = on_done
        self._lock = threading.Lock()
        self._ended = self._given_up = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._begun = threading.Event()
        self.finished = threading.Event()
        """Set when the work has ended by itself and was not given up before."""
        self._worker = _a_worker()
        self._worker.take(self, name)

    @property
    def alive(self) -> bool:
        """Whether the work still runs, given up or not."""
        return not self._ended and self._worker.is_alive()

    def result(self) -> T:
        """What `work` returned; raises what it raised. Only after `finished`."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set, because the work has ended

    def frame(self) -> FrameType | None:
        """Where the work is at this moment; if it has not begun yet, just after that."""
        self._begun.wait(ASK)
        return sys._current_frames().get(self._worker.ident or 0)

    def give_up(self) -> bool:
        """Ask the thread to end and ignore it from now on; False if it has just finished.

        Takes up to `ASK` seconds. Worth another try if it is still `alive`.
        """
        ident, over, me = self._worker.ident or 0, self._worker.over, threading.get_ident()
        with self._lock:  # while it is held the work cannot end, so the thread's number is nobody else's
            if self._ended:
                return self._given_up
            self._given_up = True
            _raise_in(ident, _GivenUpError)
        # Nothing but C until the request is seen or taken back: with a debugger or a coverage tool at work,
        # Python 3.11 calls no function while one waits to be seen.
        if over.acquire(timeout=ASK):
            over.release()
        elif not _HARMLESS:
            try:  # that a request waits is forgotten only when some thread has seen one
                _take_back(ident, None)
                _raise_in(me, _SeenError)
                for _ in range(100):
                    pass
            except _SeenError:
                pass
        return True

    def run(self) -> bool:
        """Do the work, in the thread; False if it was given up, and the thread is to end."""
        value: T | None = None
        error: BaseException | None = None
        self._begun.set()
        try:
            value = self._work()
        except BaseException as raised:  # noqa: BLE001 - it is handed to whoever asks for the result
            error = raised
        with self._lock:
            self._ended = True
            if self._given_up:
                return False
            self._value, self._error = value, error
        self.finished.set()
        if self._on_done is not None:
            self._on_done()
        return True


class _Worker(threading.Thread):
    """A thread that does one call after the other, until there is none for a while or one is given up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._calls: queue.SimpleQueue[Limited[Any]] = queue.SimpleQueue()
        self.over = threading.Lock()
        """Held until the thread ends."""
        self.over.acquire()
        self.start()

    def take(self, call: Limited[Any], name: str) -> None:
        """Do `call` next."""
        self.name = name
        self._calls.put(call)

    def run(self) -> None:
        """See `threading.Thread.run`."""
        with contextlib.suppress(_GivenUpError):  # it may come while the call has hardly begun or is over
            self._serve()
        self.over.release()

    def _serve(self) -> None:
        going_on = True
        while going_on:
            try:
                going_on = self._calls.get(timeout=LINGER).run()
            except queue.Empty:
                with _idle_lock:
                    if self not in _idle:
                        continue  # somebody has just taken it: a call is on its way
                    _idle.remove(self)
                return
            if going_on:
                self.name = "strategy-idle"
                with _idle_lock:
                    _idle.append(self)


def _a_worker() -> _Worker:
    """A thread that waits for work, else a new one."""
    with _idle_lock, contextlib.suppress(IndexError):
        return _idle.pop()
    return _Worker()
