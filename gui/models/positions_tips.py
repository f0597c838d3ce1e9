"""What the tooltips of the positions table say; made only when somebody asks."""

from __future__ import annotations

from core.exchanges import exchange_of
from core.i18n import format_number, format_percent, tr
from core.model import Freshness, PositionPnl
from core.price_rules import format_price
from gui.formatting import duration, exact_time
from gui.models.positions_figures import pnl_at_stop, stop_distance_pct, stop_is_hit


def symbol_tip(row: PositionPnl, now: float) -> str:
    """The instrument's key, when it was opened, and the note."""
    position = row.position
    opened = tr("positions.opened_tip", time=exact_time(position.opened_at, position.exchange, now))
    return _lines(position.key, opened, position.note)


def state_tip(row: PositionPnl, now: float) -> str:
    """What the price is worth, and of when it is."""
    if row.freshness is None or row.price is None:
        return tr("positions.no_price_tip")
    state = row.freshness.value
    tip = tr(f"positions.{state}_tip")
    if row.stamp is None:
        return tip
    if row.freshness in (Freshness.STALE, Freshness.DELAYED):
        tip = tr(f"positions.{state}_age", age=duration(now - row.stamp)) + ". " + tip
    time = exact_time(row.stamp, row.position.exchange, now)
    return _lines(tip, tr("positions.price_of", time=time))


def pnl_tip(row: PositionPnl) -> str:
    """The position's value, and whether it is a real one."""
    if row.value is None:
        return ""
    value = format_price(row.position.key, row.value, currency=True)
    return _lines(tr("positions.value_tip", value=value), _simulated(row))


def day_tip(row: PositionPnl) -> str:
    """The day's profit or loss in percent."""
    return _lines(format_percent(row.daily_pnl_pct) if row.daily_pnl_pct is not None else "", _simulated(row))


def stop_tip(row: PositionPnl) -> str:
    """How far the stop is, and what it costs if it is hit."""
    if row.position.stop is None:
        return tr("positions.no_stop_tip")
    if stop_is_hit(row):
        return tr("positions.stop_hit_tip")
    distance = stop_distance_pct(row)
    away = "" if distance is None else tr("positions.stop_tip", distance=format_percent(distance, 1))
    unit = exchange_of(row.position.exchange).currency
    risk = format_number(pnl_at_stop(row.position) or 0.0, sign=True)
    return _lines(away, tr("positions.risk_amount_tip", pnl=f"{risk}\N{NO-BREAK SPACE}{unit}"))


def target_tip(row: PositionPnl) -> str:
    """How far the target is."""
    if row.position.target is None or not row.price:
        return ""
    away = (float(row.position.target) - row.price) / row.price * 100
    return tr("positions.target_tip", distance=format_percent(away, 1))


def quantity_tip(row: PositionPnl) -> str:
    """What a negative quantity means."""
    return tr("positions.short_tip") if row.position.quantity < 0 else ""


def _simulated(row: PositionPnl) -> str:
    return tr("positions.simulated_tip") if row.freshness is Freshness.SIMULATED else ""


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, lines))
