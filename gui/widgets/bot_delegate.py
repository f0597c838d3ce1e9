"""Paints one bot's card, in a few tens of microseconds. A card's texts are made once per change and kept."""

from __future__ import annotations

from PyQt5.QtCore import QModelIndex, QObject, QPointF, QRect, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QPainter
from PyQt5.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from core.bots.model import BotStatus
from core.i18n import tr
from core.model import Freshness
from gui import theme
from gui.models.bot_card import LIVELY, BotCard
from gui.models.bot_text import CardTexts, card_texts
from gui.models.bots_model import BotsModel
from gui.models.tick_row import RowState
from gui.widgets.freshness_badge import MARK_PX, mark

PAD = 10
HEIGHT = 106
LINES = (20, 40, 58, 76, 95)
"""The base lines of a card's five lines of text, in pixels from its top."""
BUTTON_WIDTH, BUTTON_HEIGHT = 74, 22
BUTTON_TOP = 79
_GAP = 10
_FRESHNESS = {
    Freshness.LIVE: RowState.LIVE, Freshness.DELAYED: RowState.DELAYED, Freshness.STALE: RowState.STALE,
    Freshness.CLOSED: RowState.CLOSED, Freshness.SIMULATED: RowState.SIMULATED,
}  # fmt: skip
_DOTS = {
    BotStatus.RUNNING: RowState.LIVE, BotStatus.IN_POSITION: RowState.LIVE,
    BotStatus.MARKET_CLOSED: RowState.CLOSED, BotStatus.STOPPED: RowState.EMPTY,
    BotStatus.ERROR: RowState.UNKNOWN,
}  # fmt: skip


def button_rect(card: QRect) -> QRect:
    """Where the start or stop button stands in a card's rectangle."""
    left = card.right() + 1 - PAD - BUTTON_WIDTH
    return QRect(left, card.top() + BUTTON_TOP, BUTTON_WIDTH, BUTTON_HEIGHT)


def error_rect(card: QRect, *, holds: bool = False) -> QRect:
    """Where the last error stands in a card's rectangle; a click there shows it in full.

    A bot that `holds` something shows its stop there, and the error below.
    """
    width = card.width() - 2 * PAD - (BUTTON_WIDTH + _GAP if holds else 0)
    return QRect(card.left() + PAD, card.top() + LINES[4 if holds else 3] - 14, width, 18)


def dot_of(card: BotCard, silent: bool) -> RowState:
    """The shape of the card's dot: full only while its strategy works, prices can come and its engine gives
    signs of life."""
    return RowState.LOST if silent or card.waits_in_vain else _DOTS[card.state.status]


