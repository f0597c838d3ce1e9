"""The main window from outside: its contract, Start and Stop, and its end at any moment."""

from __future__ import annotations

import logging
import math
import socket
import threading
from typing import Any

import pytest
from PyQt5.QtCore import QEvent, QThread
from PyQt5.QtWidgets import QApplication, QDockWidget

from core.clock import SystemClock
from core.commands import OpenPosition
from core.config import Config
from core.config_file import parse_config
from core.errors import ConfigError
from core.feed import live_feed
from core.feed.budget import BudgetRegistry
from core.i18n import set_language
from core.model import Notice, Position
from gui.main_window import alerts, signs
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from gui.workers import websocket_worker
from gui.workers.mailbox import Frame
from tests.window_helpers import (
    StubMarket,
    crypto_config,
    keep,
    price_of,
    refused,
    says,
    show,
    state_of,
    stub_window,
    wait,
)

END_SECONDS = 3.0
CHANNELS_END, ENGINE_ENDS = alerts.STOP_SECONDS, websocket_worker.JOIN_MS / 1000
FEED_ENDS = live_feed.JOIN_SECONDS
"""As the program has them; while a test runs they are longer."""
SIGNAL = {
    "symbol": "ASELS", "type": "BUY", "price": 45.32, "confidence": 0.95, "reason": "Price rose +2.15%",
    "timestamp": "2026-02-12T14:30:45.123456+03:00", "source": "tvdatafeed", "simulated": False,
    "reference_price": 44.37, "change_pct": 2.15,
}  # fmt: skip


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=50.0)


# --- the contract -------------------------------------------------------------------------------------


def test_opens_without_any_argument_and_with_a_mapping_or_a_config(qtbot: Any) -> None:
    for config in (None, {}, {"exchange": "NASDAQ", "symbols": ["AAPL"]}, Config(symbols=("THYAO",))):
        window = MainWindow(config)
        keep(qtbot, window)
        assert len(window.desk.symbols.instruments()) == (1 if config else 30)
        assert window.windowTitle() == "Swing Hunter"
        window.close()


def test_a_bad_mapping_is_refused_with_all_its_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        MainWindow({"exchange": "LSE", "real_time": {"poll_interval_sec": 1}})
    assert {problem.path for problem in caught.value.problems} == {"exchange", "real_time.poll_interval_sec"}


def test_words_of_the_contract_in_both_languages(qtbot: Any) -> None:
    window = MainWindow({"language": "en"})
    keep(qtbot, window)
    button, ticker = window.control_bar.scan_button, window.desk.ticker
    assert (button.text(), ticker.windowTitle()) == ("▶️ Start Scan", "📈 Live Prices")
    titles = {dock.windowTitle() for dock in window.findChildren(QDockWidget)}
    assert "Live Prices" in titles and all(title.isascii() for title in titles)
    window.settings.toggle_language()
    QApplication.sendPostedEvents(None, QEvent.LanguageChange)
    assert (button.text(), ticker.windowTitle()) == ("▶️ Taramayı Başlat", "📈 Canlı Fiyatlar")
    assert button.accessibleName() == "Taramayı Başlat"
    window.close()


def test_a_sign_is_dropped_and_its_words_stay() -> None:
    assert signs.words_of("▶️ Start Scan") == "Start Scan"
    assert signs.words_of("Live Prices") == "Live Prices"


def test_a_price_comes_through_the_contracts_slot(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.on_ws_price_updated("BTC", 123.0, -1.5)
    assert price_of(window, "CRYPTO:BTC") == 123.0
    assert state_of(window, "CRYPTO:BTC") is not RowState.LIVE


@pytest.mark.allow_log("refused|cannot be a price|WARNING gui")
@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0, None, "dear"])
def test_a_price_that_cannot_be_one_goes_nowhere(qtbot: Any, market: StubMarket, price: Any) -> None:
    window = stub_window(qtbot, market)
    window.on_ws_price_updated("BTC", price, 0.0)
    assert price_of(window, "CRYPTO:BTC") is None


def test_a_signal_lands_in_the_state_the_table_and_the_alerts(qtbot: Any) -> None:
    window = show(qtbot, MainWindow({"real_time": {"notification_channels": {"desktop": False}}}))
    window.on_ws_signal_triggered(dict(SIGNAL))
    assert [dict(s) for s in window.state.get("real_time_signals")] == [SIGNAL]
    assert [s.key for s in window.desk.signals.model.signals()] == ["BIST:ASELS"]
    deliveries = window.desk.notifications.model
    wait(qtbot, lambda: deliveries.count_all() >= 1)


