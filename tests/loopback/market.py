"""The scripted prices that the loopback servers tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONES = {"BIST": ZoneInfo("Europe/Istanbul"), "CRYPTO": ZoneInfo("UTC")}
NEW_YORK = ZoneInfo("America/New_York")
OPENS = {"BIST": timedelta(hours=10), "CRYPTO": timedelta()}


class Bar(NamedTuple):
    """One bar; `stamp` is its beginning in Unix seconds."""

    stamp: float
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass
class Replay:
    """Recorded bars told as if they happened now: one per `seconds_per_bar` since `started`."""

    bars: Sequence[Bar]
    started: float
    seconds_per_bar: float

    def index(self, now: float) -> int:
        """The bar that is the newest at `now`."""
        return max(0, min(len(self.bars) - 1, int((now - self.started) / self.seconds_per_bar)))


@dataclass
class Listing:
    """One instrument as the servers know it; `stamp` None means that the price is of this second."""

    price: float
    prev_close: float
    stamp: float | None = None
    replay: Replay | None = None
    closes: dict[date, float] = field(default_factory=dict)


def yahoo_symbol(key: str) -> str:
    """Yahoo's name for "BIST:THYAO"."""
    exchange, _, symbol = key.partition(":")
    suffix = {"BIST": ".IS", "CRYPTO": "-USD"}.get(exchange, "")
    return symbol + suffix if suffix else symbol.replace(".", "-")


class Market:
    """All listings. `now` may be replaced by a test's clock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.listings: dict[str, Listing] = {}

    def set_price(
        self, key: str, price: float, prev_close: float | None = None, *, stamp: float | None = None
    ) -> None:
        """List `key`, or move its price. `stamp` None keeps it of this second."""
        old = self.listings.get(key)
        close = prev_close if prev_close is not None else old.prev_close if old else price
        self.listings[key] = Listing(price, close, stamp, closes=old.closes if old else {})

    def replay(self, key: str, bars: Sequence[Bar], prev_close: float, seconds_per_bar: float = 60.0) -> None:
        """Tell recorded bars as if they happened from now on."""
        self.listings[key] = Listing(
            bars[0].close, prev_close, replay=Replay(bars, self.now(), seconds_per_bar)
        )

    def key_of_yahoo(self, symbol: str) -> str | None:
        """The listing that Yahoo calls `symbol`."""
        return next((key for key in self.listings if yahoo_symbol(key) == symbol), None)

    def quote(self, key: str) -> Bar:
        """The session so far as one bar, stamped with the last trade."""
        listing, now = self.listings[key], self.now()
        if listing.replay is not None:
            told = listing.replay.bars[: listing.replay.index(now) + 1]
            return Bar(
                now, told[0].open, max(bar.high for bar in told), min(bar.low for bar in told),
                told[-1].close, sum(bar.volume for bar in told),
            )  # fmt: skip
        price = listing.price
        stamp = now if listing.stamp is None else listing.stamp
        return Bar(stamp, listing.prev_close, max(price, listing.prev_close) * 1.01,
                   min(price, listing.prev_close) * 0.99, price, 1_000_000.0)  # fmt: skip

    def minute_bars(self, key: str, count: int, seconds: int = 60) -> list[Bar]:
        """The last `count` bars of `seconds`, the newest of the time of the last trade."""
        listing, now = self.listings[key], self.now()
        end = (now if listing.stamp is None else listing.stamp) // seconds * seconds
        if listing.replay is not None:
            index = listing.replay.index(now)
            told = listing.replay.bars[max(0, index + 1 - count) : index + 1]
        else:
            price = listing.price
            told = [
                Bar(0, price * 0.999, price * 1.001, price * 0.998, price, 1000.0 + i) for i in range(count)
            ]
        first = end - seconds * (len(told) - 1)
        return [bar._replace(stamp=first + seconds * i) for i, bar in enumerate(told)]

    def daily_bars(self, key: str, count: int) -> list[Bar]:
        """The last `count` sessions, today's (unfinished or not) included once it has opened."""
        listing, exchange = self.listings[key], key.partition(":")[0]
        zone, opens = ZONES.get(exchange, NEW_YORK), OPENS.get(exchange, timedelta(hours=9, minutes=30))
        local = datetime.fromtimestamp(self.now(), UTC).astimezone(zone)
        midnight = datetime.combine(local.date(), datetime.min.time())
        bars: list[Bar] = []
        past = 0
        for back in range(2 * count + 7):
            day = midnight - timedelta(days=back)
            start = (day + opens).replace(tzinfo=zone)
            if (exchange != "CRYPTO" and day.weekday() >= 5) or start > local:
                continue
            close = listing.price if back == 0 else listing.prev_close * (1 + 0.01 * (past % 3) * (past > 0))
            past += back > 0
            close = listing.closes.get(day.date(), close)
            bars.append(Bar(start.timestamp(), close, close * 1.01, close * 0.99, close, 5e6))
            if len(bars) == count:
                break
        return bars[::-1]
