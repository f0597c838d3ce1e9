"""Takes connections from the listening socket and counts them from their first moment on.

The event loop's own server would not do: it makes a connection known only after the TLS handshake, and
accepts without end where descriptors are short.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from server.admission import Admission, Entry
from server.protocol import StatusProtocol

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
AT_ONCE = 64
"""So many are taken before others get their turn."""
BREATH_SECONDS = 0.5
"""For so long nobody is taken after the system had no descriptor left."""
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Door:
    """One listening socket; needs an event loop that can watch one."""

    def __init__(
        self, listener: socket.socket, admission: Admission, make_protocol: Callable[[], StatusProtocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._listener = listener
        self._admission = admission
        self._make_protocol = make_protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._closed = False

    def open(self) -> None:
        """Take connections from now on."""
        if not self._closed:
            self._loop.add_reader(self._listener.fileno(), self._take)

    def close(self) -> None:
        """Take nobody any more, and drop whoever is only arriving. The socket stays open. Idempotent."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener.fileno())
            for task in self._arriving:
                task.cancel()

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            entry = self._admission.enter(address[0])
            if entry is None:
                self._refuse(connection)
            else:
                task = self._loop.create_task(self._let_in(connection, entry))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)

    def _rest(self, error: OSError) -> None:
        log.error("no connection can be taken: %s", error)
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(BREATH_SECONDS, self.open)

    def _refuse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is None:
                connection.send(REFUSAL)
        connection.close()

    async def _let_in(self, connection: socket.socket, entry: Entry) -> None:
        def make() -> StatusProtocol:
            protocol = self._make_protocol()
            protocol.entry, protocol.socket = entry, connection
            return protocol

        taken = False
        try:
            await self._loop.connect_accepted_socket(
                make, connection, ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls is not None else None,
            )  # fmt: skip
            taken = True
        except (OSError, ValueError) as error:  # what a stranger sent is no TLS, or too late
            log.debug("a connection did not come about: %s", error)
        finally:
            if not taken:
                entry.leave()
                connection.close()