def test_alerts_before_the_first_paint_are_not_lost(qtbot: Any) -> None:
    window = MainWindow({"real_time": {"notification_channels": {"desktop": False}}})
    window.on_ws_signal_triggered(dict(SIGNAL))
    assert window.desk.notifications.model.count_all() == 0
    show(qtbot, window)
    wait(qtbot, lambda: window.desk.notifications.model.count_all() >= 1)


@pytest.mark.parametrize(
    "payload",
    [None, 7, "BUY", {}, {"symbol": "X"}, SIGNAL | {"type": "HOLD"}, SIGNAL | {"price": math.nan},
     SIGNAL | {"price": -1}, SIGNAL | {"price": None}, SIGNAL | {"timestamp": "soon"},
     SIGNAL | {"exchange": "MARS"}, SIGNAL | {"confidence": math.inf}, [SIGNAL]],
)  # fmt: skip
def test_a_signal_that_is_none_is_logged_and_goes_nowhere(qtbot: Any, caplog: Any, payload: Any) -> None:
    window = MainWindow()
    keep(qtbot, window)
    window.on_ws_signal_triggered(payload)
    assert not window.state.get("real_time_signals")
    assert not window.desk.signals.model.count_all()
    assert "ignored" in caplog.text
    window.close()


def test_portfolio_connection_and_error_slots(qtbot: Any, caplog: Any) -> None:
    window = MainWindow({"real_time": {"enable_notifications": False}})
    keep(qtbot, window)
    window.on_ws_portfolio_updated({"symbol": "ASELS", "daily_pnl": 1250.0})
    assert window.state.get("portfolio")["daily_pnl"] == 1250.0
    window.on_ws_portfolio_updated(None)  # type: ignore[arg-type]
    assert window.state.get("portfolio")["daily_pnl"] == 1250.0
    assert "portfolio" in caplog.text
    window.on_ws_connection_status(True)
    assert window.state.get("connected") is True
    window.on_ws_connection_status(0)  # type: ignore[arg-type]
    assert window.state.get("connected") is False
    window.on_ws_error_occurred("<b>Something</b> broke")
    assert window.notice_bar.sentence == "<b>Something</b> broke"
    window.on_ws_error_occurred(ValueError("x" * 5000))  # type: ignore[arg-type]
    assert len(window.notice_bar.sentence) < 500
    window.close()


def test_start_websocket_and_stop_websocket_drive_the_feed(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.start_websocket()
    wait(qtbot, lambda: state_of(window, "CRYPTO:ETH") is RowState.LIVE)
    wait(qtbot, lambda: window.state.get("connected") is True)  # told apart from the prices
    window.stop_websocket()
    wait(qtbot, lambda: state_of(window, "CRYPTO:ETH") is RowState.STALE)
    wait(qtbot, lambda: window.state.get("connected") is False)


# --- scanning -----------------------------------------------------------------------------------------


def test_start_shows_live_prices_and_stop_lets_nothing_look_live(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    button = window.control_bar.scan_button
    button.click()
    assert button.text() == "⏹ Stop"
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: window.control_bar.feed_text().startswith("Feed: yfinance"))
    market.set("CRYPTO:BTC", 101.0)
    wait(qtbot, lambda: price_of(window, "CRYPTO:BTC") == 101.0)
    button.click()
    assert button.text() == "▶️ Start Scan"
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.STALE)
    wait(qtbot, lambda: window.control_bar.feed_text() == "Scan stopped")


def test_what_is_said_of_a_resting_scan_goes_when_it_runs(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    for key in ("bots.started_without_feed", "bots.no_feed"):
        window.link.tell(Notice("warning", key, {"count": 1}))
    assert "nothing guards their open positions (1)" in window.notice_bar.sentence
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: not window.notice_bar.sentence)


