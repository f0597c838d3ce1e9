"""The cells that several tables share: signed money, percentages, times and ages."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from core.exchanges import exchange_of
from core.i18n import format_number, format_percent, tr
from gui.formatting import duration
from gui.models.rows import Cell

UP, DOWN, LEVEL = "↑", "↓", "→"
NOTHING = "–"
HALF_CENT = 0.005


def tint_of(value: float | Decimal) -> str:
    """The colour role of a gain or a loss."""
    return {UP: "up", DOWN: "down", LEVEL: "text"}[arrow_of(value)]


def arrow_of(value: float | Decimal) -> str:
    """The arrow of a gain or a loss; what reads as zero goes nowhere."""
    amount = float(value)
    if abs(amount) < HALF_CENT:
        return LEVEL
    return UP if amount > 0 else DOWN


def change_cell(value: float | Decimal | None, *, unit: str = "", tip: str = "", hatch: str = "") -> Cell:
    """A signed amount with its arrow."""
    if value is None:
        return Cell(NOTHING, "secondary", tip=tip)
    text = f"{arrow_of(value)} {format_number(float(value), sign=True)}"
    if unit:
        text += f"\N{NO-BREAK SPACE}{unit}"
    return Cell(text, tint_of(value), hatch=hatch, tip=tip)


def percent_cell(value: float | None, *, tip: str = "", hatch: str = "") -> Cell:
    """A signed percentage."""
    if value is None:
        return Cell(NOTHING, "secondary", tip=tip)
    return Cell(format_percent(value), tint_of(value), hatch=hatch, tip=tip)


def quantity_text(value: Decimal) -> str:
    """A quantity with as many decimals as it has."""
    exponent = value.normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return format_number(float(value), decimals)


def local_time(stamp: float, exchange: str) -> datetime:
    """The Unix time `stamp` on the exchange's clock."""
    return datetime.fromtimestamp(stamp, UTC).astimezone(exchange_of(exchange).zone)


def date_text(moment: datetime) -> str:
    """A date in the language's way."""
    return moment.strftime(tr("positions.date_format"))


def short_time(stamp: float, exchange: str, now: float) -> str:
    """The time of day where it was today at the exchange, else the date with it."""
    moment = local_time(stamp, exchange)
    if moment.date() == local_time(now, exchange).date():
        return f"{moment:%H:%M:%S}"
    return f"{moment.strftime(tr('positions.short_date_format'))} {moment:%H:%M}"


def ago_text(seconds: float) -> str:
    """How long ago: "now", "3 min ago"."""
    return tr("positions.now") if seconds < 5 else tr("positions.ago", duration=duration(seconds))
