"""Stored bars as prices again: a day replayed, a month counted, and the settings' line that tells it."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import Qt

from core.bars.sessions import DAY
from core.config import Config, RealTimeConfig
from core.errors import InputError, StorageError
from core.i18n import set_language
from core.market_calendar import MarketCalendar
from core.model import Bar, Signal, Tick
from core.replay.format import MarkRecord, QuoteRecord
from core.replay.stored import StoredDay, ThresholdCount, count_signals, path
from core.storage.memory_store import MemoryStore
from gui.dialogs.settings_dialog import SettingsDialog
from gui.main_window.settings_flow import SettingsFlow
from gui.workers.preview_worker import PreviewWorker
from tests.patience import FOREVER, PATIENCE
from tests.scripted import AAPL, ASELS, THYAO
from tests.test_replay import Rig, config

FIRST = date(2026, 11, 9)
BY_HAND = Config(symbols=("ASELS", "THYAO"), real_time=RealTimeConfig(signal_threshold_pct=2.0))


def sessions(count: int) -> list[tuple[float, float]]:
    """BIST's first sessions from FIRST on."""
    calendar, found, day = MarketCalendar(), [], FIRST
    while len(found) < count:
        times = calendar.session("BIST", day)
        found += [times] if times else []
        day += timedelta(days=1)
    return found


def bar(start: float, open_: float, high: float, low: float, close: float, key: str = ASELS.key) -> Bar:
    return Bar(key, start, open_, high, low, close, 10.0)


def filled(seconds: int = 60) -> MemoryStore:
    """ASELS: flat at 100, then a day that jumps to 103 and falls back, then flat; THYAO: flat."""
    store = MemoryStore()
    days = sessions(4)
    bars = [bar(start, 100, 100, 100, 100) for start, _ in days]
    if seconds == 60:
        start = days[2][0]
        bars += [bar(start + 60, 100, 103, 100, 103), bar(start + 120, 103, 103, 99.9, 100)]
        bars.sort(key=lambda b: b.start)
    else:
        bars[2] = bar(days[2][0], 100, 103, 100, 100)
    store.add_bars(bars, seconds)
    store.add_bars([bar(start, 50, 50, 50, 50, THYAO.key) for start, _ in days], seconds)
    return store


def count(store, settings=BY_HAND, cancelled=lambda: False) -> ThresholdCount | None:
    days = sessions(4)
    return count_signals(store, (ASELS, THYAO, AAPL), settings, days[1][0], days[-1][1], cancelled)


# --- counting -----------------------------------------------------------------------------------------


def test_the_path_of_a_bar():
    assert [p for _, p in path(bar(0, 1, 4, 0.5, 2), 60)] == [1, 0.5, 4, 2]
    assert [p for _, p in path(bar(0, 2, 4, 0.5, 1), 60)] == [2, 4, 0.5, 1]
    assert [at for at, _ in path(bar(100, 1, 1, 1, 1), 60)] == [100, 115, 130, 145]


def test_a_threshold_is_counted_on_minute_bars():
    assert count(filled()) == ThresholdCount(2, 3, (("ASELS", 2),))
    high = replace(BY_HAND, real_time=RealTimeConfig(signal_threshold_pct=3.5))
    assert count(filled(), high) == ThresholdCount(0, 3, ())
    calm = replace(BY_HAND, real_time=RealTimeConfig(signal_threshold_pct=2.0, signal_cooldown_sec=3600))
    assert count(filled(), calm) == ThresholdCount(1, 3, (("ASELS", 1),))


def test_without_minute_bars_daily_ones_are_taken():
    assert count(filled(DAY)) == ThresholdCount(2, 3, (("ASELS", 2),))


def test_a_few_minute_bars_do_not_hide_the_daily_ones():
    _, _, third, last = (start for start, _ in sessions(4))
    store = filled(DAY)
    store.add_bars([bar(last, 100, 100, 100, 100), bar(last + 60, 100, 100, 100, 100)], 60)
    assert count(store) == ThresholdCount(2, 3, (("ASELS", 2),))
    store.add_bars([bar(third + 60, 100, 101, 100, 101)], 60)  # the program ran for a minute only
    assert count(store) == ThresholdCount(2, 3, (("ASELS", 2),))


