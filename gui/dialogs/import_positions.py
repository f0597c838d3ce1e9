"""What is in a CSV file of positions, shown before anything is entered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from core.csv_io import CsvProblem, CsvResult
from core.i18n import tr
from core.model import Position
from core.price_rules import format_price
from gui.models.cells import date_text, local_time, quantity_text
from gui.models.rows import Cell, Column, RowModel
from gui.widgets.table_tools import TableView

SIZE = (820, 440)


class Line(NamedTuple):
    """One line of the preview: a position, or what is wrong with the line; `known` marks one that is held."""

    number: int
    position: Position | None
    problem: CsvProblem | None = None
    known: bool = False


class ImportPositionsDialog(QDialog):
    """Accepted if the readable lines are to be entered; `positions()` are those.

    A position that is open already (same symbol, quantity, price and day) is left out, so that reading a file
    twice does not double the portfolio.
    """

    def __init__(
        self,
        name: str,
        result: CsvResult[Position],
        held: Iterable[Position] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("positions.import_title"))
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self._lines = _lines_of(result, held)
        self.model = RowModel(_columns(), lambda line: (line.number, line.position is None), self)
        self.model.set_rows(self._lines)
        self.table = TableView(self.model, "import")
        self.table.setAccessibleName(tr("positions.import_title"))
        self.table.setSortingEnabled(False)  # a bad line's sentence spans all columns
        for place, line in enumerate(self._lines):
            if line.problem:
                self.table.setSpan(place, 1, 1, len(self.model.columns) - 1)
        title = QLabel(name, self)
        title.setProperty("role", "title")
        title.setTextFormat(Qt.PlainText)
        self.verdict = QLabel(self._verdict(result.ignored), self)
        self.verdict.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        for widget in (title, self.verdict):
            column.addWidget(widget)
        column.addWidget(self.table, 1)
        column.addWidget(self._make_buttons())
        self.resize(*SIZE)

    def positions(self) -> tuple[Position, ...]:
        """The positions that are to be entered."""
        return tuple(line.position for line in self._lines if line.position and not line.known)

    def _verdict(self, ignored: Sequence[str]) -> str:
        good = len(self.positions())
        bad = sum(line.problem is not None for line in self._lines)
        known = sum(line.known for line in self._lines)
        name = "import_none" if not good else "import_mixed" if bad else "import_good"
        sentences = [tr(f"positions.{name}", count=good, bad=bad)]
        if known:
            sentences.append(tr("positions.import_known_count", count=known))
        if ignored:
            sentences.append(tr("positions.import_ignored", names=", ".join(ignored)))
        return " ".join(sentences)

    def _make_buttons(self) -> QDialogButtonBox:
        count = len(self.positions())
        buttons = QDialogButtonBox(self)
        self.accept_button = QPushButton(tr("positions.import_button", count=count), self)
        self.accept_button.setProperty("role", "primary")
        self.accept_button.setEnabled(count > 0)
        self.accept_button.setDefault(True)
        self.cancel_button = QPushButton(tr("positions.cancel"), self)
        self.cancel_button.setAutoDefault(False)
        buttons.addButton(self.accept_button, QDialogButtonBox.AcceptRole)
        buttons.addButton(self.cancel_button, QDialogButtonBox.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        return buttons


def _lines_of(result: CsvResult[Position], held: Iterable[Position]) -> list[Line]:
    """Bad lines first, because they need a look; then the positions in the file's order."""
    known = {_identity(position) for position in held}
    bad = [Line(problem.line, None, problem) for problem in result.problems]
    good = [
        Line(number, position, known=_identity(position) in known)
        for number, position in enumerate(result.rows, start=1)
    ]
    return bad + good


def _identity(position: Position) -> tuple[object, ...]:
    day = local_time(position.opened_at, position.exchange).date()
    return position.key, position.quantity, position.entry_price, day


def _columns() -> list[Column]:
    def column(name: str, title: str, cell: Callable[[Line], Cell], sample: str, **more: Any) -> Column:
        return Column(name, f"positions.{title}", cell, lambda line: line.number, sample, **more)

    def price(name: str, title: str) -> Column:
        return column(name, title, lambda line: _price(line, name), "1,234.50", figures=True)

    return [
        column("verdict", "import_verdict", _result, "✓ ready"),
        column("symbol", "symbol", _symbol, "ASELS  NASDAQ", elide=True),
        column("quantity", "quantity", _quantity, "10,000", figures=True),
        price("entry_price", "entry"),
        price("stop", "stop"),
        price("target", "target"),
        column("opened", "import_opened", _opened, "2026-11-21"),
        column("note", "field_note", _note, "note", elide=True),
    ]


def _value(line: Line, name: str) -> object:
    return getattr(line.position, name) if line.position else None


def _result(line: Line) -> Cell:
    if line.problem:
        return Cell(tr("positions.import_line_bad", line=line.problem.line), "down")
    if line.known:
        return Cell(tr("positions.import_known"), "warning", tip=tr("positions.import_known_tip"))
    return Cell(tr("positions.import_ok"), "up")


def _symbol(line: Line) -> Cell:
    if line.problem:
        cells = " | ".join(line.problem.cells)
        return Cell(line.problem.text, "down", tip="\n".join(filter(None, (line.problem.text, cells))))
    return Cell(line.position.symbol, second=line.position.exchange) if line.position else Cell("")


def _quantity(line: Line) -> Cell:
    return Cell(quantity_text(line.position.quantity)) if line.position else Cell("")


def _price(line: Line, name: str) -> Cell:
    value = _value(line, name)
    if line.position is None or value is None:
        return Cell("")
    return Cell(format_price(line.position.key, float(str(value))))


def _opened(line: Line) -> Cell:
    if line.position is None:
        return Cell("")
    return Cell(date_text(local_time(line.position.opened_at, line.position.exchange)))


def _note(line: Line) -> Cell:
    return Cell(line.position.note, tip=line.position.note) if line.position else Cell("")
