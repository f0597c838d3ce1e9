"""What every test is held to: it leaves no thread, timer, socket or window behind and stays off the network.

`Guards` is used by `conftest.py` alone. A check is cheap as long as nothing is wrong; only a suspicion costs
a garbage collection and a short wait.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOKS = 100
"""So often, 0.02 s apart, something may still be there: a machine that holds us up holds up that, too."""
_FD_DIR = Path("/proc/self/fd")


class NetworkBlockedError(AssertionError):
    """A test tried to leave this computer."""


def _is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost", "localhost.localdomain", socket.gethostname()):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


class NetworkGuard:
    """Lets sockets reach loopback and the file system's sockets only; remembers what was tried."""

    def __init__(self) -> None:
        self.attempts: list[str] = []

    def _check(self, host: object, what: str) -> None:
        if not _is_local(host):
            self.attempts.append(f"{what} {host!r}")
            raise NetworkBlockedError(f"a test may only use the loopback network: {what} {host!r}")

    def install(self) -> Callable[[], None]:
        """Guard every Python socket from now on; the result undoes it."""
        saved = (socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto, socket.getaddrinfo)
        connect, connect_ex, sendto, getaddrinfo = saved

        def check_address(address: Any, what: str) -> None:
            if isinstance(address, tuple):
                self._check(address[0], what)

        def guarded_connect(self_: Any, address: Any) -> Any:
            check_address(address, "connect to")
            return connect(self_, address)

        def guarded_connect_ex(self_: Any, address: Any) -> Any:
            check_address(address, "connect to")
            return connect_ex(self_, address)

        def guarded_sendto(self_: Any, *args: Any) -> Any:
            check_address(args[-1], "send to")
            return sendto(self_, *args)

        def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            self._check(host, "look up")
            return getaddrinfo(host, *args, **kwargs)

        def put(functions: Iterable[Any]) -> None:
            one, two, three, four = functions
            socket.socket.connect = one  # type: ignore[method-assign]
            socket.socket.connect_ex = two  # type: ignore[method-assign]
            socket.socket.sendto = three  # type: ignore[method-assign]
            socket.getaddrinfo = four

        put((guarded_connect, guarded_connect_ex, guarded_sendto, guarded_getaddrinfo))
        return lambda: put(saved)


class QtTracker:
    """Remembers every QThread and QTimer that Python starts, weakly."""

    def __init__(self) -> None:
        self.threads: weakref.WeakSet[Any] = weakref.WeakSet()
        self.timers: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self) -> None:
        """Watch `QThread.start` and `QTimer.start` for the rest of the process."""
        from PyQt5.QtCore import QThread, QTimer

        thread_start, timer_start = QThread.start, QTimer.start

        def start_thread(thread: Any, *args: Any) -> None:
            self.threads.add(thread)
            thread_start(thread, *args)

        def start_timer(timer: Any, *args: Any) -> None:
            self.timers.add(timer)
            timer_start(timer, *args)

        QThread.start = start_thread  # type: ignore[method-assign]
        QTimer.start = start_timer  # type: ignore[method-assign,assignment]

    def running(self) -> list[str]:
        """What is still running, described."""
        found = []
        for objects, is_running in ((self.threads, "isRunning"), (self.timers, "isActive")):
            for item in list(objects):
                try:
                    if getattr(item, is_running)():
                        found.append(f"running {type(item).__name__} {item.objectName() or hex(id(item))}")
                except RuntimeError:  # its C++ side is deleted already
                    objects.discard(item)
        return found


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}


def _sockets() -> set[str]:
    if not _FD_DIR.is_dir():
        return set()
    found = set()
    for path in _FD_DIR.iterdir():
        try:
            target = str(path.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def _application() -> Any:
    widgets = sys.modules.get("PyQt5.QtWidgets")
    return widgets.QApplication.instance() if widgets else None


def _windows() -> dict[int, str]:
    """The parentless widgets by the address of their C++ side; Qt's own tool tip is nobody's leak."""
    app = _application()
    if app is None:
        return {}
    from PyQt5 import sip

    widgets = [widget for widget in app.topLevelWidgets() if widget.parent() is None]
    described = {sip.unwrapinstance(w): f"{type(w).__name__} {w.objectName()!r}" for w in widgets}
    return {address: text for address, text in described.items() if "QTipLabel" not in text}


def _delete_deferred() -> None:
    if _application() is not None:
        from PyQt5.QtCore import QCoreApplication, QEvent

        QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)


class LeakGuard:
    """Compares what lives before a test with what lives after it."""

    def __init__(self, tracker: QtTracker) -> None:
        self._tracker = tracker
        self._threads, self._sockets, self._windows = _threads(), _sockets(), _windows()
        self._running = set(tracker.running())

    def _leaks(self) -> list[str]:
        found = [f"thread {thread.name}" for thread in _threads() - self._threads if thread.is_alive()]
        found += [what for what in self._tracker.running() if what not in self._running]
        found += [f"open {name}" for name in _sockets() - self._sockets]
        windows = _windows()
        found += [f"top-level {windows[address]}" for address in windows.keys() - self._windows.keys()]
        return found

    def leaks(self) -> list[str]:
        """What the test left behind; what ends within `LOOKS` by itself is forgiven."""
        _delete_deferred()
        found = self._leaks()
        for _ in range(LOOKS):
            if not found:
                break
            gc.collect()
            _delete_deferred()
            found = self._leaks()
            if found:
                time.sleep(0.02)
        return found

    def forget(self) -> None:
        """Stop what leaked as far as that is possible, so that only the guilty test fails."""
        for timer in list(self._tracker.timers):
            try:
                timer.stop()
            except RuntimeError:
                continue
        self._tracker.timers.clear()


class LogGuard(logging.Handler):
    """Collects every record of level WARNING and above that nobody expects."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(logging.WARNING)
        self._allowed = [re.compile(pattern) for pattern in allowed]
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        line = f"{record.levelname} {record.name}: {record.getMessage()}"
        if not any(pattern.search(line) for pattern in self._allowed):
            self.unexpected.append(line)


@contextmanager
def watch_log(allowed: Iterable[str]) -> Iterator[LogGuard]:
    """A `LogGuard` on the root logger."""
    guard = LogGuard(allowed)
    logging.getLogger().addHandler(guard)
    try:
        yield guard
    finally:
        logging.getLogger().removeHandler(guard)
