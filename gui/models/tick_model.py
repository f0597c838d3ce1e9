"""The price list as a Qt model: the latest value per instrument, filtered and sorted.

The values change far more often than the screen. So a new price does not emit `dataChanged`; the row is
marked `dirty`, and the ticker repaints the visible dirty rows once per frame.
"""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from core.clock import Clock, SystemClock
from core.exchanges import EXCHANGES
from core.instruments import ascii_upper, fold
from core.model import FreshnessChange, Instrument, SourceConflict, Tick
from gui.models.tick_row import STATE_RANK, Link, RowState, TickRow
from gui.models.tick_text import spoken_text, tooltip_text

log = logging.getLogger(__name__)
KEY_ROLE = Qt.UserRole


class SortKey(StrEnum):
    """What the list is sorted by; LIST is the user's own order."""

    LIST = "list"
    SYMBOL = "symbol"
    STATE = "state"
    PRICE = "price"
    CHANGE = "change"

    @property
    def moves(self) -> bool:
        """Whether new prices change the order."""
        return self in (SortKey.STATE, SortKey.PRICE, SortKey.CHANGE)


class TickModel(QAbstractListModel):
    """Rows over the watched instruments."""

    def __init__(
        self, default_exchange: str = "BIST", clock: Clock | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.link = Link()
        self.clock = clock or SystemClock()
        self.default_exchange = default_exchange
        self.sort_key = SortKey.SYMBOL
        self.descending = False
        self.filter_text = ""
        self.opens_at: Callable[[str], float | None] = lambda exchange: None
        self._rows: dict[str, TickRow] = {}
        self._order: list[TickRow] = []
        self._by_name: list[TickRow] | None = None
        self._given: frozenset[str] | None = None
        self._simulated = 0
        self._exchanges: set[str] = set()
        self._named: dict[str, TickRow] = {}
        self._refused: set[str] = set()

    # What is shown

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(self._order)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """See Qt."""
        if not index.isValid() or index.row() >= len(self._order):
            return None
        row = self._order[index.row()]
        if role == Qt.DisplayRole:
            return row.symbol
        if role == KEY_ROLE:
            return row.key
        if role == Qt.ToolTipRole:
            return tooltip_text(row, self.link, self.clock.time(), self.opens_at(row.exchange))
        if role in (Qt.AccessibleTextRole, Qt.AccessibleDescriptionRole):
            return spoken_text(row, self.link, self.clock.time())
        return None

    def row_at(self, number: int) -> TickRow:
        """The row that is shown in place `number`."""
        return self._order[number]

    def row_of(self, key: str) -> TickRow | None:
        """The row of the instrument `key`, shown or filtered out."""
        return self._rows.get(key)

    def index_of(self, key: str) -> QModelIndex:
        """The index of the instrument `key`; invalid if it is not shown."""
        row = self._rows.get(key)
        if row is None or row not in self._order:
            return QModelIndex()
        return self.index(self._order.index(row))

    def keys(self) -> tuple[str, ...]:
        """The instruments that are shown, in order."""
        return tuple(row.key for row in self._order)

    @property
    def total(self) -> int:
        """How many instruments there are, shown or not."""
        return len(self._rows)

    @property
    def simulated(self) -> int:
        """How many prices are made up."""
        return self._simulated

    @property
    def several_exchanges(self) -> bool:
        """Whether a symbol alone leaves open which exchange is meant."""
        return len(self._exchanges) > 1

    # What changes it

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Watch exactly these, in this order; what is known of those that stay is kept."""
        self.beginResetModel()
        old = self._rows
        self._rows = {}
        for place, instrument in enumerate(instruments):
            row = old.get(instrument.key) or TickRow(instrument, place)
            row.place = place
            row.dirty = True
            self._rows.setdefault(row.key, row)
        self._given = frozenset(self._rows)
        self._recount()
        self._order = self._sorted()
        self.endResetModel()

    def apply_ticks(self, ticks: Iterable[Tick]) -> None:
        """Take vetted prices. Late ones of an instrument that is no longer watched are dropped."""
        rows = self._rows
        for tick in ticks:
            row = rows.get(tick.key)
            if row is None:
                if self._given is not None:
                    continue
                row = self._add(Instrument.from_key(tick.key))
            if not 0.0 < tick.price < math.inf:
                self._refuse(tick.key, tick.price)
                continue
            before = row.simulated
            row.take(tick)
            if row.simulated is not before:
                self._simulated += 1 if row.simulated else -1

    def update_price(self, symbol: str, price: float, change_pct: float) -> bool:
        """Take a price of which nothing else is known; False if it cannot be one."""
        value, change = _number(price), _number(change_pct)
        if not 0.0 < value < math.inf or not math.isfinite(change):
            self._refuse(symbol, price)
            return False
        row = self._find(symbol) or self._add(self._instrument(symbol))
        row.take_bare(value, change, self.clock.time())
        return True

    def apply_freshness(self, changes: Iterable[FreshnessChange]) -> None:
        """Let prices grow old."""
        for change in changes:
            row = self._rows.get(change.key)
            if row is not None:
                row.age(change)

    def dispute(self, conflict: SourceConflict) -> None:
        """Say at this instrument that two sources contradict each other, or no longer do."""
        row = self._rows.get(conflict.key)
        if row is not None:
            row.dispute(conflict)

    def set_link(self, connected: bool, *, trying: bool, simulated: bool = False) -> bool:
        """Tell what is known of the connection; True if that is news."""
        link = self.link
        if (link.connected, link.trying, link.simulated) == (connected, trying, simulated):
            return False
        if not connected:
            for row in self._rows.values():
                row.lost = row.price is not None
        link.connected, link.trying, link.simulated = connected, trying, simulated
        self.touch_all()
        return True

    def mark_unknown(self, key: str) -> None:
        """Say at this instrument that the provider does not know it."""
        row = self._find(key)
        if row is not None:
            row.clear()
            row.unknown = True
            self._recount()

    def clear_prices(self) -> None:
        """Forget all prices; rows that only a price had brought go with it."""
        self.beginResetModel()
        given = self._given or frozenset()
        self._rows = {key: row for key, row in self._rows.items() if key in given}
        for row in self._rows.values():
            row.clear()
        self._recount()
        self._order = self._sorted()
        self.endResetModel()

    def touch_all(self) -> None:
        """Let every row's texts be made anew."""
        for row in self._rows.values():
            row.dirty = True

    # Sorting and filtering

    def set_sort(self, key: SortKey, *, descending: bool = False) -> None:
        """Sort by `key` from now on. Equal rows stand by symbol, rows without a price last."""
        self.sort_key, self.descending = key, descending
        self.resort()

    def set_filter(self, text: str) -> None:
        """Show only instruments whose "EXCHANGE:SYMBOL" contains each word of `text`."""
        if text == self.filter_text:
            return
        self.beginResetModel()
        self.filter_text = text
        self._order = self._sorted()
        self.endResetModel()

    def resort(self) -> bool:
        """Bring the order up to date; True if it changed. Selections stay with their rows."""
        order = self._sorted()
        if order == self._order:
            return False
        # Not `layoutChanged`: Qt's list view would arrange thousands of equally high rows anew, in 7 ms.
        # Every place shows another instrument, and the selected single row goes along by its index.
        before = self.persistentIndexList()
        kept = [self._order[index.row()] for index in before]
        self._order = order
        places = {row.key: place for place, row in enumerate(order)} if kept else {}
        after = [self.index(places[row.key]) if row.key in places else QModelIndex() for row in kept]
        self.changePersistentIndexList(before, after)
        self.dataChanged.emit(self.index(0), self.index(len(order) - 1))
        return True

    def _sorted(self) -> list[TickRow]:
        if self._by_name is None:
            self._by_name = sorted(self._rows.values(), key=_name)
        rows = self._by_name
        if self.filter_text:
            rows = [row for row in rows if self._matches(row)]
        if self.sort_key is SortKey.LIST:
            return sorted(rows, key=_place)
        if self.sort_key is SortKey.SYMBOL:
            return rows[::-1] if self.descending else list(rows)
        priced = [row for row in rows if row.price is not None]
        priced.sort(key=self._value(), reverse=self.descending)
        return priced + [row for row in rows if row.price is None]

    def _value(self) -> Callable[[TickRow], Any]:
        if self.sort_key is SortKey.PRICE:
            return lambda row: row.price
        if self.sort_key is SortKey.CHANGE:
            return lambda row: row.change
        link = self.link
        return lambda row: (STATE_RANK[row.state(link)], -row.new_at if row.state(link) in _AGING else 0.0)

    # Rows

    def _find(self, symbol: str) -> TickRow | None:
        """The row that `symbol`, a ticker or a whole key, means; the default exchange's goes first."""
        row = self._named.get(symbol)
        if row is None:
            wanted = self._instrument(symbol)
            row = self._rows.get(wanted.key)
            if row is None and ":" not in symbol:
                row = next((row for row in self._rows.values() if row.symbol == wanted.symbol), None)
            if row is not None:
                self._named[symbol] = row
        return row

    def _instrument(self, symbol: str) -> Instrument:
        exchange, _, ticker = symbol.rpartition(":")
        exchange = ascii_upper(exchange)
        return Instrument(exchange if exchange in EXCHANGES else self.default_exchange, ascii_upper(ticker))

    def _add(self, instrument: Instrument) -> TickRow:
        row = TickRow(instrument, len(self._rows))
        self._rows[row.key] = row
        self._by_name = None
        self._named.clear()
        if instrument.exchange not in self._exchanges:
            self._exchanges.add(instrument.exchange)
            self.touch_all()
        if not self._matches(row):
            return row
        place = len(self._order)
        if self.sort_key is SortKey.SYMBOL and not self.descending:
            place = bisect_right(self._order, _name(row), key=_name)
        self.beginInsertRows(QModelIndex(), place, place)
        self._order.insert(place, row)
        self.endInsertRows()
        return row

    def _matches(self, row: TickRow) -> bool:
        return all(word in fold(row.key) for word in fold(self.filter_text).split())

    def _recount(self) -> None:
        """Bring up to date what is known of the rows as a whole."""
        self._named.clear()
        self._by_name = None
        self._simulated = sum(row.simulated for row in self._rows.values())
        exchanges = {row.exchange for row in self._rows.values()}
        if len(exchanges) != len(self._exchanges):
            self.touch_all()
        self._exchanges = exchanges

    def _refuse(self, symbol: str, price: object) -> None:
        if symbol not in self._refused:
            self._refused.add(symbol)
            log.warning("refused a price of %s that cannot be one: %r", symbol, price)


_AGING = frozenset((RowState.STALE, RowState.LOST))


def _place(row: TickRow) -> int:
    return row.place


def _name(row: TickRow) -> tuple[str, str]:
    return row.symbol, row.exchange


def _number(value: object) -> float:
    """`value` as a float, NaN for what is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
