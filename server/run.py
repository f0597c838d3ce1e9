"""Runs the application: the listening socket, uvicorn, and an end that leaves nobody hanging."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from core.atomic import why
from core.errors import UserError
from core.i18n import tr
from server import descriptors
from server.admission import Admission, fitting
from server.doors import Door
from server.forwarded import ForwardedMiddleware
from server.hub import Hub
from server.protocol import StatusProtocol

log = logging.getLogger(__name__)

SEND_BUFFER_BYTES = 32 * 1024
BACKLOG = 4096
CLEAN_SECONDS = 1.0
"""For so long the end waits for clean ends of streams and answers; the rest is cut off then."""
KEEP_ALIVE_SECONDS = 20
DEAD_PEER_MS = 30_000


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; port 0 is any free one. Raises `UserError` if it cannot be had.

    A small send buffer, which connections inherit, makes a client that does not read show soon.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise UserError(tr("server.cannot_listen", host=host, port=port, reason=why(error))) from error
    try:
        if sys.platform != "win32":  # there it would let another program take the port over
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that vanished without a word
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise UserError(tr("server.cannot_listen", host=host, port=port, reason=why(error))) from error
    return listener


async def _take_spare() -> None:
    """Have uvloop take its spare descriptor now, while there is one: it does so with its first connection."""
    ours, other = socket.socketpair()
    with other:
        ours.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        transport.abort()


class StatusServer(uvicorn.Server):
    """uvicorn that lets in only so many, and ends all streams before it waits for its connections."""

    def __init__(
        self, app: FastAPI, hub: Hub, *, tls_cert: str = "", tls_key: str = "",
        trusted_proxies: Sequence[str] = (), admission: Admission | None = None,
    ) -> None:  # fmt: skip
        """Without an `admission` as many are let in as fit the files that the process may have open."""
        options: dict[str, Any] = (
            {"ssl_certfile": tls_cert, "ssl_keyfile": tls_key or None} if tls_cert else {}
        )
        super().__init__(
            uvicorn.Config(
                ForwardedMiddleware(app, trusted_proxies), proxy_headers=False, http=StatusProtocol,
                ws="none", lifespan="on", log_config=None, access_log=False,
                server_header=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=3,
                backlog=BACKLOG, **options,
            )
        )  # fmt: skip
        self._hub = hub
        self._admission = admission or fitting(descriptors.limit(), trusted_proxies)
        self._doors: list[Door] = []
        self._own_loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self._own_loop = asyncio.get_running_loop()
        if sys.platform == "win32":  # its event loop watches no listening socket of ours
            await super().startup(sockets)
            return
        await super().startup([])
        if self.started:
            await _take_spare()
            self._doors = [
                Door(listener, self._admission, self._make_protocol, self.config.ssl)
                for listener in sockets or ()
            ]
            for door in self._doors:
                door.open()

    def _make_protocol(self) -> StatusProtocol:
        return StatusProtocol(self.config, self.server_state, self.lifespan.state)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server`. A signal ends the streams first: the rest waits for them."""
        self.end()
        super().handle_exit(sig, frame)

    def end(self) -> None:
        """Ask for the end, from any thread; returns at once. Idempotent."""
        self.should_exit = True
        if self._own_loop is not None:
            try:
                self._own_loop.call_soon_threadsafe(self._hub.close)
            except RuntimeError:
                log.debug("the server's loop has ended already")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self._hub.close()
        for door in self._doors:
            door.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLEAN_SECONDS
        while self._hub.streams and loop.time() < deadline:
            await asyncio.sleep(0.02)
        cut = loop.call_at(deadline, self._cut_off)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut_off(self) -> None:
        """Nobody is waited for any longer: not who does not read, nor who does not finish asking."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class ServerThread:
    """The server in a thread of its own, for the desktop and for tests."""

    def __init__(self, server: StatusServer, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self._ended = False
        self.broken = False
        """Whether it has ended though nobody asked for that."""
        self.on_broken: Callable[[], None] = lambda: None
        """Called in the server's thread when that happens."""
        self._thread = threading.Thread(target=self._run, name="status-server", daemon=True)

    def start(self) -> None:
        """Begin to serve; returns at once."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it serves, or is about to."""
        return self._thread.is_alive()

    def begin_to_end(self) -> None:
        """Take nobody new and end all streams; returns at once. Idempotent."""
        self._ended = True
        self._server.end()

    def stop(self, seconds: float = 3.0) -> bool:
        """End, and wait for that so many seconds at most; whether it has ended. Idempotent."""
        self.begin_to_end()
        if self._thread.ident is None:
            self._listener.close()
        elif self._thread.is_alive():
            self._thread.join(seconds)
        ended = not self._thread.is_alive()
        if not ended:
            log.error("the status server did not end within %g s", seconds)
        return ended

    def _run(self) -> None:
        try:
            self._server.run([self._listener])
        except Exception:
            log.exception("the status server broke")
        except SystemExit:  # uvicorn's way to say that the application did not start; it has logged why
            log.error("the status server did not start")
        finally:
            self._listener.close()
            if not self._ended:
                self.broken = True
                self.on_broken()
