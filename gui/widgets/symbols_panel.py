"""The Symbols tab: which instruments are watched, on which exchange, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PyQt5.QtCore import QEvent, QItemSelectionModel, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QKeyEvent, QKeySequence
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListView,
    QMessageBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import SwingHunterError
from core.exchanges import EXCHANGES
from core.i18n import tr
from core.model import Instrument
from gui import icons, theme
from gui.models.symbol_input import is_doubtful, parse_symbols
from gui.models.symbols_model import INSTRUMENT_ROLE, SymbolsModel
from gui.widgets.symbol_delegate import SymbolDelegate
from gui.widgets.symbol_search import SymbolSearch

_TOOLS = ("remove", "up", "down", "select-all", "paste", "import", "export")
_ENTRY_HEIGHT = 30


class SymbolsPanel(QWidget):
    """`instruments_changed(tuple)` carries all instruments after each change that the user made;
    `chart_requested(key)` is a double click or Enter on one."""

    instruments_changed = pyqtSignal(tuple)
    chart_requested = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None, *, default_exchange: str = "BIST") -> None:
        super().__init__(parent)
        self._model = SymbolsModel(self)
        self._search = SymbolSearch(self)
        self._exchange = QComboBox(self)
        self._add = QToolButton(self)
        self._view = _SymbolList(self)
        self._empty = QLabel(self)
        self._message = QLabel(self)
        self._count = QLabel(self)
        self._buttons = {name: QToolButton(self) for name in _TOOLS}
        self._doubtful = ""
        self._exchange.addItems(list(EXCHANGES))
        self.set_default_exchange(default_exchange)
        self._lay_out()
        self._connect()
        self.retranslate()

    def _lay_out(self) -> None:
        entry = QHBoxLayout()
        entry.setSpacing(6)
        entry.addWidget(self._search, 1)
        entry.addWidget(self._exchange)
        entry.addWidget(self._add)
        tools = QHBoxLayout()
        tools.setSpacing(2)
        for name, button in self._buttons.items():
            button.setIcon(icons.icon(name))
            button.setFocusPolicy(Qt.TabFocus)
            tools.addWidget(button)
            if name in ("remove", "down", "paste"):
                tools.addSpacing(8)
        tools.addStretch(1)
        self._search.setFixedHeight(_ENTRY_HEIGHT)
        self._exchange.setFixedHeight(_ENTRY_HEIGHT)
        self._add.setIcon(icons.icon("add"))
        self._message.setWordWrap(True)
        self._message.setProperty("role", "warning")
        self._message.hide()
        self._count.setWordWrap(True)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignCenter)
        self._empty.setMargin(16)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(8, 6, 8, 6)
        whole.setSpacing(5)
        whole.addLayout(entry)
        whole.addWidget(self._message)
        whole.addLayout(tools)
        whole.addWidget(self._view, 1)
        whole.addWidget(self._empty, 1)
        whole.addWidget(self._count)
        self._view.setModel(self._model)
        self._view.setItemDelegate(SymbolDelegate(self._view))
        self.setMinimumWidth(240)

    def _connect(self) -> None:
        actions: dict[str, Callable[[], object]] = {
            "remove": self.ask_remove, "up": lambda: self.move_selected(-1),
            "down": lambda: self.move_selected(1), "select-all": self._view.selectAll,
            "paste": self.paste, "import": self._choose_import, "export": self._choose_export,
        }  # fmt: skip
        for name, run in actions.items():
            self._buttons[name].clicked.connect(lambda _checked=False, run=run: run())
        self._add.clicked.connect(lambda: self._submit(self._search.text()))
        self._search.submitted.connect(self._submit)
        self._search.textEdited.connect(lambda _text: self._say(""))
        self._exchange.currentTextChanged.connect(self._exchange_chosen)
        self._view.selectionModel().selectionChanged.connect(lambda *_: self._enable())
        self._view.key_wanted.connect(self._run_key)
        self._view.opened.connect(self.chart_requested)
        for signal in (self._model.rowsInserted, self._model.rowsRemoved, self._model.modelReset):
            signal.connect(lambda *_: self._recount())
        theme.theme_signals().changed.connect(self._view.viewport().update)

    # What the program uses

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Show exactly these (no signal)."""
        self._model.set_instruments(instruments)

    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments, in the user's order."""
        return self._model.instruments()

    def set_limit(self, limit: int, *, all_live: bool = False) -> None:
        """Say how many symbols get live prices (`max_live_symbols`), or that all do, as they are pushed."""
        self._model.set_limit(limit, all_live=all_live)
        self._recount()

    def mark_unknown(self, key: str) -> None:
        """Say at this instrument that the provider does not know it."""
        self._model.mark_unknown(key)

    def set_default_exchange(self, code: str) -> None:
        """Take symbols that are typed alone for this exchange's."""
        self._exchange.setCurrentText(code)
        self._search.exchange = code

    def model(self) -> SymbolsModel:
        """The list's rows."""
        return self._model

    def message(self) -> str:
        """The sentence that is being shown, "" if none."""
        return "" if self._message.isHidden() else self._message.text()

    # Adding

    def add_text(self, text: str) -> tuple[Instrument, ...]:
        """Add what `text` names ("ASELS, GARAN NASDAQ:AAPL"); returns what is new and says what is not."""
        parsed = parse_symbols(text, self._exchange.currentText())
        if not parsed.instruments and not parsed.problems:
            self._say(tr("symbols.nothing_found"))
            return ()
        return self._append(parsed.instruments, parsed.problems)

    def paste(self) -> None:
        """Add the symbols in the clipboard."""
        self.add_text(QApplication.clipboard().text())

    def import_file(self, path: Path) -> None:
        """Add the symbols in a CSV file; what cannot be read is said."""
        from core.csv_io import read_symbols

        try:
            result = read_symbols(path, self._exchange.currentText())
        except (SwingHunterError, OSError) as error:
            self._say(str(error))
            return
        if not result.rows and not result.problems:
            self._say(tr("symbols.nothing_found"))
            return
        self._append(result.rows, tuple(map(str, result.problems)))

    def export_file(self, path: Path) -> None:
        """Write the list as a CSV file."""
        from core.csv_io import write_symbols

        try:
            write_symbols(path, self.instruments())
        except (SwingHunterError, OSError) as error:
            self._say(str(error))
            return
        self._say(tr("symbols.exported", count=self._model.rowCount(), name=path.name), good=True)

    def _submit(self, text: str) -> None:
        """Add what was typed; what looks like a company's name wants a second Enter."""
        text = text.strip()
        if not text:
            return
        if text != self._doubtful and is_doubtful(text, self._exchange.currentText()):
            self._say(tr("symbols.choose", text=text))
            self._doubtful = text
            self._search.setText(text)
            self._search.show_suggestions()
            return
        self._search.empty()
        self.add_text(text)

    def _append(self, found: Iterable[Instrument], problems: Sequence[str]) -> tuple[Instrument, ...]:
        found = tuple(found)
        new = self._model.add(found)
        self._say(_summary(new, [each for each in found if each not in new], problems), good=not problems)
        if new:
            self._select_rows(range(self._model.rowCount() - len(new), self._model.rowCount()))
            self._view.scrollToBottom()
            self.instruments_changed.emit(self.instruments())
        return new

    # Removing and moving

    def selected_rows(self) -> list[int]:
        """The numbers of the selected rows."""
        return sorted(index.row() for index in self._view.selectionModel().selectedIndexes())

    def ask_remove(self) -> QMessageBox | None:
        """Ask whether the selected symbols are to go, without blocking anything."""
        rows = self.selected_rows()
        if not rows:
            return None
        first = self._model.index(rows[0]).data(INSTRUMENT_ROLE)
        text = tr("symbols.remove_one", key=first.key)
        if len(rows) > 1:
            text = tr("symbols.remove_many", count=len(rows))
        box = QMessageBox(QMessageBox.Question, tr("symbols.remove_title"), text, QMessageBox.NoButton, self)
        box.setAttribute(Qt.WA_DeleteOnClose)
        yes = box.addButton(tr("symbols.remove_yes"), QMessageBox.AcceptRole)
        box.addButton(tr("symbols.remove_no"), QMessageBox.RejectRole)
        box.setDefaultButton(yes)
        going = [self._model.index(row).data(INSTRUMENT_ROLE) for row in rows]
        yes.clicked.connect(lambda: self.remove(going))
        box.open()
        return box

    def remove(self, instruments: Iterable[Instrument]) -> None:
        """Take these out of the list."""
        going = set(instruments)
        rows = [row for row, item in enumerate(self.instruments()) if item in going]
        if rows:
            self._model.remove(rows)
            self._say("")
            if self._model.rowCount():
                self._select_rows([min(rows[0], self._model.rowCount() - 1)])
            self.instruments_changed.emit(self.instruments())

    def move_selected(self, step: int) -> None:
        """Move the selected symbols by one place up (-1) or down (1)."""
        if self._model.move(self.selected_rows(), step):
            self._model.refresh()
            self._view.scrollTo(self._view.currentIndex())
            self.instruments_changed.emit(self.instruments())

    def _select_rows(self, rows: Iterable[int]) -> None:
        selection = self._view.selectionModel()
        selection.clearSelection()
        for row in rows:
            selection.setCurrentIndex(self._model.index(row), QItemSelectionModel.Select)

    def _run_key(self, name: str) -> None:
        self._buttons[name].click()

    # Files

    def _choose_import(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, tr("symbols.import_title"), "", tr("symbols.file_filter"))
        if name:
            self.import_file(Path(name))

    def _choose_export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, tr("symbols.export_title"), tr("symbols.file_name"), tr("symbols.file_filter")
        )
        if name:
            self.export_file(Path(name))

    # What is said

    def _exchange_chosen(self, code: str) -> None:
        self._search.exchange = code
        self._doubtful = ""

    def _say(self, text: str, *, good: bool = False) -> None:
        self._doubtful = ""
        self._message.setText(text)
        self._message.setProperty("role", "note" if good else "warning")
        self._message.style().unpolish(self._message)
        self._message.style().polish(self._message)
        self._message.setVisible(bool(text))

    def _recount(self) -> None:
        count, limit = self._model.rowCount(), self._model.limit
        if self._model.all_live:
            limit = 0
        over = 0 < limit < count
        name = "symbols.count_over" if over else "symbols.count"
        self._count.setText(tr(name, count=count, limit=limit or count, over=count - limit))
        role = "warning" if over else "secondary"
        if self._count.property("role") != role:
            self._count.setProperty("role", role)
            self._count.style().unpolish(self._count)
            self._count.style().polish(self._count)
        self._view.setVisible(count > 0)
        self._empty.setVisible(count == 0)
        self._enable()

    def _enable(self) -> None:
        chosen = self._view.selectionModel().hasSelection()
        for name in ("remove", "up", "down"):
            self._buttons[name].setEnabled(chosen)
        for name in ("select-all", "export"):
            self._buttons[name].setEnabled(self._model.rowCount() > 0)

    def retranslate(self) -> None:
        """Say everything again in the present language."""
        self._search.setPlaceholderText(tr("symbols.search"))
        for widget, name in (
            (self._search, "search_tip"),
            (self._exchange, "exchange"),
            (self._add, "add_tip"),
        ):
            widget.setToolTip(tr(f"symbols.{name}"))
            widget.setAccessibleName(tr(f"symbols.{name}"))
        for name, button in self._buttons.items():
            tip = tr(f"symbols.{name.replace('-', '_')}_tip")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
        self._view.setAccessibleName(tr("symbols.title"))
        self._empty.setText(f"<b>{tr('symbols.empty_title')}</b><br><br>{tr('symbols.empty_text')}")
        self._say("")
        self._recount()
        self._model.refresh()

    def changeEvent(self, event: QEvent) -> None:
        """See Qt."""
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        super().changeEvent(event)


