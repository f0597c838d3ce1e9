"""The one way in which all of the desk's tables are set up, painted and steered by keys."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QEvent, QModelIndex, QPoint, QRect, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QBrush, QColor, QFontMetrics, QKeyEvent, QKeySequence, QPainter, QShowEvent
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from gui import theme
from gui.models.rows import Cell, RowModel

ROW_HEIGHT = 28
PAD = 7
AGE_REFRESH_MS = 10_000


class CellDelegate(QStyledItemDelegate):
    """Paints ready cells, without asking the style for anything: a few microseconds each.

    `too_narrow(column, pixels)` tells that a text was cut short that should be read whole.
    """

    too_narrow = pyqtSignal(int, int)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """See Qt."""
        model = index.model()
        if not isinstance(model, RowModel):
            super().paint(painter, option, index)
            return
        cell = model.cell(index.row(), index.column())
        colours = theme.colors()
        self._paint_ground(painter, option, cell)
        rect = option.rect.adjusted(PAD, 0, -PAD, 0)
        if cell.bar is not None:
            _paint_bar(painter, option.rect, cell.bar, getattr(colours, cell.tint))
        right = bool(model.alignment(index.column()) & Qt.AlignRight)
        painter.setFont(option.font)
        missing = _paint_text(painter, rect, cell, right, option.fontMetrics)
        if missing > 0 and not model.columns[index.column()].elide:
            self.too_narrow.emit(index.column(), missing)

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, cell: Cell) -> None:
        colours = theme.colors()
        if option.state & QStyle.State_Selected:
            painter.fillRect(option.rect, colours.selection)
        elif option.state & QStyle.State_MouseOver:
            painter.fillRect(option.rect, colours.hover)
        if cell.hatch:
            hatch = colours.simulated.with_alpha(45) if cell.hatch == "simulated" else colours.hatch
            painter.fillRect(option.rect, QBrush(hatch, Qt.BDiagPattern))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """See Qt."""
        text = str(index.data(Qt.DisplayRole) or "")
        return QSize(option.fontMetrics.horizontalAdvance(text) + 2 * PAD, ROW_HEIGHT)


def _paint_bar(painter: QPainter, rect: QRect, share: float, colour: QColor) -> None:
    full = rect.width() - 2 * PAD
    width = round(full * min(1.0, max(0.0, share)))
    base = QRect(rect.left() + PAD, rect.bottom() - 5, full, 3)
    painter.fillRect(base, theme.colors().line)
    painter.fillRect(QRect(base.left(), base.top(), width, 3), colour)


def _paint_text(painter: QPainter, rect: QRect, cell: Cell, right: bool, metrics: QFontMetrics) -> int:
    """Paint the texts; the result is by how many pixels they do not fit."""
    colours = theme.colors()
    side = Qt.AlignRight if right else Qt.AlignLeft
    flags = int(side | Qt.AlignVCenter | Qt.TextSingleLine)
    second_width = _second_width(cell, metrics)
    if second_width:
        painter.setPen(colours.secondary)
        if right:
            painter.drawText(rect, flags, cell.second)
            rect = rect.adjusted(0, 0, -second_width, 0)
        else:
            used = metrics.horizontalAdvance(cell.text) + PAD
            painter.drawText(rect.adjusted(used, 0, 0, 0), flags, cell.second)
            rect = rect.adjusted(0, 0, -second_width, 0)
    painter.setPen(getattr(colours, cell.tint))
    text = cell.text
    missing = metrics.horizontalAdvance(text) - rect.width()
    if missing > 0:
        text = metrics.elidedText(text, Qt.ElideRight, rect.width())
    painter.drawText(rect, flags, text)
    return missing


def _second_width(cell: Cell, metrics: QFontMetrics) -> int:
    return metrics.horizontalAdvance(cell.second) + PAD if cell.second else 0


def _width_of(cell: Cell, metrics: QFontMetrics) -> int:
    return metrics.horizontalAdvance(cell.text) + _second_width(cell, metrics)


class TableView(QTableView):
    """A table over a `RowModel`: Enter opens, Delete asks, the header sorts and hides columns.

    `activated_row(row)` carries the row's value (double click or Enter), `delete_pressed()` the wish to
    remove the selected one. The current row survives a reset of the model; ages are renewed while it is
    visible.
    """

    activated_row = pyqtSignal(object)
    delete_pressed = pyqtSignal()

    def __init__(self, model: RowModel, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = model
        self._kept: object = None
        self.setObjectName(name)
        self.setModel(model)
        delegate = CellDelegate(self)
        delegate.too_narrow.connect(self._widen, Qt.QueuedConnection)  # type: ignore[call-arg]
        self.setItemDelegate(delegate)
        self._set_up_look()
        self._set_up_header()
        self._ages = QTimer(self)
        self._ages.setInterval(AGE_REFRESH_MS)
        self._ages.timeout.connect(model.refresh_ages)
        self.doubleClicked.connect(self._open)
        model.modelAboutToBeReset.connect(self._keep_current)
        model.modelReset.connect(self._restore_current)

    def _set_up_look(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.setSelectionMode(QAbstractItemView.SingleSelection)
        self.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setFrameShape(QTableView.NoFrame)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.Fixed)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)

    def _set_up_header(self) -> None:
        header = self.horizontalHeader()
        header.setSectionsMovable(True)
        header.setHighlightSections(False)
        header.setStretchLastSection(not self._rows.columns[-1].figures)
        header.setMinimumSectionSize(40)
        header.setContextMenuPolicy(Qt.CustomContextMenu)
        header.customContextMenuRequested.connect(self._choose_columns)
        header.setSortIndicator(-1, Qt.AscendingOrder)
        self.setSortingEnabled(True)
        for number, column in enumerate(self._rows.columns):
            self.setColumnHidden(number, column.hidden)
        self.fit_columns()

    def fit_columns(self, *, shrink: bool = True) -> None:
        """Give each column the width of its usual longest text and of its title (or at least that much)."""
        metrics = QFontMetrics(self.font())
        arrow = 6
        for number, column in enumerate(self._rows.columns):
            title = metrics.horizontalAdvance(self._rows.title(number)) + arrow
            text = metrics.horizontalAdvance(column.sample)
            least = 0 if shrink else self.columnWidth(number)
            self.setColumnWidth(number, max(title, text, least - 2 * PAD) + 2 * PAD)

    def _widen(self, column: int, pixels: int) -> None:
        """Make room for a figure: half of a number is a wrong number."""
        wanted = self.columnWidth(column) + pixels
        metrics = self.fontMetrics()
        cells = (self._rows.cell(line, column) for line in self._lines_in_view())
        longest = max((_width_of(cell, metrics) for cell in cells), default=0)
        if self.columnWidth(column) < longest + 2 * PAD:
            self.setColumnWidth(column, min(wanted, longest + 2 * PAD))

    def _lines_in_view(self) -> range:
        first = max(0, self.rowAt(0))
        last = self.rowAt(self.viewport().height() - 1)
        return range(first, (last if last >= 0 else self._rows.rowCount() - 1) + 1)

    def selected_row(self) -> Any:
        """The value of the selected row, None if there is none."""
        index = self.currentIndex()
        return self._rows.row(index.row()) if index.isValid() else None

    # Layout that outlives an upgrade: by column name, unknown names are passed over

    def layout_state(self) -> dict[str, Any]:
        """Widths, order, hidden columns and sorting as plain JSON values."""
        header = self.horizontalHeader()
        columns = self._rows.columns
        order = sorted(range(len(columns)), key=header.visualIndex)
        return {
            "order": [columns[n].name for n in order],
            "widths": {
                c.name: self.columnWidth(n) for n, c in enumerate(columns) if not self.isColumnHidden(n)
            },
            "hidden": [c.name for n, c in enumerate(columns) if self.isColumnHidden(n)],
            "sort": self._sort_state(),
        }

    def _sort_state(self) -> list[Any]:
        header = self.horizontalHeader()
        section = header.sortIndicatorSection()
        if not 0 <= section < len(self._rows.columns):
            return []
        return [self._rows.columns[section].name, header.sortIndicatorOrder() == Qt.DescendingOrder]

    def restore_layout_state(self, state: dict[str, Any]) -> None:
        """Bring back what `layout_state` gave, perhaps in an older version; nonsense is passed over."""
        numbers = {column.name: n for n, column in enumerate(self._rows.columns)}
        header = self.horizontalHeader()
        for place, name in enumerate(n for n in _listed(state, "order") if n in numbers):
            header.moveSection(header.visualIndex(numbers[name]), place)
        hidden = [name for name in _listed(state, "hidden") if name in numbers]
        if "hidden" in state and len(hidden) < len(numbers):
            for name, number in numbers.items():
                self.setColumnHidden(number, name in hidden)
        widths = state.get("widths")
        for name, width in (widths if isinstance(widths, dict) else {}).items():
            if name in numbers and isinstance(width, int) and 20 <= width <= 2000:
                self.setColumnWidth(numbers[name], width)
        match _listed(state, "sort"):
            case [str(name), bool(descending)] if name in numbers:
                self.sortByColumn(numbers[name], Qt.DescendingOrder if descending else Qt.AscendingOrder)

    def _choose_columns(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        visible = sum(not self.isColumnHidden(n) for n in range(len(self._rows.columns)))
        for number in range(len(self._rows.columns)):
            shown = not self.isColumnHidden(number)
            action = menu.addAction(self._rows.title(number))
            action.setCheckable(True)
            action.setChecked(shown)
            action.setEnabled(not shown or visible > 1)
            action.toggled.connect(lambda on, n=number: self.setColumnHidden(n, not on))
        menu.popup(self.horizontalHeader().mapToGlobal(where))

    # Keys and events

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, Delete asks, Ctrl+C copies the row; the rest is Qt's."""
        if event.key() in (Qt.Key_Return, Qt.Key_Enter):
            self._open(self.currentIndex())
        elif event.key() == Qt.Key_Delete:
            self.delete_pressed.emit()
        elif event.matches(QKeySequence.Copy):
            self.copy_row()
        else:
            super().keyPressEvent(event)

    def copy_row(self) -> None:
        """Put the current row's visible texts on the clipboard, separated by tabs."""
        line = self.currentIndex().row()
        if line < 0:
            return
        columns = [n for n in range(len(self._rows.columns)) if not self.isColumnHidden(n)]
        texts = [str(self._rows.index(line, n).data() or "") for n in columns]
        QApplication.clipboard().setText("\t".join(texts))

    def changeEvent(self, event: QEvent) -> None:
        """Make the cells anew in another language or look."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self._rows.refresh()
            self.fit_columns(shrink=False)
        elif event.type() in (QEvent.PaletteChange, QEvent.StyleChange):
            self.viewport().update()

    def showEvent(self, event: QShowEvent) -> None:
        """Ages are only kept fresh while somebody can see them."""
        super().showEvent(event)
        self._rows.refresh_ages()
        self._ages.start()

    def hideEvent(self, event: Any) -> None:
        """See `showEvent`."""
        self._ages.stop()
        super().hideEvent(event)

    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self.activated_row.emit(self._rows.row(index.row()))

    def _keep_current(self) -> None:
        index = self.currentIndex()
        self._kept = self._rows.name_of(index.row()) if index.isValid() else None

    def _restore_current(self) -> None:
        line = self._rows.find(self._kept) if self._kept is not None else -1
        if line >= 0:
            self.selectRow(line)


def _listed(state: dict[str, Any], name: str) -> list[Any]:
    value = state.get(name)
    return value if isinstance(value, list) else []
