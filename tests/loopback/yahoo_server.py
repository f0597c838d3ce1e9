"""Yahoo's finance HTTP: cookie, crumb, batched v7 quote and v8 chart, with scripted prices and faults.

All of Yahoo's hosts are this one server; the paths tell them apart. Quotes need the cookie and its crumb, as
they do at Yahoo; charts do not.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from tests.loopback.faults import GARBAGE, HTML_PAGE, RETRY_AFTER, WRONG_PRICE, Fault
from tests.loopback.market import Bar, Market
from tests.loopback.server import Request, StreamServer

COOKIE = "A3=d=AQABBLoopback&S=AQAAAloopback"
CRUMB = "l00pback.Crumb"
STATUS = {Fault.HTTP_403: 403, Fault.HTTP_429: 429, Fault.HTTP_500: 500, Fault.HTML: 200}
SYMBOL_ERRORS = (Fault.SYMBOL_ERROR_THEN_SILENCE, Fault.SYMBOL_ERROR_THEN_HEARTBEATS)
ALWAYS_LISTED = "NYSE:SPY"
LENGTHS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
ZONE_NAMES = {"BIST": "Europe/Istanbul", "CRYPTO": "UTC"}


class YahooServer(StreamServer):
    """`requests` has one entry per request: kind "cookie", "crumb", "consent", "quote" or "chart"."""

    def __init__(self, market: Market | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.handshake_fault: Fault | None = None
        self.crumb = CRUMB
        self.quote_gone = False
        self.delays: dict[str, int | None] = {"BIST": 15}
        super().__init__(market, tls)
        if ALWAYS_LISTED not in self.market.listings:
            self.market.set_price(ALWAYS_LISTED, 600.0, 598.0)

    @property
    def base_url(self) -> str:
        """What `real_time.yahoo_base` should be."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def data_requests(self) -> list[Request]:
        """The requests for prices, without the handshake."""
        return [request for request in self.requests if request.kind in ("quote", "chart")]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `StreamServer.handle`."""
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            await reader.readexactly(int(headers.get("content-length", 0)))
            target = urlsplit(lines[0].split()[1])
            query = {name: values[0] for name, values in parse_qs(target.query).items()}
            request = Request(_kind(target.path), path=target.path)
            self.requests.append(request)
            await self._answer(request, query, headers.get("cookie", ""), writer)
            await writer.drain()

    async def _answer(
        self, request: Request, query: dict[str, str], cookie: str, writer: asyncio.StreamWriter
    ) -> None:
        match request.kind:
            case "cookie":
                await self._send(
                    writer, 404, HTML_PAGE, self.handshake_fault, f"Set-Cookie: {COOKIE}; Path=/\r\n"
                )
            case "crumb":
                known = COOKIE.split("=", 1)[0] in cookie
                await self._send(writer, 200 if known else 401, self.crumb.encode(), self.handshake_fault)
            case "consent":
                await self._send(writer, 200, HTML_PAGE, self.handshake_fault)
            case "quote":
                request.symbols = tuple(query.get("symbols", "").split(","))
                await self._send_quotes(writer, request.symbols, query.get("crumb"))
            case "chart":
                request.symbols = (unquote(request.path.rpartition("/")[2]),)
                await self._send_chart(writer, request.symbols[0], query)
            case _:
                await self._send(writer, 404, b"{}")

    async def _send_quotes(
        self, writer: asyncio.StreamWriter, symbols: tuple[str, ...], crumb: str | None
    ) -> None:
        if self.quote_gone:
            await self._send(writer, 404, b'{"finance":{"result":null,"error":{"code":"Not Found"}}}')
        elif crumb != self.crumb:
            error = {"code": "Unauthorized", "description": "Invalid Crumb"}
            await self._send(writer, 401, json.dumps({"finance": {"result": None, "error": error}}).encode())
        elif self._fault is Fault.PROTOCOL_ERROR:
            error = {"code": "Bad Request", "description": 'Missing value for the "symbols" argument'}
            await self._send(
                writer, 200, json.dumps({"quoteResponse": {"result": [], "error": error}}).encode()
            )
        else:
            result = [] if self._fault is Fault.EMPTY else self._quotes(symbols)
            body = json.dumps({"quoteResponse": {"result": result, "error": None}})
            await self._send(writer, 200, self._spoilt(body), self._fault)

    def _quotes(self, symbols: tuple[str, ...]) -> list[dict[str, Any]]:
        found = []
        for symbol in symbols:
            key = self.market.key_of_yahoo(symbol)
            if key is None or (self._fault in SYMBOL_ERRORS and key != ALWAYS_LISTED):
                continue
            found.append(self._quote(key, symbol))
        if self._fault is Fault.OUT_OF_ORDER_BARS:
            found.reverse()
        return found

    def _quote(self, key: str, symbol: str) -> dict[str, Any]:
        bar, exchange = self.market.quote(key), key.partition(":")[0]
        price, stamp = self._twisted(bar.close), bar.stamp
        fault = self._fault
        if fault in (Fault.PAST, Fault.EPOCH, Fault.FUTURE):
            stamp = {Fault.PAST: stamp - 3600, Fault.EPOCH: 0, Fault.FUTURE: stamp + 3600}[fault]
        quote = {
            "symbol": "WRONG.IS" if fault is Fault.WRONG_SYMBOL else symbol,
            "quoteType": "EQUITY", "marketState": "REGULAR",
            "currency": "TRY" if exchange == "BIST" else "USD",
            "regularMarketPrice": price, "regularMarketTime": int(stamp),
            "regularMarketPreviousClose": self.market.listings[key].prev_close,
            "regularMarketOpen": bar.open, "regularMarketDayHigh": bar.high, "regularMarketDayLow": bar.low,
            "regularMarketVolume": int(bar.volume), "exchangeDataDelayedBy": self.delays.get(exchange, 0),
        }  # fmt: skip
        quote = {name: value for name, value in quote.items() if value is not None or name.endswith("Price")}
        if fault is Fault.REORDERED_KEYS:
            quote = dict(reversed(quote.items()))
        return quote

    def _twisted(self, price: float) -> float | None:
        match self._fault:
            case Fault.WRONG_SYMBOL:
                return WRONG_PRICE
            case Fault.NAN:
                return float("nan")
            case Fault.ZERO:
                return 0.0
            case Fault.NEGATIVE:
                return -1.5
            case Fault.HUGE:
                return float("inf")
            case Fault.NULL_CLOSE:
                return None
        return price

    def _spoilt(self, body: str) -> bytes:
        data = body.replace("Infinity", "9" * 400).encode()
        return data[: len(data) // 2] if self._fault is Fault.HALF_FRAME else data

    async def _send_chart(self, writer: asyncio.StreamWriter, symbol: str, query: dict[str, str]) -> None:
        key = self.market.key_of_yahoo(symbol)
        if self._fault is Fault.PROTOCOL_ERROR:
            error = {"code": "Unprocessable Entity", "description": "interval is not supported"}
            await self._send(writer, 422, json.dumps({"chart": {"result": None, "error": error}}).encode())
            return
        if key is None or self._fault in SYMBOL_ERRORS:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            await self._send(writer, 404, json.dumps({"chart": {"result": None, "error": error}}).encode())
            return
        seconds = LENGTHS.get(query.get("interval", ""))
        bars = self.market.minute_bars(key, 30, seconds) if seconds else self.market.daily_bars(key, 22)
        body = json.dumps({"chart": {"result": [self._chart(key, symbol, self._bent(bars))], "error": None}})
        await self._send(writer, 200, self._spoilt(body), self._fault)

    def _bent(self, bars: list[Bar]) -> list[Bar]:
        match self._fault:
            case Fault.PAST:
                return [bar._replace(stamp=bar.stamp - 3600) for bar in bars]
            case Fault.EPOCH:
                return [bar._replace(stamp=60.0 * index) for index, bar in enumerate(bars)]
            case Fault.FUTURE:
                return [bar._replace(stamp=bar.stamp + 3600 * 30) for bar in bars]
            case Fault.OUT_OF_ORDER_BARS:
                return bars[::-1]
            case Fault.EMPTY:
                return []
        return bars

    def _chart(self, key: str, symbol: str, bars: list[Bar]) -> dict[str, Any]:
        exchange = key.partition(":")[0]
        fault = self._fault
        closes = [self._twisted(bar.close) if fault is not Fault.NULL_CLOSE else bar.close for bar in bars]
        if fault is Fault.NULL_CLOSE and closes:
            closes[-1] = None
        quote = {
            "open": [bar.open for bar in bars], "high": [bar.high for bar in bars],
            "low": [bar.low for bar in bars], "close": closes, "volume": [int(bar.volume) for bar in bars],
        }  # fmt: skip
        zone = ZONE_NAMES.get(exchange, "America/New_York")
        meta = {
            "symbol": "WRONG.IS" if fault is Fault.WRONG_SYMBOL else symbol, "currency": "TRY",
            "instrumentType": "EQUITY", "exchangeTimezoneName": zone, "timezone": "UTC", "gmtoffset": 0,
            "priceHint": 2, "chartPreviousClose": self.market.listings[key].prev_close,
            "previousClose": self.market.listings[key].prev_close, "dataGranularity": "1m", "range": "1d",
            "validRanges": ["1d", "5d", "1mo", "3mo", "1y", "max"],
        }  # fmt: skip
        stamps = [int(bar.stamp) for bar in bars]
        meta["tradingPeriods"] = _trading_periods(stamps, ZoneInfo(zone))
        return {"meta": meta, "timestamp": stamps, "indicators": {"quote": [quote if bars else {}]}}

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        fault: Fault | None = None,
        extra: str = "",
    ) -> None:
        if fault in STATUS:
            status, body = STATUS[fault], HTML_PAGE
        kind = "text/html" if body is HTML_PAGE else "application/json"
        head = f"HTTP/1.1 {status} Loopback\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}"
        if status == 429:
            head += f"Retry-After: {RETRY_AFTER}\r\n"
        data = head.encode() + b"\r\n" + body
        match fault:
            case Fault.SILENCE:
                await asyncio.sleep(3600)
            case Fault.DRIBBLE:
                await self.dribble(writer, data)
            case Fault.CLOSE:
                writer.close()
            case Fault.GARBAGE:
                writer.write(GARBAGE)
                await writer.drain()
                writer.close()
            case Fault.DROP_MID:
                writer.write(data[: len(data) - len(body) // 2])
                await writer.drain()
                writer.transport.abort()
            case _:
                writer.write(data)


def _trading_periods(stamps: list[int], zone: ZoneInfo) -> list[list[dict[str, Any]]]:
    """Sessions of whole days, so that no bar is taken for one from before or after hours."""
    periods = []
    for day in sorted({datetime.fromtimestamp(stamp, zone).date() for stamp in stamps}):
        start = datetime.combine(day, datetime.min.time(), zone)
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
        period = {
            "start": int(start.timestamp()),
            "end": int(end.timestamp()),
            "timezone": "X",
            "gmtoffset": 0,
        }
        periods.append([period])
    return periods


def _kind(path: str) -> str:
    if path in ("", "/"):
        return "cookie"
    for part, kind in (
        ("/v1/test/getcrumb", "crumb"), ("/v7/finance/quote", "quote"), ("/v8/finance/chart/", "chart"),
        ("onsent", "consent"),
    ):  # fmt: skip
        if part in path:
            return kind
    return "other"
