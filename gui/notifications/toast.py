"""Toasts: short notes in a corner of the window that go away by themselves."""

from __future__ import annotations

from PyQt5.QtCore import QEasingCurve, QEvent, QObject, QPropertyAnimation, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QKeyEvent, QMouseEvent
from PyQt5.QtWidgets import (
    QDockWidget,
    QFrame,
    QGraphicsOpacityEffect,
    QLabel,
    QStatusBar,
    QVBoxLayout,
    QWidget,
)

from core.i18n import tr
from core.notifications.message import Kind, Message
from gui.theme import BASE_PX, SMALL_PX, Colors, colors, theme_signals

MAX_TOASTS = 3
WIDTH = 330
_MARGIN = 16
_GAP = 8
_FADE_MS = 180
_SHOWN_MS = {Kind.SIGNAL: 7000, Kind.RISK: 12000, Kind.ERROR: 12000, Kind.BOT: 9000, Kind.TEST: 5000}


class Toast(QFrame):
    """One note. A click closes it, the mouse over it keeps it, and it never takes the keyboard's focus."""

    closed = pyqtSignal(object)

    def __init__(self, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("toast")
        self.setProperty("side", message.side.lower())
        self.setProperty("kind", message.kind.value)
        self.setProperty("simulated", message.simulated)
        self.setAttribute(Qt.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WA_StyledBackground)
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.NoFocus)
        self.setCursor(Qt.PointingHandCursor)
        self.setToolTip(tr("notify.toast_hint"))
        self.setAccessibleName(message.title)
        self.setAccessibleDescription(message.body)
        self.setFixedWidth(WIDTH)
        self._message = message
        self._add_labels()
        self._fade = self._make_fade()
        self._life = QTimer(self)
        self._life.setSingleShot(True)
        self._life.setInterval(_SHOWN_MS[message.kind])
        self._life.timeout.connect(self.dismiss)
        self.restyle()

    @property
    def message(self) -> Message:
        """What it says."""
        return self._message

    def appear(self) -> None:
        """Show it."""
        self.show()
        self.raise_()
        self._animate(1.0)
        self._life.start()

    def dismiss(self) -> None:
        """Fade out and go."""
        if self._fade.endValue() == 0.0:
            return
        self._life.stop()
        self._animate(0.0)

    def remove(self) -> None:
        """Go at once."""
        self._life.stop()
        self._fade.stop()
        self.hide()
        self.closed.emit(self)
        self.deleteLater()

    def restyle(self) -> None:
        """Take on the theme's colours."""
        self.setStyleSheet(_sheet(self._message, colors()))
        self.adjustSize()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click closes."""
        event.accept()
        self.dismiss()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Keep the click from what lies behind."""
        event.accept()

    def enterEvent(self, event: QEvent) -> None:
        """Who points at it is reading it."""
        super().enterEvent(event)
        self._life.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Go on with the time that was set."""
        super().leaveEvent(event)
        if self._fade.endValue() != 0.0:
            self._life.start()

    def _add_labels(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 14, 10)
        layout.setSpacing(4)
        mark = tr("notify.simulated_mark") if self._message.simulated else ""
        parts = (("toastTitle", self._message.title), ("toastBody", self._message.body), ("toastMark", mark))
        for name, text in parts:
            if text:
                label = QLabel(text, self)
                label.setObjectName(name)
                label.setTextFormat(Qt.PlainText)
                label.setWordWrap(True)
                label.setMinimumWidth(WIDTH - 32)
                layout.addWidget(label)

    def _make_fade(self) -> QPropertyAnimation:
        fade = QPropertyAnimation(self)
        fade.setPropertyName(b"opacity")
        fade.setDuration(_FADE_MS)
        fade.setEasingCurve(QEasingCurve.OutCubic)
        fade.finished.connect(self._faded)
        return fade

    def _animate(self, opacity: float) -> None:
        """Fade to `opacity`. The effect is only there meanwhile: without one the toast is opaque, and the
        window's own lines between its zones are not painted over it."""
        self._fade.stop()
        effect = self.graphicsEffect()
        if effect is None:
            effect = QGraphicsOpacityEffect(self)
            effect.setOpacity(1.0 - opacity)
            self.setGraphicsEffect(effect)
            self._fade.setTargetObject(effect)
        self._fade.setStartValue(effect.property("opacity"))
        self._fade.setEndValue(opacity)
        self._fade.start()

    def _faded(self) -> None:
        if self._fade.endValue() == 0.0:
            self.remove()
        else:
            self.setGraphicsEffect(None)  # type: ignore[arg-type]  # the stubs know no None


