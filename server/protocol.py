"""Our connections: uvicorn's, cut off when the other side does not read, or says nothing at all."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SLOW_SECONDS = 5.0
"""After so long without reading what we have for it a client is cut off."""
FIRST_WORD_SECONDS = 10.0
"""Within so many seconds of connecting the first request must be there."""
MOST_HEAD = 64 * 1024
"""A request line and its headers may be so long."""
BUFFER_BYTES = 32 * 1024
"""So much may wait for a client in this process before it counts as slow."""


class StatusProtocol(HttpToolsProtocol):
    """One connection."""

    _head: int | None = 0
    """How many bytes of a request's head have come, None while its body comes."""
    _slow: asyncio.TimerHandle | None = None
    _mute: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.access_log = False  # it prints whole addresses, and what people paste into them
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._mute = self.loop.call_later(FIRST_WORD_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`. Nobody fills the memory with a head that never ends."""
        if self._head is not None:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._head = 0
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._head = None
        if self._mute is not None:
            self._mute.cancel()
            self._mute = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`. Aborting drops what still waits; a close would wait for it for ever."""
        super().pause_writing()
        if self._slow is None:
            self._slow = self.loop.call_later(SLOW_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_watching()
        if self._mute is not None:
            self._mute.cancel()
        super().connection_lost(exc)

    def _stop_watching(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
