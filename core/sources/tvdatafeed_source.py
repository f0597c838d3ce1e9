"""TradingView's chart data through the `tvDatafeed` package (tvdatafeed-enhanced), anonymously.

The package is fit for scripts, not for a program that must stop: it waits 30 s per receive and for ever on a
socket that dribbles, answers None to every failure, keeps a token file in the home directory and, given a
password, may open a browser. So: no account and no token file ever; one object per call, each call on a
thread of its own with a hard deadline; its `create_connection` is wrapped, which gives us the address to use,
the socket to shut and a look at what was received. What it parses (by regular expressions) is held against
that.

A bar's `stamp` is its beginning and `span` its length. Anonymous BIST data is 15 minutes late, so
`declared_delay` is 900 for BIST unless the provider states a figure, and None (unknown) elsewhere.
"""

from __future__ import annotations

import importlib
import logging
import math
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from core.clock import Clock, SystemClock
from core.errors import BadDataError, SourceError, UnknownSymbolError
from core.exchanges import exchange_of
from core.i18n import tr
from core.model import Bar, Instrument, Quote
from core.sources.base import DailyCloses, Gate
from core.sources.calls import Abort, Call, Calls
from core.sources.checks import (
    BIST_DELAY,
    BadDataTally,
    positive,
    sane_ticker,
    session_day,
    session_finished,
    stamp_fault,
)  # fmt: skip
from core.sources.history_rules import finished
from core.sources.tradingview_wire import Transcript, chart_url, tradingview_ticker, translated

MINUTE_BARS = 10
DAILY_BARS = 20
INTERVALS = {
    60: "in_1_minute", 300: "in_5_minute", 900: "in_15_minute", 3600: "in_1_hour", 86_400: "in_daily",
}  # fmt: skip
MOST_BARS = 5000
"""More bars than this are not given to anonymous users."""
IMPORT_DEADLINE = 60.0
"""Seconds for importing the package and pandas, which takes 1.3 s on a good day."""
MOST_RECEIVED = 4_000_000
"""Characters of one answer; a real one has a few thousand."""

_current = threading.local()
_install_lock = threading.Lock()


class _Bar(NamedTuple):
    stamp: float
    open: float
    high: float
    low: float
    close: float
    volume: float

    def sane(self) -> bool:
        """Whether all prices are positive and finite and lie between low and high."""
        if any(positive(value) is None for value in (self.open, self.high, self.low, self.close)):
            return False
        slack = self.close * 1e-6
        low, high = min(self.open, self.close) + slack, max(self.open, self.close) - slack
        return self.low <= low and self.high >= high


class _Wire:
    """One request's connection: where it goes, how it is ended, what came back."""

    def __init__(self, url: str, timeout: float, abort: Abort) -> None:
        self.url = url
        self.timeout = timeout
        self.abort = abort
        self.transcript = Transcript()
        self.received = 0
        self.error: Exception | None = None


