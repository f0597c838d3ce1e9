"""TradingView over a WebSocket, with scripted prices and faults: charts, and quotes too if it `pushes`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import re
import ssl
from collections.abc import AsyncIterator
from typing import Any

from tests.loopback.faults import GARBAGE, HTML_PAGE, RETRY_AFTER, WRONG_PRICE, Fault
from tests.loopback.market import Bar, Market
from tests.loopback.quote_session import QuoteDesk, QuoteLine, call, websocket_frame
from tests.loopback.server import Request, StreamServer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATH = "/socket.io/websocket"
LENGTHS = {"1": 60, "5": 300, "15": 900, "1H": 3600}
TEXT, CLOSE, PING = 1, 8, 9
FRAME = re.compile(r"~m~(\d+)~m~")
STATUS = {Fault.HTTP_403: 403, Fault.HTTP_429: 429, Fault.HTTP_500: 500, Fault.HTML: 200}
SYMBOL_ERRORS = (Fault.SYMBOL_ERROR_THEN_SILENCE, Fault.SYMBOL_ERROR_THEN_HEARTBEATS)


async def read_messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """The client's masked frames; fragments are not expected."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4)
        data = await reader.readexactly(size)
        yield first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


class TradingViewServer(StreamServer):
    """`requests` has one entry per connection, kind "chart" or "daily", with the symbol once it is known."""

    def __init__(self, market: Market | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.heartbeat_seconds = 10.0
        self.declared_mode: str | None = None
        self.decoy = False
        """Whether something that looks like bars comes before the bars."""
        self.pushes = False
        """Whether quote sessions are served; without, only charts are."""
        self.quotes = QuoteDesk(self)
        super().__init__(market, tls)

    def set_price(
        self, key: str, price: float, prev_close: float | None = None, *, stamp: float | None = None
    ) -> None:
        """See `Market.set_price`; whoever has subscribed hears of it."""
        super().set_price(key, price, prev_close, stamp=stamp)
        if self.pushes:
            self.quotes.tell(key)

    @property
    def endpoint(self) -> str:
        """What `websocket.endpoint` should be."""
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{self.port}{PATH}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `StreamServer.handle`."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request = Request("chart", path=head.split()[1])
        self.requests.append(request)
        fault = self._fault
        if fault in STATUS or not request.path.startswith(PATH):
            await _refuse(writer, STATUS.get(fault, 404))  # type: ignore[arg-type]
            return
        key = re.search(r"(?im)^sec-websocket-key: *(\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1((key[1] + GUID).encode()).digest()).decode()
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        writer.write(answer.encode())
        if fault is Fault.GARBAGE:
            writer.write(GARBAGE)
        beats = asyncio.ensure_future(self._beat(writer, self.heartbeat_seconds))
        line = QuoteLine(writer, request)
        self.quotes.lines.append(line)
        try:
            await self._converse(reader, writer, request, line)
        finally:
            self.quotes.lines.remove(line)
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)

    async def _beat(self, writer: asyncio.StreamWriter, seconds: float) -> None:
        count = 0
        while True:
            await asyncio.sleep(seconds)
            count += 1
            text = f"~h~{count}"
            writer.write(websocket_frame(f"~m~{len(text)}~m~{text}".encode()))

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, line: QuoteLine
    ) -> None:
        hello = json.dumps({"session_id": "<0.1.2>_loopback", "protocol": "json", "javastudies": "3.66"})
        if self._fault not in (Fault.SILENCE, Fault.DRIBBLE):
            writer.write(websocket_frame(f"~m~{len(hello)}~m~{hello}".encode()))
        async for opcode, data in read_messages(reader):
            if opcode == CLOSE:
                writer.write(websocket_frame(data[:2], CLOSE))
                return
            if opcode != TEXT:
                continue
            text = data.decode()
            for match in FRAME.finditer(text):
                payload = text[match.end() : match.end() + int(match[1])]
                if payload.startswith("~h~"):
                    self.quotes.echoes.append(payload)
                    continue
                content = json.loads(payload)
                if self.pushes and self.quotes.obey(content["m"], content["p"], line):
                    continue
                await self._obey(content["m"], content["p"], writer, request)

    async def _obey(self, name: str, params: Any, writer: asyncio.StreamWriter, request: Request) -> None:
        if name == "quote_add_symbols" and not all(isinstance(param, str) for param in params):
            text = call("critical_error", params[0], "invalid_parameters", "quote_add_symbols")
            if self._fault not in (Fault.SILENCE, Fault.DRIBBLE):
                writer.write(websocket_frame(text.encode()))
        elif name == "resolve_symbol":
            request.symbols = (json.loads(params[2][1:])["symbol"],)
        elif name == "create_series":
            request.kind = "chart" if params[4] == "1" else "daily"
            await self._answer(params, writer, request)

    async def _answer(self, params: Any, writer: asyncio.StreamWriter, request: Request) -> None:
        """Answer create_series [CS, "s1", "s1", SYMBOL_ID, INTERVAL, BARS, ...]."""
        session, series, _, symbol_id, interval, count = params[:6]
        asked, fault = self._key(request.symbols[0]), self._fault
        if fault is Fault.SILENCE:
            return
        if asked not in self.market.listings or fault in SYMBOL_ERRORS:
            error = call("symbol_error", session, symbol_id, "invalid symbol")
            error += call("series_error", session, series, series, "resolve error", "invalid symbol")
            writer.write(websocket_frame(error.encode()))
            if fault is Fault.SYMBOL_ERROR_THEN_HEARTBEATS:
                await self._beat(writer, 0.05)
            return
        if fault is Fault.PROTOCOL_ERROR:
            writer.write(websocket_frame(call("protocol_error", "bad auth token").encode()))
            return
        if fault is Fault.CLOSE:
            writer.write(websocket_frame((1000).to_bytes(2, "big"), CLOSE))
            return
        name = "BIST:WRONG" if fault is Fault.WRONG_SYMBOL else request.symbols[0]
        bars = self._bars(asked, interval, int(count))
        messages = [
            call("series_loading", session, series, series),
            call("symbol_resolved", session, symbol_id, self._resolved(name)),
            "" if fault is Fault.EMPTY else self._update(session, series, bars),
            call("series_completed", session, series, "streaming", "s1"),
        ]
        if self.declared_mode is not None:
            quote = {"n": name, "s": "ok", "v": {"update_mode": self.declared_mode, "lp": bars[-1].close}}
            messages.insert(0, call("qsd", "qs_loopback", quote))
        if self.decoy:
            values = [bars[-1].stamp, *(WRONG_PRICE,) * 4, 1.0]
            messages.insert(0, call("study_data", session, {"s": [{"i": 0, "v": values}]}))
        await self._send(writer, [text for text in messages if text])

    async def _send(self, writer: asyncio.StreamWriter, messages: list[str]) -> None:
        """The answer's messages: two in one WebSocket message, the others each in one of its own."""
        whole = [websocket_frame("".join(messages[:2]).encode())]
        whole += [websocket_frame(text.encode()) for text in messages[2:]]
        match self._fault:
            case Fault.DRIBBLE:
                await self.dribble(writer, b"".join(whole))
            case Fault.DROP_MID:
                data = b"".join(whole)
                writer.write(data[: len(data) // 2])
                await writer.drain()
                writer.transport.abort()
            case Fault.HALF_FRAME:
                cut = [text[: len(text) * 2 // 3] for text in messages[2:-1]]
                writer.write(whole[0])
                writer.writelines(websocket_frame(text.encode()) for text in [*cut, messages[-1]])
            case _:
                writer.writelines(whole)

    def _update(self, session: str, series: str, bars: list[Bar]) -> str:
        fault = self._fault
        rows: list[dict[str, Any]] = []
        for index, bar in enumerate(bars):
            values: list[float | None] = list(bar)
            if fault is Fault.NULL_CLOSE and index == len(bars) - 1:
                values[4] = None
            row = {"i": index, "v": values}
            rows.append({"v": values, "i": index} if fault is Fault.REORDERED_KEYS else row)
        tail = {"index": 300, "zoffset": 0, "changes": [], "marks": [], "index_diff": []}
        text = call("timescale_update", session, {series: {"node": "x", "s": rows, "t": series}}, tail)
        if fault is Fault.HUGE:
            text = text.replace(f"{bars[-1].close}", "9e999")
            body = text.split("~m~", 2)[2]
            text = f"~m~{len(body)}~m~{body}"
        return text

    def _bars(self, key: str, interval: str, count: int) -> list[Bar]:
        seconds = LENGTHS.get(interval)
        bars = self.market.minute_bars(key, count, seconds) if seconds else self.market.daily_bars(key, count)
        match self._fault:
            case Fault.WRONG_SYMBOL:
                return [Bar(bar.stamp, *(WRONG_PRICE,) * 4, bar.volume) for bar in bars]
            case Fault.NAN | Fault.ZERO | Fault.NEGATIVE as fault:
                bad = {Fault.NAN: math.nan, Fault.ZERO: 0.0, Fault.NEGATIVE: -1.5}[fault]
                return [bar._replace(open=bad, high=bad, low=bad, close=bad) for bar in bars]
            case Fault.PAST:
                return [bar._replace(stamp=bar.stamp - 3600) for bar in bars]
            case Fault.EPOCH:
                return [bar._replace(stamp=60.0 * index) for index, bar in enumerate(bars)]
            case Fault.FUTURE:
                return [bar._replace(stamp=bar.stamp + 3600) for bar in bars]
            case Fault.OUT_OF_ORDER_BARS:
                return bars[::-1]
        return bars

    def _key(self, symbol: str) -> str:
        """The listing's key: crypto is asked for as a pair with the dollar."""
        if symbol.startswith("CRYPTO:"):
            return symbol.removesuffix("USD")
        return symbol

    def _resolved(self, name: str) -> dict[str, Any]:
        exchange, _, ticker = name.partition(":")
        return {
            "name": ticker, "full_name": name, "pro_name": f"{exchange}_DLY:{ticker}", "exchange": exchange,
            "description": "Loopback", "pricescale": 100, "minmov": 1, "type": "stock",
            "subsessions": [{"id": "regular", "session": "0955-1805"}],
        }  # fmt: skip


async def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    head = f"HTTP/1.1 {status} Loopback\r\nContent-Type: text/html\r\nContent-Length: {len(HTML_PAGE)}\r\n"
    if status == 429:
        head += f"Retry-After: {RETRY_AFTER}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + HTML_PAGE)
    await writer.drain()
