"""One measurement of storms of signals, in a process of its own; prints one line of JSON.

Arguments: symbols, storms. A source answers once a second; with each answer every price has moved so far that
it is worth a signal. Signals are stored in SQLite, accepted into the outbox, shown in the table and told as
messages in the window.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QApplication

from bench.figures import percentile
from bench.market import instruments
from core.clock import Clock
from core.config import Config, RealTimeConfig
from core.model import Instrument, Quote, Signal
from core.sources.base import DailyCloses, Gate
from gui import theme
from gui.app import put_window_first
from gui.main_window.main_window import MainWindow

APART_MS = 1000
STEPS = (1.0, 1.03, 1.06)
WARM_STORMS = 2


class StormSource:
    """At each answer every price is another by 3 % or more. `answered` are the moments (`perf_counter`)."""

    name = provider = "yfinance"
    simulated = False
    min_spacing = 0.0
    batch_size = 5000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.answered: list[float] = []

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`."""
        now, price = self._clock.time(), 100.0 * STEPS[len(self.answered) % len(STEPS)]
        self.answered.append(time.perf_counter())
        return [
            Quote(key=i.key, price=price, stamp=now, received=now, source=self.name, previous_close=100.0)
            for i in instruments
        ]

    def daily_closes(self, instrument: Instrument, gate: Gate) -> DailyCloses:
        """See `PolledSource.daily_closes`."""
        return DailyCloses(instrument.key, ())

    def unknown_keys(self) -> frozenset[str]:
        """See `PolledSource.unknown_keys`."""
        return frozenset()

    def cancel(self) -> None:
        """Nothing takes long."""

    def close(self) -> None:
        """Nothing to free."""


class Probe:
    """Notes when a 16 ms timer fires, and when the last signal of each storm is in the window."""

    def __init__(self, window: MainWindow) -> None:
        self.beats: list[float] = []
        self.shown: list[float] = []
        self._timer = QTimer(window)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.timeout.connect(lambda: self.beats.append(time.perf_counter()))
        self._timer.start(16)
        window.link.on(Signal, lambda _signal: self.shown.append(time.perf_counter()))

    def gaps(self, begin: float, end: float) -> list[float]:
        """Milliseconds between two shots of the timer within a stretch of time."""
        return [
            (after - before) * 1000.0
            for before, after in pairwise(self.beats)
            if before < end and after > begin
        ]


def summary(probe: Probe, answered: Sequence[float]) -> dict[str, float]:
    """The figures of all storms but the first ones and the last one."""
    deaf, shown = [], []
    for begin, end in list(pairwise(answered))[WARM_STORMS:]:
        deaf.append(max(probe.gaps(begin, end)))
        moments = [moment for moment in probe.shown if begin <= moment < end]
        shown.append((max(moments) - begin) * 1000.0)
    return {
        "deaf_p50_ms": median(deaf), "deaf_worst_ms": max(deaf), "shown_p50_ms": median(shown),
        "timer_p99_ms": percentile(probe.gaps(answered[WARM_STORMS], answered[-1]), 0.99),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    count, storms = int(sys.argv[1]), int(sys.argv[2])
    app = QApplication(sys.argv[:1])
    put_window_first()
    theme.apply_theme(app, "dark")
    sources: list[StormSource] = []

    def source(_name: str, _config: Config, clock: Clock) -> StormSource:
        sources.append(StormSource(clock))
        return sources[-1]

    config = Config(
        symbols=tuple(i.key for i in instruments(count)), exchange="CRYPTO",
        real_time=RealTimeConfig(
            live_data_source="yfinance", max_live_symbols=count, allow_simulation=False,
            update_interval_ms=APART_MS, signal_cooldown_sec=0.0,
        ),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        from core.storage.sql_store import SqlStore

        home = Path(folder)
        window = MainWindow(
            config, source_factory=source, data_dir=home, open_store=lambda _: SqlStore("", data_dir=home)
        )
        probe = Probe(window)
        window.show()
        QTimer.singleShot(200, window.start_scan)

        def look() -> None:
            if sources and len(sources[0].answered) > storms + WARM_STORMS:
                window.close()
                app.quit()

        looks = QTimer(window)
        looks.timeout.connect(look)
        looks.start(100)
        app.exec_()
        print(json.dumps(summary(probe, sources[0].answered)), flush=True)


if __name__ == "__main__":
    main()
