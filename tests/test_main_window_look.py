"""The main window's layout, keys and names: what a person finds without a mouse, or after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PyQt5.QtCore import QEvent, QSettings, Qt
from PyQt5.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QTabBar,
    QWidget,
)

from core.i18n import set_language
from core.model import FeedStatus, SourceStatus
from gui import theme
from gui.dialogs.about import AboutDialog
from gui.dialogs.position_dialog import PositionDialog
from gui.dialogs.settings_dialog import SettingsDialog
from gui.main_window.layout import LAYOUT_FILE, STRUCTURE
from gui.main_window.main_window import MainWindow
from gui.main_window.notice_bar import INFO_MS, NoticeBar
from gui.models.tick_row import RowState
from tests.window_helpers import StubMarket, says, show, state_of, stub_window, wait


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=50.0)


def is_qts(button: QAbstractButton) -> bool:
    """Whether it is a part of another widget: a table's corner, a field's picture, a bar's arrows."""
    named = button.objectName().startswith("qt_") or type(button) is QAbstractButton
    return named or isinstance(button.parent(), QLineEdit | QTabBar)


def activate(qtbot: Any, window: MainWindow) -> None:
    """Give the window the keyboard."""
    window.activateWindow()
    wait(qtbot, window.isActiveWindow)


def press(qtbot: Any, widget: QWidget, key: int, *, ctrl: bool = True) -> None:
    qtbot.keyClick(widget, key, Qt.ControlModifier if ctrl else Qt.NoModifier)


# --- layout -------------------------------------------------------------------------------------------


def laid_out(qtbot: Any, data_dir: Path | None) -> MainWindow:
    return show(qtbot, MainWindow({"real_time": {"enable_notifications": False}}, data_dir=data_dir))


def area(window: MainWindow, name: str) -> int:
    return int(window.dockWidgetArea(window.docks[name]))


def test_moved_docks_are_where_they_were(qtbot: Any, data_dir: Path) -> None:
    window = laid_out(qtbot, data_dir)
    window.addDockWidget(Qt.RightDockWidgetArea, window.docks["signals"])
    window.docks["trades"].setFloating(True)
    window.resize(1340, 700)
    window.close()
    again = laid_out(qtbot, data_dir)
    assert area(again, "signals") == Qt.RightDockWidgetArea
    assert again.docks["trades"].isFloating()
    assert (again.width(), again.height()) == (1340, 700)
    again.actions_._named["reset_layout"].trigger()
    assert area(again, "signals") == Qt.BottomDockWidgetArea
    assert not again.docks["trades"].isFloating()


@pytest.mark.qt_log_ignore("QVariant::load")
@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff" * 400, b"[General]\nstate=@ByteArray(nonsense)\ngeometry=@ByteArray(nonsense)\n",
     b"[General]\nstate=@Variant(\\0\\0\\0\\x7f\\0)\ngeometry=7\n", b"[General]\nstate=@Invalid()\n"],
    ids=["empty", "binary", "nonsense", "foreign", "invalid"],
)  # fmt: skip
def test_a_damaged_layout_is_ignored(qtbot: Any, data_dir: Path, content: bytes) -> None:
    (data_dir / LAYOUT_FILE).write_bytes(content)
    window = laid_out(qtbot, data_dir)
    assert area(window, "live_prices") == Qt.LeftDockWidgetArea
    docks = [dock for name, dock in window.docks._docks.items() if name != "chart"]
    assert all(dock.isVisible() or window.tabifiedDockWidgets(dock) for dock in docks)
    assert window.docks["chart"].isHidden()


def test_a_layout_of_another_version_is_ignored(qtbot: Any, data_dir: Path) -> None:
    other = QMainWindow()
    qtbot.addWidget(other)
    dock = QDockWidget("x", other)
    dock.setObjectName("dock_signals")
    other.addDockWidget(Qt.LeftDockWidgetArea, dock)
    settings = QSettings(str(data_dir / LAYOUT_FILE), QSettings.IniFormat)
    settings.setValue("state", other.saveState(STRUCTURE + 1))
    settings.sync()
    window = laid_out(qtbot, data_dir)
    assert area(window, "signals") == Qt.BottomDockWidgetArea


def test_a_layout_that_cannot_be_stored_is_only_logged(qtbot: Any, data_dir: Path, caplog: Any) -> None:
    window = laid_out(qtbot, data_dir)
    (data_dir / LAYOUT_FILE).mkdir()
    window.close()
    assert "layout could not be stored" in caplog.text


