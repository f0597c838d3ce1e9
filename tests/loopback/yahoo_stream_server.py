"""Yahoo's price stream on 127.0.0.1: JSON around base64 around protobuf, over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from typing import Any

from tests.loopback.faults import HTML_PAGE
from tests.loopback.market import yahoo_symbol
from tests.loopback.quote_session import websocket_frame
from tests.loopback.server import Request, StreamServer
from tests.loopback.tradingview_server import CLOSE, GUID, TEXT, read_messages

PRE, REGULAR, POST, EXTENDED = range(4)
"""What `market_hours` may be. The first is zero, which is not sent."""


def pricing(symbol: str, **fields: Any) -> str:
    """One message as Yahoo sends it, of the regular session unless told; `fields` as in the package's
    `PricingData`."""
    from yfinance.pricing_pb2 import PricingData

    data = PricingData(id=symbol, **{"market_hours": REGULAR} | fields).SerializeToString()
    return json.dumps({"type": "pricing", "message": base64.b64encode(data).decode()})


class YahooStreamServer(StreamServer):
    """Tells the subscribed symbols' prices at once and whenever they are set."""

    def __init__(self, *args: Any) -> None:
        self.lines: dict[asyncio.StreamWriter, set[str]] = {}
        self.status = 101
        self.silent = False
        super().__init__(*args)

    @property
    def url(self) -> str:
        """What `real_time.yahoo_stream` should be."""
        return f"ws://127.0.0.1:{self.port}/?version=2"

    @property
    def subscribed(self) -> set[str]:
        """Yahoo's names of what is subscribed to on any connection."""
        return set().union(*self.lines.values())

    def set_price(
        self, key: str, price: float, prev_close: float | None = None, *, stamp: float | None = None
    ) -> None:
        """See `Market.set_price`; whoever has subscribed hears of it."""
        super().set_price(key, price, prev_close, stamp=stamp)
        self._loop.call_soon_threadsafe(self._tell, key)

    def say(self, text: str) -> None:
        """Send one message to everybody."""
        self._loop.call_soon_threadsafe(self._say, text)

    def drop(self) -> None:
        """Break all connections."""
        self._loop.call_soon_threadsafe(lambda: [line.transport.abort() for line in list(self.lines)])

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `StreamServer.handle`."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request = Request("stream", path=head.split()[1])
        self.requests.append(request)
        if self.status != 101:
            size = len(HTML_PAGE)
            answer = f"HTTP/1.1 {self.status} No\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
            writer.write(answer.encode() + HTML_PAGE)
            await writer.drain()
            return
        key = re.search(r"(?im)^sec-websocket-key: *(\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1((key[1] + GUID).encode()).digest()).decode()
        writer.write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
            ).encode()
        )
        self.lines[writer] = set()
        try:
            async for opcode, data in read_messages(reader):
                if opcode == CLOSE:
                    writer.write(websocket_frame(data[:2], CLOSE))
                    return
                if opcode == TEXT:
                    self._obey(json.loads(data), writer, request)
        finally:
            del self.lines[writer]

    def _obey(self, content: dict[str, list[str]], writer: asyncio.StreamWriter, request: Request) -> None:
        self.lines[writer] -= set(content.get("unsubscribe", ()))
        new = content.get("subscribe", [])
        self.lines[writer] |= set(new)
        request.symbols = tuple(sorted(self.lines[writer]))
        for symbol in new:
            key = self.market.key_of_yahoo(symbol)
            if key is not None and not self.silent:
                writer.write(websocket_frame(self._message(key).encode()))

    def _message(self, key: str) -> str:
        bar, listing = self.market.quote(key), self.market.listings[key]
        return pricing(
            yahoo_symbol(key), price=bar.close, time=int(bar.stamp * 1000), previous_close=listing.prev_close,
            day_volume=int(bar.volume), day_high=bar.high, day_low=bar.low, open_price=bar.open,
        )  # fmt: skip

    def _tell(self, key: str) -> None:
        symbol = yahoo_symbol(key)
        for line, wanted in list(self.lines.items()):
            if symbol in wanted and not self.silent:
                line.write(websocket_frame(self._message(key).encode()))

    def _say(self, text: str) -> None:
        for line in list(self.lines):
            line.write(websocket_frame(text.encode()))
