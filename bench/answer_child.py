"""The window's side of `bench.answer`. Arguments: the server's address, its epoch, symbols, seconds."""

from __future__ import annotations

import json
import sys
import time
from typing import cast

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication

from bench.figures import percentile
from bench.market import instruments
from bench.window_child import hook_painting, private_memory
from core.clock import Clock
from core.config import Config, RealTimeConfig
from core.sources.registry import create_source
from core.sources.yfinance_source import YFinanceSource
from gui import theme
from gui.app import put_window_first
from gui.main_window.main_window import MainWindow
from gui.models.tick_model import TickModel
from gui.widgets.price_view import PriceView
from gui.workers.mailbox import Frame

WARM_UP = 5.0
APART_MS = 200


class Probe:
    """Notes how old a price is when it has been painted."""

    def __init__(self, epoch: float) -> None:
        self.ages: list[float] = []
        self.measuring = False
        self._epoch = epoch
        self._waiting: dict[str, float] = {}

    def on_frame(self, frame: Frame) -> None:
        """Remember what is not painted yet."""
        self._waiting.update((tick.key, tick.price) for tick in frame.ticks)

    def on_painted(self, view: PriceView) -> None:
        """Everything visible is up to date now."""
        now = time.time() - self._epoch
        model = cast(TickModel, view.model())
        for number in view.visible_rows():
            price = self._waiting.pop(model.row_at(number).key, None)
            if price is not None and self.measuring:
                self.ages.append((now - price) * 1000.0)


def main() -> None:
    """Measure and print."""
    base, epoch, count, seconds = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    app = QApplication(sys.argv[:1])
    put_window_first()
    theme.apply_theme(app, "dark")
    watched = instruments(count)

    def source(name: str, config: Config, clock: Clock) -> YFinanceSource:
        made = create_source(name, config, clock)
        assert isinstance(made, YFinanceSource)
        made.min_spacing = 0.0
        made.batch_size = count
        return made

    config = Config(
        symbols=tuple(i.key for i in watched), exchange="CRYPTO",
        real_time=RealTimeConfig(
            live_data_source="yfinance", yahoo_base=base, max_live_symbols=count, allow_simulation=False,
            update_interval_ms=APART_MS, signal_threshold_pct=50.0, enable_notifications=False,
        ),
    )  # fmt: skip
    window = MainWindow(config, source_factory=source)
    probe = Probe(epoch)
    window.link.frame.connect(probe.on_frame)
    hook_painting(probe)
    window.show()
    QTimer.singleShot(100, window.start_scan)
    QTimer.singleShot(round(WARM_UP * 1000), lambda: setattr(probe, "measuring", True))

    def end() -> None:
        result = {
            "p50_ms": percentile(probe.ages, 0.5), "p99_ms": percentile(probe.ages, 0.99),
            "count": len(probe.ages), "uss_mb": private_memory(),
        }  # fmt: skip
        window.close()
        print(json.dumps(result), flush=True)
        app.quit()

    QTimer.singleShot(round((WARM_UP + seconds) * 1000), end)
    app.exec_()


if __name__ == "__main__":
    main()
