"""In which session a moment lies, answered fast for moments that follow each other."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from core.exchanges import exchange_of
from core.market_calendar import MarketCalendar
from core.sources.checks import session_day

DAY = 86_400
"""The length that means "one session", however long that session is."""
Times = tuple[float, float]


class Sessions:
    """Finds sessions, and the stretches of a given length into which each is cut from its opening on.

    `round_the_clock` is for the simulated market, which never closes: every UTC day is a session.
    """

    def __init__(self, calendar: MarketCalendar, *, round_the_clock: bool = False) -> None:
        self._calendar = calendar
        self._round_the_clock = round_the_clock
        self._days: dict[str, tuple[float, float, Times | None]] = {}

    def at(self, exchange: str, moment: float) -> Times | None:
        """Opening and close of the session in which `moment` lies, None if the exchange is shut then."""
        day = self._days.get(exchange)
        if day is None or not day[0] <= moment < day[1]:
            day = self._days[exchange] = self._day(exchange, moment)
        session = day[2]
        return session if session is not None and session[0] <= moment < session[1] else None

    def stretch(self, exchange: str, moment: float, seconds: int) -> Times | None:
        """Begin and end of the bar of `seconds` in which `moment` lies; the last one of a session is cut."""
        session = self.at(exchange, moment)
        if session is None:
            return None
        opened, closed = session
        if seconds >= DAY:
            return session
        start = opened + math.floor((moment - opened) / seconds) * seconds
        return start, min(start + seconds, closed)

    def closed_before(self, exchange: str, moment: float) -> float:
        """When the session before that of `moment` closed."""
        if self._round_the_clock:
            return moment - moment % DAY
        return self._calendar.previous_session_close(exchange, moment)

    def of_daily(self, exchange: str, stamp: float) -> Times | None:
        """The session that a daily bar means which a provider has stamped `stamp` (see `session_day`)."""
        if self._round_the_clock:
            return self.at(exchange, stamp)
        return self._calendar.session(exchange, session_day(stamp, exchange_of(exchange)).date())

    def _day(self, exchange: str, moment: float) -> tuple[float, float, Times | None]:
        """The exchange's local day around `moment`, and the session in it."""
        if self._round_the_clock:
            start = moment - moment % DAY
            return start, start + DAY, (start, start + DAY)
        zone = exchange_of(exchange).zone
        local = datetime.fromtimestamp(moment, zone)
        midnight = datetime(local.year, local.month, local.day)
        after = midnight + timedelta(days=1)
        begin, end = (moment_.replace(tzinfo=zone).timestamp() for moment_ in (midnight, after))
        return begin, end, self._calendar.session(exchange, local.date())
