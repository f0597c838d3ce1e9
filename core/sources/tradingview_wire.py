"""What goes over a TradingView socket: its framing, and what one chart request was told.

A frame is `~m~<length>~m~<payload>`, the length in UTF-16 code units; one WebSocket message may hold many.
The payload is JSON or a heartbeat (`~h~<n>`). The transcript exists because the client library answers None
to everything that goes wrong; here the reason is still to be seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from core.errors import BadDataError, RateLimitedError, SourceError
from core.i18n import tr
from core.model import Instrument
from core.sources.checks import retry_after

_HEAD = re.compile(r"~m~(\d{1,9})~m~")
_DELAYED = re.compile(r"delayed_streaming_(\d{1,6})")
_UNKNOWN = ("invalid symbol", "no_such_symbol", "resolve error", "symbol_not_found")
_NAME_FIELDS = ("full_name", "pro_name", "original_name", "name", "short_name", "ticker")


def chart_url(endpoint: str) -> str:
    """The socket's address for an endpoint that is given with or without its last segment."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/")
    if path == "":
        path = "/socket.io/websocket"
    elif path.endswith("/socket.io"):
        path += "/websocket"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def utf16_length(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    return len(text) + sum(char > "\uffff" for char in text)


def frame(payload: str) -> str:
    """`payload` as one frame."""
    return f"~m~{utf16_length(payload)}~m~{payload}"


def message(name: str, *params: Any) -> str:
    """The call `name` as one frame of ASCII JSON."""
    return frame(json.dumps({"m": name, "p": params}, separators=(",", ":")))


def payloads(text: str) -> Iterator[str]:
    """The payloads of all frames in one WebSocket message. Raises ValueError where it is not framed."""
    position = 0
    while position < len(text):
        head = _HEAD.match(text, position)
        if head is None:
            raise ValueError(f"no frame at {position}")
        start, units = head.end(), int(head[1])
        end = start + units
        if not text[start:end].isascii():
            end = start + take_units(text[start:end], units)[0]
        if end > len(text):
            raise ValueError("the last frame is cut off")
        yield text[start:end]
        position = end


def take_units(text: str, units: int) -> tuple[int, int]:
    """How many characters of `text` make up `units` UTF-16 code units, and how many units are missing."""
    for index, char in enumerate(text):
        if units <= 0:
            return index, 0
        units -= 2 if char > "\uffff" else 1
    return len(text), max(0, units)


class Transcript:
    """What the provider said in the course of one chart request."""

    def __init__(self) -> None:
        self.unknown = False
        self.refusal = ""
        self.garbled = False
        self.names: set[str] = set()
        self.delay: float | None = None
        self.closes: dict[float, set[float]] = {}

    @property
    def failed(self) -> bool:
        """Whether there is no use in waiting for more."""
        return self.unknown or bool(self.refusal)

    def add(self, text: str) -> None:
        """Take one WebSocket message in; never raises."""
        try:
            for payload in payloads(text):
                if not payload.startswith("~h~"):
                    self._add_message(json.loads(payload))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            self.garbled = True

    def matches(self, instrument: Instrument) -> bool:
        """Whether the symbol that was resolved is the one asked for (True if none was named).

        Only the ticker must agree, and whether it is Turkish: the provider names US exchanges by where it
        takes the data from ("BATS:AAPL") and delayed ones with a suffix ("BIST_DLY:THYAO").
        """
        if not self.names:
            return True
        tickers = {name.rpartition(":")[2] for name in self.names}
        places = {name.rpartition(":")[0].removesuffix("_DLY") for name in self.names if ":" in name}
        if tradingview_ticker(instrument) not in tickers:
            return False
        return not places or ("BIST" in places) == (instrument.exchange == "BIST")

    def _add_message(self, content: Any) -> None:
        name, params = content.get("m"), content.get("p")
        if name == "symbol_resolved":
            found = (params[2].get(field) for field in _NAME_FIELDS)
            self.names |= {value for value in found if isinstance(value, str) and value}
        elif name in ("symbol_error", "series_error"):
            self._add_error(" ".join(str(param) for param in params[1:]))
        elif name == "protocol_error" or (name == "critical_error" and str(params[0]).startswith("cs_")):
            # A critical error of the quote session is usual: the library adds its symbol in a refused way.
            self.refusal = " ".join(str(param) for param in params)[:200]
        elif name in ("timescale_update", "du"):
            self._add_bars(params[1])
        elif name == "qsd":
            self._add_quote(params[1].get("v") or {})

    def _add_error(self, text: str) -> None:
        if any(hint in text for hint in _UNKNOWN):
            self.unknown = True
        else:
            self.refusal = text[:200]

    def _add_bars(self, series: Any) -> None:
        for content in series.values():
            for bar in content.get("s") or () if isinstance(content, dict) else ():
                values = bar["v"]
                if values[4] is not None:
                    self.closes.setdefault(float(values[0]), set()).add(float(values[4]))

    def _add_quote(self, fields: Any) -> None:
        found = _DELAYED.fullmatch(str(fields.get("update_mode", "")))
        if found:
            self.delay = float(found[1])


def translated(error: Exception, source: str, now: float) -> SourceError:
    """What a failed connection means to us."""
    status = getattr(error, "status_code", None)
    if status in (403, 429):
        headers = getattr(error, "resp_headers", None) or {}
        pause = retry_after(headers.get("retry-after"), now)
        return RateLimitedError(tr("sources.rate_limited", source=source), pause)
    if status is not None:
        return SourceError(tr("sources.status", source=source, status=status))
    kind = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return SourceError(tr("sources.silent", source=source))
    if "Closed" in kind or isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return SourceError(tr("sources.broke_off", source=source))
    if isinstance(error, OSError) or "Address" in kind or "Proxy" in kind:
        return SourceError(tr("sources.unreachable", source=source))
    return BadDataError(tr("sources.garbled", source=source, kind=kind))


def tradingview_ticker(instrument: Instrument) -> str:
    """The provider's ticker: crypto is quoted as a pair with the dollar ("BTC" -> "BTCUSD")."""
    if instrument.exchange == "CRYPTO":
        return instrument.symbol.removesuffix("-USD") + "USD"
    return instrument.symbol
