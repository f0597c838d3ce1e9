"""The table model under all of the desk's tables: values in, ready cells out.

A row is an immutable value with a lasting name. New rows are compared with the old ones, so that only what
really changed is announced: no resets, and the selection stays where it was. Sorting and filtering happen
here, on the values themselves (never on their text). A row's cells are made when somebody looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from PyQt5.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from core.i18n import tr

ROW_ROLE = Qt.UserRole
RESET_RUNS = 40
NO_INDEX = QModelIndex()


class Cell(NamedTuple):
    """What one cell shows.

    `tint` is a role of `gui.theme.colors()`, `second` a quieter text after the first, `bar` a share in [0, 1]
    drawn under the text, `hatch` the role in which the ground is hatched ("stale", "simulated": the figure
    rests on such a price), `tip` is the tooltip.
    """

    text: str
    tint: str = "text"
    second: str = ""
    bar: float | None = None
    hatch: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its lasting name, the catalogue key of its title, and how a row becomes a cell.

    `order` gives what the column sorts by; None goes to the end in either direction. `sample` is the longest
    usual text, for the first width; a column grows when that does not do, unless it holds prose (`elide`).
    `timed` columns show an age and are renewed as time goes by. `tip` makes the tooltip when it is asked for,
    where that is too dear for each update.
    """

    name: str
    title: str
    cell: Callable[[Any], Cell]
    order: Callable[[Any], Any]
    sample: str
    figures: bool = False
    timed: bool = False
    hidden: bool = False
    elide: bool = False
    tip: Callable[[Any], str] | None = None


