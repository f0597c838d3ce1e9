"""A TCP server on 127.0.0.1 in a thread of its own that can be unplugged like a network cable."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.loopback.faults import Fault
from tests.loopback.market import Market
from tests.patience import PATIENCE

T = TypeVar("T")


@dataclass
class Request:
    """One request that arrived: `at` is monotonic; `symbols` are the provider's names."""

    kind: str
    at: float = field(default_factory=time.monotonic)
    path: str = ""
    symbols: tuple[str, ...] = ()


class StreamServer:
    """Listens from its construction until `stop`. A context manager."""

    def __init__(self, market: Market | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.market = market if market is not None else Market()
        self._tls = tls
        self.requests: list[Request] = []
        self.dribble_seconds = 1.0
        self.port = 0
        self._fault: Fault | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        self.plug_in()

    def set_price(
        self, key: str, price: float, prev_close: float | None = None, *, stamp: float | None = None
    ) -> None:
        """See `Market.set_price`."""
        self.market.set_price(key, price, prev_close, stamp=stamp)

    def fault(self, fault: Fault | None) -> None:
        """Misbehave like this from now on; None: behave."""
        was_refusing, self._fault = self._fault is Fault.REFUSE, fault
        if fault is Fault.REFUSE:
            self.unplug()
        elif was_refusing:
            self.plug_in()

    def unplug(self) -> None:
        """Close the listener and break every connection; further ones are refused. Idempotent."""
        self._run(self._close())

    def plug_in(self) -> None:
        """Listen again, on the same port. Idempotent."""
        self._run(self._open())

    def wait_for_requests(self, count: int, timeout: float = PATIENCE) -> bool:
        """Wait until `count` requests have arrived in all."""
        end = time.monotonic() + timeout
        while len(self.requests) < count and time.monotonic() < end:
            time.sleep(0.005)
        return len(self.requests) >= count

    def stop(self) -> None:
        """End for good: no thread, no socket is left. Idempotent."""
        if self._loop.is_closed():
            return
        self.unplug()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        raise NotImplementedError

    async def dribble(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send `data` byte by byte."""
        for index in range(len(data)):
            writer.write(data[index : index + 1])
            await writer.drain()
            await asyncio.sleep(self.dribble_seconds)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            for sock in server.sockets:
                self._loop.remove_reader(sock.fileno())
            for _ in range(4):  # a connection that was just accepted must reach its handler to be closed
                await asyncio.sleep(0)
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self.handle(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)
            self._writers.discard(writer)