def test_a_sessions_minutes_are_taken_if_they_tell_more_than_its_daily_bar():
    _, _, (start, end), _ = sessions(4)
    wild = [bar(start + 60 * n, 100, 103, 100, 100) for n in range(4)]  # all that the day's bar spans
    for minutes in (
        wild,
        wild + [bar(at, 100, 100, 100, 100) for at in range(int(start) + 240, int(end), 120)],
    ):
        store = filled(DAY)
        store.add_bars(minutes, 60)
        assert count(store) == ThresholdCount(8, 3, (("ASELS", 8),))
    most = [bar(start + 60 * n, 100, 100, 100, 100) for n in range(300)]  # the day's high came later
    store = filled(DAY)
    store.add_bars(most, 60)
    assert count(store) == ThresholdCount(0, 3, ())


def test_the_previous_close_is_the_days_where_that_is_known():
    start = sessions(2)[1][0]
    store = filled()
    store.add_bars([bar(start + 60 * n, 100, 100, 100, 100) for n in range(300)])
    store.add_bars([bar(start, 100, 103, 100, 103)], DAY)
    assert count(store).total == 3  # against 103 the next opening at 100 is a signal, then the jump, the fall


def test_the_noise_filter_counts_too():
    noisy = RealTimeConfig(signal_threshold_pct=2.0, noise_filter="median", noise_window=9)
    assert count(filled(), replace(BY_HAND, real_time=noisy)).total == 0


def test_without_bars_there_is_nothing_to_count_and_it_can_be_cancelled():
    assert count(MemoryStore()) == ThresholdCount(0, 0, ())
    assert count(filled(), cancelled=lambda: True) is None
    answers = iter([False, True, True, True])
    assert count(filled(), cancelled=lambda: next(answers, True)) is None


# --- a stored day -------------------------------------------------------------------------------------


def stored_day() -> str:
    return f"bars:{date.fromtimestamp(sessions(3)[2][0])}"


def test_a_stored_day_is_replayed(tmp_path):
    rig = Rig(config(stored_day(), signal_threshold_pct=2.0, replay_speed=1000))
    rig.loop._replay._open_store = lambda _config: filled()
    rig.play()
    rig.loop.close()
    assert [s.side.value for s in rig.events.of(Signal)] == ["BUY", "SELL"]
    assert {t.symbol for t in rig.events.of(Tick)} == {"ASELS", "THYAO"}
    assert all(t.previous_close for t in rig.events.of(Tick))


def test_a_replayed_day_has_the_volumes_of_its_bars():
    start = sessions(3)[2][0]
    volumes = {0: 100.0, 1: 50.0, 2: 80.0, 3: 200.0, 4: None, 40: 30.0, 41: 0.1}
    for first in (0, 60):  # of the session's beginning, and without it
        store = MemoryStore()
        told = [replace(bar(start + first + 60 * n, 9, 10, 8, 9), volume=v) for n, v in volumes.items()]
        store.add_bars(told, 60)
        rig = Rig(config(stored_day(), replay_speed=1000))
        rig.loop._replay._open_store = lambda _config, store=store: store
        rig.play()
        made = rig.loop.engine.bars.known(ASELS.key, 60, 99)
        rig.loop.close()
        assert [b.start for b in made] == [b.start for b in told]
        assert [b.volume for b in made] == pytest.approx(list(volumes.values()))


def test_a_stored_day_reads_like_a_recording():
    records = list(StoredDay(stored_day(), Config(), filled).records())
    assert {type(r) for r in records} == {QuoteRecord, MarkRecord}
    assert [r.at for r in records] == sorted(r.at for r in records)
    assert list(StoredDay("bars:2026-11-15", Config(), filled).records()) == []
    with pytest.raises(InputError, match="bars:2026-11-20"):
        StoredDay("bars:soon", Config(), filled)


@pytest.mark.parametrize(
    ("minutes", "daily", "close"),
    [((), (1,), 101.0), ((1,), (1,), 101.0), ((1,), (0,), 201.0), ((0,), (1,), 101.0), ((), (), None)],
)
def test_the_previous_close_of_a_stored_day_may_be_a_daily_bars(minutes, daily, close):
    days = [start for start, _ in sessions(3)]
    store = MemoryStore()
    store.add_bars([bar(days[n] + 60, 200 + n, 200 + n, 200 + n, 200 + n) for n in (*minutes, 2)], 60)
    store.add_bars([bar(days[n], 100 + n, 100 + n, 100 + n, 100 + n) for n in daily], DAY)
    records = StoredDay(stored_day(), Config(), lambda: store).records()
    assert {r.quote.previous_close for r in records if isinstance(r, QuoteRecord)} == {close}