class RowModel(QAbstractTableModel):
    """Rows of one kind, sorted and filtered; `key` names a row for as long as it lives."""

    def __init__(
        self, columns: Sequence[Column], key: Callable[[Any], Hashable], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self._key = key
        self._all: list[Any] = []
        self._shown: list[Any] = []
        self._cells: list[tuple[Cell, ...] | None] = []
        self._filter: Callable[[Any], bool] | None = None
        self._sort_column = -1
        self._descending = False

    # What the view asks

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """See Qt; the row itself is under `ROW_ROLE`."""
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        if role == ROW_ROLE:
            return self._shown[index.row()]
        cell = self.cell(index.row(), index.column())
        if role == Qt.DisplayRole:
            return f"{cell.text}  {cell.second}" if cell.second else cell.text
        if role == Qt.ToolTipRole:
            make_tip = self.columns[index.column()].tip
            return (make_tip(self._shown[index.row()]) if make_tip else cell.tip) or None
        if role == Qt.TextAlignmentRole:
            return int(self.alignment(index.column()))
        if role == Qt.AccessibleTextRole:
            return f"{self.title(index.column())}: {self.data(index)}"
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.DisplayRole) -> Any:
        """See Qt."""
        if orientation != Qt.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.DisplayRole:
            return self.title(section)
        if role == Qt.TextAlignmentRole:
            return int(self.alignment(section))
        return None

    def title(self, column: int) -> str:
        """A column's title in the interface's language."""
        return tr(self.columns[column].title)

    def alignment(self, column: int) -> int:
        """Figures to the right, words to the left."""
        side = Qt.AlignRight if self.columns[column].figures else Qt.AlignLeft
        return int(side | Qt.AlignVCenter)

    def cell(self, row: int, column: int) -> Cell:
        """The ready cell, for the delegate."""
        cells = self._cells[row]
        if cells is None:
            cells = self._cells[row] = self._make_cells(self._shown[row])
        return cells[column]

    def row(self, row: int) -> Any:
        """The value shown in line `row`."""
        return self._shown[row]

    def rows(self) -> list[Any]:
        """The shown values in the shown order."""
        return list(self._shown)

    def count_all(self) -> int:
        """How many values there are, shown or not."""
        return len(self._all)

    def all_rows(self) -> list[Any]:
        """All values, shown or not, in the order in which they were given."""
        return list(self._all)

    def find(self, key: Hashable) -> int:
        """The line of the row named `key`, -1 if it is not shown."""
        return next((line for line, row in enumerate(self._shown) if self._key(row) == key), -1)

    def name_of(self, row: int) -> Hashable:
        """The lasting name of the row in line `row`."""
        return self._key(self._shown[row])

    # What the panel tells

    def set_rows(self, rows: Iterable[Any], *, resort: bool = True) -> None:
        """Show these rows from now on; without `resort` known rows stay in their lines for now."""
        self._all = list(rows)
        if not resort and self._filter is None and len(self._all) == len(self._shown):
            by_name = {self._key(row): row for row in self._all}
            if all(self._key(row) in by_name for row in self._shown):
                self._update_cells([by_name[self._key(row)] for row in self._shown])
                return
        self._rearrange()

    def set_filter(self, accept: Callable[[Any], bool] | None) -> None:
        """Show only the rows that `accept` agrees to; None shows all."""
        self._filter = accept
        self._rearrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.AscendingOrder) -> None:
        """See Qt; -1 goes back to the order in which the rows were given."""
        self._sort_column, self._descending = column, order == Qt.DescendingOrder
        self._rearrange()

    def refresh(self) -> None:
        """Make all cells anew, because the language or the look has changed."""
        self._update_cells(self._shown, force=True)
        if self.columns:
            self.headerDataChanged.emit(Qt.Horizontal, 0, len(self.columns) - 1)

    def refresh_ages(self) -> None:
        """Make the cells anew that tell an age."""
        timed = [n for n, column in enumerate(self.columns) if column.timed]
        for line, row in enumerate(self._shown):
            made = self._cells[line]
            if made is not None:
                cells = list(made)
                for n in timed:
                    cells[n] = self.columns[n].cell(row)
                self._replace_cells(line, tuple(cells))

    # How the shown rows follow

    def _wanted(self) -> list[Any]:
        rows = self._all if self._filter is None else [row for row in self._all if self._filter(row)]
        if self._sort_column < 0:
            return list(rows)
        order = self.columns[self._sort_column].order
        keyed = [(order(row), row) for row in rows]
        known = [pair for pair in keyed if pair[0] is not None]
        known.sort(key=lambda pair: pair[0], reverse=self._descending)
        return [row for _, row in known] + [row for value, row in keyed if value is None]

    def _rearrange(self) -> None:
        wanted = self._wanted()
        names = [self._key(row) for row in wanted]
        if names != [self._key(row) for row in self._shown]:
            kept = set(names)
            gone = _runs([n for n, row in enumerate(self._shown) if self._key(row) not in kept])
            if len(gone) > RESET_RUNS:
                self._reset(wanted)
                return
            for first, last in reversed(gone):
                self._remove(first, last)
            if not self._insert_missing(wanted, names):
                return
            self._permute(names)
        self._update_cells(wanted)

    def _remove(self, first: int, last: int) -> None:
        self.beginRemoveRows(NO_INDEX, first, last)
        del self._shown[first : last + 1]
        del self._cells[first : last + 1]
        self.endRemoveRows()

    def _insert_missing(self, wanted: list[Any], names: list[Hashable]) -> bool:
        """Put new rows where they belong; False if there are so many gaps that a reset was cheaper."""
        have = {self._key(row) for row in self._shown}
        runs = _runs([n for n, name in enumerate(names) if name not in have])
        if len(runs) > RESET_RUNS:
            self._reset(wanted)
            return False
        for first, last in runs:
            at = min(first, len(self._shown))
            fresh = wanted[first : last + 1]
            self.insert_run(at, fresh)
        return True

    def insert_run(self, at: int, rows: Sequence[Any]) -> None:
        """Insert `rows` before line `at` of what is shown."""
        self.beginInsertRows(NO_INDEX, at, at + len(rows) - 1)
        self._shown[at:at] = rows
        self._cells[at:at] = [None] * len(rows)
        self.endInsertRows()

    def _permute(self, names: list[Hashable]) -> None:
        old = [self._key(row) for row in self._shown]
        if old == names:
            return
        self.layoutAboutToBeChanged.emit()
        line_of = {name: line for line, name in enumerate(names)}
        source = {name: line for line, name in enumerate(old)}
        before = self.persistentIndexList()
        after = [self.index(line_of[old[index.row()]], index.column()) for index in before]
        self._shown = [self._shown[source[name]] for name in names]
        self._cells = [self._cells[source[name]] for name in names]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _reset(self, wanted: list[Any]) -> None:
        self.beginResetModel()
        self._shown = wanted
        self._cells = [None] * len(wanted)
        self.endResetModel()

    def _make_cells(self, row: Any) -> tuple[Cell, ...]:
        return tuple(column.cell(row) for column in self.columns)

    def _update_cells(self, wanted: list[Any], *, force: bool = False) -> None:
        shown = self._shown
        for line, row in enumerate(wanted):
            changed = shown[line] != row
            if force or changed:
                shown[line] = row
                if self._cells[line] is not None:
                    self._replace_cells(line, self._make_cells(row))
                elif changed:
                    self.dataChanged.emit(self.index(line, 0), self.index(line, len(self.columns) - 1))

    def _replace_cells(self, line: int, cells: tuple[Cell, ...]) -> None:
        old = self._cells[line]
        if old is None or old == cells:
            return
        self._cells[line] = cells
        for column, cell in enumerate(cells):
            if cell != old[column]:
                index = self.index(line, column)
                self.dataChanged.emit(index, index)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Neighbouring numbers as (first, last)."""
    return list(_iter_runs(numbers))


def _iter_runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = None
    last = -1
    for number in numbers:
        if first is None:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first is not None:
        yield first, last
