"""How a price is shown: its decimals, its currency and the exchange's smallest step.

A received price is never moved to a step: adjusted history and indices lie between them.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal

from core.exchanges import exchange_of
from core.i18n import format_number
from core.model import Instrument

# Borsa Istanbul, shares, since 6 November 2023: the step below each limit, and above the last one.
_BIST_LIMITS = (20, 50, 100, 250, 500, 1000, 2500)
_BIST_STEPS = tuple(map(Decimal, ("0.01", "0.02", "0.05", "0.10", "0.25", "0.50", "1", "2.50")))
_CENT = Decimal("0.01")
_US_BELOW_ONE = Decimal("0.0001")  # SEC Rule 612 allows four decimals below one dollar
_CRYPTO_DECIMALS = ((100.0, 2), (1.0, 4), (0.01, 6))
_CRYPTO_SMALLEST = 8
_CRYPTO_LOT = Decimal("0.000001")


def currency_of(key: str) -> str:
    """The currency sign of the instrument `key` ("BIST:ASELS" gives "₺")."""
    return exchange_of(Instrument.from_key(key).exchange).currency


def tick_size(key: str, price: float) -> Decimal:
    """The exchange's smallest step at `price`, for entering orders; received prices may lie between steps."""
    exchange = Instrument.from_key(key).exchange
    if exchange == "BIST":
        return _BIST_STEPS[bisect_right(_BIST_LIMITS, abs(price))]
    if exchange == "CRYPTO":
        return Decimal(1).scaleb(-decimals_of(key, price))
    return _US_BELOW_ONE if 0 < abs(price) < 1 else _CENT


def lot_size(key: str) -> Decimal:
    """The smallest quantity that can be traded: one share, or a millionth of a coin."""
    return _CRYPTO_LOT if key.startswith("CRYPTO:") else Decimal(1)


def decimals_of(key: str, price: float) -> int:
    """With how many decimals a price of this size is shown."""
    exchange = Instrument.from_key(key).exchange
    size = abs(price)
    if exchange == "CRYPTO":
        return next((count for limit, count in _CRYPTO_DECIMALS if size >= limit), _CRYPTO_SMALLEST)
    return 4 if exchange != "BIST" and 0 < size < 1 else 2


def format_price(key: str, price: float, *, currency: bool = False) -> str:
    """`price` in the interface's number format, such as "1.234,50", with " ₺" after it if `currency`."""
    text = format_number(price, decimals_of(key, price))
    return f"{text}\N{NO-BREAK SPACE}{currency_of(key)}" if currency else text
