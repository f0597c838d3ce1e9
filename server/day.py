"""The day's P&L of one bot over time, for a sparkline: a point a minute at most, bounded, by local day."""

from __future__ import annotations

from core.bots.model import BotState
from core.exchanges import iso_time

MINUTE = 60.0
MOST_POINTS = 24 * 60
MOST_GONE = 1000


class DayCurve:
    """The points of the day of the bot's exchange on which it last changed."""

    __slots__ = ("_day", "_points", "_slot")

    def __init__(self) -> None:
        self._day = ""
        self._slot = 0
        self._points: list[tuple[str, float]] = []

    def add(self, state: BotState) -> None:
        """Note the day's P&L; the last one of a minute counts."""
        at = iso_time(state.updated_at, state.exchange)
        if at[:10] != self._day:
            self._day, self._points, self._slot = at[:10], [], 0
        slot = int(state.updated_at // MINUTE)
        if slot == self._slot and self._points:
            self._points[-1] = (at, state.daily_pnl)
        elif len(self._points) < MOST_POINTS:
            self._points.append((at, state.daily_pnl))
        self._slot = slot

    @property
    def points(self) -> list[tuple[str, float]]:
        """Pairs of time (ISO 8601) and P&L, oldest first."""
        return list(self._points)


class GoneDays:
    """The curves of bots that are not there at the moment, by owner and id: one that comes back goes on with
    its own. The oldest are forgotten."""

    def __init__(self) -> None:
        self._curves: dict[tuple[str, str], DayCurve] = {}

    def keep(self, owner: str, bot_id: str, curve: DayCurve) -> None:
        """The bot has gone."""
        self._curves[owner, bot_id] = curve
        while len(self._curves) > MOST_GONE:
            del self._curves[next(iter(self._curves))]

    def take(self, owner: str, bot_id: str) -> DayCurve:
        """The bot has come: its curve, or a new one."""
        return self._curves.pop((owner, bot_id), None) or DayCurve()
