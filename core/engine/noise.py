"""Optional filters between a price and the signal rule, against single bad prints.

They change only what the rule sees (and so the price that a signal bears), never a shown price or a P&L. Both
start a session at the rule's reference price, as if it had been seen all along, so a bad first print does not
fire either; a move that stands fires within n prices. A print that polling repeats is one price.

`RunningMedian`: the median of the last n prices, n odd. (n - 1) / 2 bad prints among n leave it among the
good ones, so one never fires for n >= 3; it follows a move that stands after (n + 1) / 2 prices.
    J. W. Tukey, Exploratory Data Analysis, Addison-Wesley 1977, chapter 7 (running medians).

`AdaptiveKalman`: the local level model on z = ln(price),

    x' = x + w, w ~ N(0, Q);    z = x + v, v ~ N(0, R)
    P' = P + Q;  e = z - x;  S = P' + R;  K = P' / S;  x += K e;  P = (1 - K) P'

with Q / R = k^2 / (1 - k), which makes k = 2 / (n + 1) the steady gain: it remembers about n prices.
    A. C. Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, Cambridge 1989, 4.1.
R is not known and is learnt from the innovations, R += (max(e^2 - P', floor) - R) / n.
    R. K. Mehra, On the identification of variances and adaptive Kalman filtering, IEEE Trans. Automatic
    Control 15 (1970), 175-184.
An innovation beyond 3 sqrt(S) is an outlier: for it R is inflated until |e| = 3 sqrt(S), which leaves it
almost no weight, and R learns nothing from it.
    G. Chang, Robust Kalman filtering based on Mahalanobis distance as outlier judging criterion, Journal of
    Geodesy 88 (2014), 391-401.
(n + 1) / 2 outliers in a row on one side, or n innovations of any size on one side, are no noise but a move:
the level starts anew at their median.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any, Protocol

GATE = 3.0
"""Standard deviations beyond which an innovation is an outlier."""
FLOOR = (0.0002) ** 2
"""The least measurement variance: two hundredths of a percent, about a price step."""
START = (0.001) ** 2
"""The measurement variance before anything was learnt: a tenth of a percent."""
DECIMALS = 6


class Filter(Protocol):
    """One instrument's filter in one session."""

    def see(self, price: float) -> float:
        """Take the next price; the result is what the rule is to see instead."""
        ...


class RunningMedian:
    """The median of the last `window` prices."""

    __slots__ = ("_place", "_prices")

    def __init__(self, window: int, start: float) -> None:
        self._prices = [start] * window
        self._place = 0

    def see(self, price: float) -> float:
        """See `Filter.see`."""
        self._prices[self._place] = price
        self._place = (self._place + 1) % len(self._prices)
        return sorted(self._prices)[len(self._prices) // 2]


class AdaptiveKalman:
    """A scalar Kalman filter with adaptive measurement noise; see the module's docstring."""

    __slots__ = ("_half", "_level", "_noise", "_outliers", "_ratio", "_run", "_variance", "_window")

    def __init__(self, window: int, start: float) -> None:
        gain = 2.0 / (window + 1)
        self._window = window
        self._half = (window + 1) // 2
        self._ratio = gain * gain / (1.0 - gain)
        self._level = math.log(start)
        self._noise = START
        self._variance = gain * START
        self._run: list[float] = []
        """The last measurements that all lay on one side of the level."""
        self._outliers = 0
        """How many at the end of `_run` were outliers."""

    def see(self, price: float) -> float:
        """See `Filter.see`."""
        measured = math.log(price)
        error = measured - self._level
        if self._is_move(measured, error):
            last = self._half if self._outliers >= self._half else self._window
            self._level = median(self._run[-last:])
            self._run.clear()
            self._outliers = 0
        return round(math.exp(self._level), DECIMALS)

    def _is_move(self, measured: float, error: float) -> bool:
        """One step of the filter, and whether too many innovations were on one side for noise."""
        before = self._variance + self._ratio * self._noise
        spread = before + self._noise
        outlier = error * error > GATE * GATE * spread
        self._note(measured, error, outlier)
        if outlier:
            spread = error * error / (GATE * GATE)
        gain = before / spread
        self._level += gain * error
        self._variance = (1.0 - gain) * before
        if not outlier:
            self._noise += (max(error * error - before, FLOOR) - self._noise) / self._window
        return self._outliers >= self._half or len(self._run) >= self._window

    def _note(self, measured: float, error: float, outlier: bool) -> None:
        if error == 0.0 or (self._run and (self._run[-1] > self._level) is not (error > 0.0)):
            self._run.clear()
        if not self._run:
            self._outliers = 0
        if error != 0.0:
            self._run.append(measured)
            self._outliers = self._outliers + 1 if outlier else 0


class _Channel:
    """One instrument's filter in one session, with the last print that it saw and what it made of it."""

    __slots__ = ("filter", "level", "price", "session", "stamp")

    def __init__(self, session: float, made: Filter) -> None:
        self.session = session
        self.filter = made
        self.stamp = self.price = self.level = math.nan


class NoiseFilter:
    """The filters of all instruments. Belongs to the engine's thread."""

    def __init__(self, kind: str, window: int) -> None:
        """`kind` is "median" or "kalman", `window` an odd number of prices."""
        self._make = RunningMedian if kind == "median" else AdaptiveKalman
        self._window = window
        self._channels: dict[str, _Channel] = {}

    def see(self, key: str, price: float, session: float, start: float, stamp: float = math.nan) -> float:
        """What the rule is to see of `price`; a new session begins at the price `start`.

        The same price under the provider's same `stamp` is one print, however often a source that is asked
        again and again repeats it: it counts once, or a single bad one would soon be the majority.
        """
        channel = self._channels.get(key)
        if channel is None or channel.session != session:
            channel = self._channels[key] = _Channel(session, self._make(self._window, start))
        elif channel.stamp == stamp and channel.price == price:
            return channel.level
        channel.stamp, channel.price = stamp, price
        channel.level = channel.filter.see(price)
        return channel.level

    def dump(self, key: str) -> list[Any] | None:
        """What an instrument's filter remembers, in JSON's types, for `load`; None if there is nothing."""
        channel = self._channels.get(key)
        if channel is None:
            return None
        values = {name: getattr(channel.filter, name) for name in self._make.__slots__}
        last = [
            None if math.isnan(value) else value for value in (channel.stamp, channel.price, channel.level)
        ]
        return [channel.session, values, last]

    def load(self, key: str, data: list[Any]) -> None:
        """Go on with what `dump` of a filter of the same kind and window told; another is left alone."""
        session, values, *more = data
        if tuple(values) != self._make.__slots__:
            return
        made = self._make(self._window, 1.0)
        for name, value in values.items():
            setattr(made, name, value)
        channel = self._channels[key] = _Channel(session, made)
        if more:  # what was stored by an earlier version lacks it
            last = [math.nan if value is None else value for value in more[0]]
            channel.stamp, channel.price, channel.level = last

    def forget(self) -> None:
        """Drop everything that was seen."""
        self._channels.clear()


def make_filter(kind: str, window: int) -> NoiseFilter | None:
    """The filter that `real_time.noise_filter` names; None for "none"."""
    return None if kind == "none" else NoiseFilter(kind, window)
