"""Network calls that end in time and that another thread can end.

A socket's own timeout starts anew with every byte, so a server that dribbles holds a caller for ever. Here
each connection is known to its `Line`, which shuts it down when the call's time is up or the program closes.
Only the look-up of a name cannot be broken off.

This is real time and not `core.clock`'s: it is about sockets.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SLICE = 0.1
_UNDER_WAY = {errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)}


class Wire:
    """The connections of one call, which has `seconds` altogether."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._cut = False
        self._twins: list[socket.socket] = []
        self._lock = threading.Lock()

    def rest(self) -> float:
        """The seconds left, at least a little."""
        return max(0.01, self._end - time.monotonic())

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to the first address of `host` that answers. Raises OSError."""
        addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                self._reach(sock, address, time.monotonic() + self.rest() / (len(addresses) - index))
                self._watch(sock)
            except OSError as error:
                sock.close()
                failure = error
            else:
                sock.settimeout(self.rest())
                return sock
        raise failure

    def _reach(self, sock: socket.socket, address: tuple[object, ...], end: float) -> None:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code in _UNDER_WAY:
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_WRITE)
                while not selector.select(_SLICE):
                    if self._cut or time.monotonic() >= end:
                        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def _watch(self, sock: socket.socket) -> None:
        """Keep a twin: TLS takes the socket itself over, the twin still shuts the same connection."""
        with self._lock:
            if self._cut:
                raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
            self._twins.append(sock.dup())

    def cut(self) -> None:
        """From any thread: end the call."""
        with self._lock:
            self._cut = True
            for twin in self._twins:
                with suppress(OSError):  # it is not connected any more
                    twin.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the sockets that are kept here."""
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


class Line:
    """All calls of one channel. After `cancel` there are no more."""

    def __init__(self) -> None:
        self._wires: set[Wire] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    @contextmanager
    def call(self, seconds: float) -> Iterator[Wire]:
        """The frame of one call, which is cut after `seconds`."""
        wire = Wire(seconds)
        watchdog = threading.Timer(seconds, wire.cut)
        watchdog.name, watchdog.daemon = "notify-deadline", True
        with self._lock:
            self._wires.add(wire)
            if self._cancelled:
                wire.cut()
        watchdog.start()
        try:
            yield wire
        finally:
            watchdog.cancel()
            watchdog.join()
            with self._lock:
                self._wires.discard(wire)
            wire.close()

    def cancel(self) -> None:
        """From any thread: cut every call and refuse all later ones."""
        with self._lock:
            self._cancelled = True
            for wire in self._wires:
                wire.cut()
