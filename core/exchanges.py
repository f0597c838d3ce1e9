"""The exchanges: currency, time zone, price steps and trading hours.

Sessions follow the exchanges' published calendars (`core/calendar_data.json`, holidays and half days, tested
against the `exchange_calendars` package), minus the closures that the user adds for unscheduled ones.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import msgspec


class Exchange(msgspec.Struct, frozen=True):
    """One exchange; `open_minute` and `close_minute` are minutes of the local day, None if never closed."""

    code: str
    currency: str
    timezone: str
    calendar: str
    open_minute: int | None
    close_minute: int | None
    yahoo_suffix: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return _zone(self.timezone)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


EXCHANGES = {
    exchange.code: exchange
    for exchange in (
        Exchange("BIST", "₺", "Europe/Istanbul", "XIST", 10 * 60, 18 * 60, ".IS"),
        Exchange("NYSE", "$", "America/New_York", "XNYS", 9 * 60 + 30, 16 * 60),
        Exchange("NASDAQ", "$", "America/New_York", "XNYS", 9 * 60 + 30, 16 * 60),
        Exchange("AMEX", "$", "America/New_York", "XNYS", 9 * 60 + 30, 16 * 60),
        Exchange("CRYPTO", "$", "UTC", "", None, None, "-USD"),
    )
}


def exchange_of(code: str) -> Exchange:
    """The exchange named `code`. Raises KeyError for an unknown one."""
    return EXCHANGES[code]


def has_hours(key: str) -> bool:
    """Whether the instrument `key` ("BIST:ASELS") trades in sessions, and not round the clock."""
    return exchange_of(key.partition(":")[0]).open_minute is not None


def date_at(code: str, stamp: float) -> date:
    """The date at the exchange `code` at the Unix time `stamp`."""
    return datetime.fromtimestamp(stamp, exchange_of(code).zone).date()


def iso_time(stamp: float, exchange: Exchange) -> str:
    """The Unix time `stamp` as ISO 8601 with microseconds and the exchange's offset."""
    return datetime.fromtimestamp(stamp, UTC).astimezone(exchange.zone).isoformat(timespec="microseconds")
