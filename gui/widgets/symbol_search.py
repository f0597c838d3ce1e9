"""The field in which symbols are typed, with suggestions from the catalogue."""

from __future__ import annotations

from PyQt5.QtCore import QModelIndex, QStringListModel, QTimer, pyqtSignal
from PyQt5.QtWidgets import QCompleter, QLineEdit, QWidget

from core.symbol_catalog import CatalogEntry
from gui import icons
from gui.models.symbol_input import suggestions

_POPUP_WIDTH = 300


class _Completer(QCompleter):
    """Offers entries; the field gets an entry's key."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.entries: list[CatalogEntry] = []
        self._texts = QStringListModel(self)
        self.setModel(self._texts)
        self.setCompletionMode(QCompleter.UnfilteredPopupCompletion)
        self.setMaxVisibleItems(12)
        self.popup().setProperty("role", "popup")
        self.popup().setMinimumWidth(_POPUP_WIDTH)

    def offer(self, entries: list[CatalogEntry]) -> None:
        """Show these."""
        self.entries = entries
        self._texts.setStringList([f"{e.symbol}   {e.name} · {e.exchange}" for e in entries])

    def pathFromIndex(self, index: QModelIndex) -> str:
        """See Qt."""
        return self.entries[index.row()].key if 0 <= index.row() < len(self.entries) else ""


class SymbolSearch(QLineEdit):
    """`submitted(text)` on Enter, or when a suggestion is chosen (then the text is its key)."""

    submitted = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.exchange = "BIST"
        self._suggest = _Completer(self)
        self.setCompleter(self._suggest)
        self.setClearButtonEnabled(True)
        self.addAction(icons.icon("search", "secondary"), QLineEdit.LeadingPosition)
        self.textEdited.connect(self._offer)
        self.returnPressed.connect(self._submit)
        self._suggest.activated[str].connect(self._deliver_later)
        self._pending = ""
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._deliver)

    def offered(self) -> list[CatalogEntry]:
        """What is being suggested, best first."""
        return list(self._suggest.entries)

    def show_suggestions(self) -> None:
        """Open the list of suggestions for the present text."""
        self._offer(self.text())
        if self._suggest.entries:
            self._suggest.setCompletionPrefix(self.text())
            self._suggest.complete()

    def empty(self) -> None:
        """Make room for the next symbol."""
        self.clear()
        self._suggest.offer([])
        self._suggest.popup().hide()

    def _offer(self, text: str) -> None:
        self._suggest.offer(suggestions(text, self.exchange))

    def _submit(self) -> None:
        self._deliver_later(self.text().strip())

    def _deliver_later(self, text: str) -> None:
        """Qt still writes a chosen suggestion into the field after this, and may report Enter as well."""
        if text and not self._pending:
            self._pending = text
            self._later.start()

    def _deliver(self) -> None:
        text, self._pending = self._pending, ""
        self.submitted.emit(text)
