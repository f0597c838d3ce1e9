"""One measurement of the real main window, in a process of its own; prints one line of JSON.

Arguments: symbols, quotes per second, seconds, milliseconds between two answers. The quotes come from a
source in the feed's thread, go through the engine and the worker into the window, and are painted.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Protocol, cast

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QPaintEvent
from PyQt5.QtWidgets import QApplication

from bench.figures import percentile
from bench.market import BenchSource, instruments
from core.clock import Clock
from core.config import Config, RealTimeConfig
from gui import theme
from gui.app import put_window_first
from gui.main_window.main_window import MainWindow
from gui.models.tick_model import TickModel
from gui.widgets.price_view import PriceView
from gui.workers.mailbox import Frame

WARM_UP = 2.0


class Probe:
    """Notes when prices arrive, when they are painted, and how late a 16 ms timer fires."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.timer_gaps: list[float] = []
        self.ticks = 0
        self.measuring = False
        self._waiting: dict[str, float] = {}
        self._last = 0.0

    def on_frame(self, frame: Frame) -> None:
        """Remember the oldest price of each symbol that is not painted yet."""
        for tick in frame.ticks:
            self._waiting.setdefault(tick.key, tick.received)

    def on_painted(self, view: PriceView) -> None:
        """Everything visible is up to date now."""
        now = time.time()
        model = cast(TickModel, view.model())
        for number in view.visible_rows():
            received = self._waiting.pop(model.row_at(number).key, None)
            if received is not None and self.measuring:
                self.latencies.append((now - received) * 1000.0)

    def on_timer(self) -> None:
        """One shot of the 16 ms timer."""
        now = time.perf_counter()
        if self._last and self.measuring:
            self.timer_gaps.append((now - self._last) * 1000.0)
        self._last = now


def main() -> None:
    """Measure and print."""
    count, rate, seconds, apart = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    app = QApplication(sys.argv[:1])
    put_window_first()
    theme.apply_theme(app, "dark")
    watched = instruments(count)
    per_answer = max(1, rate * apart // 1000)

    def source(_name: str, _config: Config, clock: Clock) -> BenchSource:
        return BenchSource(watched, per_answer, clock)

    config = Config(
        symbols=tuple(i.key for i in watched), exchange="CRYPTO",
        real_time=RealTimeConfig(
            live_data_source="yfinance", max_live_symbols=count, allow_simulation=False,
            update_interval_ms=apart, signal_threshold_pct=50.0, enable_notifications=False,
        ),
    )  # fmt: skip
    window = MainWindow(config, source_factory=source)
    probe = Probe()
    window.link.frame.connect(probe.on_frame)
    hook_painting(probe)
    timer = QTimer()
    timer.setTimerType(Qt.PreciseTimer)
    timer.setInterval(16)
    timer.timeout.connect(probe.on_timer)
    timer.start()
    window.show()
    QTimer.singleShot(200, window.start_scan)
    usage: list[float] = []

    def begin() -> None:
        probe.measuring = True
        usage[:] = [_cpu(), time.perf_counter(), float(_vetted(window))]

    def end() -> None:
        probe.measuring = False
        cpu, wall = _cpu() - usage[0], time.perf_counter() - usage[1]
        result = {
            "cpu_percent": cpu / wall * 100.0,
            "timer_p99_ms": percentile(probe.timer_gaps, 0.99),
            "paint_p50_ms": percentile(probe.latencies, 0.50),
            "paint_p99_ms": percentile(probe.latencies, 0.99),
            "ticks_per_s": (_vetted(window) - usage[2]) / wall,
            "uss_mb": private_memory(),
        }
        timer.stop()
        window.close()
        print(json.dumps(result), flush=True)
        app.quit()

    QTimer.singleShot(round((WARM_UP + 0.2) * 1000), begin)
    QTimer.singleShot(round((WARM_UP + 0.2 + seconds) * 1000), end)
    app.exec_()


class Painted(Protocol):
    """Somebody who wants to know when the prices have been painted."""

    def on_painted(self, view: PriceView) -> None:
        """Everything visible is up to date now."""
        ...


def hook_painting(probe: Painted) -> None:
    """Tell `probe` after each painting of the price list."""
    paint = PriceView.paintEvent

    def painted(view: PriceView, event: QPaintEvent) -> None:
        paint(view, event)
        probe.on_painted(view)

    PriceView.paintEvent = painted  # type: ignore[method-assign,assignment]


_counted = {"n": 0}


def _vetted(window: MainWindow) -> int:
    return _counted["n"]


def _count_ticks() -> None:
    from core.engine.prices import PriceBook

    vet = PriceBook.vet

    def counted(book: PriceBook, quote: object, *rest: object) -> object:
        tick = vet(book, quote, *rest)  # type: ignore[arg-type]
        if tick is not None:
            _counted["n"] += 1
        return tick

    PriceBook.vet = counted  # type: ignore[method-assign,assignment]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def private_memory() -> float:
    """This process's private memory (USS) in MB."""
    import psutil

    return float(psutil.Process().memory_full_info().uss) / 1e6


if __name__ == "__main__":
    _count_ticks()
    main()
