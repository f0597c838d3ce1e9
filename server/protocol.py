"""Our connections: uvicorn's, cut off when the other side does not read, or does not finish what it asks."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from socket import IPPROTO_TCP, SocketType

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.admission import Entry

SLOW_SECONDS = 5.0
"""A client that takes nothing for so long, though something waits for it, is cut off."""
MOST_SLOW_SECONDS = 60.0
"""One that takes something, but never enough, is cut off after so long."""
REQUEST_SECONDS = 10.0
"""So long a request may take to be complete: the first from connecting on, others from their first byte."""
MOST_HEAD = 64 * 1024
"""A request line and its headers may be so long."""
BUFFER_BYTES = 32 * 1024
"""So much may wait for a client in this process before it counts as slow."""
KNOWN = "swing_hunter.known"
"""Where a request's scope holds what is to be called once its user is known."""
_ACKED = struct.Struct("=Q")
_ACKED_OFFSET = 120
"""Of `tcpi_bytes_acked` in Linux's `tcp_info`."""


class StatusProtocol(HttpToolsProtocol):
    """One connection."""

    entry: Entry | None = None
    """By what it was let in."""
    socket: SocketType | None = None
    """The socket itself, to ask it how far it is."""
    _head: int | None = 0
    """How many bytes of a request's head have come, None while its body comes."""
    _unfinished = False
    """A request has begun and is not complete."""
    _due: asyncio.TimerHandle | None = None
    """Cuts the connection off unless the request is complete before."""
    _slow: asyncio.TimerHandle | None = None
    _slow_until = 0.0
    _taken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.access_log = False  # it prints whole addresses, and what people paste into them
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`. Nobody fills the memory with a head that never ends."""
        if self._head is not None:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.transport.abort()
                return
        if not self._answering():
            self._expect_request()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        self._unfinished = True
        super().on_message_begin()
        if self.entry is not None:
            self.scope[KNOWN] = self.entry.known  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._head = 0
        self._unfinished = False
        self._stop_expecting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`. What came meanwhile is the beginning of the next request."""
        super().on_response_complete()
        if self._unfinished and not self.transport.is_closing():
            self._expect_request()

    def timeout_keep_alive_handler(self) -> None:
        """See `HttpToolsProtocol`. Closing would wait for ever for who does not read the last answer."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        if self._slow is None:
            self._slow_until = self.loop.time() + MOST_SLOW_SECONDS
            self._taken = self._taken_so_far()
            self._slow = self.loop.call_later(SLOW_SECONDS, self._look)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_watching()
        self._stop_expecting()
        if self.entry is not None:
            self.entry.leave()
        self.socket = None
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_request(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _look(self) -> None:
        """Cut the client off unless it reads, if slowly, as a phone does where the network is bad.

        Aborting drops what still waits; a close would wait for it for ever.
        """
        taken = self._taken_so_far()
        if taken == self._taken or self.loop.time() >= self._slow_until:
            self.transport.abort()
            return
        self._taken = taken
        self._slow = self.loop.call_later(SLOW_SECONDS, self._look)

    def _taken_so_far(self) -> int:
        """A number that changes when the client's side has taken something.

        Where the system tells, what was acknowledged: below TLS there is a buffer that nobody can see.
        """
        if sys.platform == "linux" and self.socket is not None:
            from socket import TCP_INFO

            with contextlib.suppress(OSError, struct.error):  # an old kernel does not tell
                info = self.socket.getsockopt(IPPROTO_TCP, TCP_INFO, _ACKED_OFFSET + _ACKED.size)
                return int(_ACKED.unpack_from(info, _ACKED_OFFSET)[0])
        return int(self.transport.get_write_buffer_size())

    def _stop_watching(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
