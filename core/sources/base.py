"""The protocol of a price source that is polled.

A source turns one provider's answers into `Quote` values. It knows nothing of scheduling: the feed calls it
from a thread of its own, within the provider's request budget, and decides when and for whom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol, runtime_checkable

import msgspec

from core.model import Bar, Instrument, Quote

Gate = Callable[[], None]
"""Called by a source right before each request that leaves the machine; it waits for the provider's spacing
and raises `CancelledError` when the feed stops meanwhile."""


class DailyCloses(msgspec.Struct, frozen=True):
    """The closes of the last finished sessions of one instrument, oldest first (may be empty).

    `days` are the sessions' dates at the exchange, one per close, or empty where a source has none. The feed
    notes whose they are in `source`.
    """

    key: str
    closes: tuple[float, ...]
    days: tuple[date, ...] = ()
    source: str = ""

    def before(self, day: date) -> float | None:
        """The close of the last session before `day`: the previous close of a price stamped on `day`."""
        return next((c for c, d in zip(self.closes[::-1], self.days[::-1], strict=False) if d < day), None)


class PolledSource(Protocol):
    """One provider, asked again and again.

    Every method but `cancel` is called from one thread at a time. No call takes longer than `deadline`
    seconds, reads standard input or opens a browser.
    """

    name: str
    """The source's name in `live_data_source`, payloads and on the screen."""
    provider: str
    """Whose servers are asked; sources of one provider share one budget."""
    min_spacing: float
    """The provider's own least spacing between requests in seconds; `poll_interval_sec` may be more."""
    batch_size: int
    """How many instruments one request may serve (1 for a source that asks for each alone)."""
    simulated: bool
    """Whether its prices are made up."""

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """Ask for at most `batch_size` instruments; instruments without a price are absent from the answer.

        Raises `SourceError` or one of its kinds; never anything else for what the provider did.
        """
        ...

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """Ask for the finished sessions' closes; the last one's is the previous close. Raises as `fetch`."""
        ...

    def cancel(self) -> None:
        """From any thread: make a call that is under way end within 2 s (it raises `CancelledError`)."""
        ...

    def close(self) -> None:
        """Free sockets and files. Idempotent; the source is not used again."""
        ...

    def unknown_keys(self) -> frozenset[str]:
        """The instruments that the provider said it does not know in the last `fetch`."""
        ...


@runtime_checkable
class AnchoredSource(Protocol):
    """A source of made-up prices that can go on from real ones."""

    def anchor(self, key: str, price: float, previous_close: float | None = None) -> None:
        """Let the prices of `key` start from this real one."""
        ...


@runtime_checkable
class HistorySource(Protocol):
    """A polled source that can also tell bars of the past."""

    provider: str
    min_spacing: float

    def history(self, instrument: Instrument, seconds: int, count: int, gate: Gate) -> list[Bar]:
        """About the last `count` finished bars of `seconds` (60, 300, 900, 3600 or 86,400), oldest first.

        Fewer where the provider has no more; the bar that still grows is left out. Raises as `fetch`.
        """
        ...

    def close(self) -> None:
        """See `PolledSource.close`."""
        ...