class TvDatafeedSource:
    """The last 1-minute bar of one instrument per request."""

    name = "tvdatafeed"
    provider = "tradingview"
    min_spacing = 3.0
    batch_size = 1
    simulated = False

    def __init__(self, endpoint: str, deadline: float = 10.0, clock: Clock | None = None) -> None:
        """`endpoint` may lack its last segment; `deadline` is in real seconds, without the gate's wait."""
        self._url = chart_url(endpoint)
        self._deadline = deadline
        self._clock = clock if clock is not None else SystemClock()
        self._calls = Calls(self.name)
        self._tally = BadDataTally(self.name)

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`; asks for the first instrument alone."""
        if not instruments:
            return []
        instrument = instruments[0]
        bars, wire = self._history(instrument, gate, "in_1_minute", MINUTE_BARS)
        bar = bars[-1]
        now = self._clock.time()
        declared = wire.transcript.delay
        if declared is None and instrument.exchange == "BIST":
            declared = BIST_DELAY
        return [Quote(
            key=instrument.key, price=bar.close, stamp=bar.stamp, span=60.0, received=now, source=self.name,
            open=bar.open, high=bar.high, low=bar.low, volume=bar.volume, declared_delay=declared,
        )]  # fmt: skip

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`."""
        bars, _ = self._history(instrument, gate, "in_daily", DAILY_BARS)
        exchange, now = exchange_of(instrument.exchange), self._clock.time()
        found = [(session_day(bar.stamp, exchange), bar.close) for bar in bars]
        finished = [(day.date(), close) for day, close in found if session_finished(day, exchange, now)]
        return DailyCloses(
            instrument.key, tuple(close for _, close in finished), tuple(day for day, _ in finished)
        )

    def history(self, instrument: Instrument, seconds: int, count: int, gate: Gate) -> list[Bar]:
        """See `HistorySource.history`."""
        n_bars = min(count + 1, MOST_BARS)
        found, _ = self._history(instrument, gate, INTERVALS[seconds], n_bars)
        rows = ((bar.stamp, bar[1:]) for bar in found)
        return finished(rows, instrument, seconds, self._clock.time(), self._tally)

    def unknown_keys(self) -> frozenset[str]:
        """Always empty: an unknown instrument is an `UnknownSymbolError`, as each is asked for alone."""
        return frozenset()

    def bad_data(self) -> dict[str, int]:
        """How much was refused so far, by kind."""
        return self._tally.counts()

    def cancel(self) -> None:
        """See `PolledSource.cancel`."""
        self._calls.cancel()

    def close(self) -> None:
        """See `PolledSource.close`; nothing outlives a call."""
        self._calls.cancel()

    def _history(
        self, instrument: Instrument, gate: Gate, interval: str, n_bars: int
    ) -> tuple[list[_Bar], _Wire]:
        """The believable bars, oldest first and at least one, and the connection they came over."""
        if not sane_ticker(instrument):
            raise UnknownSymbolError(instrument.key)
        with self._calls.begin() as call:
            package = _load(call)
            gate()
            frame, wire = call.run(
                lambda abort: self._ask(package, instrument, interval, n_bars, abort), self._deadline
            )
        self._raise_for(wire, instrument)
        if frame is None or len(frame) == 0:
            raise BadDataError(tr("sources.no_data", source=self.name, key=instrument.key))
        return self._vetted(frame, wire, instrument), wire

    def _ask(
        self, package: Any, instrument: Instrument, interval: str, n_bars: int, abort: Abort
    ) -> tuple[Any, _Wire]:
        """The package's own code path, on the thread of this call."""
        from tempfile import TemporaryDirectory

        wire = _current.wire = _Wire(self._url, self._deadline, abort)
        try:
            with TemporaryDirectory(prefix="swing-hunter-") as private:
                client = package.TvDatafeed(token_cache_file=Path(private) / "absent")
            frame = client.get_hist(
                tradingview_ticker(instrument), instrument.exchange, package.Interval[interval], n_bars=n_bars
            )
        except Exception as error:  # noqa: BLE001 - the package lets anything escape for a bad answer
            wire.error = wire.error or error
            frame = None
        finally:
            _current.wire = None
        return frame, wire

    def _raise_for(self, wire: _Wire, instrument: Instrument) -> None:
        """Say why there is no answer, or no answer about this instrument."""
        told = wire.transcript
        if told.unknown:
            raise UnknownSymbolError(instrument.key)
        if told.refusal:
            raise SourceError(tr("sources.refused", source=self.name, reason=told.refusal))
        if told.garbled:
            raise self._bad("garbled frame", instrument)
        if not told.matches(instrument):
            raise self._bad("wrong symbol", instrument, ", ".join(sorted(told.names)))
        if wire.error is not None:
            raise translated(wire.error, self.name, self._clock.time())

    def _vetted(self, frame: Any, wire: _Wire, instrument: Instrument) -> list[_Bar]:
        wanted = f"{instrument.exchange}:{tradingview_ticker(instrument)}"
        if set(frame["symbol"]) != {wanted}:
            raise self._bad("wrong symbol", instrument)
        bars = [_Bar(row.Index.timestamp(), *map(float, row[2:7])) for row in frame.itertuples()]
        if any(one.stamp >= two.stamp for one, two in pairwise(bars)):
            raise self._bad("bars out of order", instrument)
        now = self._clock.time()
        for bar in bars:
            fault = stamp_fault(bar.stamp, now)
            if fault:
                raise self._bad(f"time in the {fault}", instrument, str(bar.stamp))
        good = [bar for bar in bars if bar.sane()]
        if len(good) < len(bars):
            self._tally.count("unusable bar", instrument.key)
        if not good:
            raise self._bad("no usable bar", instrument)
        seen = wire.transcript.closes.get(good[-1].stamp, set())
        if not any(math.isclose(good[-1].close, close, rel_tol=1e-9) for close in seen):
            raise self._bad("misread answer", instrument)
        return good

    def _bad(self, kind: str, instrument: Instrument, detail: str = "") -> BadDataError:
        self._tally.count(kind, f"{instrument.key} {detail}".strip())
        return BadDataError(tr("sources.bad_data", source=self.name, key=instrument.key))


