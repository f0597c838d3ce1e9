"""Yahoo's stream through `yfinance`'s synchronous WebSocket class.

Its `listen` blocks, returns without a word when the line breaks and leaves a dead object. So each connection
is a new object on a thread of its own, which hands over what it hears; the end of `listen` is the end of the
connection. `time` is a text of milliseconds, fields that are zero are absent, and what is no price arrives as
an empty message. Yahoo does not say how late a price is; BIST counts as 15 minutes late.

The stream goes on before and after hours, and `market_hours` tells which: 0 before, 1 in the regular
session, 2 after, 3 at any other time. A price from outside the session is not the one that the day's change
and the close are about, so it is dropped. Zero is absent, as is the field from a server that does not know
it; then the exchange's hours decide.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from core.clock import Clock, SystemClock
from core.errors import CancelledError, SourceError
from core.exchanges import date_at, has_hours
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import Instrument, Quote
from core.sources.calls import Abort, Calls
from core.sources.checks import (
    BIST_DELAY,
    SETTLING_MINUTES,
    BadDataTally,
    finite,
    positive,
    sane_ticker,
    stamp_fault,
)
from core.sources.push_base import FrameListener, Received
from core.sources.tradingview_wire import translated
from core.sources.yahoo_answer import yahoo_symbol
from core.sources.yahoo_client import import_yfinance

log = logging.getLogger(__name__)

PUBLIC_STREAM = "wss://streamer.finance.yahoo.com/?version=2"
IMPORT_DEADLINE = 60.0
MOST_WAITING = 20_000
"""So many messages may wait to be taken; more than that are dropped, the oldest first."""
MOST_MESSAGES = 1000
REGULAR_HOURS = 1
CLOSING_PRINT = 5.0
"""Seconds after the close by which the closing auction's print may be stamped."""
CLOSING_PRINT_AT = {"BIST": SETTLING_MINUTES * 60.0}
"""The same where the auction itself takes that long; nothing is traded there after it."""


