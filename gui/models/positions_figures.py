"""Figures of a valued position that the table shows beside the engine's own."""

from __future__ import annotations

from core.model import Position, PositionPnl


def stop_distance_pct(row: PositionPnl) -> float | None:
    """How far the stop is from the price, in percent of the price (negative below it)."""
    if row.position.stop is None or not row.price:
        return None
    return (float(row.position.stop) - row.price) / row.price * 100


def stop_is_hit(row: PositionPnl) -> bool:
    """Whether the last price has reached the stop: from above if long, from below if short."""
    stop = row.position.stop
    if stop is None or row.price is None:
        return False
    return row.price <= float(stop) if row.position.quantity > 0 else row.price >= float(stop)


def pnl_at_stop(position: Position) -> float | None:
    """The P&L if the position is closed exactly at its stop."""
    if position.stop is None:
        return None
    return float((position.stop - position.entry_price) * position.quantity)
