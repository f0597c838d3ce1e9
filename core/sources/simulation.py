"""A made-up market that looks like one: for `--demo`, and as the feed's last resort.

Each price is a random walk in the logarithm: shocks scaled by the instrument's own volatility, now and then a
large one (fat tails), drawn back towards a believable base (an Ornstein-Uhlenbeck process). Time passes
`speed` times faster than in a real session, so that a 2 % move comes within a minute or so. The same seed,
clock and order of calls give the same prices. Nothing here leaves the machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, timedelta

from core.clock import Clock, SystemClock
from core.exchanges import date_at
from core.model import Bar, Instrument, Quote
from core.sources.base import DailyCloses, Gate

SESSION_SECONDS = 6.5 * 3600
STATIONARY = 0.06
"""The spread around the base in the long run: most of the time within 6 %."""
JUMP_CHANCE, JUMP_FACTOR = 0.02, 4.0
LONGEST_STEP = 900.0
"""Seconds of simulated time that one step may bridge; a laptop that slept must not come back to a crash."""
DAYS = 20
MINUTE = 60

BIST_TICKS = (
    (20.0, 0.01), (50.0, 0.02), (100.0, 0.05), (250.0, 0.10), (500.0, 0.25), (1000.0, 0.50), (2500.0, 1.0),
    (math.inf, 2.5),
)  # fmt: skip
"""Price steps of shares on BIST since 6 November 2023: below the first figure, the second."""

BASES = {
    "BIST:AEFES": 15.0, "BIST:AKBNK": 66.0, "BIST:ALARK": 92.0, "BIST:ARCLK": 118.0, "BIST:ASELS": 205.0,
    "BIST:ASTOR": 98.0, "BIST:BIMAS": 540.0, "BIST:DOAS": 190.0, "BIST:EKGYO": 21.0, "BIST:ENKAI": 78.0,
    "BIST:EREGL": 26.5, "BIST:FROTO": 98.0, "BIST:GARAN": 142.0, "BIST:GUBRF": 310.0, "BIST:HEKTS": 3.4,
    "BIST:ISCTR": 14.0, "BIST:KCHOL": 175.0, "BIST:KOZAL": 26.0, "BIST:KRDMD": 27.0, "BIST:MGROS": 520.0,
    "BIST:PETKM": 17.5, "BIST:PGSUS": 215.0, "BIST:SAHOL": 88.0, "BIST:SASA": 3.1, "BIST:SISE": 37.0,
    "BIST:TCELL": 97.0, "BIST:THYAO": 305.0, "BIST:TOASO": 240.0, "BIST:TUPRS": 190.0, "BIST:YKBNK": 34.0,
    "NASDAQ:AAPL": 240.0, "NASDAQ:MSFT": 480.0, "NASDAQ:NVDA": 175.0, "NASDAQ:AMZN": 225.0,
    "NASDAQ:GOOGL": 260.0, "NASDAQ:META": 640.0, "NASDAQ:TSLA": 390.0, "NYSE:JPM": 300.0, "NYSE:KO": 71.0,
    "NYSE:BRK.B": 500.0, "AMEX:SPY": 660.0, "CRYPTO:BTC": 95_000.0, "CRYPTO:ETH": 3_200.0,
}  # fmt: skip
"""Believable levels, nothing more."""


class _Walk:
    """One instrument's price."""

    __slots__ = (
        "base",
        "close",
        "day",
        "high",
        "last",
        "low",
        "open",
        "pull",
        "rng",
        "sigma",
        "step",
        "volume",
        "x",
    )

    def __init__(self, key: str, seed: int | None, base: float | None, now: float) -> None:
        self.rng = rng = random.Random(f"{seed}:{key}") if seed is not None else random.Random()
        self.base = base if base is not None else math.exp(rng.uniform(math.log(8.0), math.log(400.0)))
        daily = rng.uniform(0.015, 0.035) * (1.4 if key.startswith("CRYPTO:") else 1.0)
        self.sigma = daily / math.sqrt(SESSION_SECONDS)
        self.pull = self.sigma * self.sigma / (2.0 * STATIONARY * STATIONARY)
        self.step = bist_step if key.startswith("BIST:") else _decimal_step
        self.x = rng.gauss(0.0, 0.01)
        self.last = now
        self.close = self._snapped(self.base)
        self.begin_day(None)

    def begin_day(self, day: date | None) -> None:
        """A new session: nothing has happened in it yet."""
        self.day = day
        self.open = self.high = self.low = self.price()
        self.volume = 0.0

    def price(self) -> float:
        """The price now, on the exchange's steps."""
        return self._snapped(self.base * math.exp(self.x))

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass."""
        shock = self.rng.gauss(0.0, 1.0)
        if self.rng.random() < JUMP_CHANCE:
            shock *= JUMP_FACTOR
        decay = math.exp(-self.pull * seconds)
        self.x = self.x * decay + self.sigma * math.sqrt(seconds) * shock
        self.volume += float(int(self.rng.expovariate(1.0) * 40.0 * seconds))

    def _snapped(self, price: float) -> float:
        step = self.step(price)
        return max(step, round(round(price / step) * step, 6))


class SimulationSource:
    """Prices for any instrument at all, at once."""

    name = "simulation"
    provider = "simulation"
    min_spacing = 0.0
    batch_size = 5000
    simulated = True

    def __init__(self, seed: int | None = None, clock: Clock | None = None, speed: float = 60.0) -> None:
        """`seed` None: another market each time. `speed`: simulated seconds per second of `clock`."""
        self._seed = seed
        self._clock = clock if clock is not None else SystemClock()
        self._speed = speed
        self._walks: dict[str, _Walk] = {}

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`; no request leaves, so `gate` is not asked."""
        now = self._clock.time()
        return [self._quote(instrument, now) for instrument in instruments[: self.batch_size]]

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`: a walk that ends at the previous close."""
        now = self._clock.time()
        walk = self._walk(instrument, now)
        past = random.Random(f"{self._seed}:{instrument.key}:past")
        closes = [walk.close]
        for _ in range(DAYS - 1):
            move = past.gauss(0.0, walk.sigma * math.sqrt(SESSION_SECONDS))
            closes.append(walk._snapped(closes[-1] * math.exp(-move)))
        return DailyCloses(instrument.key, tuple(closes[::-1]), _weekdays_before(_day(instrument, now)))

    def history(self, instrument: Instrument, seconds: int, count: int, gate: Gate) -> list[Bar]:
        """See `HistorySource.history`; minutes only, round the clock, of instruments whose level is known."""
        base = BASES.get(instrument.key)
        if seconds != MINUTE or base is None:
            return []
        now = self._clock.time()
        past = random.Random(f"{self._seed}:{instrument.key}:history")
        walk = _Walk(instrument.key, self._seed, base, now)
        walk.x = 0.0
        step = MINUTE * self._speed
        bars: list[Bar] = []
        for number in range(1, count + 1):
            # Told backwards, from the level of now: such a walk looks the same either way.
            close, points = walk.price(), [walk.x]
            for _ in range(3):
                walk.x = walk.x * math.exp(-walk.pull * step / 3) + past.gauss(
                    0.0, walk.sigma * math.sqrt(step / 3)
                )
                points.append(walk.x)
            prices = [walk._snapped(base * math.exp(point)) for point in points]
            volume = float(int(past.expovariate(1.0) * 40.0 * step))
            start = now // MINUTE * MINUTE - number * MINUTE
            bars.append(Bar(instrument.key, start, prices[-1], max(prices), min(prices), close, volume))
        return bars[::-1]

    def anchor(self, key: str, price: float, previous_close: float | None = None) -> None:
        """Go on from a real price instead of the made-up level."""
        walk = self._walks[key] = _Walk(key, self._seed, price, self._clock.time())
        walk.x = 0.0
        if previous_close is not None:
            walk.close = previous_close
        walk.begin_day(None)

    def unknown_keys(self) -> frozenset[str]:
        """Always empty."""
        return frozenset()

    def cancel(self) -> None:
        """Nothing ever takes long here."""

    def close(self) -> None:
        """Nothing to free."""

    def _walk(self, instrument: Instrument, now: float) -> _Walk:
        key = instrument.key
        walk = self._walks.get(key)
        if walk is None:
            walk = self._walks[key] = _Walk(key, self._seed, BASES.get(key), now)
        return walk

    def _quote(self, instrument: Instrument, now: float) -> Quote:
        walk = self._walk(instrument, now)
        elapsed = min((now - walk.last) * self._speed, LONGEST_STEP)
        if elapsed > 0.0:
            walk.advance(elapsed)
        walk.last = now
        price = walk.price()
        day = _day(instrument, now)
        if walk.day != day:
            if walk.day is not None:
                walk.close = price
            walk.begin_day(day)
        walk.high, walk.low = max(walk.high, price), min(walk.low, price)
        return Quote(
            key=instrument.key, price=price, stamp=now, received=now, source=self.name, simulated=True,
            previous_close=walk.close, open=walk.open, high=walk.high, low=walk.low, volume=walk.volume,
        )  # fmt: skip


def bist_step(price: float) -> float:
    """The price step of a share on BIST at `price`."""
    return next(step for below, step in BIST_TICKS if price < below)


def _decimal_step(price: float) -> float:
    return 0.01 if price >= 1.0 else 0.0001


def _day(instrument: Instrument, now: float) -> date:
    return date_at(instrument.exchange, now)


def _weekdays_before(day: date) -> tuple[date, ...]:
    days: list[date] = []
    while len(days) < DAYS:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            days.append(day)
    return tuple(days[::-1])
