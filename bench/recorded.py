"""The recorded daily bars that strategies are tried on; `tests/data/README.md` names source and licence."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

from core.exchanges import exchange_of
from core.model import Bar

DAILY = Path(__file__).parent.parent / "tests" / "data" / "daily_2000_2013.csv.gz"
KEYS = {
    "AAPL": "NASDAQ:AAPL", "FB": "NASDAQ:FB", "GOOG": "NASDAQ:GOOG", "IBM": "NYSE:IBM",
    "MSFT": "NASDAQ:MSFT",
}  # fmt: skip


def daily_bars() -> dict[str, tuple[Bar, ...]]:
    """The bars of each instrument, oldest first, each beginning at its session's opening.

    All prices are adjusted for splits and dividends by the close's own adjustment, so that the last day's are
    those that were traded, and are rounded to 0.0001.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    with gzip.open(DAILY, "rt", encoding="ascii", newline="") as lines:
        for row in csv.DictReader(lines):
            rows.setdefault(row["Ticker"], []).append(row)
    return {KEYS[ticker]: tuple(_bars(KEYS[ticker], days)) for ticker, days in rows.items()}


def _bars(key: str, days: list[dict[str, str]]) -> list[Bar]:
    last = float(days[-1]["Close"]) / float(days[-1]["Adj Close"])
    bars = []
    for day in days:
        factor = last * float(day["Adj Close"]) / float(day["Close"])
        prices = (round(float(day[name]) * factor, 4) for name in ("Open", "High", "Low", "Close"))
        bars.append(Bar(key, _opening(key, day["Date"]), *prices))
    return bars


def _opening(key: str, day: str) -> float:
    exchange = exchange_of(key.partition(":")[0])
    minute = exchange.open_minute or 0
    text = f"{day}T{minute // 60:02}:{minute % 60:02}"
    return datetime.fromisoformat(text).replace(tzinfo=exchange.zone).timestamp()
