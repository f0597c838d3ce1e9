"""Booking the end of a position, or of a part of it, at the price of the real trade."""

from __future__ import annotations

from decimal import Decimal

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QLineEdit, QWidget

from core.errors import InputError
from core.exchanges import exchange_of
from core.i18n import format_number, format_percent, tr
from core.model import Freshness, PositionPnl
from core.price_rules import decimals_of, format_price
from gui.dialogs.fields import FormDialog, FormField, decimal_in, positive
from gui.dialogs.numbers import edit_text
from gui.models.cells import arrow_of, quantity_text, tint_of
from gui.widgets.panel_tools import set_role

WIDTH = 440


class ClosePositionDialog(FormDialog):
    """Asks for price and quantity and shows the profit or loss that will be booked.

    A simulated last price is proposed only if the user chose the simulator: a fallback's price is nobody's
    trade.
    """

    def __init__(
        self, row: PositionPnl, parent: QWidget | None = None, *, simulation_chosen: bool = False
    ) -> None:
        title = tr("positions.close_title", symbol=row.position.symbol)
        super().__init__(parent, title, tr("positions.close_button"))
        self._row = row
        self._position = row.position
        self._price: Decimal | None = None
        self._quantity: Decimal | None = None
        simulated = row.freshness is Freshness.SIMULATED
        self._proposed = None if simulated and not simulation_chosen else row.price
        self._make_fields()
        self._add_warning(simulation_chosen)
        self.price_edit.textChanged.connect(self._judge)
        self.quantity_edit.textChanged.connect(self._judge)
        self.setMinimumWidth(WIDTH)
        self._judge()
        self.price_edit.setFocus()
        self.price_edit.selectAll()

    def price(self) -> Decimal:
        """The price of the trade. Raises ValueError before the form is complete."""
        if self._price is None:
            raise ValueError("the form is not complete")
        return self._price

    def quantity_or_all(self) -> Decimal | None:
        """How much is closed, a positive number; None for the whole position."""
        whole = abs(self._position.quantity)
        return None if self._quantity is None or self._quantity == whole else self._quantity

    def _make_fields(self) -> None:
        position = self._position
        name = "positions.close_intro_short" if position.quantity < 0 else "positions.close_intro_long"
        intro = QLabel(self)
        intro.setWordWrap(True)
        intro.setText(
            tr(
                name,
                quantity=quantity_text(abs(position.quantity)),
                symbol=position.symbol,
                entry=format_price(position.key, float(position.entry_price), currency=True),
            )
        )
        self._column.insertWidget(0, intro)
        self.price_edit, self.quantity_edit = QLineEdit(self), QLineEdit(self)
        for editor in (self.price_edit, self.quantity_edit):
            editor.setAlignment(Qt.AlignRight)
        proposed = self._proposed is not None
        help_price = tr("positions.help_close_price" if proposed else "positions.help_close_price_none")
        self.f_price = self.add_field(tr("positions.field_close_price"), self.price_edit, help_price)
        self.f_quantity = self.add_field(tr("positions.field_close_quantity"), self.quantity_edit)
        if self._proposed is not None:
            self.price_edit.setText(edit_text(self._rounded(self._proposed)))
        self.quantity_edit.setText(edit_text(abs(position.quantity)))
        self.warning = QLabel(self)
        self.result_label = QLabel(self)
        note = QLabel(tr("positions.close_note"), self)
        note.setProperty("role", "secondary")
        for label in (self.warning, self.result_label, note):
            label.setWordWrap(True)
        self.finish(self.warning, self.result_label, note)

    def _rounded(self, price: float) -> Decimal:
        """The float of the feed as the price a person reads."""
        return round(Decimal(repr(price)), decimals_of(self._position.key, price))

    def _add_warning(self, simulation_chosen: bool) -> None:
        simulated = "close_simulated_chosen" if simulation_chosen else "close_simulated"
        name = {
            Freshness.STALE: "close_stale",
            Freshness.DELAYED: "close_delayed",
            Freshness.SIMULATED: simulated,
            None: "close_no_price",
        }.get(self._row.freshness if self._row.price is not None else None)
        self.warning.setVisible(name is not None)
        if name:
            self.warning.setText("⚠ " + tr(f"positions.{name}"))
            set_role(self.warning, "warning")

    def _too_much(self, value: Decimal) -> str:
        if value <= 0:
            return tr("positions.close_positive")
        held = abs(self._position.quantity)
        return tr("positions.close_too_much", quantity=quantity_text(held)) if value > held else ""

    def _judge(self) -> None:
        problems: list[tuple[FormField, str]] = []
        self._price = self._quantity = None
        try:
            self._price = decimal_in(self.price_edit, positive)
        except InputError as error:
            problems.append((self.f_price, str(error)))
        try:
            self._quantity = decimal_in(self.quantity_edit, self._too_much)
            if self._quantity is None:
                problems.append((self.f_quantity, tr("positions.needed")))
        except InputError as error:
            problems.append((self.f_quantity, str(error)))
        self.show_problems(problems)
        self.accept_button.setEnabled(self._price is not None and self._quantity is not None)
        self._show_result()

    def _show_result(self) -> None:
        self.result_label.setVisible(self._price is not None and self._quantity is not None)
        if self._price is None or self._quantity is None:
            return
        position = self._position
        sign = 1 if position.quantity > 0 else -1
        pnl = (self._price - position.entry_price) * self._quantity * sign
        percent = (self._price / position.entry_price - 1) * 100 * sign
        unit = exchange_of(position.exchange).currency
        text = f"{arrow_of(pnl)} {format_number(float(pnl), sign=True)}\N{NO-BREAK SPACE}{unit}"
        sentence = tr("positions.close_result", pnl=f"{text} ({format_percent(float(percent))}).")
        rest = abs(position.quantity) - self._quantity
        if rest:
            sentence += " " + tr("positions.close_rest", quantity=quantity_text(rest))
        self.result_label.setText(sentence)
        role = tint_of(pnl)
        set_role(self.result_label, role if role in ("up", "down") else "")
        self.make_room()
