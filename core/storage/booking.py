"""The rules of the ledger that hold in every store: what may be entered, and what a close books.

All arithmetic is exact. A number has at most 15 digits before and 18 after the decimal point, so no product
needs more than 70 digits; the context below has room for them and would raise rather than round.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from msgspec.structs import replace

from core.errors import InputError
from core.exchanges import EXCHANGES
from core.i18n import tr
from core.model import ClosedTrade, Position

EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])
_LARGEST = Decimal(10) ** 15
_MOST_DECIMALS = 18


def check_position(position: Position) -> None:
    """Raise `InputError` if `position` cannot be an entry of the ledger."""
    if position.exchange not in EXCHANGES:
        raise InputError(tr("storage.bad_exchange", code=position.exchange, known=", ".join(EXCHANGES)))
    if not position.symbol or not _is_text(position.symbol + position.note):
        raise InputError(tr("storage.bad_text"))
    if not math.isfinite(position.opened_at):
        raise InputError(tr("storage.bad_time"))
    _check_number("quantity", position.quantity, negative=True)
    _check_number("entry_price", position.entry_price)
    for name, value in (("stop", position.stop), ("target", position.target)):
        if value is not None:
            _check_number(name, value)


def book_close(
    position: Position, price: Decimal, closed_at: float, quantity: Decimal | None
) -> tuple[ClosedTrade, Position | None]:
    """The trade that closing `quantity` (all if None) at `price` books, and what stays open, None if nothing.

    The realised P&L is `(price - entry price) x closed quantity` with the position's sign. Raises
    `InputError`.
    """
    held = abs(position.quantity)
    asked = held if quantity is None else quantity
    _check_number("exit_price", price, zero=True)
    _check_number("closed_quantity", asked)
    if asked > held:
        raise InputError(tr("storage.too_much", asked=f"{asked:f}", held=f"{held:f}"))
    if not math.isfinite(closed_at):
        raise InputError(tr("storage.bad_time"))
    closed = asked if position.quantity > 0 else EXACT.minus(asked)
    trade = ClosedTrade(
        position_id=position.id, symbol=position.symbol, exchange=position.exchange, quantity=closed,
        entry_price=position.entry_price, exit_price=price, opened_at=position.opened_at, closed_at=closed_at,
        realised_pnl=EXACT.multiply(EXACT.subtract(price, position.entry_price), closed),
    )  # fmt: skip
    rest = EXACT.subtract(position.quantity, closed)
    return trade, replace(position, quantity=rest) if rest else None


def no_position(position_id: int) -> InputError:
    """The error for a position that is not (or no longer) open."""
    return InputError(tr("storage.no_position", id=position_id))


def _check_number(name: str, value: Decimal, *, negative: bool = False, zero: bool = False) -> None:
    if not value.is_finite() or abs(value) >= _LARGEST or _decimals(value) > _MOST_DECIMALS:
        raise InputError(tr("storage.bad_number", field=tr(f"storage.field_{name}"), value=str(value)[:60]))
    if (value < 0 and not negative) or (value == 0 and not zero):
        sentence = "storage.zero" if negative else "storage.not_positive"
        raise InputError(tr(sentence, field=tr(f"storage.field_{name}")))


def _decimals(value: Decimal) -> int:
    """How many decimals `value` really needs; zeros at the end do not count."""
    _, digits, exponent = value.as_tuple()
    written = "".join(map(str, digits))
    zeros = len(written) - len(written.rstrip("0"))
    assert isinstance(exponent, int), "only a finite number has decimals"
    return -(exponent + zeros) if value else 0


def _is_text(text: str) -> bool:
    """Whether `text` can be stored: half of a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
