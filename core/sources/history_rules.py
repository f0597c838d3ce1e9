"""What of a provider's chart is history: finished bars with believable figures and times."""

from __future__ import annotations

from collections.abc import Iterable

from core.exchanges import exchange_of
from core.model import Bar, Instrument
from core.sources.checks import BadDataTally, finite, positive, session_day, session_finished, stamp_fault

GROWS_FOR = 1200.0
"""So many seconds after its end the last bar may still grow, as data may be this late without saying so."""
DAY = 86_400


def history_bar(key: str, stamp: float, figures: Iterable[float]) -> Bar | None:
    """The bar with `figures` (open, high, low, close, volume); None if they cannot be true."""
    open_, high, low, close, volume = figures
    if any(positive(value) is None for value in (open_, high, low, close)):
        return None
    slack = close * 1e-6
    if low > min(open_, close) + slack or high < max(open_, close) - slack:
        return None
    traded = finite(volume)
    return Bar(
        key, stamp, open_, max(high, open_, close), min(low, open_, close), close,
        traded if traded is not None and traded >= 0.0 else None,
    )  # fmt: skip


def finished(
    rows: Iterable[tuple[float, Iterable[float]]],
    instrument: Instrument,
    seconds: int,
    now: float,
    tally: BadDataTally,
) -> list[Bar]:
    """The finished bars among `rows` (stamp and figures, oldest first); what cannot be is counted."""
    bars: list[Bar] = []
    for stamp, figures in rows:
        bar = history_bar(instrument.key, stamp, figures)
        if bar is None:
            tally.count("unusable bar", instrument.key)
        elif stamp_fault(stamp, now):
            tally.count(f"time in the {stamp_fault(stamp, now)}", f"{instrument.key} {stamp}")
        elif bars and stamp <= bars[-1].start:
            tally.count("bars out of order", instrument.key)
        else:
            bars.append(bar)
    if seconds >= DAY:
        exchange = exchange_of(instrument.exchange)
        return [bar for bar in bars if session_finished(session_day(bar.start, exchange), exchange, now)]
    if bars and bars[-1].start + seconds + GROWS_FOR > now:
        bars.pop()
    return bars
