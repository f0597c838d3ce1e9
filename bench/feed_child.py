"""The window's side of `bench.feed`: how old is what is painted?

Every price is `BASE` plus the moment of its trade by a `FastClock`, so its age can be told from the cell that
shows it. Arguments: "tradingview" or "tvdatafeed", the server's address, the clock's speed and zero, symbols,
and when to begin and to end measuring (monotonic moments, as the zero).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QApplication

from bench.figures import percentile
from bench.market import BASE, FastClock, instruments
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.feed.budget import BudgetRegistry
from gui import theme
from gui.app import put_window_first
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import TickRow
from gui.widgets.price_delegate import PriceDelegate

SIZE = (1366, 1080)
LIST_WIDTH = 520
"""Wide enough for rows of one line, so that 30 of them can be seen."""
LOOK_MS = 20
QUIET_MS = 1000
"""After the measuring: the market stops trading, and what it said last must come to be shown."""


class Painted:
    """What the cells show, and how old it is at each look."""

    def __init__(self, clock: FastClock) -> None:
        self.ages: list[float] = []
        self.prices: dict[str, float] = {}
        self.measuring = False
        self._clock = clock
        paint = PriceDelegate.paint_row

        def painted(delegate: PriceDelegate, painter: Any, rect: Any, row: TickRow, *rest: Any) -> None:
            paint(delegate, painter, rect, row, *rest)
            if row.shown_price is not None:
                self.prices[row.key] = row.shown_price

        PriceDelegate.paint_row = painted  # type: ignore[method-assign,assignment]

    def look(self) -> None:
        """Note the age of everything that is shown."""
        if self.measuring:
            now = self._clock.since_start() + BASE
            self.ages += [now - price for price in self.prices.values()]


def main() -> None:
    """Measure and print."""
    source, endpoint = sys.argv[1:3]
    speed, zero, count = float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    begin, end = float(sys.argv[6]), float(sys.argv[7])
    app = QApplication(sys.argv[:1])
    put_window_first()
    theme.apply_theme(app, "dark")
    clock = FastClock(speed, zero)
    config = Config(
        symbols=tuple(i.key for i in instruments(count)), exchange="CRYPTO",
        websocket=WebSocketConfig(endpoint=endpoint),
        real_time=RealTimeConfig(
            live_data_source=source, max_live_symbols=count, allow_simulation=False,  # type: ignore[arg-type]
            poll_interval_sec=5.0, stale_after_sec=600.0, signal_threshold_pct=50.0,
            enable_notifications=False, cross_check_pct=0.0,
        ),
    )  # fmt: skip
    window = MainWindow(config, clock=clock, budgets=BudgetRegistry(clock))
    painted = Painted(clock)
    window.resize(*SIZE)
    window.show()
    docks = [window.docks["live_prices"], window.docks["positions"]]
    window.resizeDocks(docks, [LIST_WIDTH, SIZE[0] - LIST_WIDTH], Qt.Horizontal)
    timer = QTimer()
    timer.setTimerType(Qt.PreciseTimer)
    timer.timeout.connect(painted.look)
    timer.start(LOOK_MS)
    QTimer.singleShot(100, window.start_scan)
    QTimer.singleShot(_until(begin), lambda: setattr(painted, "measuring", True))

    def stop() -> None:
        painted.measuring = False
        QTimer.singleShot(QUIET_MS, leave)

    def leave() -> None:
        timer.stop()
        window.close()
        result = {
            "p50": percentile(painted.ages, 0.5), "p99": percentile(painted.ages, 0.99),
            "rows": len(painted.prices), "lowest": min(painted.prices.values(), default=0.0),
        }  # fmt: skip
        print(json.dumps(result), flush=True)
        app.quit()

    QTimer.singleShot(_until(end), stop)
    app.exec_()


def _until(moment: float) -> int:
    return max(0, round((moment - time.monotonic()) * 1000))


if __name__ == "__main__":
    main()
