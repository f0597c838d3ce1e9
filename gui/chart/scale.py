"""Which prices and times are labelled: round steps, as many as there is room for. No Qt in here."""

from __future__ import annotations

import math

import numpy as np

from core.i18n import tr
from gui.chart.series import BarSeries, Column

DAY = 86_400
TIME_ROOM = 76.0
"""Pixels of width per label of a time."""
_STEPS = (60, 300, 900, 1800, 3600, 7200, 14_400, DAY)
_MONTHS = (1, 3, 6, 12, 24, 60)
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


def price_ticks(low: float, high: float, room: float, decimals: int) -> list[float]:
    """Round prices in [low, high], at most about `room` of them and none finer than `decimals`."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    rough = span / max(1.0, room)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _ROUND if factor * power >= rough * 0.999)
    step = max(step, 10.0**-decimals)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def time_ticks(series: BarSeries, low: float, high: float, room: float) -> list[tuple[int, str]]:
    """(bar, label) of the bars between `low` and `high` that begin a round stretch of time.

    At most about `room` of them. Where a new day begins among hours, the day is told.
    """
    first, last = max(0, math.floor(low)), min(len(series) - 1, math.ceil(high))
    if last < first:
        return []
    local = series.column("local")[first : last + 1]
    before = series.value("local", first - 1) if first else local[0] - DAY
    least = max(1.0, (high - low) / max(1.0, room))
    for step in _STEPS:
        if step < series.seconds:
            continue
        begins = _changes(np.floor(local / step), math.floor(before / step))
        if len(begins) <= room:
            return _labelled(local, before, begins, first, least)
    months = _months(local)
    before_month = int(_months(np.array([before]))[0])
    for count in _MONTHS:
        begins = _changes(months // count, before_month // count)
        if len(begins) <= room:
            break
    return [(first + int(i), _month_label(int(months[i]))) for i in begins]


def bar_time(series: BarSeries, index: int) -> str:
    """When a bar began, on the exchange's clock: "20 Nov 14:05", or "20 Nov 2026" for days."""
    moment = np.datetime64(int(series.value("local", index)), "s").item()
    day = f"{moment.day} {_month_name(moment.month)}"
    return f"{day} {moment.year}" if series.seconds >= DAY else f"{day} {moment:%H:%M}"


def _changes(values: Column, before: float) -> Column:
    previous = np.concatenate(([before], values[:-1]))
    return np.flatnonzero(values != previous)


def _labelled(
    local: Column, before: float, begins: Column, first: int, least: float
) -> list[tuple[int, str]]:
    """Labels for `begins`; new days come first, and what would touch another label is left out."""
    days = set(_changes(np.floor(local / DAY), math.floor(before / DAY)).tolist())
    chosen: list[int] = []
    for index in sorted(begins.tolist(), key=lambda i: (i not in days, i)):
        if all(abs(index - other) >= least * 0.6 for other in chosen):
            chosen.append(index)
    return [(first + i, _label(float(local[i]), i in days)) for i in sorted(chosen)]


def _label(local: float, new_day: bool) -> str:
    moment = np.datetime64(int(local), "s").item()
    return f"{moment.day} {_month_name(moment.month)}" if new_day else f"{moment:%H:%M}"


def _months(local: Column) -> Column:
    return local.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _month_label(months: int) -> str:
    year, month = 1970 + months // 12, months % 12 + 1
    return str(year) if month == 1 else f"{_month_name(month)}"


def _month_name(month: int) -> str:
    return tr("chart.months").split()[month - 1]
