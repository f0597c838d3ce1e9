"""How the market zone writes prices, changes, lengths of time and moments."""

from __future__ import annotations

from datetime import UTC, datetime

from core.exchanges import exchange_of
from core.i18n import format_percent, tr
from core.price_rules import decimals_of, format_price

__all__ = [
    "arrow_of",
    "change_text",
    "decimals_of",
    "direction",
    "duration",
    "exact_time",
    "price_text",
    "stale_text",
]
_DECIMALS = 2
_HALF = 0.5 * 10**-_DECIMALS
_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
_ARROWS = {1: "↑", 0: "→", -1: "↓"}


def price_text(key: str, price: float) -> str:
    """The price with its currency and the exchange's decimals."""
    return format_price(key, price, currency=True)


def direction(change_pct: float) -> int:
    """1, 0 or -1, by the change as it is shown: what reads "0.00%" goes nowhere."""
    if abs(change_pct) < _HALF:
        return 0
    return 1 if change_pct > 0 else -1


def arrow_of(change_pct: float) -> str:
    """The arrow beside a change."""
    return _ARROWS[direction(change_pct)]


def change_text(change_pct: float) -> str:
    """The change with its sign: "+2.15%"."""
    return format_percent(change_pct if direction(change_pct) else 0.0, _DECIMALS)


def duration(seconds: float) -> str:
    """A length of time in whole units: "40 s", "15 min", "2 h"."""
    count, unit = _largest_unit(seconds)
    return tr(f"ticker.{unit}", count=count)


def stale_text(seconds: float) -> str:
    """The sentence for a price that has not moved on: "No new price for 4 min"."""
    count, unit = _largest_unit(seconds)
    return tr(f"ticker.stale_{unit}", count=count)


def _largest_unit(seconds: float) -> tuple[int, str]:
    for size, unit in _UNITS:
        if seconds >= size:
            return int(seconds // size), unit
    return max(0, int(seconds)), "seconds"


def exact_time(stamp: float, exchange: str, now: float) -> str:
    """The moment on the exchange's clock, with the date unless it was on the exchange's present day."""
    zone = exchange_of(exchange).zone
    moment = datetime.fromtimestamp(stamp, UTC).astimezone(zone)
    clock = f"{moment:%H:%M:%S}"
    if moment.date() == datetime.fromtimestamp(now, UTC).astimezone(zone).date():
        return tr("ticker.time_today", clock=clock, exchange=exchange)
    weekday = tr("ticker.weekdays").split()[moment.weekday()]
    return tr(
        "ticker.time_other_day", weekday=weekday, day=moment.day, month=moment.month, year=moment.year,
        clock=clock, exchange=exchange,
    )  # fmt: skip
