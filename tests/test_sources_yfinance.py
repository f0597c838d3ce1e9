"""Yahoo's prices through the real yfinance package, against a server that misbehaves in every way."""

from __future__ import annotations

import importlib
import ssl
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import trustme

from core.clock import FakeClock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.model import Instrument, Quote
from core.sources.calls import Abort
from core.sources.yahoo_client import default_session
from core.sources.yahoo_session import YahooGuard, browser_session, plain_session
from core.sources.yfinance_source import PLAIN_SECONDS, YFinanceSource
from tests.loopback.faults import RETRY_AFTER, Fault
from tests.loopback.fixtures import market, yahoo_server  # noqa: F401
from tests.loopback.market import Bar
from tests.loopback.recorded import replay
from tests.loopback.yahoo_server import YahooServer
from tests.patience import FOREVER, PATIENCE

THYAO = Instrument("BIST", "THYAO")
AAPL = Instrument("NASDAQ", "AAPL")
BERKSHIRE = Instrument("NYSE", "BRK.B")
BTC = Instrument("CRYPTO", "BTC")
ALL = (THYAO, AAPL, BERKSHIRE, BTC)
PRICES = {"BIST:THYAO": 301.25, "NASDAQ:AAPL": 201.25, "NYSE:BRK.B": 500.5, "CRYPTO:BTC": 95_000.5}
SILENT = (Fault.SILENCE, Fault.DRIBBLE)
SESSIONS = {"requests": plain_session, "curl": browser_session}
SYMBOL_ERRORS = (Fault.SYMBOL_ERROR_THEN_SILENCE, Fault.SYMBOL_ERROR_THEN_HEARTBEATS)
EXPECTED: dict[Fault, type[SourceError]] = {
    Fault.REFUSE: SourceError,
    Fault.HTTP_403: SourceError,
    Fault.HTTP_429: RateLimitedError,
    Fault.HTTP_500: SourceError,
    Fault.HTML: BadDataError,
    Fault.SILENCE: SourceError,
    Fault.DRIBBLE: SourceError,
    Fault.GARBAGE: SourceError,
    Fault.HALF_FRAME: BadDataError,
    Fault.DROP_MID: SourceError,
    Fault.CLOSE: SourceError,
    Fault.EMPTY: BadDataError,
    Fault.WRONG_SYMBOL: BadDataError,
    Fault.NAN: BadDataError,
    Fault.ZERO: BadDataError,
    Fault.NEGATIVE: BadDataError,
    Fault.HUGE: BadDataError,
    Fault.EPOCH: BadDataError,
    Fault.FUTURE: BadDataError,
}
HARMLESS = {Fault.PAST: 3600.0, Fault.REORDERED_KEYS: 0.0, Fault.OUT_OF_ORDER_BARS: 0.0}
"""Faults that still allow a true price, so many seconds older than the newest."""


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import the package before any time is measured."""
    importlib.import_module("yfinance")


def no_gate() -> None:
    """A budget that is never used up."""


@pytest.fixture
def server(yahoo_server: YahooServer) -> YahooServer:  # noqa: F811
    for key, price in PRICES.items():
        yahoo_server.set_price(key, price, price - 2)
    return yahoo_server


@pytest.fixture
def make(server: YahooServer) -> Any:
    """Make sources that are closed at the end."""
    made: list[YFinanceSource] = []

    def build(session: str = "requests", deadline: float = PATIENCE, clock: Any = None) -> YFinanceSource:
        made.append(YFinanceSource(server.base_url, deadline, clock, SESSIONS[session]))
        return made[-1]

    yield build
    for source in made:
        source.close()


Make = Callable[..., YFinanceSource]


def ask(source: YFinanceSource, *instruments: Instrument) -> dict[str, Quote]:
    return {quote.key: quote for quote in source.fetch(instruments or ALL, no_gate)}


def force_charts(source: YFinanceSource, server: YahooServer) -> None:
    """Let the batched quote vanish, so that the source turns to charts."""
    server.quote_gone = True
    with pytest.raises(SourceError):
        ask(source)
    server.quote_gone = False
    server.requests.clear()


def test_every_fault_is_in_the_table() -> None:
    elsewhere = {Fault.NULL_CLOSE, Fault.PROTOCOL_ERROR, *SYMBOL_ERRORS}
    assert EXPECTED.keys() | HARMLESS.keys() | elsewhere == set(Fault)


@pytest.mark.parametrize("way", ["quote", "chart"])
@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("fault", EXPECTED, ids=lambda fault: fault.name)
def test_a_fault_gives_its_error_in_time_and_no_price(
    server: YahooServer, make: Make, fault: Fault, session: str, way: str
) -> None:
    source = make(session, FOREVER)
    if way == "chart":
        force_charts(source, server)
    if fault in SILENT:
        source._deadline = 0.5
    server.fault(fault)
    with pytest.raises(SourceError) as caught:
        ask(source)
    also = {BadDataError} if fault is Fault.GARBAGE else set()  # the two clients see it differently
    assert type(caught.value) in {EXPECTED[fault], *also}
    assert source.unknown_keys() == frozenset()
    assert [request.kind for request in server.data_requests()] == [way] * (fault is not Fault.REFUSE)
    if isinstance(caught.value, RateLimitedError):
        assert caught.value.retry_after == RETRY_AFTER
    server.fault(None)
    source._deadline = FOREVER  # a busy machine may need more than the silent ones were given
    assert ask(source)["BIST:THYAO"].price == 301.25


@pytest.mark.parametrize("way", ["quote", "chart"])
@pytest.mark.parametrize("fault", HARMLESS, ids=lambda fault: fault.name)
def test_a_true_price_keeps_its_own_time(server: YahooServer, make: Make, fault: Fault, way: str) -> None:
    source = make()
    if way == "chart":
        force_charts(source, server)
    server.fault(fault)
    quote = ask(source)["BIST:THYAO"]
    newest = time.time() if way == "quote" else time.time() // 60 * 60
    assert quote.price == 301.25
    assert newest - HARMLESS[fault] - quote.stamp < 62


def test_an_empty_place_is_no_price(server: YahooServer, make: Make) -> None:
    source = make()
    server.fault(Fault.NULL_CLOSE)
    with pytest.raises(BadDataError):
        ask(source)
    server.fault(None)
    force_charts(source, server)
    server.fault(Fault.NULL_CLOSE)
    quote = ask(source)["BIST:THYAO"]
    assert quote.price == 301.25
    assert quote.stamp <= time.time() // 60 * 60 - 60 + 0.5


def test_yahoos_own_error_is_an_error(server: YahooServer, make: Make) -> None:
    source = make()
    server.fault(Fault.PROTOCOL_ERROR)
    with pytest.raises(BadDataError):
        ask(source)
    assert source.unknown_keys() == frozenset()
    with pytest.raises(SourceError, match="422"):
        source.daily_closes(THYAO, no_gate)


@pytest.mark.parametrize("session", SESSIONS)
def test_a_batch_takes_one_request_and_the_handshake_happens_once(
    server: YahooServer, make: Make, session: str
) -> None:
    source = make(session)
    gates: list[int] = []
    for _ in range(3):
        quotes = source.fetch(ALL, lambda: gates.append(len(server.data_requests())))
        assert {quote.key: quote.price for quote in quotes} == PRICES
    assert gates == [0, 1, 2]
    assert [request.kind for request in server.requests] == ["cookie", "crumb", "quote", "quote", "quote"]
    assert set(server.requests[2].symbols) == {"THYAO.IS", "AAPL", "BRK-B", "BTC-USD", "SPY"}


def test_a_quote_is_complete_and_honest(server: YahooServer, make: Make) -> None:
    clock = FakeClock(1_795_000_030.0)
    server.market.now = clock.time
    server.set_price("BIST:THYAO", 301.25, 298.5, stamp=clock.time() - 905)
    quote = ask(make(clock=clock))["BIST:THYAO"]
    assert (quote.price, quote.stamp, quote.span) == (301.25, clock.time() - 905, 0.0)
    assert (quote.received, quote.source, quote.simulated) == (clock.time(), "yfinance", False)
    assert (quote.previous_close, quote.open) == (298.5, 298.5)
    assert quote.low is not None and quote.high is not None and quote.low < quote.price < quote.high
    assert quote.volume == 1_000_000


@pytest.mark.parametrize(
    ("minutes", "bist", "nasdaq"), [(20, 1200.0, 1200.0), (0, 0.0, 0.0), (None, 900.0, None)]
)
def test_the_delay_is_yahoos_word_else_15_minutes_for_bist(
    server: YahooServer, make: Make, minutes: int | None, bist: float, nasdaq: float | None
) -> None:
    server.delays = {"BIST": minutes, "NASDAQ": minutes}
    quotes = ask(make())
    assert quotes["BIST:THYAO"].declared_delay == bist
    assert quotes["NASDAQ:AAPL"].declared_delay == nasdaq


def test_a_low_above_the_high_is_dropped(
    server: YahooServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.market, "quote", lambda _: Bar(time.time(), 10, 9, 11, 10, 5))
    source = make()
    quote = ask(source)["BIST:THYAO"]
    assert (quote.price, quote.low, quote.high) == (10, None, None)
    assert source.bad_data() == {"low above high": 4}


def test_one_bad_price_does_not_spoil_the_batch(server: YahooServer, make: Make) -> None:
    server.set_price("NASDAQ:AAPL", -1.0)
    server.set_price("NYSE:BRK.B", 500.5, stamp=time.time() + 4000)
    source = make()
    assert ask(source).keys() == {"BIST:THYAO", "CRYPTO:BTC"}
    assert source.bad_data() == {"no usable price": 1, "time in the future": 1}
    assert source.unknown_keys() == frozenset()


def test_unknown_symbols_are_reported_beside_the_known(server: YahooServer, make: Make) -> None:
    source = make()
    nope, turkish = Instrument("BIST", "NOPE"), Instrument("BIST", "ŞİŞE")
    assert ask(source, THYAO, nope, turkish).keys() == {"BIST:THYAO"}
    assert source.unknown_keys() == {"BIST:NOPE", "BIST:ŞİŞE"}
    assert "ŞİŞE.IS" not in server.data_requests()[0].symbols
    assert ask(source).keys() == PRICES.keys()
    assert source.unknown_keys() == frozenset()


def test_all_of_a_batch_may_be_unknown(server: YahooServer, make: Make) -> None:
    source = make()
    assert ask(source, Instrument("BIST", "NOPE"), Instrument("NYSE", "NADA")) == {}
    assert source.unknown_keys() == {"BIST:NOPE", "NYSE:NADA"}


@pytest.mark.parametrize("symbol", ["NOPE", "ŞİŞE"])
def test_a_single_unknown_symbol_is_an_error(server: YahooServer, make: Make, symbol: str) -> None:
    source = make()
    with pytest.raises(UnknownSymbolError) as caught:
        ask(source, Instrument("BIST", symbol))
    assert caught.value.key == f"BIST:{symbol}"


def test_nothing_is_unknown_in_an_answer_about_something_else(server: YahooServer, make: Make) -> None:
    source = make()
    server.fault(Fault.WRONG_SYMBOL)
    with pytest.raises(BadDataError):
        ask(source, THYAO, AAPL)
    assert source.unknown_keys() == frozenset()


@pytest.mark.parametrize("fault", SYMBOL_ERRORS, ids=lambda fault: fault.name)
def test_a_chart_of_an_unknown_symbol_is_an_error(server: YahooServer, make: Make, fault: Fault) -> None:
    source = make()
    assert ask(source)["BIST:THYAO"].price == 301.25
    server.fault(fault)
    with pytest.raises(UnknownSymbolError):
        source.daily_closes(THYAO, no_gate)
    assert ask(source) == {}
    assert source.unknown_keys() == PRICES.keys()
    with pytest.raises(UnknownSymbolError):
        source.daily_closes(Instrument("BIST", "Ş"), no_gate)


def test_a_closed_gate_lets_nothing_out(server: YahooServer, make: Make) -> None:
    def gate() -> None:
        raise CancelledError("the feed stops")

    source = make()
    with pytest.raises(CancelledError):
        source.fetch(ALL, gate)
    with pytest.raises(CancelledError):
        source.fetch(ALL, source.cancel)
    assert server.requests == []


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
def test_a_cancel_ends_a_hanging_call(server: YahooServer, make: Make, fault: Fault, session: str) -> None:
    source = make(session, FOREVER)
    ask(source)
    server.fault(fault)
    server.requests.clear()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            ask(source)
        except SourceError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert server.wait_for_requests(1)
    source.cancel()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [CancelledError]
    server.fault(None)
    assert ask(source)["BIST:THYAO"].price == 301.25


def test_it_heals_when_the_cable_is_plugged_in_again(server: YahooServer, make: Make) -> None:
    source = make()
    ask(source)
    server.unplug()
    with pytest.raises(SourceError, match="internet"):
        ask(source)
    server.plug_in()
    server.set_price("BIST:THYAO", 303.0)
    assert ask(source)["BIST:THYAO"].price == 303.0


def test_an_expired_crumb_is_replaced_on_the_next_poll(server: YahooServer, make: Make) -> None:
    source = make()
    ask(source)
    server.crumb = "another"
    server.requests.clear()
    with pytest.raises(SourceError):
        ask(source)
    assert [request.kind for request in server.requests] == ["quote"]
    assert ask(source).keys() == PRICES.keys()
    assert [request.kind for request in server.requests] == ["quote", "cookie", "crumb", "quote"]


def test_charts_take_over_while_crumbs_are_of_no_use(server: YahooServer, make: Make) -> None:
    clock = FakeClock(time.time())
    source = make(clock=clock)
    server.fault(Fault.HTTP_403)
    for _ in range(2):
        with pytest.raises(SourceError):
            ask(source)
    server.fault(None)
    assert source.batch_size == 1
    quote = ask(source)["BIST:THYAO"]
    assert (quote.price, quote.previous_close, quote.span) == (301.25, 299.25, 60.0)
    assert quote.declared_delay == 900.0
    clock.advance(PLAIN_SECONDS)
    server.market.now = clock.time
    assert ask(source).keys() == PRICES.keys()
    assert source.batch_size == 100


def test_a_rate_limited_handshake_ends_the_call(server: YahooServer, make: Make) -> None:
    server.handshake_fault = Fault.HTTP_429
    with pytest.raises(RateLimitedError) as caught:
        ask(make())
    assert caught.value.retry_after == RETRY_AFTER
    assert [request.kind for request in server.requests] == ["cookie"]


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.HTML, Fault.HTTP_500, Fault.DROP_MID, Fault.GARBAGE])
def test_a_broken_handshake_is_bounded(server: YahooServer, make: Make, fault: Fault, session: str) -> None:
    server.handshake_fault = fault
    source = make(session, 0.9 if fault is Fault.SILENCE else FOREVER)
    with pytest.raises(SourceError):
        ask(source)
    assert len(server.requests) <= 7
    assert len(server.data_requests()) <= 1


def test_the_package_may_lose_its_internal_request(
    server: YahooServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make()
    ask(source)
    server.requests.clear()
    from yfinance.data import YfData

    monkeypatch.delattr(YfData, "get_raw_json")
    gates: list[int] = []
    (quote,) = source.fetch([THYAO], lambda: gates.append(1))
    assert (quote.price, gates, source.batch_size) == (301.25, [1], 1)
    assert [request.kind for request in server.data_requests()] == ["chart"]


def test_an_internal_request_that_breaks_before_asking_is_replaced(
    server: YahooServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yfinance.data import YfData

    def changed(self: Any, url: str) -> None:
        """Another signature."""

    monkeypatch.setattr(YfData, "get_raw_json", changed)
    source = make()
    assert ask(source)["BIST:THYAO"].price == 301.25
    assert [request.kind for request in server.data_requests()] == ["chart"]


def test_a_missing_package_is_said_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(SourceError, match=r"run\.py"):
        ask(make())


def test_it_writes_nothing(
    server: YahooServer, make: Make, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = make()
    ask(source)
    source.daily_closes(THYAO, no_gate)
    server.fault(Fault.HTTP_500)
    with pytest.raises(SourceError):
        ask(source)
    assert list(home.rglob("*")) == []
    assert capfd.readouterr() == ("", "")


def test_without_curl_plain_requests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    make_session = default_session("")
    with make_session(Abort()) as browser:
        assert "curl_cffi" in type(browser).__module__
    monkeypatch.setitem(sys.modules, "curl_cffi", None)
    with make_session(Abort()) as plain:
        assert isinstance(plain, requests.Session)
        assert "Mozilla" in plain.headers["User-Agent"]
    assert default_session("http://127.0.0.1:1") is plain_session


@pytest.mark.parametrize("session", SESSIONS)
def test_a_second_request_within_one_permit_never_leaves(server: YahooServer, session: str) -> None:
    abort = Abort()
    guard = YahooGuard("yfinance", SESSIONS[session](abort), server.base_url)
    guard.allow_one(abort, 5.0)
    chart = "https://query2.finance.yahoo.com/v8/finance/chart/AAPL?interval=1d"
    assert guard.session.get(chart).status_code == 200
    with pytest.raises(RateLimitedError):
        guard.session.get(chart)
    assert len(server.requests) == 1
    guard.allow_one(abort, 5.0)
    abort.fire()
    with pytest.raises(CancelledError):
        guard.session.get(chart)
    assert len(server.requests) == 1
    guard.close()


def test_plain_requests_can_be_stopped_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    abort = Abort()
    with YahooServer(tls=context) as server, plain_session(abort) as session:
        chart, trusted = f"{server.base_url}/v8/finance/chart/SPY", str(tmp_path / "ca.pem")
        assert session.get(chart, timeout=PATIENCE, verify=trusted).status_code == 200
        server.fault(Fault.SILENCE)
        threading.Timer(0.05, abort.fire).start()
        with pytest.raises(requests.RequestException):
            session.get(chart, timeout=FOREVER, verify=trusted)


def test_an_older_curl_without_the_multi_interface_still_works(
    server: YahooServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curl_cffi import curl

    class OldLibrary:
        """All of the library but that."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("curl_multi"):
                raise AttributeError(name)
            return getattr(library, name)

    library = curl.lib
    monkeypatch.setattr(curl, "lib", OldLibrary())
    with browser_session(Abort()) as session:
        assert session.get(f"{server.base_url}/v8/finance/chart/SPY").status_code == 200


