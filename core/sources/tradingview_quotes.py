"""TradingView's quote session: what is sent, and what the answers amount to. No socket is touched here.

The server sends `qsd` messages with partial values, which are merged per full name ("BIST:THYAO"); absent
means unchanged and null unknown. A name that nobody subscribed to, or another session's, is never believed.
`lp_time` is the trade's own time in Unix seconds. `update_mode` is "streaming" or
"delayed_streaming_<seconds>"; whatever else begins with "delayed" counts as 15 minutes late, anything else is
unknown, and then BIST does.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from core.errors import SourceError
from core.i18n import tr
from core.model import Instrument, Quote
from core.sources.checks import BIST_DELAY, BadDataTally, finite, positive, sane_ticker, stamp_fault
from core.sources.tradingview_wire import frame, message, take_units, tradingview_ticker

FIELDS = (
    "lp", "lp_time", "ch", "chp", "volume", "prev_close_price", "open_price", "high_price", "low_price",
    "bid", "ask", "currency_code", "exchange", "short_name", "description", "type", "pricescale", "minmov",
    "minmove2", "fractional", "variable_tick_size", "timezone", "current_session", "update_mode",
    "is_tradable", "rtc", "rtc_time", "rch", "rchp",
)  # fmt: skip
KEPT: dict[str, Callable[[Any], float | None]] = {
    "lp": positive, "lp_time": finite, "volume": finite, "prev_close_price": positive,
    "open_price": positive, "high_price": positive, "low_price": positive,
}  # fmt: skip
"""The figures that are remembered, beside `update_mode`, and what makes each believable; the others are only
asked for because the provider's own page does."""
MOST_WAITING = 2_000_000
"""Characters of an unfinished frame after which it is no frame at all."""
UNTOLD_DELAY = 900.0
"""Seconds, where a delay is admitted without saying how long it is: the usual one of free data."""
_HEAD = re.compile(r"~m~(\d{1,9})~m~")
_HEAD_BEGINS = re.compile(r"~(m(~(\d{1,9}(~(m~?)?)?)?)?)?\Z")
_DELAYED = re.compile(r"delayed_streaming_(\d{1,6})")
_LETTERS = string.ascii_letters + string.digits


