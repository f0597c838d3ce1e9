"""What the tests of the whole window share: a market that answers at once, a clock that can jump, and a look
at the window as a person has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from core.clock import Clock, SystemClock
from core.config import Config, RealTimeConfig
from core.errors import SourceError
from core.feed.budget import BudgetRegistry
from core.model import Instrument, Quote
from core.sources.base import DailyCloses, Gate
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState

BTC, ETH = Instrument("CRYPTO", "BTC"), Instrument("CRYPTO", "ETH")


class JumpingClock(SystemClock):
    """The computer's clocks, and a test that sets them ahead: both for a sleep, one for a set clock."""

    def __init__(self) -> None:
        self.wall = self.mono = 0.0

    def time(self) -> float:
        """See `Clock.time`."""
        return time.time() + self.wall

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic() + self.mono

    def sleep_computer(self, seconds: float) -> None:
        """As after a lid was closed for `seconds`; the monotonic clock slept as well."""
        self.wall += seconds


class StubMarket:
    """Prices by key as (price, previous close), an error in their place, and who is not known.

    `now` stamps the prices: the provider's clock, which is right whatever this computer's says.
    """

    def __init__(self, **prices: float) -> None:
        self.prices = {f"CRYPTO:{symbol}": (price, price) for symbol, price in prices.items()}
        self.error: Exception | None = None
        self.unknown: set[str] = set()
        self.now: Callable[[], float] = time.time
        self.sources: list[StubSource] = []

    def set(self, key: str, price: float, close: float | None = None) -> None:
        """List `key`, or move its price."""
        self.prices[key] = (price, close if close is not None else self.prices[key][1])

    def source(self, name: str, config: Config, clock: Clock) -> StubSource:
        """A source factory."""
        self.sources.append(StubSource(name, clock, self))
        return self.sources[-1]


class StubSource:
    """Answers at once from a `StubMarket`."""

    min_spacing = 0.0
    batch_size = 5000

    def __init__(self, name: str, clock: Clock, market: StubMarket) -> None:
        self.name = self.provider = name
        self.simulated = name == "simulation"
        self._clock = clock
        self._market = market

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`."""
        if self._market.error is not None and not self.simulated:
            raise self._market.error
        now, stamp = self._clock.time(), self._market.now()
        return [
            Quote(
                key=i.key, price=self._market.prices[i.key][0], stamp=stamp, received=now, source=self.name,
                previous_close=self._market.prices[i.key][1], simulated=self.simulated,
            )
            for i in instruments
            if i.key in self._market.prices
        ]  # fmt: skip

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`."""
        return DailyCloses(instrument.key, ())

    def unknown_keys(self) -> frozenset[str]:
        """See `PolledSource.unknown_keys`."""
        return frozenset(self._market.unknown)

    def cancel(self) -> None:
        """Nothing takes long."""

    def close(self) -> None:
        """Nothing to free."""


def crypto_config(*symbols: str, **real_time: Any) -> Config:
    """A market that never closes, one source, short intervals, no notifications."""
    settings: dict[str, Any] = {
        "live_data_source": "yfinance", "allow_simulation": False, "update_interval_ms": 10,
        "enable_notifications": False, "signal_cooldown_sec": 0.0,
    } | real_time  # fmt: skip
    return Config(
        exchange="CRYPTO", symbols=symbols or ("BTC", "ETH"), language="en",
        real_time=RealTimeConfig(**settings),
    )  # fmt: skip


def keep(qtbot: Any, window: MainWindow) -> MainWindow:
    """Have `window` closed at the end of the test, and kept until then.

    `qtbot` holds it weakly: once the test's own name for it is gone, the garbage collector might destroy it,
    from any thread, while it is being painted.
    """
    qtbot.addWidget(window, before_close_func=lambda _, kept=window: None)
    return window


def show(qtbot: Any, window: MainWindow) -> MainWindow:
    """Show `window` and wait until it is painted and its engine runs."""
    keep(qtbot, window)
    with qtbot.waitSignal(window.first_painted):
        window.show()
    qtbot.waitUntil(window.worker.isRunning)
    return window


def stub_window(qtbot: Any, market: StubMarket, config: Config | None = None, **options: Any) -> MainWindow:
    """A window on the screen whose prices come from `market`."""
    options.setdefault("budgets", BudgetRegistry(SystemClock()))
    return show(qtbot, MainWindow(config or crypto_config(), source_factory=market.source, **options))


def state_of(window: MainWindow, key: str) -> RowState:
    """What the Live Prices band says that the price of `key` is worth."""
    model = window.desk.ticker.model()
    row = model.row_of(key)
    assert row is not None
    return row.state(model.link)


def price_of(window: MainWindow, key: str) -> float | None:
    """The price of `key` in the Live Prices band."""
    row = window.desk.ticker.model().row_of(key)
    return None if row is None else row.price


def says(window: MainWindow, part: str) -> Callable[[], bool]:
    """Whether the notice bar shows a sentence with `part` in it."""
    return lambda: part in window.notice_bar.sentence


def wait(qtbot: Any, condition: Callable[[], bool]) -> None:
    """Let the event loop run until `condition` holds."""
    qtbot.waitUntil(condition)


def refused() -> SourceError:
    """What a source says whose provider cannot be reached."""
    return SourceError("the provider cannot be reached")
