"""From the values of `core.model` to rows and back."""

from __future__ import annotations

from typing import Any

import msgspec

from core.model import ClosedTrade, Delivery, Position, Side, Signal


def to_row(value: Position | ClosedTrade | Signal | Delivery) -> dict[str, Any]:
    """The columns of `value`; a generated `id` is left to the database, `into` is not kept."""
    row = msgspec.structs.asdict(value)
    row.pop("id", None)
    row.pop("into", None)
    if isinstance(value, Signal):
        row["side"] = value.side.value
    return row


def to_position(row: Any) -> Position:
    """A row of `positions`."""
    return Position(**row)


def to_trade(row: Any) -> ClosedTrade:
    """A row of `trades`."""
    return ClosedTrade(**{name: row[name] for name in ClosedTrade.__struct_fields__})


def to_signal(row: Any) -> Signal:
    """A row of `signals`."""
    return Signal(**{**row, "side": Side(row["side"])})


def to_delivery(row: Any) -> Delivery:
    """A row of `deliveries`."""
    return Delivery(**row)
