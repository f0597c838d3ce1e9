"""The exchange's own clock, and when it opens or closes, in one line."""

from __future__ import annotations

from datetime import UTC, datetime

from core.exchanges import exchange_of
from core.i18n import tr
from core.market_calendar import MarketCalendar

MINUTE = 60


def clock_line(calendar: MarketCalendar, exchange: str, now: float) -> str:
    """Such as "BIST 14:02:11 open, closes in 3 h 58 min". `now` is in Unix seconds."""
    local = _local(exchange, now)
    clock = local.strftime("%H:%M:%S")
    state = calendar.state(exchange, now)
    if state.is_open:
        if state.closes_at is None:
            return tr("window.market_always", exchange=exchange, clock=clock)
        left = _length(state.closes_at - now)
        return tr("window.market_open", exchange=exchange, clock=clock, left=left)
    if state.opens_at is None:
        return tr("window.market_closed_unknown", exchange=exchange, clock=clock)
    opens = _when(local, _local(exchange, state.opens_at))
    return tr("window.market_closed", exchange=exchange, clock=clock, opens=opens)


def _local(exchange: str, stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC).astimezone(exchange_of(exchange).zone)


def _length(seconds: float) -> str:
    minutes = max(1, round(seconds / MINUTE))
    if minutes < MINUTE:
        return tr("window.minutes", minutes=minutes)
    return tr("window.hours_minutes", hours=minutes // MINUTE, minutes=minutes % MINUTE)


def _when(now: datetime, then: datetime) -> str:
    days = (then.date() - now.date()).days
    time = then.strftime("%H:%M")
    if days == 0:
        return tr("window.today", time=time)
    if days == 1:
        return tr("window.tomorrow", time=time)
    return tr("window.on_day", day=tr("window.days").split(",")[then.weekday()], time=time)
