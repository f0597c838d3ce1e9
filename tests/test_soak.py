"""Long use in a short time: windows that come and go, hours of quotes, storms. Nothing may pile up."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from PyQt5.QtCore import QCoreApplication, QEvent, QTimer

from core.clock import Clock
from core.config import Config
from core.model import Instrument, Quote
from core.sources.base import Gate
from gui.app import put_window_first
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from tests.scripted import FastClock
from tests.window_helpers import StubMarket, StubSource, crypto_config, show, state_of, wait

SPEED = 60
"""How many times as fast as the real one the clocks run."""


def living_threads() -> set[str]:
    """The names of Python's own threads; a QThread leaves a dummy behind."""
    return {t.name for t in threading.enumerate() if not isinstance(t, threading._DummyThread)}


def test_windows_come_and_go_and_leave_nothing(qtbot: Any) -> None:
    market = StubMarket(BTC=100.0, ETH=50.0)
    threads = living_threads()
    gone: list[weakref.ref[MainWindow]] = []
    for _ in range(6):
        window = MainWindow(crypto_config(), source_factory=market.source)
        window.show()
        window.start_scan()
        wait(qtbot, lambda window=window: state_of(window, "CRYPTO:BTC") is RowState.LIVE)  # type: ignore[misc]
        window.close()
        gone.append(weakref.ref(window))
        window.deleteLater()
        del window
        QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
        QCoreApplication.processEvents()
    gc.collect()
    assert [ref() for ref in gone[:-1]] == [None] * 5
    assert living_threads() <= threads


class Torrent(StubSource):
    """At each request new prices of everything, each of which is worth a signal."""

    count = 0

    def fetch(self, instruments: Sequence[Instrument], gate: Gate) -> list[Quote]:
        """See `PolledSource.fetch`."""
        now = self._clock.time()
        Torrent.count += 1
        swing = 1.0 + 0.03 * (Torrent.count % 3)
        return [
            Quote(
                key=i.key,
                price=100.0 * swing,
                stamp=now,
                received=now,
                source=self.name,
                previous_close=100.0,
            )
            for i in instruments
        ]


@pytest.fixture
def window_first() -> Iterator[None]:
    """The interpreter's switching as the program sets it."""
    before = sys.getswitchinterval()
    put_window_first()
    yield
    sys.setswitchinterval(before)


def test_a_torrent_of_quotes_and_signals_keeps_the_window_awake_and_bounded(
    qtbot: Any, window_first: None
) -> None:
    symbols = [f"C{number:03d}" for number in range(235)]
    config = crypto_config(
        *symbols, max_live_symbols=500, signal_cooldown_sec=30.0, update_interval_ms=SPEED * 10
    )

    def source(name: str, _config: Config, clock: Clock) -> StubSource:
        return Torrent(name, clock, StubMarket())

    window = show(qtbot, MainWindow(config, source_factory=source, clock=FastClock(SPEED)))
    beats: list[int] = []
    panel = window.desk.signals.model
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(panel.count_all()))
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:C234") is RowState.LIVE)
    timer.start(16)
    wait(qtbot, lambda: panel.count_all() >= 2000)  # in storms of 235, two a second
    timer.stop()
    assert len(set(beats)) > 2, "the window comes to its turn between the storms"
    assert len(window.state.get("real_time_signals")) == 1000
    window.close()
    assert not window.link.worker.isRunning()


def test_hours_of_starts_and_stops(qtbot: Any) -> None:
    market, clock = StubMarket(BTC=100.0, ETH=50.0), FastClock(SPEED)
    market.now = clock.time  # else its prices are a minute old after one second
    window = show(qtbot, MainWindow(crypto_config(), source_factory=market.source, clock=clock))
    for turn in range(60):
        window.start_scan()
        if turn % 3 == 0:
            wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
        window.stop_scan()
        if turn % 5 == 0:
            QCoreApplication.processEvents()
    wait(qtbot, lambda: window.control_bar.feed_text() == "Scan stopped")
    wait(qtbot, lambda: not any(t.name.startswith("feed-") for t in threading.enumerate()))
    wait(qtbot, lambda: not window.link._posted)  # each has had its answer: none piles up


@pytest.mark.parametrize("turns", [30])
def test_languages_and_themes_back_and_forth(qtbot: Any, turns: int) -> None:
    market = StubMarket(BTC=100.0, ETH=50.0)
    window = show(qtbot, MainWindow(crypto_config(), source_factory=market.source))
    window.start_scan()
    for turn in range(turns):
        window.settings.toggle_language()
        if turn % 10 == 0:
            window.settings.toggle_theme()
        QCoreApplication.processEvents()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    assert window.control_bar.scan_button.text() == "⏹ Stop"
