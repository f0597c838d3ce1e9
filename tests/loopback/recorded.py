"""Recorded real prices (`tests/data/README.md` says whose)."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.loopback.market import Bar, Market

FILE = Path(__file__).parent.parent / "data" / "intraday_1min.csv"


@cache
def recorded_days() -> dict[date, tuple[Bar, ...]]:
    """The recorded 1-minute bars by day, with the times at which they happened."""
    days: dict[date, list[Bar]] = defaultdict(list)
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.fromisoformat(row["date"]).replace(tzinfo=ZoneInfo("America/New_York"))
            prices = (float(row[name]) for name in ("open", "high", "low", "close", "volume"))
            days[moment.date()].append(Bar(moment.timestamp(), *prices))
    return {day: tuple(bars) for day, bars in days.items()}


def replay(market: Market, key: str, seconds_per_bar: float = 60.0) -> tuple[Bar, ...]:
    """Tell the last recorded day as `key`'s prices from now on; the day before gives the previous close."""
    *_, before, day = sorted(recorded_days())
    bars = recorded_days()[day]
    market.replay(key, bars, recorded_days()[before][-1].close, seconds_per_bar)
    return bars
