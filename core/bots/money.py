"""Exact amounts: what an order costs, where its price may lie, how many shares a sum buys.

All sums and products are exact (`EXACT` raises rather than round). Rounding happens in three places only:
prices go to the exchange's tick against the trader, fees to the cent, quantities down to the lot.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow

from core.price_rules import lot_size, tick_size

EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDING = Context(prec=100, traps=[InvalidOperation, Overflow])
ZERO = Decimal(0)
_CENT = Decimal("0.01")
_PERCENT = Decimal("0.01")
add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def exact(value: float) -> Decimal:
    """The decimal number that a float is written as: 0.1 gives 0.1."""
    return Decimal(repr(value)) if type(value) is float else Decimal(str(value))


def to_tick(key: str, price: Decimal, *, up: bool) -> Decimal:
    """The nearest price of the exchange's steps at or above `price` (at or below it unless `up`), over 0."""
    tick = tick_size(key, float(price))
    steps = _ROUNDING.divide_int(price, tick)
    lower = multiply(steps, tick)
    if up:
        return lower if lower == price else add(lower, tick)
    return lower if lower > 0 else tick


def slipped(key: str, price: Decimal, slippage_pct: Decimal, *, buy: bool) -> Decimal:
    """What a trader who takes the market at `price` pays or gets, rounded to the tick against them."""
    part = multiply(multiply(price, slippage_pct), _PERCENT)
    return to_tick(key, add(price, part) if buy else subtract(price, part), up=buy)


def fee_of(quantity: Decimal, price: Decimal, fee_pct: Decimal, fee_min: Decimal) -> Decimal:
    """The broker's fee for a fill: percent of its value, to the cent, `fee_min` at least."""
    value = multiply(multiply(abs(quantity), price), multiply(fee_pct, _PERCENT))
    return max(value.quantize(_CENT, ROUND_HALF_UP, _ROUNDING), fee_min)


def to_lot(key: str, quantity: Decimal) -> Decimal:
    """The greatest number of whole lots that `quantity` holds."""
    lot = lot_size(key)
    return multiply(_ROUNDING.divide_int(quantity, lot), lot)


def shares_for(key: str, budget: Decimal, price: Decimal) -> Decimal:
    """How many shares `budget` buys at `price`, in whole lots; 0 for a budget that buys none."""
    if budget <= 0 or price <= 0:
        return ZERO
    lot = lot_size(key)
    return multiply(_ROUNDING.divide_int(budget, multiply(price, lot)), lot)


def plain(value: Decimal) -> str:
    """`value` without an exponent and without zeros that say nothing, for memory and messages."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
