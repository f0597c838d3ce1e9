"""A store without a file, for tests, benchmarks and a worker on its own. It forgets everything at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from msgspec.structs import replace

from core.model import Bar, ClosedTrade, Position
from core.storage.booking import book_close, check_position, no_position
from core.storage.memory_bots import MemoryBots


class MemoryStore(MemoryBots):
    """Behaves as `SqlStore` does, see `core.storage.base.Store`; may be used from one thread at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._positions: dict[int, Position] = {}
        self._trades: list[ClosedTrade] = []
        self._values: dict[str, str] = {}
        self._bars: dict[str, dict[int, dict[int, Bar]]] = {}
        self._position_ids = count(1)
        self._closed = False

    def positions(self) -> tuple[Position, ...]:
        """See `Store.positions`."""
        self._check()
        return tuple(self._positions[key] for key in sorted(self._positions))

    def add_positions(self, positions: Sequence[Position]) -> tuple[Position, ...]:
        """See `Store.add_positions`. Raises `InputError` for one that cannot be."""
        self._check()
        for position in positions:
            check_position(position)
        stored = tuple(replace(position, id=next(self._position_ids)) for position in positions)
        self._positions.update((position.id, position) for position in stored)
        return stored

    def replace_position(self, position: Position) -> None:
        """See `Store.replace_position`."""
        self._open_position(position.id)
        check_position(position)
        self._positions[position.id] = position

    def delete_position(self, position_id: int) -> None:
        """See `Store.delete_position`."""
        self._open_position(position_id)
        del self._positions[position_id]

    def close_position(
        self, position_id: int, price: Decimal, closed_at: float, quantity: Decimal | None = None
    ) -> ClosedTrade:
        """See `Store.close_position`."""
        trade, rest = book_close(self._open_position(position_id), price, closed_at, quantity)
        trade = replace(trade, id=len(self._trades) + 1)
        if rest is None:
            del self._positions[position_id]
        else:
            self._positions[position_id] = rest
        self._trades.append(trade)
        return trade

    def trades(self, since: float = 0.0, limit: int = 1000) -> tuple[ClosedTrade, ...]:
        """See `Store.trades`."""
        self._check()
        found = [trade for trade in self._trades if trade.closed_at >= since]
        found.sort(key=lambda trade: (trade.closed_at, trade.id), reverse=True)
        return tuple(found[:limit])

    def value(self, key: str, default: Any = None) -> Any:
        """See `Store.value`."""
        self._check()
        return json.loads(self._values[key]) if key in self._values else default

    def set_value(self, key: str, value: Any) -> None:
        """See `Store.set_value`. Raises `TypeError` or `ValueError` for what JSON cannot hold."""
        self._check()
        self._values[key] = json.dumps(value, allow_nan=False)

    def add_bars(self, bars: Sequence[Bar], seconds: int = 60, *, keep: bool = False) -> None:
        """See `Store.add_bars`."""
        self._check()
        for bar in bars:
            series = self._bars.setdefault(bar.key, {}).setdefault(seconds, {})
            start = round(bar.start)
            if not keep or start not in series:
                series[start] = replace(bar, start=float(start))

    def bars(
        self, key: str, seconds: int = 60, since: float = 0.0, until: float = math.inf, limit: int = 5000
    ) -> tuple[Bar, ...]:
        """See `Store.bars`."""
        found = self._series(key, seconds, since, until)
        return tuple(found[-limit:] if limit > 0 else ())

    def oldest_bars(self, key: str, seconds: int, until: float, limit: int) -> tuple[Bar, ...]:
        """See `Store.oldest_bars`."""
        return tuple(self._series(key, seconds, -math.inf, until)[:limit])

    def bar_keys(self) -> tuple[str, ...]:
        """See `Store.bar_keys`."""
        self._check()
        return tuple(sorted(self._bars))

    def remove_bars(self, key: str, seconds: int, until: float) -> None:
        """See `Store.remove_bars`."""
        for bar in self._series(key, seconds, -math.inf, until):
            del self._bars[key][seconds][round(bar.start)]

    def close(self) -> None:
        """See `Store.close`."""
        self._closed = True

    def _series(self, key: str, seconds: int, since: float, until: float) -> list[Bar]:
        self._check()
        series = self._bars.get(key, {}).get(seconds, {})
        return [series[start] for start in sorted(series) if since <= start < until]

    def _open_position(self, position_id: int) -> Position:
        self._check()
        position = self._positions.get(position_id)
        if position is None:
            raise no_position(position_id)
        return position

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")
