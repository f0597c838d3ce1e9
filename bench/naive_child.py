"""The naive way to show live prices, measured as `window_child` measures ours; prints one line of JSON.

One queued signal per tick, a QLabel per cell, a style sheet set at each change. Arguments as `window_child`.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time

from PyQt5.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QApplication, QGridLayout, QLabel, QScrollArea, QWidget

from bench.figures import percentile
from bench.market import Walk, instruments

INTERVAL = 0.01


class Feed(QObject):
    """Emits every tick by itself, from a thread."""

    tick = pyqtSignal(str, float, float)

    def __init__(self, keys: list[str], rate: int) -> None:
        super().__init__()
        self._walk = Walk(keys)
        self._per_round = max(1, round(rate * INTERVAL))
        self.stop_event = threading.Event()

    def run(self) -> None:
        """Emit until stopped."""
        while not self.stop_event.wait(INTERVAL):
            for quote in self._walk.quotes(self._per_round, time.time()):
                self.tick.emit(quote.key, quote.price, quote.received)


def main() -> None:
    """Measure and print."""
    count, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    app = QApplication(sys.argv[:1])
    keys = [instrument.key for instrument in instruments(count)]
    inner = QWidget()
    grid = QGridLayout(inner)
    labels = {key: (QLabel(key), QLabel("-"), QLabel("-")) for key in keys}
    for row, cells in enumerate(labels.values()):
        for column, label in enumerate(cells):
            grid.addWidget(label, row, column)
    area = QScrollArea()
    area.setWidget(inner)
    area.resize(1366, 740)
    area.show()
    shown: dict[str, float] = {}
    latencies: list[float] = []
    gaps: list[float] = []
    last = [0.0]

    def on_tick(key: str, price: float, received: float) -> None:
        _, price_label, change_label = labels[key]
        up = price >= shown.get(key, price)
        shown[key] = price
        price_label.setText(f"{price:,.2f}")
        change_label.setText(f"{price % 3:+.2f}%")
        price_label.setStyleSheet(f"color: {'green' if up else 'red'}; font-weight: bold;")
        latencies.append((time.time() - received) * 1000.0)

    def on_timer() -> None:
        now = time.perf_counter()
        if last[0]:
            gaps.append((now - last[0]) * 1000.0)
        last[0] = now

    feed = Feed(keys, rate)
    feed.tick.connect(on_tick)
    timer = QTimer()
    timer.setTimerType(Qt.PreciseTimer)
    timer.setInterval(16)
    timer.timeout.connect(on_timer)
    timer.start()
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    begun = (time.perf_counter(), _cpu())

    def end() -> None:
        feed.stop_event.set()
        wall, cpu = time.perf_counter() - begun[0], _cpu() - begun[1]
        print(json.dumps({
            "cpu_percent": cpu / wall * 100.0, "timer_p99_ms": percentile(gaps, 0.99),
            "paint_p50_ms": percentile(latencies, 0.5), "paint_p99_ms": percentile(latencies, 0.99),
            "ticks_per_s": len(latencies) / wall,
        }), flush=True)  # fmt: skip
        app.quit()

    QTimer.singleShot(round(seconds * 1000), end)
    app.exec_()
    thread.join(2.0)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
