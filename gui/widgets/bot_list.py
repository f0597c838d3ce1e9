"""The list of the bots' cards."""

from __future__ import annotations

from PyQt5.QtCore import QPoint, Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from gui import theme
from gui.models.bot_card import LIVELY, BotCard
from gui.models.bots_model import KEY_ROLE, BotsModel
from gui.widgets.bot_delegate import HEIGHT, BotDelegate, button_rect, error_rect
from gui.widgets.row_list import RowList


class BotList(RowList):
    """Cards; `toggled(key)` when a card's button is pressed (Space does the same), `error_clicked(key)`,
    `delete_pressed()`."""

    key_role = KEY_ROLE
    toggled = pyqtSignal(str)
    error_clicked = pyqtSignal(str)
    delete_pressed = pyqtSignal()

    def __init__(self, model: BotsModel, parent: QWidget | None = None) -> None:
        super().__init__(model, parent)
        self.delegate = BotDelegate(model, self)
        self._over_button = False
        self._pressed: tuple[str, str, bool] | None = None
        self.setItemDelegate(self.delegate)

    @property
    def row_height(self) -> int:
        """See `RowList`."""
        return HEIGHT

    def refresh(self) -> None:
        """Have the visible cards painted that changed."""
        self.delegate.start_frame()
        for number in self.visible_rows():
            card: BotCard = self._rows.row_at(number)
            if card.dirty:
                self._renew(card, number)

    def refresh_ages(self) -> None:
        """Have the visible cards painted whose ages read otherwise by now."""
        self.delegate.start_frame()
        for number in self.visible_rows():
            card: BotCard = self._rows.row_at(number)
            if self.delegate.reads_otherwise(card):
                self._renew(card, number)

    def _renew(self, card: BotCard, number: int) -> None:
        self.delegate.prepare(card)
        self.viewport().update(self.row_rect(number))

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), theme.colors().ground)
        region, current = event.region(), self.current_row()
        self.delegate.start_frame()
        for number in self.visible_rows():
            rect = self.row_rect(number)
            if region.intersects(rect):
                hovered = number == self._hovered
                pressing = hovered and self._over_button
                card = self._rows.row_at(number)
                self.delegate.paint_card(painter, rect, card, number == current, hovered, pressing)

    def card_at(self, where: QPoint) -> tuple[BotCard, int] | None:
        """The card at a place of the viewport, and its number."""
        number = (where.y() + self.verticalOffset()) // HEIGHT
        if not 0 <= number < self._rows.rowCount():
            return None
        return self._rows.row_at(number), number

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """See Qt."""
        super().mouseMoveEvent(event)
        found = self.card_at(event.pos())
        over = found is not None and self._on_button(*found, event.pos())
        if over is not self._over_button:
            self._over_button = over
            self.viewport().update(self.row_rect(self._hovered))
        on_error = found is not None and self._on_error(found[0], found[1], event.pos())
        self.setCursor(Qt.PointingHandCursor if over or on_error else Qt.ArrowCursor)

    @property
    def busy(self) -> bool:
        """Who points at a button means the bot that is there now, however long it takes to press."""
        return super().busy or (self._over_button and self.underMouse())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """See Qt."""
        super().mousePressEvent(event)
        self._pressed = self._target(event.pos()) if event.button() == Qt.LeftButton else None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """See Qt. A press counts if it ends where it began, and the button still says the same."""
        super().mouseReleaseEvent(event)
        pressed, self._pressed = self._pressed, None
        if event.button() != Qt.LeftButton or pressed is None or pressed != self._target(event.pos()):
            return
        key, part, _ = pressed
        if part == "button":
            self.toggled.emit(key)
        elif part == "error":
            self.error_clicked.emit(key)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """See Qt. The second of two quick presses is lost on the button: it would undo the first."""
        target = self._target(event.pos())
        if target is None or target[1] != "button":
            super().mouseDoubleClickEvent(event)

    def _target(self, where: QPoint) -> tuple[str, str, bool] | None:
        """What is there to be pressed: the card's key, its part, and whether its button says "stop"."""
        found = self.card_at(where)
        if found is None:
            return None
        card, number = found
        part = "button" if self._on_button(card, number, where) else ""
        if not part and self._on_error(card, number, where):
            part = "error"
        return card.key, part, card.state.status in LIVELY

    def _on_button(self, card: BotCard, number: int, where: QPoint) -> bool:
        return self._rows.commands(card) and button_rect(self.row_rect(number)).contains(where)

    def _on_error(self, card: BotCard, number: int, where: QPoint) -> bool:
        place = error_rect(self.row_rect(number), holds=card.state.position is not None)
        return bool(card.state.last_error) and place.contains(where)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space starts or stops, Delete asks, Enter opens."""
        index = self.currentIndex()
        if event.key() == Qt.Key_Space and index.isValid():
            if not event.isAutoRepeat():
                self.toggled.emit(index.data(KEY_ROLE))
        elif event.key() == Qt.Key_Delete and index.isValid():
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)
