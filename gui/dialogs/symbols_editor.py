"""The symbols of a bot: a search that adds them by name, above the lines in which they can be edited."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QVBoxLayout, QWidget

from core.i18n import tr
from core.instruments import symbol_name
from gui.dialogs.setting_editors import LinesEditor
from gui.models.symbol_input import is_doubtful, parse_symbols
from gui.widgets.symbol_search import SymbolSearch

LINES = 3


class SymbolsEditor(QWidget):
    """An `Editor` of symbols, one on each line; those of `exchange` need not name it."""

    edited = pyqtSignal()

    def __init__(self, exchange: str) -> None:
        super().__init__()
        self.search = SymbolSearch(self)
        self.search.exchange = exchange
        self._doubtful = ""
        self.search.submitted.connect(self._add)
        self.lines = LinesEditor(LINES)
        self.lines.edited.connect(self.edited)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.search)
        column.addWidget(self.lines)
        self.setFocusProxy(self.search)

    def value(self) -> tuple[str, ...]:
        """See `Editor`."""
        return self.lines.value()

    def set_value(self, value: tuple[str, ...]) -> None:
        """See `Editor`."""
        self.lines.set_value(value)

    def retranslate(self) -> None:
        """See `Editor`."""
        self.search.setPlaceholderText(tr("bot_form.add_symbol"))
        self.search.setToolTip(tr("symbols.search_tip"))
        self.search.setAccessibleName(tr("bot_form.add_symbol"))
        self.lines.setAccessibleName(tr("bot_form.symbols"))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter in the search adds; only where nothing is being searched it is the form's."""
        if event.key() not in (Qt.Key_Return, Qt.Key_Enter) or not self.search.text().strip():
            super().keyPressEvent(event)

    def _add(self, text: str) -> None:
        """Add what `text` names; what looks like a company's name wants a second Enter.

        What names nothing is added as it is, so that the form can say what is wrong with it.
        """
        exchange = self.search.exchange
        if text != self._doubtful and is_doubtful(text, exchange):
            self._doubtful = text
            self.search.setText(text)
            self.search.show_suggestions()
            return
        self._doubtful = ""
        parsed = parse_symbols(text, exchange)
        names = [text] if parsed.problems else [symbol_name(each, exchange) for each in parsed.instruments]
        self.set_value(tuple(dict.fromkeys((*self.value(), *names))))
        self.search.empty()
