"""The form in which a position is entered or changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from PyQt5.QtCore import QDate, QDateTime, QStringListModel, Qt, QTime
from PyQt5.QtWidgets import QComboBox, QCompleter, QDateTimeEdit, QLabel, QLineEdit, QWidget

from core.errors import InputError
from core.exchanges import EXCHANGES, exchange_of
from core.i18n import format_number, tr
from core.instruments import parse_instrument
from core.model import Position
from core.price_rules import format_price
from gui.dialogs.fields import FormDialog, FormField, decimal_in, positive
from gui.dialogs.numbers import edit_text

T = TypeVar("T")
MAX_NOTE = 200
CLOCK_SLACK = 60.0
WIDTH = 460
SUGGESTIONS = 12


class PositionDialog(FormDialog):
    """A new position, or the changes of `position`; `position()` is the result after `accepted`."""

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        position: Position | None = None,
        default_exchange: str = "BIST",
        now: Callable[[], float] = time.time,
    ) -> None:
        title = (
            tr("positions.dialog_edit", symbol=position.symbol) if position else tr("positions.dialog_new")
        )
        button = tr("positions.save_edit" if position else "positions.save_new")
        super().__init__(parent, title, button)
        self._now = now
        self._original = position
        self._result: Position | None = None
        self._found: list[tuple[FormField, str]] = []
        self._blame_empty = False
        self._code = position.exchange if position else default_exchange
        self._make_fields()
        self._fill(position)
        self._connect()
        self.setMinimumWidth(WIDTH)
        self._judge()

    def position(self) -> Position:
        """What was entered. Raises ValueError before the form is complete."""
        if self._result is None:
            raise ValueError("the form is not complete")
        return self._result

    # Building

    def _make_fields(self) -> None:
        self.symbol = QLineEdit(self)
        self._suggestions = QStringListModel(self)
        completer = QCompleter(self._suggestions, self)
        completer.setCompletionMode(QCompleter.UnfilteredPopupCompletion)
        completer.activated[str].connect(self._take_suggestion)
        self.symbol.setCompleter(completer)
        self.exchange = QComboBox(self)
        self.exchange.addItems(list(EXCHANGES))
        self.quantity, self.entry = QLineEdit(self), QLineEdit(self)
        self.stop, self.target, self.note = QLineEdit(self), QLineEdit(self), QLineEdit(self)
        self.opened = QDateTimeEdit(self)
        self.opened.setCalendarPopup(True)
        self.opened.setTimeSpec(
            Qt.UTC
        )  # shows wall time as it is: the zone is the exchange's, not the computer's
        self.opened.setDisplayFormat(tr("positions.edit_date_format"))
        for editor in (self.stop, self.target, self.note):
            editor.setPlaceholderText(tr("positions.optional"))
        for number in (self.quantity, self.entry, self.stop, self.target):
            number.setAlignment(Qt.AlignRight)
        add = self.add_field
        self.f_symbol = add(tr("positions.field_symbol"), self.symbol, tr("positions.help_symbol"))
        self.f_exchange = add(tr("positions.field_exchange"), self.exchange)
        help_quantity = tr("positions.help_quantity", example=edit_text(Decimal(-100)))
        self.f_quantity = add(tr("positions.field_quantity"), self.quantity, help_quantity)
        self.f_entry = add(tr("positions.field_entry"), self.entry)
        self.f_opened = add(tr("positions.field_opened"), self.opened, self._zone_help())
        self.f_stop = add(tr("positions.field_stop"), self.stop)
        self.f_target = add(tr("positions.field_target"), self.target)
        self.f_note = add(tr("positions.field_note"), self.note)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        self.finish(self.summary)

    def _fill(self, position: Position | None) -> None:
        self.exchange.setCurrentText(self._code)
        self._set_opened(position.opened_at if position else self._now())
        if position is None:
            return
        self.symbol.setText(position.symbol)
        self.quantity.setText(edit_text(position.quantity))
        self.entry.setText(edit_text(position.entry_price))
        self.stop.setText(edit_text(position.stop))
        self.target.setText(edit_text(position.target))
        self.note.setText(position.note)
        self.quantity.setFocus()
        self.quantity.selectAll()

    def _connect(self) -> None:
        for editor in (self.symbol, self.quantity, self.entry, self.stop, self.target, self.note):
            editor.textChanged.connect(self._judge)
        self.symbol.textEdited.connect(self._suggest)
        self.exchange.currentTextChanged.connect(self._change_exchange)
        self.opened.dateTimeChanged.connect(self._judge)

    def _zone_help(self) -> str:
        return tr("positions.help_opened", zone=exchange_of(self._code).timezone)

    def _change_exchange(self, code: str) -> None:
        """Keep the moment, shown on the new exchange's clock, unless the person has set it already."""
        untouched = self._opened_stamp() == self._shown_stamp
        stamp = self._exact_stamp
        self._code = code
        self.f_opened.set_label(tr("positions.field_opened"), self._zone_help())
        if untouched:
            self._set_opened(stamp)
        self._judge()

    def _suggest(self, text: str) -> None:
        from core.symbol_catalog import search

        if not text.strip():
            self._suggestions.setStringList([])
            return
        found = search(text, limit=SUGGESTIONS)
        self._suggestions.setStringList(
            [f"{entry.symbol} · {entry.exchange} · {entry.name}" for entry in found]
        )
        self.symbol.completer().complete()

    def _take_suggestion(self, text: str) -> None:
        symbol, _, rest = text.partition(" · ")
        exchange = rest.partition(" · ")[0]
        if exchange in EXCHANGES:
            self.exchange.setCurrentText(exchange)
            self.symbol.setText(symbol)
            self.quantity.setFocus()

    # The time of opening: wall time in the editor, Unix seconds outside

    def _set_opened(self, stamp: float) -> None:
        moment = datetime.fromtimestamp(stamp, UTC).astimezone(exchange_of(self._code).zone)
        date = QDate(moment.year, moment.month, moment.day)
        self.opened.setDateTime(QDateTime(date, QTime(moment.hour, moment.minute), Qt.UTC))
        self._shown_stamp = self._opened_stamp()
        self._exact_stamp = stamp

    def _opened_stamp(self) -> float:
        date, clock = self.opened.date(), self.opened.time()
        zone = exchange_of(self._code).zone
        moment = datetime(date.year(), date.month(), date.day(), clock.hour(), clock.minute(), tzinfo=zone)
        return moment.timestamp()

    def _opened_exactly(self) -> float:
        """The moment entered; to the second where it was not touched."""
        stamp = self._opened_stamp()
        return self._exact_stamp if stamp == self._shown_stamp else stamp

    # Judging

    def _judge(self) -> None:
        """Say next to each field what is wrong with it, and below what the whole amounts to."""
        self._found = []
        self._result = self._read_all()
        if self._found:
            self._result = None
        self.show_problems(self._found)
        self._summarise()

    def _read_all(self) -> Position | None:
        symbol = self.symbol.text().strip()
        instrument = self._read(
            self.f_symbol, lambda: parse_instrument(symbol, self._code) if symbol else None
        )
        quantity = self._read(self.f_quantity, lambda: decimal_in(self.quantity, _not_zero))
        entry = self._read(self.f_entry, lambda: decimal_in(self.entry, positive))
        stop = self._read(self.f_stop, lambda: decimal_in(self.stop, positive))
        target = self._read(self.f_target, lambda: decimal_in(self.target, positive))
        opened = self._opened_exactly()
        self._check_the_rest(quantity, stop, target, opened)
        if instrument is None or quantity is None or entry is None:
            return None
        return Position(
            symbol=instrument.symbol, exchange=instrument.exchange, quantity=quantity, entry_price=entry,
            opened_at=opened, stop=stop, target=target, note=self.note.text().strip(),
            id=self._original.id if self._original else 0,
        )  # fmt: skip

    def _read(self, field: FormField, reader: Callable[[], T | None]) -> T | None:
        """What `reader` makes of a field, None if it is empty or wrong."""
        try:
            return reader()
        except InputError as error:
            self._found.append((field, str(error)))
            return None

    def _check_the_rest(
        self, quantity: Decimal | None, stop: Decimal | None, target: Decimal | None, opened: float
    ) -> None:
        """What no field can tell alone."""
        found = self._found
        if self._blame_empty:
            for field in (self.f_symbol, self.f_quantity, self.f_entry):
                if isinstance(field.editor, QLineEdit) and not field.editor.text().strip():
                    found.append((field, tr("positions.needed")))
        if quantity is not None and stop is not None and target is not None:
            sentence = _order_of(quantity, stop, target)
            if sentence:
                found.append((self.f_stop, sentence))
        if opened > self._now() + CLOCK_SLACK:
            found.append((self.f_opened, tr("positions.opened_in_future")))
        if len(self.note.text()) > MAX_NOTE:
            found.append((self.f_note, tr("positions.too_long", count=MAX_NOTE)))

    def _summarise(self) -> None:
        result = self._result
        if result is None:
            self.summary.setText("")
            return
        cost = abs(result.quantity * result.entry_price)
        name = "positions.summary_short" if result.quantity < 0 else "positions.summary_long"
        parts = [tr(name, value=format_price(result.key, float(cost), currency=True))]
        for price, key in (
            (result.stop, "positions.summary_risk"),
            (result.target, "positions.summary_reward"),
        ):
            if price is not None:
                pnl = (price - result.entry_price) * result.quantity
                unit = exchange_of(result.exchange).currency
                parts.append(tr(key, pnl=f"{format_number(float(pnl), sign=True)}\N{NO-BREAK SPACE}{unit}"))
        self.summary.setText(" · ".join(parts))
        self.make_room()

    def accept(self) -> None:
        """Close if the form is complete, else show what is missing and go there."""
        if self._result is None:
            self._blame_empty = True
            self._judge()
            field = self.first_problem()
            if field is not None:
                field.editor.setFocus()
            return
        super().accept()


def _not_zero(value: Decimal) -> str:
    return "" if value else tr("positions.quantity_zero")


def _order_of(quantity: Decimal, stop: Decimal, target: Decimal) -> str:
    if quantity > 0 and stop >= target:
        return tr("positions.stop_beyond_target_long")
    if quantity < 0 and stop <= target:
        return tr("positions.stop_beyond_target_short")
    return ""
