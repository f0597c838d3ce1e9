"""When the day of each exchange began; what was realised since then is today's."""

from __future__ import annotations

from datetime import datetime

from core.engine.portfolio import Portfolio
from core.engine.prices import PriceBook
from core.exchanges import EXCHANGES
from core.storage.base import Store


class ExchangeDays:
    """Belongs to the engine's thread."""

    def __init__(self, prices: PriceBook) -> None:
        self.prices = prices
        """Knows the sessions; another book when the engine gets one."""
        self._starts: dict[str, tuple[float, float]] = {}
        self._filled: dict[str, float] = {}

    def start(self, exchange: str) -> float:
        """When the day of the exchange's current or last session began there (local midnight, Unix s)."""
        session = self.prices.session_open(exchange)
        known = self._starts.get(exchange)
        if known is None or known[0] != session:
            local = datetime.fromtimestamp(session, EXCHANGES[exchange].zone)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            known = self._starts[exchange] = (session, midnight.timestamp())
        return known[1]

    def fill(self, portfolio: Portfolio, store: Store) -> None:
        """Read the open positions and what was realised today from `store` into `portfolio`.

        Raises `StorageError` and then has changed nothing.
        """
        positions = store.positions()
        today = self._today()
        trades = store.trades(min(today.values()), limit=100_000)
        portfolio.set_positions(positions)
        portfolio.set_realised_today(t for t in trades if t.closed_at >= today[t.exchange])
        self._filled = today

    def begun(self) -> bool:
        """Whether a session has opened somewhere since `fill`: what was realised before is not today's."""
        return self._filled != self._today()

    def _today(self) -> dict[str, float]:
        return {code: self.start(code) for code in EXCHANGES}
