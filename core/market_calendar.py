"""When each exchange trades: sessions, holidays, half days and the closures that the user adds.

The days come from `core/calendar_data.json`, which `tests/make_calendar_data.py` makes from the
`exchange_calendars` package; the hours stand in `core.exchanges`. After the table's last day only weekends
are known (`MarketCalendar.table_ends` tells when that is). Auctions are not counted as trading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from core.errors import InputError
from core.exchanges import EXCHANGES, Exchange, exchange_of
from core.i18n import tr
from core.instruments import ascii_upper

_DATA_FILE = Path(__file__).parent / "calendar_data.json"
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400.0


class MarketState(msgspec.Struct, frozen=True):
    """An exchange at one moment; all times are Unix seconds.

    `session_day`, `session_open` and `session_close` are those of the session that runs now, or else of the
    last one that has ended. `opens_at` is the next opening (None for an exchange that never closes),
    `closes_at` the end of the session that runs (None while closed, and for an exchange that never closes).
    """

    is_open: bool
    opens_at: float | None
    closes_at: float | None
    session_day: date
    session_open: float
    session_close: float


class _Table(msgspec.Struct, frozen=True):
    """One calendar's days: weekdays without trading, and the minute of the day at which half days close."""

    first: date
    last: date
    closed: frozenset[date]
    early: dict[date, int]


@cache
def _tables() -> dict[str, _Table]:
    raw: dict[str, Any] = json.loads(_DATA_FILE.read_text("utf-8"))
    return {
        name: _Table(
            first=date.fromisoformat(entry["first"]),
            last=date.fromisoformat(entry["last"]),
            closed=frozenset(map(date.fromisoformat, entry["closed"])),
            early={date.fromisoformat(day): _minute(clock) for day, clock in entry["early"].items()},
        )
        for name, entry in raw.items()
    }


def _minute(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def parse_closure(text: str) -> tuple[str, date]:
    """The exchange and the day of "BIST:2026-12-31". Raises `InputError` for anything else."""
    code, _, day = text.strip().partition(":")
    code = ascii_upper(code.strip())
    exchange = EXCHANGES.get(code)
    try:
        if exchange is None or exchange.open_minute is None or not _ISO_DAY.fullmatch(day.strip()):
            raise ValueError(text)
        return code, date.fromisoformat(day.strip())
    except ValueError:
        raise InputError(tr("market.bad_closure", text=text)) from None


class MarketCalendar:
    """Answers whether an exchange trades. Cheap to ask each second: an answer is kept until it changes."""

    def __init__(self, extra_closures: Sequence[str] = ()) -> None:
        """`extra_closures` are days without trading, as "BIST:2026-12-31"; `InputError` for a bad one."""
        self._extra = frozenset(map(parse_closure, extra_closures))
        self._kept: dict[str, tuple[float, float, MarketState]] = {}

    def state(self, exchange_code: str, now: float) -> MarketState:
        """The exchange at the Unix time `now`. Raises KeyError for an unknown exchange."""
        kept = self._kept.get(exchange_code)
        if kept is not None and kept[0] <= now < kept[1]:
            return kept[2]
        exchange = exchange_of(exchange_code)
        always = exchange.open_minute is None
        kept = _round_the_clock(now) if always else self._with_sessions(exchange, now)
        self._kept[exchange_code] = kept
        return kept[2]

    def previous_session_close(self, exchange_code: str, now: float) -> float:
        """When the session before the one that `state` names ended: the moment of the "previous close".

        For an exchange that never closes this is the last midnight UTC.
        """
        state = self.state(exchange_code, now)
        exchange = exchange_of(exchange_code)
        if exchange.open_minute is None:
            return state.session_open
        return self._nearest(exchange, state.session_day - _DAY, -_DAY)[2]

    def session(self, exchange_code: str, day: date) -> tuple[float, float] | None:
        """Opening and close on the exchange's local `day`; None if it does not trade then."""
        exchange = exchange_of(exchange_code)
        if exchange.open_minute is None or exchange.close_minute is None:
            start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
            return start, start + _DAY_SECONDS
        table = _tables()[exchange.calendar]
        if day.weekday() >= 5 or day in table.closed or (exchange_code, day) in self._extra:
            return None
        close_minute = table.early.get(day, exchange.close_minute)
        return _local(exchange, day, exchange.open_minute), _local(exchange, day, close_minute)

    def table_ends(self, exchange_code: str) -> date | None:
        """The last day whose holidays are known; None for an exchange that has none."""
        exchange = exchange_of(exchange_code)
        return _tables()[exchange.calendar].last if exchange.calendar else None

    def _with_sessions(self, exchange: Exchange, now: float) -> tuple[float, float, MarketState]:
        """The state at `now` with the span of time in which it holds."""
        today = datetime.fromtimestamp(now, exchange.zone).date()
        day, opened, closed = self._nearest(exchange, today, -_DAY)
        if opened > now:
            day, opened, closed = self._nearest(exchange, today - _DAY, -_DAY)
        opens_at = self._nearest(exchange, day + _DAY, _DAY)[1]
        if now < closed:
            return opened, closed, MarketState(True, opens_at, closed, day, opened, closed)
        return closed, opens_at, MarketState(False, opens_at, None, day, opened, closed)

    def _nearest(self, exchange: Exchange, day: date, step: timedelta) -> tuple[date, float, float]:
        """The first session on `day` or beyond it in the direction of `step`."""
        while (times := self.session(exchange.code, day)) is None:
            day += step
        return day, *times


def _local(exchange: Exchange, day: date, minute: int) -> float:
    moment = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=exchange.zone)
    return moment.timestamp()


def _round_the_clock(now: float) -> tuple[float, float, MarketState]:
    start = now - now % _DAY_SECONDS
    end = start + _DAY_SECONDS
    day = datetime.fromtimestamp(start, UTC).date()
    return start, end, MarketState(True, None, None, day, start, end)
