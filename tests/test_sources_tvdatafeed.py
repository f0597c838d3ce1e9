"""TradingView's chart data through the real tvDatafeed package, against a server with every fault."""

from __future__ import annotations

import builtins
import importlib
import ssl
import sys
import threading
import webbrowser
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme

from core.clock import FakeClock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.model import Instrument, Quote
from core.sources.tvdatafeed_source import TvDatafeedSource
from tests.loopback.faults import RETRY_AFTER, Fault
from tests.loopback.fixtures import market, tradingview_server  # noqa: F401
from tests.loopback.recorded import replay
from tests.loopback.tradingview_server import TradingViewServer
from tests.patience import FOREVER, PATIENCE

THYAO = Instrument("BIST", "THYAO")
AAPL = Instrument("NASDAQ", "AAPL")
BTC = Instrument("CRYPTO", "BTC")
SILENT = (Fault.SILENCE, Fault.DRIBBLE)
EXPECTED: dict[Fault, type[SourceError]] = {
    Fault.REFUSE: SourceError,
    Fault.HTTP_403: RateLimitedError,
    Fault.HTTP_429: RateLimitedError,
    Fault.HTTP_500: SourceError,
    Fault.HTML: SourceError,
    Fault.SILENCE: SourceError,
    Fault.DRIBBLE: SourceError,
    Fault.GARBAGE: BadDataError,
    Fault.HALF_FRAME: BadDataError,
    Fault.DROP_MID: SourceError,
    Fault.CLOSE: SourceError,
    Fault.PROTOCOL_ERROR: SourceError,
    Fault.EMPTY: BadDataError,
    Fault.WRONG_SYMBOL: BadDataError,
    Fault.NAN: BadDataError,
    Fault.ZERO: BadDataError,
    Fault.NEGATIVE: BadDataError,
    Fault.HUGE: BadDataError,
    Fault.EPOCH: BadDataError,
    Fault.FUTURE: BadDataError,
    Fault.OUT_OF_ORDER_BARS: BadDataError,
    Fault.REORDERED_KEYS: BadDataError,
    Fault.SYMBOL_ERROR_THEN_SILENCE: UnknownSymbolError,
    Fault.SYMBOL_ERROR_THEN_HEARTBEATS: UnknownSymbolError,
}
HONEST = {Fault.PAST: 3600.0, Fault.NULL_CLOSE: 60.0}
"""Faults that still allow a true price, so many seconds older than the newest."""


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import the package before any time is measured."""
    importlib.import_module("tvDatafeed.main")


def no_gate() -> None:
    """A budget that is never used up."""


@pytest.fixture
def server(tradingview_server: TradingViewServer) -> TradingViewServer:  # noqa: F811
    tradingview_server.set_price("BIST:THYAO", 301.25, 298.5)
    tradingview_server.set_price("NASDAQ:AAPL", 201.25, 200.0)
    tradingview_server.set_price("CRYPTO:BTC", 95_000.5, 94_000.0)
    return tradingview_server


def make(server: TradingViewServer, deadline: float = PATIENCE, clock: Any = None) -> TvDatafeedSource:
    return TvDatafeedSource(server.endpoint, deadline, clock)


def ask(source: TvDatafeedSource, instrument: Instrument = THYAO) -> Quote:
    (quote,) = source.fetch([instrument], no_gate)
    return quote


def test_every_fault_is_in_the_table() -> None:
    assert EXPECTED.keys() | HONEST.keys() == set(Fault)


@pytest.mark.parametrize("fault", EXPECTED, ids=lambda fault: fault.name)
def test_a_fault_gives_its_error_in_time_and_no_price(server: TradingViewServer, fault: Fault) -> None:
    source = make(server, 0.5 if fault in SILENT else FOREVER)
    server.fault(fault)
    with pytest.raises(SourceError) as caught:
        ask(source)
    assert type(caught.value) is EXPECTED[fault]
    assert len(server.requests) == (fault is not Fault.REFUSE)
    if fault is Fault.HTTP_429:
        assert isinstance(caught.value, RateLimitedError)
        assert caught.value.retry_after == RETRY_AFTER
    server.fault(None)
    source._deadline = FOREVER  # a busy machine may need more than the silent ones were given
    assert ask(source).price == 301.25


@pytest.mark.parametrize("fault", HONEST, ids=lambda fault: fault.name)
def test_an_old_price_keeps_its_own_time(server: TradingViewServer, fault: Fault) -> None:
    server.market.now = lambda: 1_795_000_030.0
    server.fault(fault)
    quote = ask(make(server, clock=FakeClock(1_795_000_030.0)))
    assert quote.price == 301.25
    assert quote.stamp == 1_795_000_030.0 // 60 * 60 - HONEST[fault]


def test_a_quote_is_complete_and_honest(server: TradingViewServer) -> None:
    clock = FakeClock(1_795_000_030.0)
    server.market.now = clock.time
    quote = ask(make(server, clock=clock))
    assert quote.key == "BIST:THYAO"
    assert (quote.price, quote.stamp, quote.span) == (301.25, 1_795_000_020.0, 60.0)
    assert (quote.received, quote.source, quote.simulated) == (clock.time(), "tvdatafeed", False)
    assert quote.previous_close is None
    assert quote.open == pytest.approx(301.25 * 0.999)
    assert quote.low is not None and quote.high is not None and quote.low < quote.price < quote.high
    assert quote.volume == 1009.0


def test_the_delay_is_what_the_provider_says_else_the_contract_for_bist(server: TradingViewServer) -> None:
    source = make(server)
    assert ask(source).declared_delay == 900.0
    assert ask(source, AAPL).declared_delay is None
    server.declared_mode = "delayed_streaming_600"
    assert ask(source).declared_delay == 600.0
    server.declared_mode = "streaming"
    assert ask(source).declared_delay == 900.0


def test_crypto_is_asked_for_as_a_pair(server: TradingViewServer) -> None:
    quote = ask(make(server), BTC)
    assert (quote.key, quote.price) == ("CRYPTO:BTC", 95_000.5)
    assert server.requests[0].symbols == ("CRYPTO:BTCUSD",)


def test_two_exchanges_are_not_mixed_up(server: TradingViewServer) -> None:
    server.set_price("BIST:AAPL", 12.0)
    source = make(server)
    assert ask(source, AAPL).price == 201.25
    assert ask(source, Instrument("BIST", "AAPL")).price == 12.0


@pytest.mark.parametrize("path", ["", "/", "/socket.io", "/socket.io/", "/socket.io/websocket"])
def test_the_endpoint_may_lack_its_last_segment(server: TradingViewServer, path: str) -> None:
    quote = ask(TvDatafeedSource(f"ws://127.0.0.1:{server.port}{path}", 5.0))
    assert quote.price == 301.25
    assert server.requests[0].path == "/socket.io/websocket"


def test_an_unknown_symbol_is_said_so_at_once(server: TradingViewServer) -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        ask(make(server, 10.0), Instrument("BIST", "NOPE"))
    assert caught.value.key == "BIST:NOPE"


@pytest.mark.parametrize("symbol", ["ŞİŞE", "", 'A","x":"', "THYAO:X", "a b", "X" * 40])
def test_an_impossible_symbol_is_never_asked_for(server: TradingViewServer, symbol: str) -> None:
    source = make(server)
    with pytest.raises(UnknownSymbolError):
        ask(source, Instrument("BIST", symbol))
    with pytest.raises(UnknownSymbolError):
        source.daily_closes(Instrument("BIST", symbol), no_gate)
    assert server.requests == []


def test_nothing_asked_nothing_done(server: TradingViewServer) -> None:
    source = make(server)
    assert source.fetch([], no_gate) == []
    assert source.unknown_keys() == frozenset()
    assert server.requests == []


def test_each_request_passes_the_gate_first(server: TradingViewServer) -> None:
    seen: list[int] = []
    source = make(server)
    source.fetch([THYAO], lambda: seen.append(len(server.requests)))
    source.daily_closes(THYAO, lambda: seen.append(len(server.requests)))
    assert seen == [0, 1]
    assert len(server.requests) == 2


def test_a_closed_gate_lets_nothing_out(server: TradingViewServer) -> None:
    def gate() -> None:
        raise CancelledError("the feed stops")

    with pytest.raises(CancelledError):
        make(server).fetch([THYAO], gate)
    assert server.requests == []


def test_a_cancel_while_waiting_at_the_gate_is_not_lost(server: TradingViewServer) -> None:
    source = make(server)
    with pytest.raises(CancelledError):
        source.fetch([THYAO], source.cancel)
    assert server.requests == []
    assert ask(source).price == 301.25


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
def test_a_cancel_ends_a_hanging_call(server: TradingViewServer, fault: Fault) -> None:
    server.fault(fault)
    source = make(server, FOREVER)
    ask_and_cancel(source, server)
    server.fault(None)
    assert ask(source).price == 301.25


def ask_and_cancel(source: TvDatafeedSource, server: TradingViewServer) -> None:
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


def test_it_heals_when_the_cable_is_plugged_in_again(server: TradingViewServer) -> None:
    source = make(server)
    assert ask(source).price == 301.25
    server.unplug()
    with pytest.raises(SourceError, match="internet"):
        ask(source)
    server.plug_in()
    server.set_price("BIST:THYAO", 303.0)
    assert ask(source).price == 303.0


def test_what_only_looks_like_bars_is_not_taken_for_them(server: TradingViewServer) -> None:
    server.decoy = True
    source = make(server)
    with pytest.raises(BadDataError):
        ask(source)
    assert source.bad_data() == {"misread answer": 1}


def test_it_works_over_tls_and_can_be_stopped_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with TradingViewServer(tls=context) as server:
        server.set_price("BIST:THYAO", 301.25)
        source = make(server, FOREVER)
        assert ask(source).price == 301.25
        server.requests.clear()
        server.fault(Fault.DRIBBLE)
        ask_and_cancel(source, server)
        monkeypatch.delenv("WEBSOCKET_CLIENT_CA_BUNDLE")
        server.fault(None)
        with pytest.raises(SourceError):
            ask(source)


def test_heartbeats_do_not_disturb(server: TradingViewServer) -> None:
    server.heartbeat_seconds = 0.001
    assert ask(make(server)).price == 301.25


def test_threads_do_not_get_each_others_prices(server: TradingViewServer) -> None:
    prices = {f"BIST:S{index}": 10.0 + index for index in range(8)}
    for key, price in prices.items():
        server.set_price(key, price)
    found: dict[str, float] = {}

    def work(key: str) -> None:
        found[key] = ask(make(server), Instrument.from_key(key)).price

    threads = [threading.Thread(target=work, args=(key,)) for key in prices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == prices


def test_it_neither_asks_nor_writes_nor_opens_anything(
    server: TradingViewServer, monkeypatch: pytest.MonkeyPatch, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("must not be called")

    monkeypatch.setattr(builtins, "input", never)
    monkeypatch.setattr(webbrowser, "open", never)
    source = make(server)
    ask(source)
    server.fault(Fault.HTTP_403)
    with pytest.raises(SourceError):
        ask(source)
    assert list(home.rglob("*")) == []
    assert capfd.readouterr() == ("", "")


def test_other_users_of_the_package_keep_their_own_connections(server: TradingViewServer) -> None:
    ask(make(server))
    from tvDatafeed.main import create_connection

    with pytest.raises(OSError):
        create_connection("ws://127.0.0.1:9/", timeout=1)


def test_a_missing_package_is_said_so(server: TradingViewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tvDatafeed.main", None)
    with pytest.raises(SourceError, match=r"run\.py"):
        ask(make(server))


def istanbul(*when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Istanbul")).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("now", "last_day", "last_close"),
    [
        (istanbul(2026, 11, 18, 9, 0), date(2026, 11, 17), 298.5),
        (istanbul(2026, 11, 18, 14, 0), date(2026, 11, 17), 298.5),
        (istanbul(2026, 11, 18, 18, 5), date(2026, 11, 17), 298.5),
        (istanbul(2026, 11, 18, 18, 20), date(2026, 11, 18), 301.25),
    ],
    ids=["before the open", "in session", "closing auction", "after the close"],
)
def test_daily_closes_are_of_finished_sessions(
    server: TradingViewServer, now: float, last_day: date, last_close: float
) -> None:
    clock = FakeClock(now)
    server.market.now = clock.time
    daily = make(server, clock=clock).daily_closes(THYAO, no_gate)
    assert daily.key == "BIST:THYAO"
    assert (daily.days[-1], daily.closes[-1]) == (last_day, last_close)
    assert len(daily.days) == len(daily.closes) >= 19
    assert list(daily.days) == sorted(set(daily.days))
    assert daily.before(date(2026, 11, 18)) == 298.5
    assert daily.before(date(2020, 1, 1)) is None


def test_daily_closes_of_a_market_that_never_closes(server: TradingViewServer) -> None:
    clock = FakeClock(datetime(2026, 11, 18, 23, 59, tzinfo=ZoneInfo("UTC")).timestamp())
    server.market.now = clock.time
    daily = make(server, clock=clock).daily_closes(BTC, no_gate)
    assert (daily.days[-1], daily.closes[-1]) == (date(2026, 11, 17), 94_000.0)


def test_recorded_prices_come_through_unchanged(server: TradingViewServer) -> None:
    clock = FakeClock(1_795_000_030.0)
    server.market.now = clock.time
    bars = replay(server.market, "AMEX:SPY")
    source = make(server, clock=clock)
    for index in range(0, 60, 15):
        quote = ask(source, Instrument("AMEX", "SPY"))
        recorded = bars[index]
        assert (quote.open, quote.high, quote.low, quote.price) == recorded[1:5]
        assert quote.volume == recorded.volume
        assert quote.stamp == clock.time() // 60 * 60
        clock.advance(15 * 60)


def test_what_was_refused_is_counted_and_logged_once(
    server: TradingViewServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "core.sources.tvdatafeed")
    server.fault(Fault.FUTURE)
    source = make(server)
    for _ in range(3):
        with pytest.raises(BadDataError):
            ask(source)
    assert source.bad_data() == {"time in the future": 3}
    assert len(caplog.records) == 1
    source.close()
