"""Yahoo's prices through the `yfinance` package: one request for up to a hundred instruments.

The batched quote is an internal function of the package (`YfData.get_raw_json`). Should it vanish, or Yahoo
refuse it time and again, the public `Ticker.history` takes over for half an hour: one instrument per request.

What is polite: one request for prices per permit of the feed's gate, never more (`yahoo_session`). The cookie
and the crumb, two requests, come before the first one only, and again when Yahoo has rejected them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from core.clock import Clock, SystemClock
from core.errors import BadDataError, SourceError, UnknownSymbolError
from core.exchanges import exchange_of
from core.i18n import tr
from core.model import Bar, Instrument, Quote
from core.sources.base import DailyCloses, Gate
from core.sources.calls import Abort, Call, Calls
from core.sources.checks import (
    BadDataTally,
    finite,
    positive,
    sane_ticker,
    session_day,
    session_finished,
    stamp_fault,
)  # fmt: skip
from core.sources.history_rules import finished
from core.sources.yahoo_answer import declared_delay, read_quotes, yahoo_symbol
from core.sources.yahoo_client import (
    ApiChangedError,
    NewSession,
    YahooClient,
    default_session,
    import_yfinance,
)  # fmt: skip

T = TypeVar("T")
BATCH = 100
CANARY = "SPY"
"""Asked for in every batch: if it is answered and another is not, that other one is unknown."""
IMPORT_DEADLINE = 60.0
PLAIN_SECONDS = 1800.0
"""For so long one chart per instrument is asked for after the batched quote proved useless."""
MOST_REJECTIONS = 2
CHARTS = {
    60: ("5d", "1m"), 300: ("1mo", "5m"), 900: ("1mo", "15m"), 3600: ("2y", "1h"), 86_400: ("10y", "1d"),
}  # fmt: skip
"""How far back, and how Yahoo calls bars of so many seconds; about as much as it gives."""


class YFinanceSource:
    """Yahoo's last price, with the previous close, of up to `BATCH` instruments per request."""

    name = "yfinance"
    provider = "yahoo"
    min_spacing = 15.0
    simulated = False

    def __init__(
        self, base_url: str = "", deadline: float = 10.0, clock: Clock | None = None,
        new_session: NewSession | None = None,
    ) -> None:  # fmt: skip
        """`base_url` stands in for all of Yahoo's hosts; `deadline` is in real seconds after the gate."""
        self.batch_size = BATCH
        self._base_url = base_url
        self._deadline = deadline
        self._clock = clock if clock is not None else SystemClock()
        self._new_session = new_session if new_session is not None else default_session(base_url)
        self._calls = Calls(self.name)
        self._tally = BadDataTally(self.name)
        self._client: YahooClient | None = None
        self._unknown: frozenset[str] = frozenset()
        self._rejections = 0
        self._plain_until = 0.0

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`."""
        if self._plain_until and self._clock.monotonic() >= self._plain_until:
            self._use_batches()
        batch = [instrument for instrument in instruments[: self.batch_size] if sane_ticker(instrument)]
        self._unknown = frozenset(i.key for i in instruments[: self.batch_size] if not sane_ticker(i))
        if not batch:
            return self._answered([], instruments)
        with self._calls.begin() as call:
            yfinance = self._load(call)
            gate()
            if not self._plain_until:
                try:
                    return self._answered(self._fetch_batch(call, batch), instruments)
                except ApiChangedError:
                    self._use_charts()
            return [self._fetch_chart(call, yfinance, batch[0])]

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`."""
        if not sane_ticker(instrument):
            raise UnknownSymbolError(instrument.key)
        with self._calls.begin() as call:
            yfinance = self._load(call)
            gate()
            rows, _ = self._history(call, yfinance, instrument, "1mo", "1d")
        exchange, now = exchange_of(instrument.exchange), self._clock.time()
        found = [(session_day(stamp, exchange), positive(float(row.Close))) for stamp, row in rows]
        good = [(day.date(), close) for day, close in found
                if close is not None and session_finished(day, exchange, now)]  # fmt: skip
        return DailyCloses(instrument.key, tuple(close for _, close in good), tuple(day for day, _ in good))

    def history(self, instrument: Instrument, seconds: int, count: int, gate: Gate) -> list[Bar]:
        """See `HistorySource.history`."""
        if not sane_ticker(instrument):
            raise UnknownSymbolError(instrument.key)
        period, interval = CHARTS[seconds]
        with self._calls.begin() as call:
            yfinance = self._load(call)
            gate()
            found, _ = self._history(call, yfinance, instrument, period, interval)
        rows = (
            (stamp, tuple(float(value) for value in (row.Open, row.High, row.Low, row.Close, row.Volume)))
            for stamp, row in found
        )
        return finished(rows, instrument, seconds, self._clock.time(), self._tally)[-count:]

    def unknown_keys(self) -> frozenset[str]:
        """See `PolledSource.unknown_keys`."""
        return self._unknown

    def bad_data(self) -> dict[str, int]:
        """How much was refused so far, by kind."""
        return self._tally.counts()

    def cancel(self) -> None:
        """See `PolledSource.cancel`."""
        self._calls.cancel()

    def close(self) -> None:
        """See `PolledSource.close`."""
        self._calls.cancel()
        self._drop_client()

    # --- one request ------------------------------------------------------------------------------------

    def _fetch_batch(self, call: Call, batch: Sequence[Instrument]) -> list[Quote]:
        wanted = {yahoo_symbol(instrument): instrument for instrument in batch}
        symbols = list(dict.fromkeys([*wanted, CANARY]))
        try:
            answer = self._run(call, lambda client, abort: client.quotes(symbols, abort, self._deadline))
        except SourceError:
            self._note_refusal()
            raise
        self._rejections = 0
        found = read_quotes(answer, wanted, CANARY, self._clock.time(), self.name, self._tally)
        if found.complete:
            self._unknown |= found.absent
        if not found.quotes and (found.refused or not found.complete):
            raise BadDataError(tr("sources.bad_batch", source=self.name))
        return list(found.quotes)

    def _answered(self, quotes: list[Quote], instruments: Sequence[Instrument]) -> list[Quote]:
        """The quotes; for a single instrument that is unknown, the error that says so."""
        if len(instruments) == 1 and instruments[0].key in self._unknown:
            raise UnknownSymbolError(instruments[0].key)
        return quotes

    def _fetch_chart(self, call: Call, yfinance: Any, instrument: Instrument) -> Quote:
        rows, about = self._history(call, yfinance, instrument, "1d", "1m")
        good = [(stamp, row) for stamp, row in rows if positive(float(row.Close)) is not None]
        now = self._clock.time()
        fault = stamp_fault(good[-1][0], now) if good else ""
        if not good or fault:
            self._tally.count(f"time in the {fault}" if fault else "no usable bar", instrument.key)
            raise BadDataError(tr("sources.bad_data", source=self.name, key=instrument.key))
        stamp, row = good[-1]
        return Quote(
            key=instrument.key, price=float(row.Close), stamp=stamp, span=60.0, received=now,
            source=self.name,
            previous_close=positive(about.get("previousClose")) or positive(about.get("chartPreviousClose")),
            open=positive(float(row.Open)), high=positive(float(row.High)), low=positive(float(row.Low)),
            volume=finite(float(row.Volume)), declared_delay=declared_delay(None, instrument),
        )  # fmt: skip

    def _history(
        self, call: Call, yfinance: Any, instrument: Instrument, period: str, interval: str
    ) -> tuple[list[tuple[float, Any]], dict[str, Any]]:
        """The rows of a chart with their stamps, oldest first, and the chart's own description."""
        symbol, zone = yahoo_symbol(instrument), exchange_of(instrument.exchange).timezone
        try:
            frame, about = self._run(call, lambda client, abort: client.history(
                yfinance, symbol, zone, period, interval, abort, self._deadline
            ))  # fmt: skip
        except SourceError as error:
            if self._client is not None and "/chart/" in self._client.guard.not_found:
                raise UnknownSymbolError(instrument.key) from error
            raise
        if about.get("symbol") not in (None, symbol):
            self._tally.count("wrong symbol", str(about.get("symbol")))
            raise BadDataError(tr("sources.bad_data", source=self.name, key=instrument.key))
        if len(frame) == 0:
            raise BadDataError(tr("sources.no_data", source=self.name, key=instrument.key))
        return [(row.Index.timestamp(), row) for row in frame.itertuples()], about

    def _run(self, call: Call, ask: Callable[[YahooClient, Abort], T]) -> T:
        """Ask on a thread of its own; a client whose call did not end properly is not used again."""
        if self._client is None:
            self._client = YahooClient(self.name, self._base_url, self._new_session)
        client, ended = self._client, False

        def job(abort: Abort) -> T:
            nonlocal ended
            try:
                return ask(client, abort)
            finally:
                ended = not abort.fired

        try:
            return call.run(job, self._deadline)
        finally:
            if not ended:
                self._drop_client()

    def _load(self, call: Call) -> Any:
        try:
            return call.run(lambda _: import_yfinance(), IMPORT_DEADLINE)
        except ImportError as error:
            raise SourceError(tr("sources.missing_package", package="yfinance")) from error

    # --- which way to ask -------------------------------------------------------------------------------

    def _note_refusal(self) -> None:
        """After a rejected crumb take a new one; if that is no help, or quotes are gone, use charts."""
        guard = self._client.guard if self._client is not None else None
        if guard is None:
            return
        if "/quote" in guard.not_found:
            self._use_charts()
        elif guard.rejected:
            self._rejections += 1
            self._drop_client()
            if self._rejections >= MOST_REJECTIONS:
                self._use_charts()

    def _use_charts(self) -> None:
        self._plain_until = self._clock.monotonic() + PLAIN_SECONDS
        self.batch_size = 1

    def _use_batches(self) -> None:
        self._plain_until = 0.0
        self._rejections = 0
        self.batch_size = BATCH

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
