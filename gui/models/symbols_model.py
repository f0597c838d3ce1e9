"""The watched instruments as a Qt model, in the user's own order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from core.i18n import tr
from core.model import Instrument
from core.symbol_catalog import name_of

INSTRUMENT_ROLE = Qt.UserRole
ABOUT_ROLE = Qt.UserRole + 1
TINT_ROLE = Qt.UserRole + 2


class SymbolsModel(QAbstractListModel):
    """Instruments, each once. The first `limit` get live prices, or all where prices are pushed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: list[Instrument] = []
        self._unknown: set[str] = set()
        self._limit = 0
        self.all_live = False
        """Whether the limit counts for nothing here, as prices are pushed."""

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """See Qt. `ABOUT_ROLE` is the company, or what is wrong, and `TINT_ROLE` its colour role."""
        if not index.isValid() or index.row() >= len(self._items):
            return None
        item = self._items[index.row()]
        if role == Qt.DisplayRole:
            return item.symbol
        if role == INSTRUMENT_ROLE:
            return item
        if role == ABOUT_ROLE:
            return self._about(item, index.row())
        if role == TINT_ROLE:
            return "warning" if item.key in self._unknown else "secondary"
        if role == Qt.AccessibleTextRole:
            about = self._about(item, index.row())
            return tr("symbols.spoken", symbol=item.symbol, exchange=item.exchange, about=about)
        if role == Qt.ToolTipRole:
            return self._tip(item, index.row())
        return None

    def _about(self, item: Instrument, row: int) -> str:
        if item.key in self._unknown:
            return tr("symbols.unknown")
        if self.is_over(row):
            return tr("symbols.over_limit")
        return name_of(item.key)

    def _tip(self, item: Instrument, row: int) -> str:
        lines = [" · ".join(filter(None, (item.symbol, item.exchange, name_of(item.key))))]
        if item.key in self._unknown:
            lines.append(tr("symbols.unknown_tip", key=item.key))
        elif self.is_over(row):
            lines.append(tr("symbols.over_limit_tip", limit=self._limit))
        return "\n".join(lines)

    @property
    def limit(self) -> int:
        """How many instruments get live prices; 0 for all."""
        return self._limit

    def is_over(self, row: int) -> bool:
        """Whether the instrument in this place is beyond the limit."""
        return not self.all_live and 0 < self._limit <= row

    def instruments(self) -> tuple[Instrument, ...]:
        """All, in order."""
        return tuple(self._items)

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Show exactly these."""
        items = list(dict.fromkeys(instruments))
        if items == self._items:
            return
        self.beginResetModel()
        self._items = items
        self._unknown &= {item.key for item in items}
        self.endResetModel()

    def set_limit(self, limit: int, *, all_live: bool = False) -> None:
        """Say how many get live prices."""
        self._limit, self.all_live = limit, all_live
        self.refresh()

    def mark_unknown(self, key: str) -> None:
        """Say that the provider does not know the instrument `key`."""
        if any(item.key == key for item in self._items):
            self._unknown.add(key)
            self.refresh()

    def refresh(self) -> None:
        """Have all rows shown anew."""
        if self._items:
            self.dataChanged.emit(self.index(0), self.index(len(self._items) - 1))

    def add(self, instruments: Iterable[Instrument]) -> tuple[Instrument, ...]:
        """Append those that are not there yet, and tell which."""
        present = set(self._items)
        new = [item for item in dict.fromkeys(instruments) if item not in present]
        if new:
            self.beginInsertRows(QModelIndex(), len(self._items), len(self._items) + len(new) - 1)
            self._items.extend(new)
            self.endInsertRows()
        return tuple(new)

    def remove(self, rows: Iterable[int]) -> None:
        """Take out the instruments in these places."""
        for row in sorted(set(rows), reverse=True):
            self.beginRemoveRows(QModelIndex(), row, row)
            self._unknown.discard(self._items[row].key)
            del self._items[row]
            self.endRemoveRows()

    def move(self, rows: Iterable[int], step: int) -> bool:
        """Move these by one place up (`step` -1) or down (1), as a block; False where there is no room."""
        wanted = sorted(set(rows), reverse=step > 0)
        if not wanted or not 0 <= wanted[0] + step < len(self._items):
            return False
        for row in wanted:
            self.beginMoveRows(QModelIndex(), row, row, QModelIndex(), row + (2 if step > 0 else -1))
            self._items.insert(row + step, self._items.pop(row))
            self.endMoveRows()
        return True
