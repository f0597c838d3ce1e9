"""A replay in the window: chosen, marked everywhere, never told outside, and back to live prices again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QApplication, QFileDialog

from cli.terminal_view import TerminalView
from core.clock import FakeClock
from core.config import ChannelsConfig, Config, RealTimeConfig, TelegramConfig
from core.i18n import set_language
from core.model import FeedStatus, Freshness
from core.notifications.channels.base import Channel
from core.replay.clock import ReplayClock
from core.session import Session
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from gui.widgets.connection_label import ConnectionLabel
from gui.widgets.price_ticker import LivePriceTicker
from tests.scripted import ASELS, THYAO, WEDNESDAY, tick
from tests.test_replay import session, write

RUNNING = FeedStatus(state="running", active="replay", replay_speed=50)


def settings(file: Path | str, **fields: Any) -> Config:
    live = RealTimeConfig(
        live_data_source="replay", replay_file=str(file), replay_speed=1000, signal_threshold_pct=1.0,
        notification_channels=ChannelsConfig(toast=False, desktop=False), **fields,
    )  # fmt: skip
    return Config(symbols=("ASELS", "THYAO"), language="en", real_time=live)


@pytest.fixture
def window(qtbot, tmp_path):
    made: list[MainWindow] = []

    def make(config: Config) -> MainWindow:
        window = MainWindow(config, data_dir=tmp_path)
        made.append(window)
        qtbot.addWidget(window)
        window.show()
        return window

    yield make
    for each in made:
        each.close()
        QApplication.sendPostedEvents(None, QEvent.DeferredDelete)


def row_state(window: MainWindow, key: str) -> RowState:
    model = window.desk.ticker.model()
    return model._rows[key].state(model.link)


def test_a_replay_is_marked_wherever_it_is_shown(window, qtbot, tmp_path):
    shown = window(settings(write(tmp_path / "day.jsonl.gz", *session())))
    shown.start_scan()
    qtbot.waitUntil(lambda: "has ended" in shown.desk.ticker._band.text())
    assert shown.desk.ticker._band.isVisible()
    assert "2026-11-18" in shown.desk.ticker._band.text()
    qtbot.waitUntil(lambda: "has ended" in shown.control_bar.feed_text())
    qtbot.waitUntil(lambda: row_state(shown, ASELS.key) is RowState.SIMULATED)
    qtbot.waitUntil(lambda: bool(shown.state.get("real_time_signals")))
    signals = shown.state.get("real_time_signals")
    assert all(signal["simulated"] and signal["source"] == "replay" for signal in signals)
    tip = shown.desk.ticker.model()._rows[ASELS.key]
    assert tip.tick.source == "replay"
    shown.stop_scan()
    qtbot.waitUntil(lambda: shown.control_bar.feed_text() == "Scan stopped")
    before = shown._clock.base.time()
    assert before <= shown._clock.time() <= shown._clock.base.time()


def test_without_a_file_it_asks_for_one(window, qtbot, tmp_path):
    path = write(tmp_path / "day.jsonl", *session(60))
    shown = window(settings(""))
    shown.start_scan()
    dialog = shown.findChild(QFileDialog)
    assert dialog is not None
    assert shown.control_bar.feed_text() == "Scan stopped"
    dialog.fileSelected.emit(str(path))
    dialog.reject()
    qtbot.waitUntil(lambda: "Replay of" in shown.control_bar.feed_text())
    assert shown._config.real_time.replay_file == str(path)


def test_choosing_a_replay_is_said(window, tmp_path):
    shown = window(Config(symbols=("ASELS",), language="en"))
    chosen = settings(tmp_path / "day.jsonl")
    shown.settings.apply(chosen)
    assert "A replay is chosen" in shown.notice_bar.sentence
    shown.settings.apply(replace(chosen, real_time=replace(chosen.real_time, live_data_source="simulation")))
    assert "simulator is chosen" in shown.notice_bar.sentence


def test_replayed_signals_stay_inside(tmp_path):
    from core.notifications.notifier import Notifier

    class Outside:
        name, external = "telegram", True

        def check(self) -> str:
            return ""

        def send(self, message: Any) -> None:
            pytest.fail("a replayed signal left the computer")

        def cancel(self) -> None: ...

        def close(self) -> None: ...

    live = settings("", telegram=TelegramConfig(enabled=True, chat_id="1", bot_token="1:x"))
    channels = replace(live.real_time.notification_channels, telegram=True)
    config = replace(live, real_time=replace(live.real_time, notification_channels=channels))
    deliveries: list[Any] = []
    notifier = Notifier(config, on_delivery=deliveries.append)
    channel: Channel = Outside()  # type: ignore[assignment]
    notifier._dispatcher.replace(channel)
    signal = {"symbol": "ASELS", "exchange": "BIST", "type": "BUY", "price": 45.0, "simulated": True,
              "source": "replay", "reason": "x"}  # fmt: skip
    notifier.send_signal(signal)
    notifier.stop()
    assert [d.status for d in deliveries if d.channel == "telegram"] == ["skipped"]


def test_its_database_is_its_own(data_dir):
    config = settings("")
    run = Session(config=config, data_dir=data_dir)
    assert run.store_name(config) == "replay"
    run.open_store(config).close()
    assert [path.name for path in data_dir.glob("*.db")] == ["replay.db"]


def test_the_connection_says_replay_and_a_bare_yes_does_not_change_that(qtbot):
    label = ConnectionLabel()
    qtbot.addWidget(label)
    label.set_status(RUNNING)
    label.set_connected(True)
    assert label.state == "replay"
    assert label.text() == "Replay"
    assert "recording" in label.toolTip()
    label.set_connected(False)
    assert label.state == "down"


def test_the_ticker_shows_the_replayed_time_and_the_rows_say_replay(qtbot):
    clock = ReplayClock(FakeClock(WEDNESDAY))
    ticker = LivePriceTicker(clock=clock)
    qtbot.addWidget(ticker)
    ticker.show()
    ticker.set_instruments((ASELS, THYAO))
    ticker.set_feed_status(RUNNING)
    ticker.apply_ticks([tick(simulated=True, source="replay", freshness=Freshness.SIMULATED)])
    ticker._refresh_ages()
    assert ticker._band.text().startswith("Replay of 2026-11-18")
    assert ticker._band.text().endswith("50x")
    from gui.models.tick_text import state_text, tooltip_text

    model = ticker.model()
    row = model._rows[ASELS.key]
    assert state_text(row, RowState.SIMULATED, clock.time()) == "Replay"
    assert "comes from a recording" in tooltip_text(row, model.link, clock.time())
    ticker.set_feed_status(FeedStatus(state="stopped"))
    ticker.apply_ticks([tick(stamp=WEDNESDAY + 1, received=WEDNESDAY + 1)])
    ticker._paint_frame()
    assert ticker._band.isHidden()


def test_the_terminal_shows_the_band_and_its_words():
    from rich.console import Console

    console = Console(width=100, record=True, file=__import__("io").StringIO())
    view = TerminalView((ASELS,), settings(""), console, clock=ReplayClock(FakeClock(WEDNESDAY)))
    view.on_feed_status(RUNNING)
    view.on_tick(tick(simulated=True, source="replay", freshness=Freshness.SIMULATED))
    console.print(view.render())
    text = console.export_text()
    assert text.count("Replay of 2026-11-18") >= 2
    assert "Replay" in text.split("ASELS", 1)[1]
    set_language("tr")
    console.print(view.render())
    assert "Tekrar oynatma: 18.11.2026" in console.export_text()
