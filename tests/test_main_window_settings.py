"""Settings through the real window: applied while it runs, saved or not, and which database they mean."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QAbstractButton, QApplication

from core.clock import SystemClock
from core.config import ChannelsConfig, Config
from core.config_file import load_config
from core.errors import StorageError
from core.feed.budget import BudgetRegistry
from core.i18n import language
from core.model import Instrument, Position
from core.session import ConfigStore, Session
from gui import theme
from gui.dialogs.settings_dialog import SettingsDialog
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from tests.window_helpers import StubMarket, crypto_config, price_of, says, show, state_of, stub_window, wait


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=50.0)


@pytest.fixture
def store(tmp_path: Path) -> ConfigStore:
    """The user's own file, with keys in his order."""
    path = tmp_path / "swing_config.json"
    path.write_text('{"theme": "dark", "symbols": ["BTC", "ETH"], "exchange": "CRYPTO"}', "utf-8")
    return ConfigStore(path, path)


def change(window: MainWindow, **fields: Any) -> None:
    """Apply the window's configuration with other fields; `real_time__x` is a field of that section."""
    config = window.settings._config
    live = {name.removeprefix("real_time__"): fields.pop(name) for name in list(fields) if "__" in name}
    window.settings.apply(replace(config, real_time=replace(config.real_time, **live), **fields))


def relay_language() -> None:
    QApplication.sendPostedEvents(None, QEvent.LanguageChange)


def texts(window: MainWindow) -> list[str]:
    found = [button.text() for button in window.findChildren(QAbstractButton)]
    found += [action.text() for action in window.actions_._named.values()]
    return found + [dock.windowTitle() for dock in window.docks._docks.values()]