class _Line:
    """One connection: an object of the package and the thread that listens on it."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.heard: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._listen, name="feed-yahoo-line", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def close(self) -> None:
        """End the connection, and with it the thread."""
        line = getattr(self.socket, "_ws", None)
        if line is not None:
            abort = Abort()
            abort.watch(line.socket)
            abort.fire()
        if self._thread.ident is not None:
            self._thread.join(1.0)
        try:
            self.socket.close()
        except Exception as error:
            log.debug("the line to yahoo did not close in order", exc_info=error)

    def _listen(self) -> None:
        try:
            self.socket.listen(self._hear)
        except Exception as error:  # noqa: BLE001 - logged; the end of listening is the end of the line
            log.info("the line to yahoo broke: %s", error)
        finally:
            self._put(None)

    def _hear(self, content: dict[str, Any]) -> None:
        self._put(content)

    def _put(self, content: dict[str, Any] | None) -> None:
        while True:
            try:
                self.heard.put_nowait(content)
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self.heard.get_nowait()


class YahooPush:
    """See `PushSource`."""

    name = "yahoo"
    provider = "yahoo"
    min_spacing = 3.0
    simulated = False
    heartbeats = False

    def __init__(self, url: str = "", deadline: float = 10.0, clock: Clock | None = None) -> None:
        """`url` "" is the public stream; `deadline` is for the handshake, in real seconds."""
        self.on_frame: FrameListener | None = None
        self._url = url or PUBLIC_STREAM
        self._deadline = deadline
        self._clock = clock if clock is not None else SystemClock()
        self._calendar = MarketCalendar()
        self._calls = Calls(self.name)
        self._tally = BadDataTally(self.name)
        self._line: _Line | None = None
        self._wanted: dict[str, Instrument] = {}
        self._insane: list[str] = []
        self._closes: dict[str, tuple[date, float]] = {}
        """By Yahoo's name: a session's day at the exchange, and the close before it."""
        self._cancelled = False

    def connect(self) -> None:
        """See `PushSource.connect`."""
        self.disconnect()
        self._wanted, self._closes = {}, {}
        with self._calls.begin() as call:
            if self._cancelled:
                call.cancel()
            call.run(lambda _: _load(), IMPORT_DEADLINE)
            line = call.run(self._open, self._deadline)
        self._line = line
        line.start()

    def subscribe(self, added: Sequence[Instrument], removed: Sequence[Instrument]) -> None:
        """See `PushSource.subscribe`."""
        gone = [yahoo_symbol(instrument) for instrument in removed]
        gone = [name for name in gone if self._wanted.pop(name, None) is not None]
        self._insane += [i.key for i in added if not sane_ticker(i)]
        new = {yahoo_symbol(i): i for i in added if sane_ticker(i)}
        self._wanted.update(new)
        for name in gone:
            self._closes.pop(name, None)
        if gone:
            self._say("unsubscribe", gone)
        if new:
            self._say("subscribe", list(new))

    def receive(self, timeout: float) -> Received:
        """See `PushSource.receive`."""
        line = self._line
        if line is None:
            raise self._over()
        quotes: list[Quote] = []
        heard = False
        unknown, self._insane = tuple(self._insane), []
        with contextlib.suppress(queue.Empty):
            for number in range(MOST_MESSAGES):
                # Nothing is ever put back: it would stand behind what came later.
                content = line.heard.get(timeout=timeout) if number == 0 else line.heard.get_nowait()
                if content is None:
                    if quotes:
                        line.heard.put(None)
                        break
                    raise self._over()
                heard = True
                if self.on_frame is not None:
                    self.on_frame(self.name, json.dumps(content, default=str))
                quote = self._quote(content)
                if quote is not None:
                    quotes.append(quote)
        return Received(quotes=tuple(quotes), heard=heard, unknown=unknown)

    def disconnect(self) -> None:
        """See `PushSource.disconnect`."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def cancel(self) -> None:
        """See `PushSource.cancel`."""
        self._cancelled = True
        self._calls.cancel()
        line = self._line
        if line is not None:
            with contextlib.suppress(queue.Full):
                line.heard.put_nowait(None)

    def bad_data(self) -> dict[str, int]:
        """How much was refused so far, by kind."""
        return self._tally.counts()

    def _over(self) -> SourceError:
        if self._cancelled:
            return CancelledError(tr("sources.cancelled", source=self.name))
        return SourceError(tr("sources.broke_off", source=self.name))

    def _say(self, verb: str, names: list[str]) -> None:
        if self._line is None:
            raise self._over()
        try:
            getattr(self._line.socket, verb)(names)
        except Exception as error:
            raise self._over() from error

    def _open(self, abort: Abort) -> _Line:
        """The connected object, on the thread of this call."""
        live = importlib.import_module("yfinance.live")
        line = live.WebSocket(self._url, verbose=False)
        try:
            line._ws = _connect(live, self._url, self._deadline)
        except Exception as error:
            response = getattr(error, "response", None)
            if response is not None:
                error.status_code = response.status_code  # type: ignore[attr-defined]
                error.resp_headers = {k.lower(): v for k, v in response.headers.raw_items()}  # type: ignore[attr-defined]
            raise translated(error, self.name, self._clock.time()) from error
        if abort.fired:
            line.close()
        return _Line(line)

    def _quote(self, content: Mapping[str, Any]) -> Quote | None:
        """The price that a message tells, None if it is none that can be believed."""
        if not content or "error" in content:
            if content:
                self._tally.count("garbled message", str(content.get("error"))[:80])
            return None
        name = str(content.get("id") or "")
        instrument = self._wanted.get(name)
        if instrument is None:
            self._tally.count("wrong symbol", name[:40])
            return None
        now = self._clock.time()
        price, stamp = positive(content.get("price")), _seconds(content.get("time"))
        if price is None:
            self._tally.count("price", f"{instrument.key}: {content.get('price')!r}")
            return None
        if stamp is None or stamp_fault(stamp, now):
            self._tally.count("time", f"{instrument.key}: {content.get('time')!r}")
            return None
        if not self._is_regular(instrument, stamp, content):
            self._tally.count("outside the session", f"{instrument.key}: {price} at {stamp}")
            return None
        close = positive(content.get("previous_close"))
        if close is None:
            close = self._close_from(name, price, date_at(instrument.exchange, stamp), content)
        return Quote(
            key=instrument.key, price=price, stamp=stamp, received=now, source=self.name,
            previous_close=close, open=positive(content.get("open_price")),
            high=positive(content.get("day_high")), low=positive(content.get("day_low")),
            volume=_number(content.get("day_volume")),
            declared_delay=BIST_DELAY if instrument.exchange == "BIST" else None,
        )  # fmt: skip

    def _is_regular(self, instrument: Instrument, stamp: float, content: Mapping[str, Any]) -> bool:
        """Whether a print is of the exchange's regular session."""
        code = instrument.exchange
        if not has_hours(instrument.key):
            return True
        hours = _number(content.get("market_hours"))
        if hours:
            return hours == REGULAR_HOURS
        session = self._calendar.state(code, stamp)
        return session.is_open or stamp <= session.session_close + CLOSING_PRINT_AT.get(code, CLOSING_PRINT)

    def _close_from(self, name: str, price: float, day: date, content: Mapping[str, Any]) -> float | None:
        """The previous close by the change against it, the same for all of a session's prices.

        A connection may outlive the night, as nothing ends a quiet one: each day has its own.
        """
        known_day, known = self._closes.get(name, (date.min, 0.0))
        if day == known_day:
            return known
        change = finite(content.get("change"))
        close = None if change is None else positive(round(price - change, 6))
        if close is not None and day > known_day:
            self._closes[name] = day, close
        return close


def _load() -> Any:
    """The package, imported when it is first needed."""
    try:
        import_yfinance()
        return importlib.import_module("yfinance.live")
    except ImportError as error:
        raise SourceError(tr("sources.missing_package", package="yfinance")) from error


def _connect(live: Any, url: str, deadline: float) -> Any:
    """As the package connects, but with a deadline."""
    return live.sync_connect(url, open_timeout=deadline, close_timeout=1.0)


def _seconds(value: Any) -> float | None:
    milliseconds = _number(value)
    return None if milliseconds is None else milliseconds / 1000.0


def _number(value: Any) -> float | None:
    """A number that may be written as text."""
    if isinstance(value, str) and value.strip().lstrip("-").isdigit() and len(value) <= 20:
        value = int(value)
    return finite(value)