def test_a_database_that_does_not_open_is_told():
    def refuse(_config):
        raise StorageError("the disk is gone")

    rig = Rig(config(stored_day()))
    rig.loop._replay._open_store = refuse
    rig.play()
    rig.loop.close()
    assert "the disk is gone" in str([e for e in rig.events.all if type(e).__name__ == "Notice"])


# --- in the settings ----------------------------------------------------------------------------------


@pytest.fixture
def window(qtbot):
    from PyQt5.QtWidgets import QWidget

    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


def opened(window, open_store, settings=BY_HAND):
    flow = SettingsFlow(settings, None, window, open_store)
    flow.open()
    return flow, window.findChild(SettingsDialog)


def wait_for(qtbot, dialog, text):
    qtbot.waitUntil(lambda: text in dialog.preview.label.text())


def test_the_answer_follows_what_is_typed(window, qtbot, monkeypatch):
    monkeypatch.setattr("gui.workers.preview_worker.time.time", lambda: sessions(4)[-1][1])
    flow, dialog = opened(window, lambda _: filled())
    preview = dialog.preview
    qtbot.mouseClick(preview.button, Qt.LeftButton)
    assert preview.label.text() == "Counting…"
    wait_for(qtbot, dialog, "At 2 %: 2 times in 3 sessions (ASELS 2).")
    threshold = dialog.pages["signals"].editor("real_time.signal_threshold_pct")
    threshold.setText("3.5")
    assert preview.label.text() == ""
    wait_for(qtbot, dialog, "At 3.50 %: never in 3 sessions.")
    threshold.setText("x")
    assert not preview.button.isEnabled()
    dialog.reject()
    flow.end()


def test_it_is_honest_about_no_data_and_failures(window, qtbot):
    flow, dialog = opened(window, lambda _: MemoryStore())
    dialog.preview.ask()
    wait_for(qtbot, dialog, "No stored prices yet.")

    def refuse(_config):
        raise StorageError("the disk is gone")

    flow._open_store = refuse
    dialog.preview.ask()
    wait_for(qtbot, dialog, "cannot be read: the disk is gone")
    dialog.reject()
    flow.end()


@pytest.mark.allow_log("preview failed")
def test_a_bug_is_told_too(window, qtbot):
    def broken(_config):
        raise RuntimeError("oops")

    flow, dialog = opened(window, broken)
    dialog.preview.ask()
    wait_for(qtbot, dialog, "RuntimeError: oops")
    dialog.reject()
    flow.end()


def test_closing_the_dialog_cancels_the_count(window, qtbot):
    asked, gate = threading.Event(), threading.Event()

    class SlowStore(MemoryStore):
        def bars(self, *args, **kw):
            asked.set()
            gate.wait(FOREVER)
            return super().bars(*args, **kw)

    flow, dialog = opened(window, lambda _: SlowStore())
    dialog.preview.ask()
    worker = flow.findChild(PreviewWorker)
    answers = []
    worker.counted.connect(answers.append)
    assert asked.wait(PATIENCE)
    dialog.reject()
    gate.set()
    flow.end()
    qtbot.waitUntil(lambda: flow.findChild(PreviewWorker) is None)
    assert answers == []


def test_the_preview_asks_the_real_database_even_during_a_replay(window, qtbot):
    asked = []
    flow, dialog = opened(
        window, lambda settings: asked.append(settings.real_time.live_data_source) or MemoryStore(),
        config(Path("x.jsonl")),
    )  # fmt: skip
    dialog.preview.ask()
    wait_for(qtbot, dialog, "No stored prices yet.")
    assert asked == ["auto"]
    dialog.reject()
    flow.end()


def test_without_a_database_it_says_so(window, qtbot):
    flow, dialog = opened(window, None)
    dialog.preview.ask()
    assert "No stored prices yet." in dialog.preview.label.text()
    dialog.reject()
    flow.end()


def test_one_of_each_and_many_in_turkish(window, qtbot):
    flow, dialog = opened(window, None)
    preview = dialog.preview
    preview.show_count(ThresholdCount(1, 1, (("ASELS", 1),)), 2.0)
    assert preview.label.text() == "At 2 %: once in 1 session (ASELS 1)."
    set_language("tr")
    preview.retranslate()
    many = ThresholdCount(12, 21, (("ASELS", 5), ("THYAO", 4), ("GARAN", 2), ("SISE", 1)))
    preview.show_count(many, 2.5)
    assert (
        preview.label.text()
        == "%2,50 eşiğiyle: 21 seans içinde 12 kez (ASELS 5, THYAO 4, GARAN 2, diğer 1 sembol)."
    )
    dialog.reject()
    flow.end()