def test_docks_can_be_moved_when_unlocked(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    assert window.docks["signals"].titleBarWidget() is not None
    window.actions_._named["move_panels"].trigger()
    assert window.docks["signals"].titleBarWidget() is None
    window.actions_._named["move_panels"].trigger()
    assert window.docks["signals"].titleBarWidget() is not None


# --- keys ---------------------------------------------------------------------------------------------


def test_f5_starts_and_stops(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    activate(qtbot, window)
    press(qtbot, window, Qt.Key_F5, ctrl=False)
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    press(qtbot, window, Qt.Key_F5, ctrl=False)
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.STALE)


def test_ctrl_f_finds_the_filter_wherever_it_is(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    activate(qtbot, window)
    window.docks["symbols"].raise_()
    wait(qtbot, lambda: window.desk.ticker.visibleRegion().isEmpty())
    press(qtbot, window, Qt.Key_F)
    wait(qtbot, lambda: not window.desk.ticker.visibleRegion().isEmpty())
    wait(qtbot, window.desk.ticker._filter.hasFocus)


@pytest.mark.parametrize(
    ("key", "name"),
    [(Qt.Key_1, "live_prices"), (Qt.Key_2, "positions"), (Qt.Key_3, "signals"), (Qt.Key_4, "notifications")],
)
def test_ctrl_numbers_go_to_the_zones(qtbot: Any, key: int, name: str) -> None:
    window = laid_out(qtbot, None)
    activate(qtbot, window)
    for behind in ("symbols", "trades", "log"):
        window.docks[behind].raise_()
    press(qtbot, window, key)
    panel = window.docks[name].widget()
    wait(qtbot, lambda: not panel.visibleRegion().isEmpty())
    focus = QApplication.focusWidget()
    assert focus is not None
    assert panel is focus or panel.isAncestorOf(focus)


@pytest.mark.parametrize(
    ("key", "ctrl", "kind"),
    [(Qt.Key_N, True, PositionDialog), (Qt.Key_Comma, True, SettingsDialog), (Qt.Key_F1, False, AboutDialog)],
)
def test_dialogs_by_their_keys(qtbot: Any, key: int, ctrl: bool, kind: type[QDialog]) -> None:
    window = laid_out(qtbot, None)
    activate(qtbot, window)
    press(qtbot, window, key, ctrl=ctrl)
    wait(qtbot, lambda: bool(window.findChildren(kind)))
    (dialog,) = window.findChildren(kind)
    assert dialog.isVisible()
    qtbot.keyClick(dialog, Qt.Key_Escape)
    wait(qtbot, lambda: not window.findChildren(kind))


def test_ctrl_q_ends_it(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    activate(qtbot, window)
    press(qtbot, window, Qt.Key_Q)
    assert not window.isVisible()
    assert not window.worker.isRunning()


def test_esc_dismisses_the_notice(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    activate(qtbot, window)
    window.on_ws_error_occurred("The disk is full.")
    press(qtbot, window.desk.positions.table, Qt.Key_Escape, ctrl=False)
    assert window.notice_bar.sentence == ""


# --- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["en", "tr"])
def test_every_icon_button_has_a_name_and_a_tooltip(qtbot: Any, word: str) -> None:
    window = show(qtbot, MainWindow({"language": word, "real_time": {"enable_notifications": False}}))
    nameless = [
        f"{type(button).__name__} in {type(button.parent()).__name__}"
        for button in window.findChildren(QAbstractButton)
        if not button.text() and not button.isHidden() and not is_qts(button)
        if not (button.accessibleName() and button.toolTip())
    ]
    assert nameless == []
    set_language("en")


def test_every_action_has_words_in_both_languages(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    for word in ("tr", "en"):
        set_language(word)
        window.retranslate()
        assert all(action.text() for action in window.actions_._named.values())
        assert all(menu.title() for menu in window.actions_._menus.values())


# --- the strips ---------------------------------------------------------------------------------------


def test_the_gravest_notice_is_shown_first(qtbot: Any) -> None:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    bar.say("info", "first")
    assert bar.sentence == "first"
    assert bar._timer.interval() == INFO_MS
    bar.say("warning", "a warning")
    bar.say("error", "an error")
    bar.say("warning", "another warning")
    bar.say("warning", "another warning")
    bar.say("info", "unimportant")
    assert (bar.sentence, bar._more.text()) == ("an error", "2 more")
    bar.dismiss()
    assert bar.sentence == "another warning"
    bar.withdraw("another warning")
    assert (bar.sentence, bar._more.text()) == ("a warning", "")
    bar.dismiss()
    assert bar.sentence == ""
    bar.dismiss()
    bar.say("info", "gone in a while")
    bar._timer.timeout.emit()
    assert bar.sentence == ""


def test_the_feeds_state_is_said_with_its_colour_and_details(qtbot: Any) -> None:
    window = laid_out(qtbot, None)
    now = window._clock.time()
    status = FeedStatus(
        state="offline", budget=16, used=4,
        sources=(
            SourceStatus(name="tvdatafeed", state="failing", last_error="refused", next_try=now + 30),
            SourceStatus(name="yfinance", state="blocked", last_error="too often", next_try=now + 12.4),
        ),
    )  # fmt: skip
    window.link.tell(status)
    assert window.control_bar.feed_text() == "No connection. Trying yfinance again in 12 s"
    assert "failing (refused)" in window.control_bar._feed.toolTip()
    assert window.control_bar._budget.text() == "4/16 req/min"
    assert window.money_bar._connection.text() == "● not connected"
    assert str(theme.colors().down) in window.control_bar._dot.styleSheet()
    window.link.tell(FeedStatus(state="simulated", active="simulation", sources=status.sources))
    assert "Simulated: no real prices" in window.control_bar.feed_text()
    assert window.money_bar._connection.text() == "● simulated"
    theme.theme_signals().changed.emit()
    assert str(theme.colors().simulated) in window.control_bar._dot.styleSheet()


def test_everything_fits_at_the_smallest_usual_screen(qtbot: Any) -> None:
    for word in ("en", "tr"):
        window = show(qtbot, MainWindow({"language": word, "real_time": {"enable_notifications": False}}))
        window.resize(1366, 740)
        QApplication.sendPostedEvents(None, QEvent.LayoutRequest)
        assert (window.width(), window.height()) == (1366, 740)
        button = window.control_bar.scan_button
        assert button.width() >= button.sizeHint().width()
        window.close()
    set_language("en")


def test_a_start_without_symbols_says_what_to_do(qtbot: Any) -> None:
    window = show(qtbot, MainWindow({"symbols": [], "real_time": {"enable_notifications": False}}))
    window.start_scan()
    assert says(window, "add some in the Symbols tab")()