def test_the_language_changes_everywhere_at_once(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.start_scan()
    english = texts(window)
    window.control_bar._language.click()
    relay_language()
    assert language() == "tr"
    assert window.control_bar.scan_button.text() == "⏹ Durdur"
    wait(qtbot, lambda: window.control_bar.feed_text().startswith("Veri: yfinance"))
    same = {text for text in texts(window) if text in english and len(text) > 2}
    assert same <= {"Toast", "Telegram", "Log", "Swing Hunter"} | {text for text in same if "●" in text}
    window.control_bar._language.click()
    relay_language()
    assert texts(window) == english


def test_the_theme_changes_at_once(qtbot: Any, market: StubMarket) -> None:
    theme.apply_theme(QApplication.instance(), "dark")
    window = stub_window(qtbot, market, replace(crypto_config(), theme="dark"))
    window.control_bar._theme.click()
    assert not theme.is_dark()
    window.control_bar._theme.click()
    assert theme.is_dark()


def test_a_change_is_saved_and_only_that(qtbot: Any, market: StubMarket, store: ConfigStore) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    change(window, theme="light", real_time__signal_threshold_pct=3.5)
    saved = json.loads(store.target.read_text("utf-8"))
    assert list(saved) == ["theme", "symbols", "exchange", "real_time"]
    assert saved["theme"] == "light"
    assert saved["real_time"] == {"signal_threshold_pct": 3.5}


def test_a_threshold_holds_from_now_on(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, crypto_config(signal_threshold_pct=50.0))
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    market.set("CRYPTO:BTC", 105.0)
    wait(qtbot, lambda: price_of(window, "CRYPTO:BTC") == 105.0)
    assert not window.state.get("real_time_signals")
    change(window, real_time__signal_threshold_pct=1.0)
    market.set("CRYPTO:BTC", 105.5)
    wait(qtbot, lambda: bool(window.state.get("real_time_signals")))


def test_a_change_of_the_feed_restarts_it(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, crypto_config(max_live_symbols=1))
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert price_of(window, "CRYPTO:ETH") is None
    change(window, real_time__max_live_symbols=2)
    wait(qtbot, lambda: state_of(window, "CRYPTO:ETH") is RowState.LIVE)
    assert window.desk.symbols.model().limit == 2
    assert len(market.sources) == 2
    assert window.control_bar.scan_button.text() == "⏹ Stop"


def test_a_change_of_the_looks_does_not_restart_the_feed(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    change(window, flash_changes=False)
    market.set("CRYPTO:BTC", 101.0)
    wait(qtbot, lambda: price_of(window, "CRYPTO:BTC") == 101.0)
    assert len(market.sources) == 1


def test_what_cannot_be_saved_changes_nothing(
    qtbot: Any, market: StubMarket, store: ConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    before = store.target.read_text("utf-8")

    def full(*_: Any, **__: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr("core.session.save_config", full)
    monkeypatch.setattr("core.session.save_changes", full)
    change(window, language="tr")
    assert window.notice_bar.sentence == "The settings could not be saved: The disk is full."
    assert language() == "en"
    window.notice_bar.dismiss()
    window.desk.symbols.add_text("SOL")
    assert says(window, "The disk is full.")()
    assert len(window.desk.symbols.instruments()) == 3
    assert store.target.read_text("utf-8") == before


def test_a_file_broken_meanwhile_is_not_overwritten(
    qtbot: Any, market: StubMarket, store: ConfigStore
) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    store.target.write_text('{"theme": "dark",', "utf-8")
    change(window, theme="light")
    assert window.notice_bar.sentence.startswith("The settings could not be saved")
    assert store.target.read_text("utf-8") == '{"theme": "dark",'


def test_the_symbols_are_remembered_with_their_exchange(
    qtbot: Any, market: StubMarket, store: ConfigStore
) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    window.desk.symbols.add_text("NASDAQ:AAPL")
    window.desk.symbols.remove([Instrument("CRYPTO", "BTC")])
    assert load_config(store.target).symbols == ("ETH", "NASDAQ:AAPL")
    assert window.desk.ticker.model().total == 2


def settings_dialog(qtbot: Any, window: MainWindow) -> SettingsDialog:
    window.control_bar._settings.click()
    wait(qtbot, lambda: bool(window.findChildren(SettingsDialog)))
    dialog: SettingsDialog = window.findChildren(SettingsDialog)[0]
    return dialog


def enter(dialog: SettingsDialog, path: str, value: Any) -> None:
    """As a person enters `value`."""
    dialog._page_of[path].editor(path).set_value(value)
    dialog._on_edited(path)


def test_the_dialog_applies_and_tells_what_cannot_be_saved(
    qtbot: Any, market: StubMarket, store: ConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    dialog = settings_dialog(qtbot, window)
    enter(dialog, "real_time.max_live_symbols", 1)
    dialog.apply_button.click()
    assert load_config(store.target).real_time.max_live_symbols == 1
    assert window.desk.symbols.model().limit == 1

    def full(*_: Any, **__: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr("core.session.save_config", full)
    enter(dialog, "real_time.max_live_symbols", 2)
    dialog.apply_button.click()
    assert "The disk is full." in dialog.status.text()
    assert window.desk.symbols.model().limit == 1
    dialog.reject()


def test_another_exchange_leaves_the_symbols_what_they_were(
    qtbot: Any, market: StubMarket, store: ConfigStore
) -> None:
    window = stub_window(qtbot, market, store.load(), config_store=store)
    dialog = settings_dialog(qtbot, window)
    enter(dialog, "exchange", "NASDAQ")
    dialog.apply_button.click()
    assert load_config(store.target).symbols == ("CRYPTO:BTC", "CRYPTO:ETH")
    enter(dialog, "flash_changes", False)
    dialog.apply_button.click()
    assert load_config(store.target).symbols == ("CRYPTO:BTC", "CRYPTO:ETH")
    enter(dialog, "symbols", ("BTC", "AAPL"))
    dialog.ok_button.click()
    assert load_config(store.target).symbols == ("CRYPTO:BTC", "AAPL")
    keys = [instrument.key for instrument in window.desk.symbols.instruments()]
    assert keys == ["CRYPTO:BTC", "NASDAQ:AAPL"]
    assert window.desk.ticker.model().total == 2
    assert "NASDAQ" in window.control_bar._clock.text()


def test_channels_show_what_is_configured(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, crypto_config(enable_notifications=True))
    buttons = window.desk.notifications.test_buttons
    assert "on" in buttons["toast"].text()
    assert "off" in buttons["telegram"].text()
    change(window, real_time__notification_channels=ChannelsConfig(toast=False, desktop=False))
    assert "off" in buttons["toast"].text()


def test_a_test_message_is_sent_though_everything_is_off(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.desk.notifications.test_buttons["toast"].click()
    log = window.desk.notifications.model
    wait(qtbot, lambda: any(d.status == "delivered" for d in log.all_rows()))


# --- real and simulated ---------------------------------------------------------------------------------


def test_choosing_the_simulator_changes_the_database_and_says_so(
    qtbot: Any, market: StubMarket, data_dir: Path
) -> None:
    session = Session(config=crypto_config(), data_dir=data_dir)
    window = show(qtbot, MainWindow(
        session.config, source_factory=market.source, open_store=session.open_store,
        budgets=BudgetRegistry(SystemClock()),
    ))  # fmt: skip
    held = lambda: [row.position.note for row in window.desk.positions._snapshot.rows]  # noqa: E731
    window.desk.positions.open_requested.emit(_position("real"))
    wait(qtbot, lambda: held() == ["real"])
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    change(window, real_time__live_data_source="simulation")
    assert "kept in a database of their own" in window.notice_bar.sentence
    wait(qtbot, lambda: held() == [])
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.SIMULATED)
    window.desk.positions.open_requested.emit(_position("made up"))
    wait(qtbot, lambda: held() == ["made up"])
    change(window, real_time__live_data_source="yfinance")
    assert "Real prices are chosen again" in window.notice_bar.sentence
    wait(qtbot, lambda: held() == ["real"])
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert {path.name for path in data_dir.glob("*.db")} == {"swing_hunter.db", "simulation.db"}


def test_the_demo_shows_everything_and_saves_nothing(qtbot: Any, data_dir: Path, store: ConfigStore) -> None:
    from core.session import prepare_session

    before = store.target.read_text("utf-8")
    session = prepare_session(store.source, data_dir, demo=True)
    config = replace(session.config, real_time=replace(session.config.real_time, enable_notifications=False))
    window = show(qtbot, MainWindow(
        config, config_store=session.config_store, open_store=session.open_store, demo=True
    ))  # fmt: skip
    assert "demo" in window.windowTitle()
    assert window.control_bar.scan_button.text() == "⏹ Stop"
    rows = lambda: window.desk.positions._snapshot.rows  # noqa: E731
    wait(qtbot, lambda: len(rows()) >= 4 and all(row.price is not None for row in rows()))
    assert all(abs(row.open_pnl_pct) < 25 for row in rows()), [row.open_pnl_pct for row in rows()]
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.SIMULATED)
    change(window, language="tr", theme="light")
    window.desk.symbols.add_text("SOL")
    window.close()
    assert store.target.read_text("utf-8") == before
    assert {path.name for path in data_dir.glob("*.db")} == {"demo.db"}
    assert not (data_dir / "swing_config.json").exists()


def test_a_config_that_is_given_as_a_value_is_never_written(
    qtbot: Any, market: StubMarket, data_dir: Path
) -> None:
    window = stub_window(qtbot, market, Config(exchange="CRYPTO", symbols=("BTC",), language="en"))
    change(window, theme="light")
    window.close()
    assert list(data_dir.iterdir()) == []


def _position(note: str) -> Position:
    return Position(
        symbol="BTC",
        exchange="CRYPTO",
        quantity=Decimal(1),
        entry_price=Decimal(90),
        opened_at=0.0,
        note=note,
    )