class ToastStack(QObject):
    """The toasts of one window, newest at the bottom right, at most three. Esc closes the newest.

    A dock of the window with the property `keepFree` is not covered.
    """

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self._toasts: list[Toast] = []
        host.installEventFilter(self)
        theme_signals().changed.connect(self._restyle)

    @property
    def host(self) -> QWidget:
        """The window."""
        return self._host

    @property
    def toasts(self) -> tuple[Toast, ...]:
        """Those that are shown, oldest first."""
        return tuple(self._toasts)

    def show_message(self, message: Message) -> None:
        """Show `message`; a fourth toast takes the place of the oldest."""
        while len(self._toasts) >= MAX_TOASTS:
            self._toasts[0].remove()
        toast = Toast(message, self._host)
        toast.closed.connect(self._forget)
        self._toasts.append(toast)
        self._arrange()
        toast.appear()

    def clear(self) -> None:
        """Take all toasts away at once."""
        for toast in self.toasts:
            toast.remove()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window's size; take the Esc that nothing in the window had a use for."""
        if event.type() == QEvent.Resize:
            self._arrange()
        elif event.type() == QEvent.Paint:
            self._stay_on_top()
        elif self._toasts and isinstance(event, QKeyEvent) and event.type() == QEvent.KeyPress:
            return self._take_escape(event) or super().eventFilter(watched, event)
        return super().eventFilter(watched, event)

    def _stay_on_top(self) -> None:
        """Qt raises the grips between a window's zones whenever it arranges them anew."""
        for toast in self._toasts:
            if toast.parentWidget().children()[-1] is not toast:
                toast.raise_()

    def _take_escape(self, event: QKeyEvent) -> bool:
        if event.key() != Qt.Key_Escape or int(event.modifiers()) != int(Qt.NoModifier):
            return False
        self._toasts[-1].dismiss()
        return True

    def _forget(self, toast: Toast) -> None:
        self._toasts = [each for each in self._toasts if each is not toast]
        self._arrange()

    def _arrange(self) -> None:
        size = self._room()
        bottom = size.height() - _MARGIN
        for toast in reversed(self._toasts):
            toast.adjustSize()
            bottom -= toast.height()
            toast.move(max(0, size.width() - toast.width() - _MARGIN), max(0, bottom))
            bottom -= _GAP

    def _room(self) -> QSize:
        """The window without its status bar, where the day's figures stand, and without a zone at the right
        edge that must be kept free."""
        size = self._host.size()
        for dock in self._host.findChildren(QDockWidget, options=Qt.FindDirectChildrenOnly):
            at_edge = (
                dock.isVisible() and not dock.isFloating() and dock.geometry().right() >= size.width() - 2
            )
            if dock.property("keepFree") and at_edge and dock.x() >= WIDTH + 2 * _MARGIN:
                size.setWidth(dock.x())
        bar = self._host.findChild(QStatusBar, options=Qt.FindDirectChildrenOnly)
        if bar is not None and bar.isVisible():
            size.setHeight(size.height() - bar.height())
        return size

    def _restyle(self) -> None:
        for toast in self._toasts:
            toast.restyle()
        self._arrange()


def _sheet(message: Message, palette: Colors) -> str:
    """Side and kind are told by the edge's colour, besides the arrow and the word in the title."""
    by_kind = {Kind.RISK: palette.warning, Kind.ERROR: palette.down}
    edge = {"BUY": palette.up, "SELL": palette.down}.get(message.side)
    by_tone = {"up": palette.up, "down": palette.down, "warning": palette.warning}
    edge = edge or by_tone.get(message.tone) or by_kind.get(message.kind, palette.accent)
    title = edge if message.side else palette.text
    line = palette.simulated if message.simulated else palette.line.mixed(palette.text, 0.25)
    return f"""
        #toast {{ background: {palette.panel}; border: 1px solid {line}; border-left: 4px solid {edge}; }}
        #toast QLabel {{ background: transparent; border: none; }}
        #toastTitle {{ color: {title}; font-size: {BASE_PX}px; font-weight: 600; }}
        #toastBody {{ color: {palette.text}; font-size: {BASE_PX}px; }}
        #toastMark {{ color: {palette.simulated}; font-size: {SMALL_PX}px; font-weight: 600; }}
    """
