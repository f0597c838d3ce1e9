"""TradingView's quote stream on `websocket-client`: all symbols of all exchanges on one connection.

The protocol is `tradingview_quotes`; here is the socket. `connect` runs on a thread of its own with a hard
deadline, as a name look-up or a dribbling server would else hold it up; after that the socket is read with
short timeouts, and `cancel` shuts it down from outside.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from core.clock import Clock, SystemClock
from core.errors import CancelledError, SourceError
from core.i18n import tr
from core.model import Instrument
from core.sources.calls import Abort, Calls
from core.sources.checks import BadDataTally
from core.sources.push_base import FrameListener, Received
from core.sources.tradingview_quotes import QuoteSession
from core.sources.tradingview_wire import chart_url, translated

ORIGIN = "https://www.tradingview.com"
MOST_MESSAGES = 1000
"""So many messages are taken in one look, so that a flood cannot keep the runner from its other work."""
CHUNK = 65_536
SEND_SECONDS = 2.0
_TEXT, _CLOSE = 1, 8
_NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)


class _Reader:
    """Reads a socket in large pieces: the package would ask the system three times for each small frame."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._chunk = b""
        self._position = 0

    def wait(self, seconds: float) -> bool:
        """Whether there is something to read, after waiting for it. Raises OSError."""
        if self._position < len(self._chunk):
            return True
        self._sock.settimeout(seconds)
        try:
            self._fill()
        except _NOTHING_YET:
            return False
        return True

    def read(self, size: int) -> bytes:
        """At most `size` bytes. Raises OSError, TimeoutError if nothing comes soon."""
        if self._position >= len(self._chunk):
            self._fill()
        piece = self._chunk[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def _fill(self) -> None:
        chunk = self._sock.recv(CHUNK)
        if not chunk:
            raise ConnectionResetError("the other side closed the connection")
        self._chunk, self._position = chunk, 0


class TradingViewPush:
    """See `PushSource`."""

    name = "tradingview"
    provider = "tradingview"
    min_spacing = 3.0
    simulated = False
    heartbeats = True

    def __init__(
        self, endpoint: str, deadline: float = 10.0, clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:  # fmt: skip
        """`endpoint` may lack its last segment; `deadline` is for the handshake, in real seconds."""
        self.on_frame: FrameListener | None = None
        self._url = chart_url(endpoint)
        self._deadline = deadline
        self._clock = clock if clock is not None else SystemClock()
        self._rng = rng
        self._calls = Calls(self.name)
        self._tally = BadDataTally(self.name)
        self._ws: Any = None
        self._reader: _Reader | None = None
        self._abort = Abort()
        self._cancelled = False
        self._break: SourceError | None = None
        self._session = QuoteSession(self.name, self._tally, rng)

    def connect(self) -> None:
        """See `PushSource.connect`."""
        self.disconnect()
        with self._calls.begin() as call:
            if self._cancelled:
                call.cancel()
            ws = call.run(self._open, self._deadline)
        self._abort = Abort()
        self._abort.watch(ws.sock)
        self._ws, self._reader = ws, _Reader(ws.sock)
        ws.frame_buffer.recv = self._reader.read
        if self._cancelled:
            self._abort.fire()
        self._session = QuoteSession(self.name, self._tally, self._rng)
        for text in self._session.opening():
            self._send(text)

    def subscribe(self, added: Sequence[Instrument], removed: Sequence[Instrument]) -> None:
        """See `PushSource.subscribe`."""
        for text in (self._session.remove(removed), self._session.add(added)):
            if text:
                self._send(text)

    def receive(self, timeout: float) -> Received:
        """See `PushSource.receive`."""
        ws, reader, session = self._ws, self._reader, self._session
        if ws is None or reader is None:
            raise SourceError(tr("sources.broke_off", source=self.name))
        if self._break is not None:
            raise self._break
        session.quotes, session.unknown, session.refused = [], session.unknown, []
        heard = False
        try:
            wait = timeout
            for _ in range(MOST_MESSAGES):
                if not reader.wait(wait):
                    break
                wait = 0.0
                ws.sock.settimeout(timeout)
                opcode, data = ws.recv_data(control_frame=True)
                heard = True
                self._take(opcode, data)
        except _NOTHING_YET:
            pass  # only a piece of a message so far, which the package keeps; it does not count as heard
        except Exception as error:
            self._break = error if isinstance(error, SourceError) else self._explained(error)
            if not session.quotes:
                raise self._break from error
            # What was told before the break is handed over first; the next look tells of the break.
        unknown, session.unknown = tuple(session.unknown), []
        return Received(
            quotes=tuple(session.quotes), heard=heard, unknown=unknown, refused=tuple(session.refused)
        )

    def disconnect(self) -> None:
        """See `PushSource.disconnect`."""
        ws, self._ws, self._reader = self._ws, None, None
        self._break = None
        if ws is not None:
            with contextlib.suppress(OSError, ValueError):
                ws.shutdown()

    def cancel(self) -> None:
        """See `PushSource.cancel`."""
        self._cancelled = True
        self._calls.cancel()
        self._abort.fire()

    def bad_data(self) -> dict[str, int]:
        """How much was refused so far, by kind."""
        return self._tally.counts()

    def _take(self, opcode: int, data: bytes) -> None:
        if opcode == _CLOSE:
            raise SourceError(tr("sources.broke_off", source=self.name))
        if opcode != _TEXT:
            return
        text = data.decode("utf-8", "replace")
        if self.on_frame is not None:
            self.on_frame(self.name, text)
        self._session.take(text, self._clock.time())
        replies, self._session.replies = self._session.replies, []
        for reply in replies:
            self._send(reply)

    def _send(self, text: str) -> None:
        try:
            self._ws.sock.settimeout(SEND_SECONDS)
            self._ws.send(text)
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> SourceError:
        if self._cancelled:
            return CancelledError(tr("sources.cancelled", source=self.name))
        return translated(error, self.name, self._clock.time())

    def _open(self, abort: Abort) -> Any:
        """The connected and upgraded socket, on the thread of this call."""
        try:
            import websocket
        except ImportError as error:
            raise SourceError(tr("sources.missing_package", package="websocket-client")) from error

        nodelay = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ws: Any = websocket.WebSocket(sockopt=[nodelay], enable_multithread=False, skip_utf8_validation=True)

        def end() -> None:
            sock = ws.sock
            if sock is not None:
                abort.watch(sock)

        abort.on_fire(end)
        try:
            ws.connect(self._url, origin=ORIGIN, timeout=self._deadline, redirect_limit=0)
        except Exception as error:
            with contextlib.suppress(OSError, ValueError):
                ws.shutdown()
            raise self._explained(error) from error
        if abort.fired:
            ws.shutdown()
        return ws
