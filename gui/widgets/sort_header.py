"""The line of sort buttons above the price list."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtGui import QResizeEvent
from PyQt5.QtWidgets import QToolButton, QWidget

from core.i18n import tr
from gui.models.tick_model import SortKey
from gui.widgets.price_delegate import PAD, PriceLayout

HEIGHT = 24
COLUMNS = (SortKey.SYMBOL, SortKey.STATE, SortKey.PRICE, SortKey.CHANGE)
FALLING_FIRST = frozenset((SortKey.PRICE, SortKey.CHANGE))
_RIGHT = frozenset((SortKey.PRICE, SortKey.CHANGE))
_GAP = 2


def next_order(clicked: SortKey, key: SortKey, descending: bool) -> tuple[SortKey, bool]:
    """What a click on `clicked` sorts by: its usual direction, then the other, then the user's own order."""
    first = clicked in FALLING_FIRST
    if clicked is not key:
        return clicked, first
    if descending is first:
        return clicked, not first
    return SortKey.LIST, False


class SortHeader(QWidget):
    """`sort_wanted(SortKey, descending)` tells what a click asked for."""

    sort_wanted = pyqtSignal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._key, self._descending = SortKey.SYMBOL, False
        self._layout = PriceLayout(300)
        self._buttons = {key: self._button(key) for key in COLUMNS}
        self.setFixedHeight(HEIGHT)
        self.retranslate()

    def _button(self, key: SortKey) -> QToolButton:
        button = QToolButton(self)
        button.setProperty("role", "header")
        button.setCheckable(True)
        button.setFocusPolicy(Qt.TabFocus)
        button.clicked.connect(lambda: self._clicked(key))
        return button

    def _clicked(self, key: SortKey) -> None:
        self._show()
        self.sort_wanted.emit(*next_order(key, self._key, self._descending))

    def set_sort(self, key: SortKey, descending: bool) -> None:
        """Show by what the list is sorted."""
        self._key, self._descending = key, descending
        self._show()

    def retranslate(self) -> None:
        """Say everything again in the present language."""
        self._show()

    def arrange(self, layout: PriceLayout) -> None:
        """Stand above the columns of `layout`."""
        self._layout = layout
        self._place()

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(240, HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """See Qt."""
        super().resizeEvent(event)
        self._place()

    def _show(self) -> None:
        for key, button in self._buttons.items():
            name = tr(f"ticker.head_{key.value}")
            active = key is self._key
            arrow = (" ▾" if self._descending else " ▴") if active else ""
            button.setText(name + arrow)
            button.setChecked(active)
            tip = self._tip(key, name, active)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
        self._place()

    def _tip(self, key: SortKey, name: str, active: bool) -> str:
        if not active:
            return tr("ticker.sort_by", column=name)
        way = "descending" if self._descending else "ascending"
        last = self._descending is not (key in FALLING_FIRST)
        if self._descending:
            return tr("ticker.sort_descending" if last else "ticker.sort_descending_first", column=name)
        return tr("ticker.sort_ascending_last" if last else f"ticker.sort_{way}", column=name)

    def _place(self) -> None:
        """Numbers to the right above theirs; in a narrow list the buttons only keep the same sides."""
        layout = self._layout
        widths = {key: button.sizeHint().width() for key, button in self._buttons.items()}
        if layout.wide:
            spots = {
                SortKey.SYMBOL: layout.symbol_x - 4,
                SortKey.PRICE: layout.price_right - widths[SortKey.PRICE] + 4,
                SortKey.CHANGE: layout.change_right - widths[SortKey.CHANGE] + 4,
                SortKey.STATE: layout.state_x - 4,
            }
        else:
            change = layout.width - PAD - widths[SortKey.CHANGE] + 4
            symbol = layout.symbol_x - 4
            spots = {
                SortKey.SYMBOL: symbol,
                SortKey.STATE: symbol + widths[SortKey.SYMBOL] + _GAP,
                SortKey.CHANGE: change,
                SortKey.PRICE: change - widths[SortKey.PRICE] - _GAP,
            }
        for key, button in self._buttons.items():
            button.setGeometry(spots[key], 1, widths[key], HEIGHT - 2)