def _load(call: Call) -> Any:
    """The package's module, imported when it is first needed, with its connections under our hand."""
    try:
        return call.run(lambda _: _import_package(), IMPORT_DEADLINE)
    except ImportError as error:
        raise SourceError(tr("sources.missing_package", package="tvdatafeed-enhanced")) from error


def _import_package() -> Any:
    package: Any = importlib.import_module("tvDatafeed.main")

    with _install_lock:
        if getattr(package.create_connection, "guarded", None) is None:
            logging.getLogger("tvDatafeed").setLevel(logging.CRITICAL)
            package.create_connection = _guarded_connect(package.create_connection)
    return package


def _guarded_connect(original: Callable[..., Any]) -> Callable[..., Any]:
    """`create_connection` for the package: as it was, but for calls that are ours."""
    tap_class = _tap_class()

    def connect(url: str, **options: Any) -> Any:
        wire: _Wire | None = getattr(_current, "wire", None)
        if wire is None:
            return original(url, **options)
        options["timeout"] = wire.timeout
        # The library would send an Origin of its own beside the package's.
        options["suppress_origin"] = True
        try:
            return original(wire.url, class_=tap_class, **options)
        except Exception as error:
            wire.error = error
            raise

    connect.guarded = True  # type: ignore[attr-defined]
    return connect


def _tap_class() -> Any:
    from websocket import WebSocket, WebSocketConnectionClosedException

    class Tap(WebSocket):  # type: ignore[misc,unused-ignore]
        """A socket that can be shut from outside, is listened in on, and does not linger at its end."""

        def __init__(self, **options: Any) -> None:
            self._wire: _Wire = _current.wire
            super().__init__(**options)

        @property
        def sock(self) -> Any:
            """The socket beneath."""
            return self.__dict__.get("sock_beneath")

        @sock.setter
        def sock(self, value: Any) -> None:
            self.__dict__["sock_beneath"] = value
            if value is not None:
                self._wire.abort.watch(value)

        def recv(self) -> Any:
            """One message; raises as soon as more would be of no use."""
            wire = self._wire
            try:
                text: Any = super().recv()
                if not self.connected:
                    raise WebSocketConnectionClosedException("closed by the other side")
            except Exception as error:
                wire.error = error
                raise
            wire.received += len(text)
            wire.transcript.add(text)
            if wire.transcript.failed or wire.received > MOST_RECEIVED:
                wire.transcript.garbled |= wire.received > MOST_RECEIVED
                raise WebSocketConnectionClosedException("nothing more to wait for")
            return text

        def close(self, status: int = 1000, reason: Any = b"", timeout: Any = 0) -> None:
            """Say goodbye without waiting for the answer, and close even what the other side has closed."""
            super().close(status, reason, timeout=0)
            self.shutdown()  # type: ignore[no-untyped-call,unused-ignore]

    return Tap
