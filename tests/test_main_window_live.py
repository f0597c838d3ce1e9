"""The whole way: the real client libraries against loopback providers, through the engine, into the window.

The clock runs twenty times as fast, so that the providers' spacing and the patience of the feed are the real
ones. The instruments are of a market that never closes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from core.clock import SystemClock
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.config_file import resolve_instruments
from core.feed.budget import BudgetRegistry
from core.model import Position, Quote
from core.replay.clock import real_clock
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from tests.loopback import fixtures
from tests.loopback.faults import Fault
from tests.loopback.market import Market
from tests.loopback.tradingview_server import TradingViewServer
from tests.loopback.yahoo_server import YahooServer
from tests.scripted import FastClock
from tests.window_helpers import (
    JumpingClock,
    StubMarket,
    StubSource,
    crypto_config,
    price_of,
    says,
    show,
    state_of,
    stub_window,
    wait,
)

market, tradingview_server, yahoo_server = (
    fixtures.market,
    fixtures.tradingview_server,
    fixtures.yahoo_server,
)
SYMBOLS = ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT")
STALE_AFTER = 30.0


@pytest.fixture
def clock(market: Market) -> FastClock:
    clock = FastClock(20.0)
    market.now = clock.time
    for place, symbol in enumerate(SYMBOLS):
        market.set_price(f"CRYPTO:{symbol}", 100.0 + place, 99.5 + place)
    return clock


def open_window(
    qtbot: Any, clock: FastClock, tradingview: TradingViewServer, yahoo: YahooServer, **live: Any
) -> MainWindow:
    settings: dict[str, Any] = {
        "yahoo_base": yahoo.base_url, "poll_interval_sec": 3.0, "stale_after_sec": STALE_AFTER,
        "allow_simulation": False, "enable_notifications": False,
    } | live  # fmt: skip
    config = Config(
        exchange="CRYPTO", symbols=SYMBOLS, language="en", real_time=RealTimeConfig(**settings),
        websocket=WebSocketConfig(endpoint=tradingview.endpoint),
    )  # fmt: skip
    return show(qtbot, MainWindow(config, clock=clock, budgets=BudgetRegistry(clock)))


def states(window: MainWindow) -> set[RowState]:
    return {state_of(window, f"CRYPTO:{symbol}") for symbol in SYMBOLS}


def test_one_batched_request_fills_the_band_and_prices_move(
    qtbot: Any, clock: FastClock, tradingview_server: TradingViewServer, yahoo_server: YahooServer
) -> None:
    window = open_window(qtbot, clock, tradingview_server, yahoo_server)
    window.control_bar.scan_button.click()
    assert window.desk.ticker._connection.state in ("stopped", "connecting")
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    first = yahoo_server.data_requests()[0]
    assert {f"{symbol}-USD" for symbol in SYMBOLS} <= set(first.symbols)
    wait(qtbot, lambda: window.desk.ticker._connection.state == "running")  # told apart from the prices
    rows = [window.desk.ticker.model().row_of(f"CRYPTO:{symbol}") for symbol in SYMBOLS]
    assert [row.tick.previous_close for row in rows if row and row.tick] == [
        99.5,
        100.5,
        101.5,
        102.5,
        103.5,
        104.5,
    ]
    yahoo_server.set_price("CRYPTO:SOL", 123.5)
    wait(qtbot, lambda: price_of(window, "CRYPTO:SOL") == 123.5)
    asked = tradingview_server.requests
    wait(qtbot, lambda: len({request.symbols for request in asked if request.symbols}) >= 3)
    wait(qtbot, lambda: "req/min" in window.control_bar._budget.text())


@pytest.mark.allow_log("WARNING core.(sources|feed)")
def test_a_pulled_cable_is_told_and_heals_by_itself(
    qtbot: Any, clock: FastClock, tradingview_server: TradingViewServer, yahoo_server: YahooServer
) -> None:
    window = open_window(qtbot, clock, tradingview_server, yahoo_server)
    window.start_scan()
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    tradingview_server.unplug()
    yahoo_server.unplug()
    wait(qtbot, lambda: RowState.LIVE not in states(window))
    wait(qtbot, lambda: window.desk.ticker._connection.state == "offline")
    wait(qtbot, lambda: window.control_bar.feed_text().startswith("No connection. Trying "))
    assert states(window) <= {RowState.STALE, RowState.LOST}
    tradingview_server.plug_in()
    yahoo_server.plug_in()
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    wait(qtbot, lambda: window.control_bar.feed_text().startswith("Feed: "))
    assert window.control_bar.scan_button.text() == "⏹ Stop"


@pytest.mark.allow_log("WARNING core.(sources|feed)")
def test_a_fallback_to_made_up_prices_is_marked_and_moves_no_money(
    qtbot: Any, clock: FastClock, tradingview_server: TradingViewServer, yahoo_server: YahooServer
) -> None:
    window = open_window(qtbot, clock, tradingview_server, yahoo_server, allow_simulation=True)
    window.desk.positions.open_requested.emit(Position(
        symbol="BTC", exchange="CRYPTO", quantity=Decimal(1), entry_price=Decimal(90), opened_at=0.0
    ))  # fmt: skip
    window.start_scan()
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    tradingview_server.unplug()
    yahoo_server.unplug()
    wait(qtbot, lambda: states(window) == {RowState.SIMULATED})
    wait(qtbot, window.desk.ticker._band.isVisible)
    wait(qtbot, lambda: window.control_bar.feed_text().startswith("Simulated: no real prices."))
    wait(qtbot, lambda: window.state.get("connected") is False)
    (row,) = window.desk.positions._snapshot.rows
    assert (row.price, row.open_pnl) == (100.0, pytest.approx(10.0))
    assert not window.state.get("real_time_signals")
    tradingview_server.plug_in()
    yahoo_server.plug_in()
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    wait(qtbot, lambda: not window.desk.ticker._band.isVisible())


@pytest.mark.allow_log("WARNING core.(sources|feed)")
def test_one_source_down_is_covered_by_the_other(
    qtbot: Any, clock: FastClock, tradingview_server: TradingViewServer, yahoo_server: YahooServer
) -> None:
    tradingview_server.fault(Fault.HTTP_403)
    window = open_window(qtbot, clock, tradingview_server, yahoo_server)
    window.start_scan()
    wait(qtbot, lambda: states(window) == {RowState.LIVE})
    wait(qtbot, lambda: window.control_bar.feed_text().endswith("tvdatafeed fails)"))
    tradingview_server.fault(None)


# --- the computer's clock -----------------------------------------------------------------------------


@pytest.fixture
def jumping() -> JumpingClock:
    return JumpingClock()


def test_after_a_sleep_prices_come_back_and_it_is_said(qtbot: Any, jumping: JumpingClock) -> None:
    stub = StubMarket(BTC=100.0, ETH=50.0)
    stub.now = jumping.time
    window = stub_window(qtbot, stub, clock=jumping)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    stub.prices.pop("CRYPTO:ETH")
    jumping.sleep_computer(7200)
    wait(qtbot, says(window, "The computer slept"))
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: state_of(window, "CRYPTO:ETH") is RowState.STALE)


@pytest.mark.allow_log("WARNING core.engine")
def test_a_clock_that_is_set_wrong_is_said_and_nothing_looks_live(qtbot: Any, jumping: JumpingClock) -> None:
    stub = StubMarket(BTC=100.0, ETH=50.0)
    window = stub_window(qtbot, stub, clock=jumping)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    jumping.wall = -7200.0
    wait(qtbot, lambda: {"engine.clock_set_back", "engine.clock_wrong"} <= set(window._said))
    jumping.mono += 100.0
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is not RowState.LIVE)
    jumping.wall = 0.0
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)


# --- more than a person can look at -------------------------------------------------------------------


def test_a_storm_of_signals_is_one_summary(qtbot: Any) -> None:
    names = [f"C{number:03d}" for number in range(200)]
    stub = StubMarket(**dict.fromkeys(names, 100.0))
    config = crypto_config(*names, max_live_symbols=300, enable_notifications=True)
    channels = replace(config.real_time.notification_channels, desktop=False)
    config = replace(config, real_time=replace(config.real_time, notification_channels=channels))
    window = stub_window(qtbot, stub, config)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, f"CRYPTO:{names[-1]}") is RowState.LIVE)
    for instrument in resolve_instruments(config):
        stub.set(instrument.key, 110.0)
    wait(qtbot, lambda: len(window.state.get("real_time_signals") or ()) == 200)
    log = window.desk.notifications.model
    wait(qtbot, lambda: sum(d.status == "coalesced" for d in log.all_rows()) >= 195)
    shown = [d for d in log.all_rows() if d.channel == "toast" and d.status in ("delivered", "queued")]
    assert len(shown) <= 5
    panel = window.desk.signals.model  # shows those of one turn of the event loop together, in the next
    wait(qtbot, lambda: panel.count_all() == 200)


def test_a_bug_in_a_source_is_told_as_such_and_tried_again(qtbot: Any, caplog: Any) -> None:
    stub = StubMarket(BTC=100.0)
    window = stub_window(qtbot, stub, crypto_config("BTC"))

    def broken(*_: Any) -> list[Quote]:
        raise ZeroDivisionError("in a source")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StubSource, "fetch", broken)
        window.start_scan()
        wait(qtbot, lambda: window.control_bar.feed_text().startswith("No connection"))
        wait(qtbot, lambda: "ZeroDivisionError" in window.control_bar._feed.toolTip())
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert isinstance(real_clock(window._clock), SystemClock)