class FrameStream:
    """Cuts the text that arrives into frames, whether a WebSocket message holds many or a piece of one."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> tuple[list[str], bool]:
        """The payloads that are complete by now, and whether something was garbled and thrown away."""
        if not self._rest:
            whole = _whole_frames(text)
            return (whole, False) if whole is not None else self._cut(text)
        waited, self._rest = self._rest, ""
        if _HEAD.match(text) is not None and _HEAD.match(waited) is not None:
            # No rest of a payload begins like a frame: what had begun was cut off for good.
            return self._cut(text)[0], True
        found, garbled = self._cut(waited + text)
        if not garbled:
            return found, False
        # What had begun was never finished: the new text stands by itself.
        self._rest = ""
        alone, _ = self._cut(text)
        return alone or found, True

    def _cut(self, text: str) -> tuple[list[str], bool]:
        found: list[str] = []
        position = 0
        while position < len(text):
            head = _HEAD.match(text, position)
            if head is None or int(head[1]) > MOST_WAITING:
                if head is not None or _HEAD_BEGINS.match(text, position) is None:
                    return found, True
                break
            start, units = head.end(), int(head[1])
            payload = text[start : start + units]
            if payload.isascii():
                end, complete = start + units, len(payload) == units
            else:
                taken, missing = take_units(payload, units)
                end, complete = start + taken, missing <= 0
            if not complete:
                break
            found.append(text[start:end])
            position = end
        self._rest = text[position:]
        if len(self._rest) > MOST_WAITING:
            self._rest = ""
            return found, True
        return found, False


def _whole_frames(text: str) -> list[str] | None:
    """The payloads of a text that is nothing but whole frames of ASCII, the usual case; else None."""
    parts = text.split("~m~")
    lengths, payloads = parts[1::2], parts[2::2]
    if parts[0] or len(lengths) != len(payloads) or not text.isascii() or not "".join(lengths).isdecimal():
        return None
    try:
        return payloads if [*map(int, lengths)] == [*map(len, payloads)] else None
    except ValueError:
        return None


class QuoteSession:
    """One connection's quote session, from its first message to its last."""

    def __init__(self, source: str, tally: BadDataTally, rng: random.Random | None = None) -> None:
        self._source = source
        self._tally = tally
        letters = (rng or random.SystemRandom()).choices(_LETTERS, k=12)
        self.id = "qs_" + "".join(letters)
        self._stream = FrameStream()
        self._wanted: dict[str, Instrument] = {}
        self._keys: dict[str, str] = {}
        self._values: dict[str, dict[str, float | None]] = {}
        self._delays: dict[str, float | None] = {}
        self.replies: list[str] = []
        """What must be sent back at once."""
        self.quotes: list[Quote] = []
        self.unknown: list[str] = []
        self.refused: list[str] = []

    def opening(self) -> list[str]:
        """The frames that open the session."""
        return [
            message("set_auth_token", "unauthorized_user_token"),
            message("quote_create_session", self.id),
            message("quote_set_fields", self.id, *FIELDS),
        ]

    def add(self, instruments: Iterable[Instrument]) -> str:
        """The frame that subscribes to these, "" if there is nothing to say."""
        names = []
        for instrument in instruments:
            name = full_name(instrument)
            if not sane_ticker(instrument):
                self.unknown.append(instrument.key)
            elif name not in self._wanted:
                self._wanted[name] = instrument
                self._keys[name] = instrument.key
                names.append(name)
        return message("quote_add_symbols", self.id, *names) if names else ""

    def remove(self, instruments: Iterable[Instrument]) -> str:
        """The frame that ends these subscriptions, "" if there is nothing to say."""
        names = [full_name(instrument) for instrument in instruments]
        names = [name for name in names if self._wanted.pop(name, None) is not None]
        for name in names:
            self._forget(name)
        return message("quote_remove_symbols", self.id, *names) if names else ""

    def take(self, text: str, now: float) -> None:
        """One WebSocket message that arrived at `now`; what it amounts to is in the attributes.

        Raises `SourceError` when the provider has ended the session.
        """
        payloads, garbled = self._stream.feed(text)
        if garbled:
            self._tally.count("garbled frame", text[:80])
        for payload in payloads:
            if payload.startswith("~h~"):
                self.replies.append(frame(payload))
            else:
                self._take_payload(payload, now)

    def _take_payload(self, payload: str, now: float) -> None:
        try:
            content = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._tally.count("garbled frame", payload[:80])
            return
        if not isinstance(content, dict):
            self._tally.count("garbled frame", payload[:80])
            return
        name, params = content.get("m"), content.get("p")
        if name in ("critical_error", "protocol_error"):
            self._refuse(name, params)
        elif name == "qsd":
            if isinstance(params, list) and len(params) == 2 and isinstance(params[1], dict):
                self._take_quote(params[0], params[1], now)
            else:
                self._tally.count("garbled quote", payload[:80])

    def _refuse(self, name: str, params: Any) -> None:
        words = [str(param) for param in params] if isinstance(params, list) else [str(params)]
        if name == "critical_error" and words and words[0].startswith("qs_") and words[0] != self.id:
            return  # another session's, long gone
        reason = f"{name}: {' '.join(words)}"[:200]
        raise SourceError(tr("sources.refused", source=self._source, reason=reason))

    def _take_quote(self, session: Any, body: dict[str, Any], now: float) -> None:
        if session != self.id:
            self._tally.count("another session", str(session)[:40])
            return
        name = plain_name(body.get("n"))
        instrument = self._wanted.get(name)
        if instrument is None:
            self._tally.count("wrong symbol", name[:80])
            return
        values = body.get("v")
        if body.get("s") == "error":
            self._take_error(instrument, str(body.get("errmsg") or ""), values)
            return
        if body.get("s") != "ok" or not isinstance(values, dict):
            self._tally.count("garbled quote", name)
            return
        merged = self._values.get(name)
        if merged is None:
            merged = self._values[name] = {}
        for field, value in values.items():
            believed = KEPT.get(field)
            if believed is not None:
                merged[field] = believed(value)
            elif field == "update_mode":
                self._delays[name] = declared_delay(value, instrument)
        if "lp" in values or "lp_time" in values:
            quote = self._quote(name, instrument, merged, now)
            if quote is not None:
                self.quotes.append(quote)

    def _take_error(self, instrument: Instrument, reason: str, values: Any) -> None:
        self._forget(full_name(instrument))
        if "no_such_symbol" in reason:
            self.unknown.append(instrument.key)
        else:
            # Another instrument is sometimes offered instead ("alternative"); that is not what was asked for.
            self._tally.count(reason[:60] or "unnamed error", instrument.key)
            self.refused.append(instrument.key)

    def _forget(self, name: str) -> None:
        self._values.pop(name, None)
        self._delays.pop(name, None)

    def _quote(
        self, name: str, instrument: Instrument, values: dict[str, float | None], now: float
    ) -> Quote | None:
        known = values.get
        price, stamp = known("lp"), known("lp_time")
        if price is None:
            self._tally.count("price", name)
            return None
        if stamp is None or stamp_fault(stamp, now):
            self._tally.count("time", f"{name}: {stamp}")
            return None
        delay = self._delays[name] if name in self._delays else declared_delay(None, instrument)
        return Quote(
            key=self._keys[name], price=price, stamp=stamp, received=now, source=self._source,
            previous_close=known("prev_close_price"), open=known("open_price"), high=known("high_price"),
            low=known("low_price"), volume=known("volume"), declared_delay=delay,
        )  # fmt: skip


def full_name(instrument: Instrument) -> str:
    """The provider's full name: "BIST:THYAO", "CRYPTO:BTCUSD"."""
    return f"{instrument.exchange}:{tradingview_ticker(instrument)}"


def plain_name(name: Any) -> str:
    """The full name in `n`, which may also be written as ={"symbol":"BIST:THYAO",...}; "" if it is none."""
    if not isinstance(name, str):
        return ""
    if not name.startswith("={"):
        return name
    try:
        symbol = json.loads(name[1:]).get("symbol")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return symbol if isinstance(symbol, str) else ""


def declared_delay(mode: Any, instrument: Instrument) -> float | None:
    """The delay in seconds that `update_mode` admits, None if nobody knows."""
    if mode == "streaming":
        return 0.0
    found = _DELAYED.fullmatch(mode) if isinstance(mode, str) else None
    if found is not None:
        return float(found[1])
    if isinstance(mode, str) and mode.startswith("delayed"):
        return UNTOLD_DELAY
    return BIST_DELAY if instrument.exchange == "BIST" else None
