"""Toasts in the window, and work that other threads have done by the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication, QDockWidget, QLineEdit, QMainWindow, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from core.errors import DeliveryError
from gui.notifications.gui_call import GuiCaller
from gui.notifications.toast import MAX_TOASTS, ToastStack
from gui.theme import apply_theme, colors
from tests.notification_fakes import signal
from tests.patience import FOREVER, PATIENCE


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(900, 600)
    window.setCentralWidget(QWidget())
    window.statusBar().showMessage("ready")
    window.show()
    qtbot.waitExposed(window)
    return window


@pytest.fixture
def stack(window: QMainWindow) -> Iterator[ToastStack]:
    stack = ToastStack(window)
    yield stack
    stack.clear()


def test_toasts_stack_in_the_corner_above_the_status_bar(stack: ToastStack, window: QMainWindow) -> None:
    for number in range(MAX_TOASTS + 1):
        stack.show_message(signal(f"S{number}"))
    assert [toast.message.symbol for toast in stack.toasts] == ["S1", "S2", "S3"]

    def assert_in_place() -> None:
        rects = [toast.geometry() for toast in stack.toasts]
        assert all(window.rect().contains(rect) for rect in rects)
        assert rects[-1].bottom() < window.statusBar().geometry().top()
        assert rects[-1].right() > window.width() - 40
        assert all(upper.bottom() < lower.top() for upper, lower in pairwise(rects))

    assert_in_place()
    window.resize(1200, 800)
    assert_in_place()


def test_toasts_leave_a_zone_with_buttons_free(stack: ToastStack, window: QMainWindow) -> None:
    dock = QDockWidget(window)
    dock.setProperty("keepFree", True)
    window.addDockWidget(Qt.RightDockWidgetArea, dock)
    window.resizeDocks([dock], [250], Qt.Horizontal)
    stack.show_message(signal("A"))
    (toast,) = stack.toasts
    assert not toast.geometry().intersects(dock.geometry())
    dock.setFloating(True)
    stack.show_message(signal("B"))
    assert stack.toasts[-1].geometry().right() > window.width() - 40
    dock.setFloating(False)
    dock.close()


def test_a_click_closes_a_toast(qtbot: QtBot, stack: ToastStack) -> None:
    stack.show_message(signal("A"))
    stack.show_message(signal("B"))
    qtbot.mouseClick(stack.toasts[0], Qt.LeftButton, pos=QPoint(20, 10))
    qtbot.waitUntil(lambda: [toast.message.symbol for toast in stack.toasts] == ["B"])


def test_a_toast_goes_by_itself_but_not_under_the_mouse(qtbot: QtBot, stack: ToastStack) -> None:
    stack.show_message(signal("A"))
    (toast,) = stack.toasts
    QApplication.sendEvent(toast, _event("Enter"))
    assert not toast._life.isActive()
    toast._life.setInterval(1)
    QApplication.sendEvent(toast, _event("Leave"))
    qtbot.waitUntil(lambda: stack.toasts == ())


def _event(name: str) -> Any:
    from PyQt5.QtCore import QEvent

    return QEvent(getattr(QEvent, name))


def test_escape_closes_the_newest_but_only_if_nobody_else_wants_it(
    qtbot: QtBot, window: QMainWindow, stack: ToastStack
) -> None:
    field = QLineEdit()
    layout = QVBoxLayout(window.centralWidget())
    layout.addWidget(field)
    field.show()
    window.activateWindow()
    field.setFocus()
    for symbol in "AB":
        stack.show_message(signal(symbol))
    assert window.focusWidget() is field
    QTest.keyClick(field, Qt.Key_A)
    QTest.keyClick(field, Qt.Key_Escape)
    qtbot.waitUntil(lambda: [toast.message.symbol for toast in stack.toasts] == ["A"])
    QTest.keyClick(field, Qt.Key_Escape)
    qtbot.waitUntil(lambda: stack.toasts == ())
    QTest.keyClick(field, Qt.Key_Escape)
    assert field.text() == "a"


def test_side_and_simulation_are_told_by_word_colour_and_mark(qtbot: QtBot, stack: ToastStack) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    stack.show_message(signal("A", "SELL", title="SIMULATED: ↓ SELL A", simulated=True))
    (toast,) = stack.toasts
    texts = [label.text() for label in toast.findChildren(type(toast).__mro__[1]) if hasattr(label, "text")]
    assert texts == ["SIMULATED: ↓ SELL A", "because", "Simulated: no real prices"]
    assert (toast.property("side"), toast.property("simulated")) == ("sell", True)
    for theme in ("light", "dark"):
        apply_theme(app, theme)
        assert str(colors().down) in toast.styleSheet()
        assert str(colors().simulated) in toast.styleSheet()
    assert toast.focusPolicy() == Qt.NoFocus


def test_markup_in_a_message_is_shown_as_it_is(stack: ToastStack) -> None:
    stack.show_message(signal(title="<b>A</b>"))
    (toast,) = stack.toasts
    assert toast.layout().itemAt(0).widget().textFormat() == Qt.PlainText  # type: ignore[attr-defined]


# Work for the GUI thread


def _in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except DeliveryError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_work_is_done_in_the_gui_thread(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(threading.get_ident, PATIENCE))
    qtbot.waitUntil(lambda: bool(outcome))
    thread.join()
    assert outcome == [threading.get_ident()]
    assert caller.call(lambda: 7, 5.0) == 7


def test_work_that_the_gui_thread_is_too_busy_for_is_never_done(qtbot: QtBot) -> None:
    caller, done = GuiCaller(), []
    thread, outcome = _in_thread(lambda: caller.call(lambda: done.append(1), 0.02))
    thread.join()
    assert "did not respond" in str(outcome[0])
    thread, _ = _in_thread(lambda: caller.call(lambda: done.append(2), PATIENCE))  # it comes after that
    qtbot.waitUntil(lambda: bool(done))
    thread.join()
    assert done == [2]


def test_waiting_work_can_be_cancelled(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(lambda: None, FOREVER))
    while not caller._jobs:
        thread.join(0.001)
    caller.cancel()
    thread.join(PATIENCE)
    assert isinstance(outcome[0], DeliveryError)
    thread, outcome = _in_thread(lambda: caller.call(lambda: None, FOREVER))
    thread.join(PATIENCE)
    assert "closed" in str(outcome[0])


@pytest.mark.allow_log("a notification could not be shown")
def test_a_bug_in_the_gui_thread_comes_back_as_a_failure(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(lambda: 1 // 0, PATIENCE))
    qtbot.waitUntil(lambda: bool(outcome))
    thread.join()
    assert "ZeroDivisionError" in str(outcome[0])
