"""What bots earned per day, added up exactly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from core.bots.model import BotDay, BotTrade
from core.exchanges import exchange_of
from core.storage.booking import EXACT

Finished = tuple[str, str, float, Decimal, Decimal]
"""A finished trade's bot, instrument, time of its end, net result and fees."""


class _Sums:
    def __init__(self) -> None:
        self.pnl = self.fees = Decimal(0)
        self.trades = self.wins = 0

    def add(self, pnl: Decimal, fees: Decimal) -> None:
        self.pnl = EXACT.add(self.pnl, pnl)
        self.fees = EXACT.add(self.fees, fees)
        self.trades += 1
        self.wins += pnl > 0


def days_of(finished: Iterable[Finished]) -> tuple[BotDay, ...]:
    """Per bot and day (local to the trade's exchange) the sums, newest day first, then by bot."""
    sums: dict[tuple[str, str], _Sums] = {}
    for bot_id, key, closed_at, pnl, fees in finished:
        zone = exchange_of(key.partition(":")[0]).zone
        day = datetime.fromtimestamp(closed_at, zone).date().isoformat()
        sums.setdefault((day, bot_id), _Sums()).add(pnl, fees)
    ordered = sorted(sums, key=lambda place: place[1])
    ordered.sort(key=lambda place: place[0], reverse=True)
    return tuple(
        BotDay(bot_id=bot_id, day=day, pnl=one.pnl, fees=one.fees, trades=one.trades, wins=one.wins)
        for (day, bot_id), one in ((place, sums[place]) for place in ordered)
    )


def finished(trade: BotTrade) -> Finished:
    """What `days_of` needs of a trade."""
    return trade.bot_id, trade.key, trade.closed_at, trade.pnl, trade.fees
