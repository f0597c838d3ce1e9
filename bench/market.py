"""Made-up markets for the benchmarks: quotes as fast as asked for, on an exchange that never closes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from core.clock import Clock, SystemClock
from core.model import Instrument, Quote
from core.sources.base import DailyCloses, Gate


def instruments(count: int) -> tuple[Instrument, ...]:
    """`count` instruments that trade round the clock."""
    return tuple(Instrument("CRYPTO", f"S{number:04}") for number in range(count))


BASE = 1000.0
"""The price of a trade at the start of a `FastClock`; it rises by one a second."""


class FastClock(SystemClock):
    """Time that runs `speed` times as fast from the monotonic moment `zero` on, in any process alike."""

    def __init__(self, speed: float, zero: float) -> None:
        self.speed = speed
        self.zero = zero
        self._epoch = time.time() - (time.monotonic() - zero)

    def since_start(self) -> float:
        """The clock's seconds since `zero`."""
        return (time.monotonic() - self.zero) * self.speed

    def time(self) -> float:
        """See `Clock.time`."""
        return self._epoch + self.since_start()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.since_start()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return super().wait(event, seconds / self.speed)


class Walk:
    """A random walk per instrument, fast to step."""

    def __init__(self, keys: Sequence[str], seed: int = 1) -> None:
        rng = random.Random(seed)
        self._keys = list(keys)
        self._prices = {key: 20.0 + 500.0 * rng.random() for key in keys}
        self._closes = dict(self._prices)
        self._steps = [1.0 + rng.gauss(0.0, 0.0002) for _ in range(4096)]
        self._at = 0

    def quotes(self, count: int, now: float) -> list[Quote]:
        """The next `count` quotes, round-robin, all stamped `now`."""
        result = []
        keys, prices, steps, at = self._keys, self._prices, self._steps, self._at
        size = len(keys)
        for _ in range(count):
            key = keys[at % size]
            price = prices[key] = prices[key] * steps[at & 4095]
            result.append(
                Quote(key=key, price=price, stamp=now, received=now, source="bench",
                      previous_close=self._closes[key])
            )  # fmt: skip
            at += 1
        self._at = at
        return result


class BenchSource:
    """A `PolledSource` that answers at once with `per_answer` quotes."""

    name = "bench"
    provider = "bench"
    min_spacing = 0.0
    simulated = False

    def __init__(self, watched: Sequence[Instrument], per_answer: int, clock: Clock) -> None:
        self.batch_size = len(watched)
        self._walk = Walk([instrument.key for instrument in watched])
        self._per_answer = per_answer
        self._clock = clock

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource`."""
        return self._walk.quotes(self._per_answer, self._clock.time())

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource`."""
        return DailyCloses(instrument.key, ())

    def cancel(self) -> None:
        """See `PolledSource`."""

    def close(self) -> None:
        """See `PolledSource`."""

    def unknown_keys(self) -> frozenset[str]:
        """See `PolledSource`."""
        return frozenset()