def test_signals_of_the_engine_reach_the_whole_window(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    market.set("CRYPTO:BTC", 103.0)
    wait(qtbot, lambda: bool(window.state.get("real_time_signals")))
    signal = window.state.get("real_time_signals")[0]
    assert (signal["type"], signal["reason"], signal["simulated"]) == ("BUY", "Price rose +3.00%", False)
    wait(qtbot, lambda: [s.price for s in window.desk.signals.model.signals()] == [103.0])  # a turn later


def test_twenty_quick_starts_and_stops(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    for _ in range(20):
        window.control_bar.scan_button.click()
        QApplication.processEvents()
    assert window.control_bar.scan_button.text() == "▶️ Start Scan"
    wait(qtbot, lambda: window.control_bar.feed_text() == "Scan stopped")
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: sum(t.name.startswith("feed-") for t in threading.enumerate()) == 1)


def test_start_again_asks_for_the_symbols_as_they_are_now(qtbot: Any, market: StubMarket) -> None:
    """Symbols that were added while nothing was scanned, even before the engine ran, are watched."""
    market.set("CRYPTO:SOL", 20.0, 20.0)
    window = MainWindow(crypto_config("BTC"), source_factory=market.source)
    window.desk.symbols.add_text("SOL")
    show(qtbot, window)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:SOL") is RowState.LIVE)
    window.desk.symbols.add_text("ETH")
    wait(qtbot, lambda: state_of(window, "CRYPTO:ETH") is RowState.LIVE)
    assert window.desk.ticker.model().total == 3


def test_nothing_to_scan_is_said(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.desk.symbols.remove(window.desk.symbols.instruments())
    window.control_bar.scan_button.click()
    assert "add some in the Symbols tab" in window.notice_bar.sentence
    assert window.control_bar.scan_button.text() == "▶️ Start Scan"


def test_more_symbols_than_may_be_asked_for_are_explained(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, crypto_config("BTC", "ETH", max_live_symbols=1))
    window.start_scan()
    assert "2 symbols are listed" in window.notice_bar.sentence
    assert "first 1" in window.notice_bar.sentence
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert price_of(window, "CRYPTO:ETH") is None


def test_an_unknown_symbol_is_said_once(qtbot: Any, market: StubMarket) -> None:
    market.unknown.add("CRYPTO:NOPE")
    window = stub_window(qtbot, market, crypto_config("BTC", "NOPE"))
    window.start_scan()
    wait(qtbot, says(window, "CRYPTO:NOPE"))
    wait(qtbot, lambda: state_of(window, "CRYPTO:NOPE") is RowState.UNKNOWN)
    window.notice_bar.dismiss()
    window.stop_scan()
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: state_of(window, "CRYPTO:NOPE") is RowState.UNKNOWN)
    assert window.notice_bar.sentence == ""


def test_a_feed_that_cannot_be_made_gives_the_button_back(qtbot: Any, caplog: Any) -> None:
    def broken(*_: Any) -> Any:
        raise refused()

    window = show(qtbot, MainWindow(crypto_config(), source_factory=broken))
    window.start_scan()
    wait(qtbot, says(window, "cannot be reached"))
    wait(qtbot, lambda: window.control_bar.scan_button.text() == "▶️ Start Scan")


def test_a_broken_slot_of_ours_is_logged_and_stops_nothing(
    qtbot: Any, market: StubMarket, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = stub_window(qtbot, market)

    def broken(_snapshot: Any) -> None:
        raise ZeroDivisionError("in a panel")

    for handlers in window.link._handlers.values():
        handlers.insert(0, broken)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert "could not show" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# --- the end ------------------------------------------------------------------------------------------


def test_no_end_takes_longer_than_three_seconds() -> None:
    assert CHANNELS_END + ENGINE_ENDS <= END_SECONDS
    assert FEED_ENDS < ENGINE_ENDS


def ends_in_time(window: MainWindow) -> None:
    """Close the window and see that all its threads are gone.

    The limits are far off (see `conftest.py`): what is told to end must do so by itself.
    """
    window.close()
    assert not window.worker.isRunning()
    assert [t.name for t in threading.enumerate() if t.name.startswith(("feed-", "notify-", "source"))] == []


def test_close_before_it_was_shown(qtbot: Any) -> None:
    window = MainWindow()
    keep(qtbot, window)
    ends_in_time(window)


def test_close_right_after_show(qtbot: Any, market: StubMarket) -> None:
    window = MainWindow(crypto_config(), source_factory=market.source)
    keep(qtbot, window)
    window.show()
    ends_in_time(window)
    for _ in range(5):
        QApplication.processEvents()
    assert not window.worker.isRunning()


def test_close_twice_and_press_start_afterwards(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.start_scan()
    ends_in_time(window)
    ends_in_time(window)
    window.start_scan()
    window.on_ws_signal_triggered(dict(SIGNAL))
    QApplication.processEvents()
    assert not window.worker.isRunning()


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
def test_close_while_it_starts(qtbot: Any, market: StubMarket, turns: int) -> None:
    window = stub_window(qtbot, market)
    window.start_scan()
    for _ in range(turns):
        QApplication.processEvents()
    ends_in_time(window)


@pytest.mark.parametrize("source", ["tvdatafeed", "yfinance"])
def test_close_in_mid_request_to_a_silent_server(qtbot: Any, source: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = _silent_config(source, port)
        window = show(qtbot, MainWindow(config, budgets=BudgetRegistry(SystemClock())))
        window.start_scan()
        connection, _ = _accept(qtbot, server)
        with connection:
            ends_in_time(window)


def test_close_while_a_message_and_a_request_wait_for_silent_servers(qtbot: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as prices, socket.create_server(("127.0.0.1", 0)) as chat:
        config = _silent_config("yfinance", prices.getsockname()[1], telegram=chat.getsockname()[1])
        window = show(qtbot, MainWindow(config, budgets=BudgetRegistry(SystemClock())))
        window.start_scan()
        window.on_ws_signal_triggered(dict(SIGNAL))
        one, _ = _accept(qtbot, prices)
        two, _ = _accept(qtbot, chat)
        with one, two:
            ends_in_time(window)


def test_the_last_word_of_the_alerts_is_stored(qtbot: Any) -> None:
    """What was not delivered when the window closes is in the log of the next start."""
    from core.storage.memory_store import MemoryStore

    store = MemoryStore()
    store.close = lambda: None  # type: ignore[method-assign]
    config = {"real_time": {"telegram": {"enabled": True, "bot_token": "1:x", "chat_id": "1",
                                         "api_base": "http://127.0.0.1:9"},
                            "notification_channels": {"telegram": True, "desktop": False}}}  # fmt: skip
    window = show(qtbot, MainWindow(config, open_store=lambda _: store))
    window.on_ws_signal_triggered(dict(SIGNAL))
    ends_in_time(window)
    assert {delivery.status for delivery in store.deliveries() if delivery.channel == "telegram"} == {
        "failed"
    }


def test_the_worker_thread_is_not_the_windows(qtbot: Any, market: StubMarket) -> None:
    threads: set[Any] = set()
    window = MainWindow(crypto_config(), source_factory=market.source)

    def note(frame: Frame) -> None:
        threads.add(QThread.currentThread())

    window.link.frame.connect(note)
    show(qtbot, window)
    window.start_scan()
    wait(qtbot, lambda: bool(threads))
    assert threads == {window.thread()}


def test_what_was_entered_while_the_engine_was_down_is_logged_at_the_end(
    qtbot: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from decimal import Decimal

    window = MainWindow()
    keep(qtbot, window)
    monkeypatch.setattr(window.worker, "start", lambda *_: None)
    position = Position(
        symbol="ASELS", exchange="BIST", quantity=Decimal(10), entry_price=Decimal("45.5"), opened_at=0.0
    )
    window.link.post(OpenPosition(position=position))
    caplog.set_level(logging.ERROR)
    window.close()
    assert "ASELS" in caplog.text
    assert "45.5" in caplog.text


def _silent_config(source: str, port: int, telegram: int = 0) -> Config:
    chat = {"enabled": True, "bot_token": "1:x", "chat_id": "1", "api_base": f"http://127.0.0.1:{telegram}"}
    return parse_config({
        "exchange": "CRYPTO", "symbols": ["BTC"], "language": "en",
        "websocket": {"endpoint": f"ws://127.0.0.1:{port}/socket.io/websocket"},
        "real_time": {
            "live_data_source": source, "allow_simulation": False, "yahoo_base": f"http://127.0.0.1:{port}",
            "notification_channels": {"desktop": False, "telegram": bool(telegram)},
            "telegram": chat if telegram else {},
        },
    })  # fmt: skip


def _accept(qtbot: Any, server: socket.socket) -> Any:
    """The next connection to `server`, while the window goes on."""
    server.setblocking(False)
    found: list[Any] = []

    def arrived() -> bool:
        try:
            found.append(server.accept())
        except BlockingIOError:
            return False
        return True

    wait(qtbot, arrived)
    return found[0]


def test_speaks_turkish_from_the_start(qtbot: Any) -> None:
    window = MainWindow({"language": "tr"})
    keep(qtbot, window)
    assert window.control_bar.scan_button.text() == "▶️ Taramayı Başlat"
    set_language("en")
    window.close()
