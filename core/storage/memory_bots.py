"""The part of the store without a file that belongs to the bots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from core.bots.model import BotChange, BotDay, BotFill, BotOrder, BotRecord, BotTrade
from core.storage.bot_checks import check_change, stale
from core.storage.bot_days import days_of, finished
from core.storage.memory_outbox import MemoryOutbox

T = TypeVar("T")


class MemoryBots(MemoryOutbox):
    """The methods of `core.storage.base.Store` about bots; `MemoryStore` says whether it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._bots: dict[str, tuple[BotRecord, bytes]] = {}
        self._series_of: dict[str, bytes] = {}
        self._bot_orders: dict[str, BotOrder] = {}
        self._open_orders: dict[str, dict[str, BotOrder]] = {}
        self._bot_fills: dict[str, BotFill] = {}
        self._bot_trades: dict[str, BotTrade] = {}

    def bots(self) -> tuple[BotRecord, ...]:
        """See `Store.bots`."""
        self._check()
        return tuple(
            replace(
                record, memory=msgspec.json.decode(memory),
                series=msgspec.json.decode(self._series_of.get(bot_id, b"{}")),
                orders=tuple(self._open_orders.get(bot_id, {}).values()),
            )
            for bot_id, (record, memory) in self._bots.items()
        )  # fmt: skip

    def bot(self, bot_id: str) -> BotRecord | None:
        """See `Store.bot`."""
        return next((record for record in self.bots() if record.state.bot_id == bot_id), None)

    def commit_bots(self, changes: Sequence[BotChange]) -> None:
        """See `Store.commit_bots`."""
        self._check()
        versions: dict[str, int] = {}
        for change in changes:
            check_change(change)
            bot_id = change.state.bot_id
            if self._version(bot_id, versions) != change.state.version - 1:
                raise stale(bot_id)
            versions[bot_id] = change.state.version
        self._refuse_doubles(changes)
        memories = [msgspec.json.encode(change.memory) for change in changes]
        series = {
            change.state.bot_id: msgspec.json.encode(change.series)
            for change in changes if change.series is not None
        }  # fmt: skip
        lines = [line for change in changes for alert in change.alerts for line in self._lines_of(alert)]
        for change, memory in zip(changes, memories, strict=True):
            self._apply(change, memory)
        self._series_of.update(series)
        self._accept(lines)

    def bot_orders(self, bot_id: str = "", limit: int = 5000) -> tuple[BotOrder, ...]:
        """See `Store.bot_orders`."""
        return self._newest(self._bot_orders, "created_at", bot_id, None, limit)

    def bot_fills(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotFill, ...]:
        """See `Store.bot_fills`."""
        return self._newest(self._bot_fills, "filled_at", bot_id, since, limit)

    def bot_trades(self, bot_id: str = "", since: float = 0.0, limit: int = 5000) -> tuple[BotTrade, ...]:
        """See `Store.bot_trades`."""
        return self._newest(self._bot_trades, "closed_at", bot_id, since, limit)

    def bot_days(self, bot_id: str = "", since: float = 0.0) -> tuple[BotDay, ...]:
        """See `Store.bot_days`."""
        return days_of(map(finished, self.bot_trades(bot_id, since, len(self._bot_trades))))

    def _version(self, bot_id: str, moved: dict[str, int]) -> int:
        if bot_id in moved:
            return moved[bot_id]
        return self._bots[bot_id][0].state.version if bot_id in self._bots else 0

    def _refuse_doubles(self, changes: Sequence[BotChange]) -> None:
        fills = [fill.fill_id for change in changes for fill in change.fills]
        trades = [trade.trade_id for change in changes for trade in change.trades]
        doubles: tuple[tuple[list[str], dict[str, Any]], ...] = (
            (fills, self._bot_fills), (trades, self._bot_trades),
        )  # fmt: skip
        for new, known in doubles:
            if len(set(new)) != len(new) or not known.keys().isdisjoint(new):
                raise ValueError(f"stored twice: one of {new}")

    def _apply(self, change: BotChange, memory: bytes) -> None:
        bot_id = change.state.bot_id
        config = change.config or self._bots[bot_id][0].config
        record = BotRecord(config=config, state=change.state, cash=change.cash, retired=change.retired)
        self._bots[bot_id] = (record, memory)
        for order in change.orders:
            self._bot_orders[order.order_id] = order
            waiting = self._open_orders.setdefault(bot_id, {})
            if order.status == "open":
                waiting[order.order_id] = order
            else:
                waiting.pop(order.order_id, None)
        self._bot_fills.update((fill.fill_id, fill) for fill in change.fills)
        self._bot_trades.update((trade.trade_id, trade) for trade in change.trades)

    def _newest(
        self, known: dict[str, T], moment: str, bot_id: str, since: float | None, limit: int
    ) -> tuple[T, ...]:
        self._check()
        found: list[Any] = [one for one in known.values() if not bot_id or one.bot_id == bot_id]  # type: ignore[attr-defined]
        found = [one for one in found if since is None or getattr(one, moment) >= since]
        found.reverse()  # of two at one moment the later one comes first
        found.sort(key=lambda one: getattr(one, moment), reverse=True)
        return tuple(found[:limit])