class _SymbolList(QListView):
    """The list; `key_wanted(tool)` for keys that stand for a tool button, `opened(key)` for a row."""

    key_wanted = pyqtSignal(str)
    opened = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.setFrameShape(QListView.NoFrame)
        self.setMouseTracking(True)
        self.doubleClicked.connect(lambda index: self.opened.emit(index.data(INSTRUMENT_ROLE).key))

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(240, 200)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See Qt."""
        alt = bool(event.modifiers() & Qt.AltModifier)
        if event.key() in (Qt.Key_Delete, Qt.Key_Backspace):
            self.key_wanted.emit("remove")
        elif alt and event.key() in (Qt.Key_Up, Qt.Key_Down):
            self.key_wanted.emit("up" if event.key() == Qt.Key_Up else "down")
        elif event.matches(QKeySequence.Paste):
            self.key_wanted.emit("paste")
        elif event.key() in (Qt.Key_Return, Qt.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().data(INSTRUMENT_ROLE).key)
        else:
            super().keyPressEvent(event)


def _summary(new: Sequence[Instrument], old: Sequence[Instrument], problems: Sequence[str]) -> str:
    """What came of adding: one sentence each for what was added, was there already, or names nothing."""
    parts = []
    if new:
        one = len(new) == 1
        parts.append(
            tr("symbols.added_one", key=new[0].key) if one else tr("symbols.added_many", count=len(new))
        )
    if old:
        one = len(old) == 1
        parts.append(
            tr("symbols.already_one", key=old[0].key) if one else tr("symbols.already_many", count=len(old))
        )
    if len(problems) > 1:
        parts.append(tr("symbols.more_problems", first=problems[0], count=len(problems) - 1))
    else:
        parts.extend(problems)
    return " ".join(parts)
