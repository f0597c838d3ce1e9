"""Bars of the past through the real tvDatafeed and yfinance packages, against the loopback servers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.bars.history import usable
from core.bars.sessions import Sessions
from core.clock import FakeClock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.market_calendar import MarketCalendar
from core.model import Instrument
from core.sources.base import HistorySource
from core.sources.checks import BadDataTally
from core.sources.history_rules import GROWS_FOR, finished, history_bar
from core.sources.simulation import SimulationSource
from core.sources.tvdatafeed_source import TvDatafeedSource
from core.sources.yfinance_source import YFinanceSource
from tests.loopback.faults import Fault
from tests.loopback.fixtures import market, tradingview_server, yahoo_server  # noqa: F401
from tests.loopback.tradingview_server import TradingViewServer
from tests.loopback.yahoo_server import YahooServer

THYAO = Instrument("BIST", "THYAO")
NOBODY = Instrument("BIST", "NOBODY")
NOON = datetime(2026, 11, 18, 14, 20, 30, tzinfo=ZoneInfo("Europe/Istanbul")).timestamp()
SESSIONS = Sessions(MarketCalendar())
Server = TradingViewServer | YahooServer


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import the packages before any time is measured."""
    importlib.import_module("tvDatafeed.main")
    importlib.import_module("yfinance")


def no_gate() -> None:
    """A budget that is never used up."""


@pytest.fixture(params=["tvdatafeed", "yfinance"])
def pair(request: Any, tradingview_server: TradingViewServer, yahoo_server: YahooServer) -> Iterator[Any]:  # noqa: F811
    clock = FakeClock(NOON)
    server: Server
    source: Any
    if request.param == "tvdatafeed":
        server, source = tradingview_server, TvDatafeedSource(tradingview_server.endpoint, 5.0, clock)
    else:
        server, source = yahoo_server, YFinanceSource(yahoo_server.base_url, 5.0, clock)
    server.market.now = lambda: NOON
    server.set_price("BIST:THYAO", 301.25, 298.5)
    yield server, source
    source.close()


@pytest.mark.parametrize("seconds", [60, 300, 900, 3600])
def test_history_is_finished_bars_in_order_through_one_permit(pair: Any, seconds: int) -> None:
    _, source = pair
    permits: list[int] = []
    assert isinstance(source, HistorySource)
    bars = source.history(THYAO, seconds, 29, lambda: permits.append(1))
    assert len(permits) == 1
    assert len(bars) == 29, "the last one still grows"
    assert bars[-1].start == NOON // seconds * seconds - seconds
    assert all(two.start - one.start == seconds for one, two in pairwise(bars))
    assert {bar.key for bar in bars} == {"BIST:THYAO"}
    bar = bars[-1]
    assert (bar.open, bar.high, bar.close) == pytest.approx((301.25 * 0.999, 301.25 * 1.001, 301.25))
    assert bar.low == pytest.approx(301.25 * 0.998)
    assert bar.volume
    good = usable(bars, THYAO.key, seconds, SESSIONS, NOON)
    assert good[-1] == bar


def test_days_are_finished_sessions(pair: Any) -> None:
    _, source = pair
    bars = source.history(THYAO, 86_400, 15, no_gate)
    assert 14 <= len(bars) <= 15
    good = usable(bars, THYAO.key, 86_400, SESSIONS, NOON)
    assert len(good) >= 10
    opens = [datetime.fromtimestamp(bar.start, ZoneInfo("Europe/Istanbul")) for bar in good]
    assert {(day.hour, day.minute) for day in opens} == {(10, 0)}
    assert opens[-1].day == 17


FAULTS: dict[Fault, type[SourceError]] = {
    Fault.HTTP_429: RateLimitedError, Fault.WRONG_SYMBOL: BadDataError, Fault.HALF_FRAME: BadDataError,
    Fault.EMPTY: BadDataError, Fault.REFUSE: SourceError,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_an_error_and_heals(pair: Any, fault: Fault) -> None:
    server, source = pair
    server.fault(fault)
    with pytest.raises(FAULTS[fault]):
        source.history(THYAO, 60, 20, no_gate)
    server.fault(None)
    assert source.history(THYAO, 60, 20, no_gate)


def test_what_the_provider_does_not_know(pair: Any) -> None:
    _, source = pair
    for instrument in (NOBODY, Instrument("BIST", "not a ticker")):
        with pytest.raises(UnknownSymbolError):
            source.history(instrument, 60, 20, no_gate)


def test_a_gate_that_is_shut_ends_it(pair: Any) -> None:
    server, source = pair

    def shut() -> None:
        raise CancelledError("the feed stops")

    with pytest.raises(CancelledError):
        source.history(THYAO, 60, 20, shut)
    assert not server.requests


def test_a_source_without_history_is_none() -> None:
    assert not isinstance(object(), HistorySource)
    assert isinstance(SimulationSource(), HistorySource)


def rows(*stamps: float) -> list[tuple[float, tuple[float, ...]]]:
    return [(stamp, (10.0, 11.0, 9.0, 10.5, 100.0)) for stamp in stamps]


def test_the_last_bar_counts_once_no_delay_can_make_it_grow() -> None:
    tally = BadDataTally("test")
    for now, count in ((NOON + 130, 1), (NOON + 120 + GROWS_FOR, 2)):
        assert len(finished(rows(NOON, NOON + 60), THYAO, 60, now, tally)) == count
    assert finished([], THYAO, 60, NOON, tally) == []


@pytest.mark.parametrize(
    "figures",
    [
        (0, 1, 1, 1, 1),
        (1, float("nan"), 1, 1, 1),
        (1, 1, 1, float("inf"), 1),
        (5, 4, 3, 4, 1),
        (5, 6, 5.5, 6, 1),
    ],
)
def test_figures_that_cannot_be_are_refused(figures: tuple[float, ...]) -> None:
    tally = BadDataTally("test")
    assert history_bar("BIST:X", NOON, figures) is None
    later = NOON + 10_000
    assert len(finished([(NOON, figures), *rows(NOON + 60)], THYAO, 60, later, tally)) == 1
    assert tally.counts() == {"unusable bar": 1}


def test_times_that_cannot_be_are_refused() -> None:
    tally = BadDataTally("test")
    found = finished(rows(60.0, NOON, NOON, NOON - 60, NOON + 1e6), THYAO, 60, NOON + 10_000, tally)
    assert [bar.start for bar in found] == [NOON]
    assert tally.counts() == {"time in the past": 1, "bars out of order": 2, "time in the future": 1}


def test_a_volume_that_cannot_be_is_unknown() -> None:
    bar = history_bar("BIST:X", NOON, (1.0, 1.0, 1.0, 1.0, float("nan")))
    assert bar is not None
    assert bar.volume is None
