"""TradingView's quote session as a loopback server serves it: subscriptions, partial updates, refusals."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from tests.loopback.faults import Fault
from tests.loopback.server import Request

if TYPE_CHECKING:
    from tests.loopback.tradingview_server import TradingViewServer

TEXT = 1


def call(name: str, *params: Any) -> str:
    """A protocol message as one frame."""
    text = json.dumps({"m": name, "p": params}, separators=(",", ":"))
    return f"~m~{len(text)}~m~{text}"


def framed(payload: str) -> str:
    """One frame around any text, its length in UTF-16 code units."""
    return f"~m~{len(payload.encode('utf-16-le')) // 2}~m~{payload}"


def websocket_frame(data: bytes, opcode: int = TEXT) -> bytes:
    """One unmasked, final WebSocket frame."""
    size = len(data)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + data


class QuoteLine:
    """One connection: its session's id and what it has subscribed to."""

    def __init__(self, writer: asyncio.StreamWriter, request: Request) -> None:
        self.writer = writer
        self.request = request
        self.session = ""
        self.names: list[str] = []
        self.sent = 0

    def send(self, text: str) -> None:
        """One WebSocket message."""
        if self.writer.transport.is_closing():
            return
        self.sent += 1
        self.writer.write(websocket_frame(text.encode()))


class QuoteDesk:
    """All quote sessions of a server. Its public methods may be called from any thread."""

    def __init__(self, server: TradingViewServer) -> None:
        self._server = server
        self.lines: list[QuoteLine] = []
        self.sessions: list[str] = []
        """The ids of all sessions ever created."""
        self.echoes: list[str] = []
        """The heartbeats that came back."""
        self.errors: dict[str, str] = {}
        """By full name: what to answer instead of a quote."""
        self.mode: str | None = "streaming"
        self.drop_after: int | None = None
        """Break each connection after so many messages."""
        self.silent = False
        """Accept everything, tell nothing (but heartbeats)."""
        self.refuse = ""
        """"critical_error" or "protocol_error": the answer to every quote_add_symbols."""

    @property
    def subscribed(self) -> set[str]:
        """The names that are subscribed to on any connection."""
        return {name for line in list(self.lines) for name in line.names}

    def tell(self, key: str, **values: Any) -> None:
        """Send an update of `key`: these values, or its price and time."""
        self._call(self._tell, key, values)

    def say(self, text: str, piece: int | None = None) -> None:
        """Send one WebSocket message to every session; a frame's "QS" becomes the session's id.

        In several messages of `piece` characters, if that is given, with nothing in between.
        """
        self._call(self._say, text, piece)

    def drop(self) -> None:
        """Break all connections without a word."""
        self._call(self._drop)

    def obey(self, name: str, params: Any, line: QuoteLine) -> bool:
        """Carry out a call of the quote protocol; whether it was one."""
        if name == "quote_create_session":
            line.session = params[0]
            self.sessions.append(params[0])
        elif name == "quote_add_symbols" and all(isinstance(param, str) for param in params):
            line.request.kind = "quotes"
            self._added(params[1:], line)
            line.names += params[1:]
            line.request.symbols = tuple(line.names)
        elif name == "quote_remove_symbols":
            line.names = [known for known in line.names if known not in params[1:]]
        else:
            return False
        return True

    def _added(self, names: list[str], line: QuoteLine) -> None:
        if self.refuse == "critical_error":
            line.send(call("critical_error", line.session, "invalid_parameters", "quote_add_symbols"))
        elif self.refuse == "protocol_error":
            line.send(call("protocol_error", "bad auth token"))
            line.writer.close()
        elif not self.silent and self._server._fault not in (Fault.SILENCE, Fault.DRIBBLE):
            for name in names:
                self._first(name, line)
                self._count(line)

    def _first(self, name: str, line: QuoteLine) -> None:
        key = self._server._key(name)
        error = self.errors.get(name)
        if error is None and key not in self._server.market.listings:
            error = "no_such_symbol"
        if error is not None:
            body = {"n": name, "s": "error", "errmsg": error, "v": {"alternative": "NYSE:OTHER"}}
            line.send(call("qsd", line.session, body) + call("quote_completed", line.session, name))
            return
        about = {"short_name": name.partition(":")[2], "description": "Loopback", "pricescale": 100}
        if self.mode is not None:
            about["update_mode"] = self.mode
        line.send(self._qsd(line, name, about))
        values = self._values(key, whole=True)
        line.send(self._qsd(line, name, values) + call("quote_completed", line.session, name))

    def _values(self, key: str, *, whole: bool = False) -> dict[str, Any]:
        bar, listing = self._server.market.quote(key), self._server.market.listings[key]
        values: dict[str, Any] = {"lp": bar.close, "lp_time": int(bar.stamp)}
        if whole:
            values |= {
                "prev_close_price": listing.prev_close, "open_price": bar.open, "high_price": bar.high,
                "low_price": bar.low, "volume": bar.volume,
            }  # fmt: skip
        return values

    @staticmethod
    def _qsd(line: QuoteLine, name: str, values: dict[str, Any]) -> str:
        return call("qsd", line.session, {"n": name, "s": "ok", "v": values})

    def _call(self, work: Any, *args: Any) -> None:
        self._server._loop.call_soon_threadsafe(work, *args)

    def _tell(self, key: str, values: dict[str, Any]) -> None:
        if self.silent:
            return
        for line in list(self.lines):
            for name in line.names:
                if self._server._key(name) == key and name not in self.errors:
                    line.send(self._qsd(line, name, values or self._values(key)))
                    self._count(line)

    def _say(self, text: str, piece: int | None) -> None:
        for line in list(self.lines):
            if line.session:
                whole = _filled(text, line.session)
                for at in range(0, len(whole), piece or len(whole)):
                    line.send(whole[at : at + (piece or len(whole))])

    def _count(self, line: QuoteLine) -> None:
        if self.drop_after is not None and line.sent >= self.drop_after:
            line.writer.transport.abort()

    def _drop(self) -> None:
        for line in list(self.lines):
            line.writer.transport.abort()


def _filled(text: str, session: str) -> str:
    """`text` with the session's id in its frames, whose lengths then are right again."""
    if '"QS"' not in text:
        return text
    pieces = [piece for piece in re.split(r"~m~\d+~m~", text) if piece]
    return "".join(framed(piece.replace('"QS"', f'"{session}"')) for piece in pieces)