def test_a_handshake_without_end_is_cut(server: YahooServer) -> None:
    abort = Abort()
    guard = YahooGuard("yfinance", plain_session(abort), server.base_url)
    guard.allow_one(abort, 5.0)
    for _ in range(6):
        guard.session.get("https://guce.yahoo.com/consent")
    with pytest.raises(SourceError, match="cookie"):
        guard.session.get("https://guce.yahoo.com/consent")
    assert (guard.handshakes, len(server.requests)) == (7, 6)
    guard.close()


def istanbul(*when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Istanbul")).timestamp()  # type: ignore[arg-type,misc]


def test_daily_closes_are_of_finished_sessions_and_take_one_request(server: YahooServer, make: Make) -> None:
    clock = FakeClock(istanbul(2026, 11, 18, 14, 0))
    server.market.now = clock.time
    source = make(clock=clock)
    daily = source.daily_closes(THYAO, no_gate)
    assert (daily.days[-1], daily.closes[-1]) == (date(2026, 11, 17), 299.25)
    assert daily.before(date(2026, 11, 17)) == daily.closes[-2]
    assert len(server.data_requests()) == 1
    clock.set_time(istanbul(2026, 11, 18, 18, 20))
    later = source.daily_closes(THYAO, no_gate)
    assert (later.days[-1], later.closes[-1]) == (date(2026, 11, 18), 301.25)
    us = source.daily_closes(AAPL, no_gate)
    assert us.days[-1] == date(2026, 11, 17)
    assert source.daily_closes(BTC, no_gate).days[-1] == date(2026, 11, 17)


def test_recorded_prices_come_through_unchanged(server: YahooServer, make: Make) -> None:
    clock = FakeClock(1_795_000_030.0)
    server.market.now = clock.time
    bars = replay(server.market, "AMEX:SPY")
    server.market.listings.pop("NYSE:SPY")
    source = make(clock=clock)
    for index in range(0, 60, 15):
        quote = ask(source, Instrument("AMEX", "SPY"))["AMEX:SPY"]
        assert quote.price == bars[index].close
        assert quote.previous_close == pytest.approx(366.75, abs=5)
        assert quote.high == max(bar.high for bar in bars[: index + 1])
        clock.advance(15 * 60)


def test_retry_after_may_be_a_date(server: YahooServer, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.loopback.yahoo_server.RETRY_AFTER", formatdate(time.time() + 90, usegmt=True))
    server.fault(Fault.HTTP_429)
    with pytest.raises(RateLimitedError) as caught:
        ask(make())
    assert caught.value.retry_after == pytest.approx(90, abs=3)
