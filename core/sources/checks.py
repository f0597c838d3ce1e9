"""What makes a provider's figure believable, and the tally of what did not."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from core.exchanges import Exchange
from core.model import Instrument

EARLIEST_STAMP = 946_684_800.0
"""2000-01-01: an older stamp is a parsing accident, not a price."""
FUTURE_TOLERANCE = 120.0
"""Seconds by which a provider's clock may be ahead of ours."""
SETTLING_MINUTES = 15
"""After the close: closing auctions and late prints still move the day's close."""
BIST_DELAY = 900.0
"""Seconds by which anonymous BIST data is delayed by contract, where the provider does not say otherwise."""
LONGEST_RETRY_AFTER = 86_400.0

_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.&!_^=-]{0,31}|\^[A-Z0-9.]{1,31}")


def sane_ticker(instrument: Instrument) -> bool:
    """Whether a provider could know the symbol at all; anything else would only garble the request."""
    return _TICKER.fullmatch(instrument.symbol) is not None


def finite(value: Any) -> float | None:
    """`value` as a float if it is a finite number, else None (booleans and texts are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def positive(value: Any) -> float | None:
    """`value` as a float if it is a positive finite number, else None."""
    number = finite(value)
    return number if number is not None and number > 0.0 else None


def stamp_fault(stamp: float, now: float) -> str:
    """What is wrong with a provider's time, "" if nothing: "past" or "future" beyond belief."""
    if not stamp >= EARLIEST_STAMP:
        return "past"
    return "future" if stamp > now + FUTURE_TOLERANCE else ""


def session_finished(day: datetime, exchange: Exchange, now: float) -> bool:
    """Whether the session on the date of `day` (local to the exchange) is over at the Unix time `now`."""
    local = datetime.fromtimestamp(now, UTC).astimezone(exchange.zone)
    if day.date() != local.date() or exchange.close_minute is None:
        return day.date() < local.date()
    over = datetime.combine(local.date(), datetime.min.time(), exchange.zone)
    return local >= over + timedelta(minutes=exchange.close_minute + SETTLING_MINUTES)


def session_day(stamp: float, exchange: Exchange) -> datetime:
    """The local time whose date is the session of a daily bar that begins at the Unix time `stamp`.

    A bar stamped at midnight UTC names its date in UTC, whatever the exchange's own zone is.
    """
    moment = datetime.fromtimestamp(stamp, UTC)
    return moment if stamp % 86_400 == 0 else moment.astimezone(exchange.zone)


def retry_after(value: Any, now: float) -> float | None:
    """The seconds that a Retry-After header asks for (a number or an HTTP date), None if it says nothing."""
    text = str(value or "").strip()
    seconds: float | None = None
    if re.fullmatch(r"\d{1,9}", text):
        seconds = float(text)
    elif text:
        from email.utils import parsedate_to_datetime  # seldom needed, not free to import

        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return None if seconds is None else min(max(0.0, seconds), LONGEST_RETRY_AFTER)


class BadDataTally:
    """Counts what was refused, by kind; the log hears of each kind once."""

    def __init__(self, source: str) -> None:
        self._log = logging.getLogger(f"core.sources.{source}")
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, kind: str, detail: str = "") -> None:
        """One more refusal of `kind`."""
        with self._lock:
            self._counts[kind] += 1
            first = self._counts[kind] == 1
        if first:
            self._log.info("refused bad data (%s): %s; further ones are only counted", kind, detail)

    def counts(self) -> dict[str, int]:
        """How many were refused, by kind."""
        with self._lock:
            return dict(self._counts)
