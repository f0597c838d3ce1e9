"""A provider's blocking call on a thread of its own, with a hard deadline and an end from outside.

The client libraries block in sockets and know no cancellation. So each call runs on a daemon thread; when
its time is up, or the feed stops, its sockets are shut down, which ends it. A call that even this does not
free (a name look-up in a dead network) is left behind, and its late answer is thrown away.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from core.errors import CancelledError, SourceError
from core.i18n import tr

log = logging.getLogger(__name__)
T = TypeVar("T")

GRACE = 0.3
"""Seconds that an aborted call gets to end by itself before it is left behind."""
MOST_LEFT_BEHIND = 4
"""So many calls may hang at once before no further one is started."""


class Abort:
    """Ends a blocking call from any thread by shutting down the sockets it uses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._hooks: list[Callable[[], None]] = []
        self.fired = False

    def watch(self, sock: socket.socket) -> None:
        """Shut `sock` down when the call is aborted, or now if it has been already."""
        with self._lock:
            self._sockets.add(sock)
            fired = self.fired
        if fired:
            _shut(sock)

    def on_fire(self, hook: Callable[[], None]) -> None:
        """Call `hook` when the call is aborted, or now if it has been already."""
        with self._lock:
            self._hooks.append(hook)
            fired = self.fired
        if fired:
            hook()

    def fire(self) -> None:
        """Abort the call. Idempotent."""
        with self._lock:
            self.fired = True
            sockets, hooks = list(self._sockets), list(self._hooks)
        for sock in sockets:
            _shut(sock)
        for hook in hooks:
            hook()


def _shut(sock: socket.socket) -> None:
    # The base class's method: SSLSocket.shutdown would take the TLS object away from the reading thread.
    with contextlib.suppress(OSError, ValueError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Job(threading.Thread, Generic[T]):
    """One function on its own thread; `done` is set at its end."""

    def __init__(
        self, name: str, function: Callable[[Abort], T], abort: Abort, done: threading.Event
    ) -> None:
        super().__init__(name=f"call-{name}", daemon=True)
        self._function = function
        self._abort = abort
        self._done = done
        self.result: T | None = None
        self.error: BaseException | None = None
        self.finished = False

    def run(self) -> None:
        """Run the function; whatever it raises is kept for the caller."""
        try:
            self.result = self._function(self._abort)
        except BaseException as error:  # noqa: BLE001 - handed over to the calling thread
            self.error = error
        self.finished = True
        self._done.set()


class Call:
    """One use of a source: from its first moment it can be cancelled, and it may run several jobs in turn."""

    def __init__(self, owner: Calls) -> None:
        self._owner = owner
        self._abort = Abort()
        self._wake = threading.Event()
        self.cancelled = False

    def cancel(self) -> None:
        """End the call; what runs now or is run later raises `CancelledError`."""
        self.cancelled = True
        self._abort.fire()
        self._wake.set()

    def run(self, function: Callable[[Abort], T], deadline: float) -> T:
        """What `function` returns or raises, within `deadline` seconds of real time.

        Raises `CancelledError` after a cancel and `SourceError` when the time is up.
        """
        self._wake.clear()
        self.check()
        self._owner.make_room()
        job = _Job(self._owner.name, function, self._abort, self._wake)
        job.start()
        self._wake.wait(deadline)
        finished = job.finished and not self.cancelled
        if not finished:
            self._abort.fire()
        job.join(GRACE)
        if job.is_alive():
            self._owner.leave_behind(job)
        self.check()
        if not finished:
            raise SourceError(tr("sources.timeout", source=self._owner.name, seconds=f"{deadline:g}"))
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def check(self) -> None:
        """Raise `CancelledError` if the call was cancelled."""
        if self.cancelled:
            raise CancelledError(tr("sources.cancelled", source=self._owner.name))


class Calls:
    """The calls of one source, one at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._current: Call | None = None
        self._left_behind: list[threading.Thread] = []

    @contextlib.contextmanager
    def begin(self) -> Iterator[Call]:
        """A call that `cancel` ends from now on."""
        self._current = call = Call(self)
        try:
            yield call
        finally:
            self._current = None

    def cancel(self) -> None:
        """From any thread: end the call that is under way, if there is one."""
        call = self._current
        if call is not None:
            call.cancel()

    def make_room(self) -> None:
        """Refuse to start one more call while too many earlier ones hang. Raises `SourceError`."""
        self._left_behind = [job for job in self._left_behind if job.is_alive()]
        if len(self._left_behind) >= MOST_LEFT_BEHIND:
            raise SourceError(tr("sources.stuck", source=self.name))

    def leave_behind(self, job: threading.Thread) -> None:
        """Remember a job that did not end."""
        log.info("%s: a call did not end when it was aborted; it is left to itself", self.name)
        self._left_behind.append(job)
