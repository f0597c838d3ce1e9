"""One measurement of the bots' panel, in a process of its own; prints one line of JSON.

Arguments: "panel" (ours, fed through the worker's mailbox) or "table" (a QTableWidget, a queued signal per
update), bots, updates per second and bot, seconds.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from PyQt5.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QPaintEvent
from PyQt5.QtWidgets import QApplication, QTableWidget, QTableWidgetItem

from bench.figures import percentile
from core.bots.model import BotPosition, BotState, BotStatus
from core.model import Freshness
from gui import theme
from gui.app import put_window_first
from gui.widgets.bot_list import BotList
from gui.widgets.bot_status_panel import BotStatusPanel
from gui.workers.mailbox import Mailbox

INTERVAL = 0.02
WARM_UP = 1.0


class Maker(QObject):
    """Makes states in a thread and hands them on."""

    one = pyqtSignal(object)
    waiting = pyqtSignal()

    def __init__(self, bots: int, rate: int, *, each: bool) -> None:
        super().__init__()
        self._states = [_state(number) for number in range(bots)]
        self._per_round = max(1, round(bots * rate * INTERVAL))
        self._each = each
        self.mailbox = Mailbox(self.waiting.emit)
        self.ended = threading.Event()
        self.cpu = 0.0

    def run(self) -> None:
        """Make some every 20 ms until told to end."""
        place = 0
        while not self.ended.wait(INTERVAL):
            begun = time.thread_time()
            for _ in range(self._per_round):
                state = self._states[place] = _next(self._states[place])
                if self._each:
                    self.one.emit(state)
                else:
                    self.mailbox.put_bot(state)
                place = (place + 1) % len(self._states)
            self.cpu += time.thread_time() - begun
            self.mailbox.announce()


def _state(number: int) -> BotState:
    position = BotPosition(
        key="BIST:ASELS", quantity=Decimal(100), entry_price=Decimal("45.10"), opened_at=time.time(),
        stop=Decimal("44.00"), trailing_stop=Decimal("44.50"),
    )  # fmt: skip
    return BotState(
        bot_id=f"bot{number}", owner="local", name=f"Bot {number:03d}", version=1,
        status=BotStatus.IN_POSITION, key="BIST:ASELS", updated_at=time.time(), position=position,
        positions=(position,), last_price=45.2, price_freshness=Freshness.LIVE, trailing_stop_price=44.5,
        last_trade_time=time.time(), daily_trades=3,
    )  # fmt: skip


def _next(state: BotState) -> BotState:
    price = 45.0 + (state.version % 97) / 100.0
    return msgspec.structs.replace(
        state, version=state.version + 1, last_price=price, open_pnl=(price - 45.1) * 100.0,
        open_pnl_pct=(price / 45.1 - 1.0) * 100.0, daily_pnl=price, updated_at=time.time(),
    )  # fmt: skip


def _panel(maker: Maker, painted: Callable[[BotState], None]) -> Any:
    panel = BotStatusPanel()
    panel.resize(300, 740)
    paint = BotList.paintEvent

    def hooked(view: BotList, event: QPaintEvent) -> None:
        paint(view, event)
        for number in view.visible_rows():
            painted(panel.model().row_at(number).state)

    BotList.paintEvent = hooked  # type: ignore[method-assign,assignment]
    maker.waiting.connect(lambda: panel.update_states(maker.mailbox.take().bots))
    return panel


class _Table(QTableWidget):
    """Tells which states could be read once it has painted itself."""

    def __init__(self, painted: Callable[[BotState], None]) -> None:
        super().__init__(0, 8)
        self.states: list[BotState] = []
        self._painted = painted

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        super().paintEvent(event)
        last = self.rowAt(self.viewport().height() - 1)
        for state in self.states[max(0, self.rowAt(0)) : last + 1 if last >= 0 else None]:
            self._painted(state)


def _table(maker: Maker, painted: Callable[[BotState], None]) -> Any:
    table = _Table(painted)
    table.resize(900, 740)
    rows: dict[str, int] = {}

    def show(state: BotState) -> None:
        row = rows.setdefault(state.bot_id, len(rows))
        if row >= table.rowCount():
            table.setRowCount(row + 1)
            table.states.append(state)
        table.states[row] = state
        texts = (state.name, state.status.value, state.symbol, f"{state.open_pnl:+,.2f}",
                 f"{state.daily_pnl:+,.2f}", f"{state.last_price}", f"{state.trailing_stop_price}",
                 str(state.version))  # fmt: skip
        for column, text in enumerate(texts):
            table.setItem(row, column, QTableWidgetItem(text))

    maker.one.connect(show)
    return table


def main() -> None:
    """Measure and print."""
    kind, bots, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    app = QApplication(sys.argv[:1])
    put_window_first()
    theme.apply_theme(app, "dark")
    latencies: list[float] = []
    gaps: list[float] = []
    last = [0.0]
    seen: dict[str, int] = {}
    measuring = [False]

    def painted(state: BotState) -> None:
        if measuring[0] and seen.get(state.bot_id) != state.version:
            seen[state.bot_id] = state.version
            latencies.append((time.time() - state.updated_at) * 1000.0)

    def on_timer() -> None:
        now = time.perf_counter()
        if last[0] and measuring[0]:
            gaps.append((now - last[0]) * 1000.0)
        last[0] = now

    maker = Maker(bots, rate, each=kind == "table")
    widget = (_table if kind == "table" else _panel)(maker, painted)
    timer = QTimer()
    timer.setTimerType(Qt.PreciseTimer)
    timer.setInterval(16)
    timer.timeout.connect(on_timer)
    timer.start()
    widget.show()
    thread = threading.Thread(target=maker.run, daemon=True)
    thread.start()
    begun: list[float] = []

    def begin() -> None:
        measuring[0] = True
        begun[:] = [_cpu(), time.perf_counter(), maker.cpu]

    def end() -> None:
        cpu, wall, made = _cpu() - begun[0], time.perf_counter() - begun[1], maker.cpu - begun[2]
        maker.ended.set()
        timer.stop()
        widget.close()
        print(json.dumps({
            "cpu_percent": cpu / wall * 100.0, "making_percent": made / wall * 100.0,
            "p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99),
            "timer_p99_ms": percentile(gaps, 0.99),
        }), flush=True)  # fmt: skip
        app.quit()

    QTimer.singleShot(round(WARM_UP * 1000), begin)
    QTimer.singleShot(round((WARM_UP + seconds) * 1000), end)
    app.exec_()
    thread.join(2.0)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