class BotDelegate(QStyledItemDelegate):
    """Draws the cards of a `BotsModel`."""

    def __init__(self, model: BotsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._now = 0.0
        self.rethemed()

    def rethemed(self) -> None:
        """Take over the theme's present fonts and colours."""
        self._colors = theme.colors()
        self._bold = theme.ui_font(bold=True)
        self._plain = theme.ui_font()
        self._small = theme.ui_font(theme.SMALL_PX)
        self._small_bold = theme.ui_font(theme.SMALL_PX, bold=True)
        self._metrics = {
            id(font): QFontMetricsF(font) for font in (self._bold, self._plain, self._small, self._small_bold)
        }
        self._model.touch_all()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """See Qt."""
        return QSize(240, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """See Qt."""
        self.start_frame()
        selected = bool(option.state & QStyle.State_Selected)
        hovered = bool(option.state & QStyle.State_MouseOver)
        self.paint_card(painter, option.rect, self._model.row_at(index.row()), selected, hovered, False)

    def start_frame(self) -> None:
        """Read the clock once for all cards that are painted next."""
        self._now = self._model.clock.time()

    def prepare(self, card: BotCard) -> None:
        """Make the texts of a `dirty` card anew; the whole card must be painted after this."""
        card.texts = card_texts(card, self._now, self._model.silence(card))
        card.dirty = False

    def reads_otherwise(self, card: BotCard) -> bool:
        """Whether the card's ages would read otherwise by now."""
        if card.dirty or card.texts is None:
            return True
        return bool(card_texts(card, self._now, self._model.silence(card)) != card.texts)

    def paint_card(
        self, painter: QPainter, rect: QRect, card: BotCard, selected: bool, hovered: bool, pressing: bool
    ) -> None:
        """Draw `card` into `rect`; `pressing` tells that the mouse is over its button."""
        if card.dirty or card.texts is None:
            self.prepare(card)
        texts, colors = card.texts, self._colors
        silent = self._model.silence(card) is not None or card.waits_in_vain
        if selected or hovered:
            painter.fillRect(rect, colors.selection if selected else colors.hover)
        if selected:
            painter.fillRect(rect.left(), rect.top(), 3, rect.height() - 1, colors.accent)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, colors.line)
        self._paint_head(painter, rect, card, texts, silent)
        self._paint_body(painter, rect, texts, silent)
        if self._model.commands(card):
            self._paint_button(painter, rect, card, pressing)

    def _paint_head(
        self, painter: QPainter, rect: QRect, card: BotCard, texts: CardTexts, silent: bool
    ) -> None:
        colors, y = self._colors, LINES[0]
        ratio = painter.device().devicePixelRatioF()
        painter.drawPixmap(rect.left() + PAD, rect.top() + y - MARK_PX + 1, mark(dot_of(card, silent), ratio))
        word, role = texts.status
        used = self._right(painter, rect, y, word, self._small_bold, self._tint(role, silent))
        name = f"{texts.name} · {card.server}" if card.server else texts.name
        self._left(painter, rect, y, name, self._bold, colors.text, used, indent=MARK_PX + 6)

    def _paint_body(self, painter: QPainter, rect: QRect, texts: CardTexts, silent: bool) -> None:
        colors = self._colors
        main = colors.stale if silent else colors.text
        figure, role = texts.open_pnl
        used = self._right(painter, rect, LINES[1], figure, self._bold, self._tint(role, silent))
        self._left(painter, rect, LINES[1], texts.holding, self._plain, main, used)
        used = self._paint_price(painter, rect, texts, main, silent=silent)
        amount, role = texts.daily_pnl
        day = tr("bots_view.day", amount=amount)
        width = self._left(painter, rect, LINES[2], day, self._plain, self._tint(role, silent), used)
        self._left(
            painter, rect, LINES[2], texts.trades, self._small, colors.secondary, used, indent=width + 12
        )
        if texts.stop[0]:
            tint = self._tint(texts.stop[1], silent)
            self._left(painter, rect, LINES[3], texts.stop[0], self._small, tint, 0.0)
        elif texts.error:
            self._left(painter, rect, LINES[3], texts.error, self._small, colors.down, 0.0)
        self._paint_foot(painter, rect, texts, silent)

    def _paint_foot(self, painter: QPainter, rect: QRect, texts: CardTexts, silent: bool) -> None:
        """What the price is worth, the ages; in their place the error of a bot that shows its stop above."""
        parts = [texts.age] if silent else [texts.worth, texts.age]
        if texts.stop[0] and texts.error:
            parts = [*parts[: 1 if silent else 0], (texts.error, "down")]
        else:
            parts.append((texts.traded, "secondary"))
        indent = 0.0
        for text, role in parts:
            if text:
                shown = f"· {text}" if indent else text
                indent += 5 + self._left(
                    painter, rect, LINES[4], shown, self._small, getattr(self._colors, role), BUTTON_WIDTH,
                    indent=indent,
                )  # fmt: skip

    def _paint_price(
        self, painter: QPainter, rect: QRect, texts: CardTexts, main: QColor, *, silent: bool
    ) -> float:
        """The last price with the mark of its freshness; the width that they take."""
        if not texts.price:
            return 0.0
        used = 0.0
        if texts.freshness is not None:
            state = _FRESHNESS[texts.freshness]
            if silent and state is not RowState.SIMULATED:
                state = RowState.LOST  # it was so when the engine was last heard
            x = rect.right() + 1 - PAD - MARK_PX
            ratio = painter.device().devicePixelRatioF()
            painter.drawPixmap(x, rect.top() + LINES[2] - MARK_PX + 1, mark(state, ratio))
            used = MARK_PX + 5
            if state in (RowState.SIMULATED, RowState.STALE):
                main = getattr(self._colors, state.value)
        return used + self._right(painter, rect, LINES[2], texts.price, self._plain, main, used)

    def _paint_button(self, painter: QPainter, rect: QRect, card: BotCard, pressing: bool) -> None:
        colors = self._colors
        place = QRectF(button_rect(rect)).adjusted(0.5, 0.5, -0.5, -0.5)
        stops = card.state.status in LIVELY
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(colors.secondary if pressing else colors.line)
        painter.setBrush(colors.line if pressing else colors.panel)
        painter.drawRoundedRect(place, 3, 3)
        painter.setRenderHint(QPainter.Antialiasing, False)
        painter.setBrush(Qt.NoBrush)
        painter.setPen(colors.text if stops else colors.accent_text)
        painter.setFont(self._small_bold)
        painter.drawText(
            place, int(Qt.AlignCenter), tr("bots_view.stop_button" if stops else "bots_view.start")
        )

    def _tint(self, role: str, silent: bool) -> QColor:
        return self._colors.stale if silent else getattr(self._colors, role)

    def _right(
        self,
        painter: QPainter,
        rect: QRect,
        y: int,
        text: str,
        font: QFont,
        color: QColor,
        offset: float = 0.0,
    ) -> float:
        """Write `text` to end `offset` pixels before the right edge; its width."""
        if not text:
            return 0.0
        width: float = self._metrics[id(font)].horizontalAdvance(text)
        painter.setFont(font)
        painter.setPen(color)
        painter.drawText(QPointF(rect.right() + 1 - PAD - offset - width, rect.top() + y), text)
        return width

    def _left(
        self, painter: QPainter, rect: QRect, y: int, text: str, font: QFont, color: QColor, taken: float,
        *, indent: float = 0.0,
    ) -> float:  # fmt: skip
        """Write `text` from the left, shortened to what `taken` pixels at the right leave; its width."""
        metrics = self._metrics[id(font)]
        room = rect.width() - 2 * PAD - indent - taken - (_GAP if taken else 0)
        if not text or room <= 0:
            return 0.0
        width: float = metrics.horizontalAdvance(text)
        if width > room:
            text = metrics.elidedText(text, Qt.ElideRight, room)
            width = metrics.horizontalAdvance(text)
        painter.setFont(font)
        painter.setPen(color)
        painter.drawText(QPointF(rect.left() + PAD + indent, rect.top() + y), text)
        return width
