"""Scripted stand-ins for the world around the feed and the engine: clocks, sources, sinks, stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from core.clock import FakeClock, SystemClock
from core.errors import CancelledError, StorageError
from core.events import EventBus
from core.exchanges import exchange_of
from core.feed.budget import BudgetRegistry, RequestBudget
from core.model import Freshness, Instrument, Quote, Signal, Tick
from core.sources.base import DailyCloses, Gate
from core.storage.memory_store import MemoryStore
from tests.patience import FOREVER

ASELS = Instrument("BIST", "ASELS")
THYAO = Instrument("BIST", "THYAO")
AAPL = Instrument("NASDAQ", "AAPL")
BTC = Instrument("CRYPTO", "BTC")


def at(text: str, exchange: str = "BIST") -> float:
    """The Unix time of a local "2026-11-18 14:00" at `exchange`."""
    return datetime.fromisoformat(text).replace(tzinfo=exchange_of(exchange).zone).timestamp()


WEDNESDAY = at("2026-11-18 14:00")
"""In mid-session on BIST, an ordinary day."""


class WaitingClock(FakeClock):
    """A clock that only the test moves: whoever waits on it waits for `advance` (or for the event)."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        end = self.monotonic() + seconds
        while not event.is_set() and self.monotonic() < end:
            event.wait(0.002)
        return event.is_set()


class FastClock(SystemClock):
    """Clocks that run `factor` times as fast, from the wall time `start` on (by default the computer's)."""

    def __init__(self, factor: float, start: float | None = None) -> None:
        self.factor = factor
        self._start = time.time() if start is None else start
        self._began = time.monotonic()

    def time(self) -> float:
        """See `Clock.time`."""
        return self._start + self._passed()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._began + self._passed()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return super().wait(event, max(0.0, seconds) / self.factor)

    def _passed(self) -> float:
        return (time.monotonic() - self._began) * self.factor


def quote(instrument: Instrument = ASELS, price: float = 100.0, **fields: Any) -> Quote:
    """A real quote; `stamp` and `received` are WEDNESDAY unless told."""
    values: dict[str, Any] = {"stamp": WEDNESDAY, "source": "alpha"} | fields
    values.setdefault("received", values["stamp"])
    return Quote(key=instrument.key, price=price, **values)


def tick(instrument: Instrument = ASELS, price: float = 100.0, **fields: Any) -> Tick:
    """A live tick with a previous close of 100."""
    values: dict[str, Any] = {
        "stamp": WEDNESDAY, "received": WEDNESDAY, "source": "alpha", "simulated": False,
        "freshness": Freshness.LIVE, "delay": 0.0, "basis": "previous_close", "previous_close": 100.0,
        "open": None, "high": None, "low": None, "volume": None,
    } | fields  # fmt: skip
    close = values["previous_close"]
    values.setdefault("change_pct", 0.0 if close is None else (price / close - 1.0) * 100.0)
    return Tick(key=instrument.key, price=price, **values)


class ScriptedSource:
    """A source whose answers the test writes. `fetches` and `dailies` tell who was asked for."""

    def __init__(
        self, name: str = "alpha", *, batch_size: int = 1, min_spacing: float = 3.0, simulated: bool = False,
        clock: FakeClock | None = None,
    ) -> None:  # fmt: skip
        self.name = self.provider = name
        self.min_spacing = min_spacing
        self.batch_size = batch_size
        self.simulated = simulated
        self.clock = clock or FakeClock(WEDNESDAY)
        self.answer: Callable[[Sequence[Instrument]], list[Quote]] = self.prices
        self.daily: Callable[[Instrument], DailyCloses] = lambda i: DailyCloses(i.key, ())
        self.unknown: set[str] = set()
        self.fetches: list[tuple[str, ...]] = []
        self.dailies: list[str] = []
        self.anchors: dict[str, float] = {}
        self.asked_at: list[float] = []
        self.cancelled = threading.Event()
        self.closed = threading.Event()
        self.price = 100.0
        self.previous_close: float | None = 100.0

    def prices(self, instruments: Sequence[Instrument]) -> list[Quote]:
        """A price of this moment for each that is known."""
        now = self.clock.time()
        return [
            quote(
                i, self.price, stamp=now, source=self.name, simulated=self.simulated,
                previous_close=self.previous_close,
            )
            for i in instruments if i.key not in self.unknown
        ]  # fmt: skip

    def hang(self, _: Sequence[Instrument]) -> list[Quote]:
        """Answer only when cancelled."""
        self.cancelled.wait(FOREVER)
        raise CancelledError("cancelled")

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`."""
        assert len(instruments) <= self.batch_size
        if self.min_spacing:
            gate()
        self.asked_at.append(self.clock.monotonic())
        self.fetches.append(tuple(i.symbol for i in instruments))
        return self.answer(instruments)

    def anchor(self, key: str, price: float, previous_close: float | None = None) -> None:
        """See `AnchoredSource.anchor`."""
        self.anchors[key] = price

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`."""
        gate()
        self.asked_at.append(self.clock.monotonic())
        self.dailies.append(instrument.symbol)
        return self.daily(instrument)

    def unknown_keys(self) -> frozenset[str]:
        """See `PolledSource.unknown_keys`."""
        return frozenset(self.unknown)

    def cancel(self) -> None:
        """See `PolledSource.cancel`."""
        self.cancelled.set()

    def close(self) -> None:
        """See `PolledSource.close`."""
        self.closed.set()


class Sink:
    """Keeps what the feed says."""

    def __init__(self) -> None:
        self.quotes: list[Quote] = []
        self.messages: list[Any] = []

    def put_quotes(self, quotes: Sequence[Quote]) -> None:
        """See `FeedSink.put_quotes`."""
        self.quotes.extend(quotes)

    def put(self, message: Any) -> None:
        """See `FeedSink.put`."""
        self.messages.append(message)

    def of(self, kind: type[Any]) -> list[Any]:
        """The messages of one type."""
        return [message for message in self.messages if type(message) is kind]


class Events:
    """Keeps what a bus publishes of some types, in order."""

    def __init__(self, bus: EventBus, *types: type[Any]) -> None:
        self.all: list[Any] = []
        for event_type in types:
            bus.subscribe(event_type, self.all.append)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one type."""
        return [event for event in self.all if type(event) is kind]


class FailingStore(MemoryStore):
    """Cannot write while `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.batches: list[int] = []
        self.closed = False

    def add_signals(self, signals: Sequence[Signal]) -> tuple[Signal, ...]:
        """See `Store.add_signals`."""
        self._fail()
        self.batches.append(len(signals))
        return super().add_signals(signals)

    def positions(self) -> tuple[Any, ...]:
        """See `Store.positions`."""
        self._fail()
        return super().positions()

    def close(self) -> None:
        """See `Store.close`."""
        self.closed = True
        super().close()

    def _fail(self) -> None:
        if self.broken:
            raise StorageError("the disk is full")


class QuickBudget(RequestBudget):
    """Keeps a spacing of its own, however large the one that is asked for."""

    def set_spacing(self, seconds: float) -> None:
        """See `RequestBudget.set_spacing`; a hundredth of it."""
        super().set_spacing(seconds / 100)


class QuickBudgets(BudgetRegistry):
    """Budgets with tiny spacings, for tests that may not wait."""

    def of(self, provider: str) -> RequestBudget:
        """See `BudgetRegistry.of`."""
        with self._lock:
            return self._budgets.setdefault(provider, QuickBudget(provider, self._clock))
