"""The chart from outside: events in; bars, readout, axes, arrows, lines, pictures and commands out."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PyQt5.QtGui import QImage, QPainter, QPixmap
from PyQt5.QtWidgets import QAbstractItemView, QApplication, QFileDialog

from core.clock import SystemClock
from core.commands import BarsLoaded, BarUpdated, PositionsChanged, UnwatchBars, WatchBars
from core.i18n import set_language
from core.model import Bar, ClosedTrade, Freshness, Instrument, Position, Side, Signal, Tick
from gui import theme
from gui.chart.chart_header import ChartHeader
from gui.chart.chart_panel import ChartPanel
from gui.chart.groups import group_size, take
from gui.chart.host import ChartHost
from gui.chart.overlays import Level
from gui.chart.pane import Pane
from gui.chart.scale import bar_time, price_ticks, time_ticks
from gui.chart.series import BarSeries, Change
from gui.chart.view_state import Marker
from gui.models.tick_model import TickModel
from tests.window_helpers import BTC, StubMarket, stub_window, wait

KEY = "BIST:ASELS"
FRIDAY = datetime(2026, 11, 20, 7, 0, tzinfo=UTC).timestamp()  # 10:00 in Istanbul
MONDAY = FRIDAY + 3 * 86_400


def bar(start: float, close: float, *, spread: float = 0.5, volume: float | None = 1000.0) -> Bar:
    return Bar(KEY, start, close - 0.1, close + spread, close - spread, close, volume)


def bars(count: int, seconds: int = 300, start: float = FRIDAY) -> tuple[Bar, ...]:
    return tuple(bar(start + seconds * n, 45 + 2 * math.sin(n / 9)) for n in range(count))


def tick(price: float = 45.0, freshness: Freshness = Freshness.LIVE, key: str = KEY) -> Tick:
    now = time.time()
    simulated = freshness is Freshness.SIMULATED
    return Tick(
        key, price, 1.2, now - 1, now, "tradingview", simulated, freshness, None, "previous_close", 44.5,
        44.0, 46.0, 43.0, 1e6,
    )  # fmt: skip


@pytest.fixture
def prices(qapp):
    model = TickModel("BIST", SystemClock())
    model.set_instruments([Instrument("BIST", "ASELS"), Instrument("CRYPTO", "SHIB")])
    model.set_link(True, trying=True, simulated=False)
    yield model
    model.deleteLater()


@pytest.fixture
def panel(qtbot, prices):
    theme.apply_theme(QApplication.instance(), "dark")
    widget = ChartPanel(prices, SystemClock())
    qtbot.addWidget(widget)
    widget.asked = []
    widget.watch_wanted.connect(lambda *what: widget.asked.append(("watch", *what)))
    widget.unwatch_wanted.connect(lambda *what: widget.asked.append(("unwatch", *what)))
    widget.resize(1000, 480)
    widget.show()
    qtbot.waitExposed(widget)
    widget.show_symbol(KEY)
    return widget


def load(panel: ChartPanel, count: int = 300) -> tuple[Bar, ...]:
    loaded = bars(count, panel.seconds)
    panel.set_bars(BarsLoaded(panel.key, panel.seconds, loaded))
    return loaded


# --- bars and indicators ----------------------------------------------------------------------------


def test_one_by_one_is_the_same_as_at_once():
    all_bars = bars(700)
    whole, grown = BarSeries(KEY, 300, all_bars), BarSeries(KEY, 300, all_bars[:5])
    for each in all_bars[5:]:
        assert (
            grown.update(Bar(KEY, each.start, each.open, each.high, each.low, each.open, None))
            is Change.BEGAN
        )
        assert grown.update(each) is Change.GREW
    for name in ("start", "open", "high", "low", "close", "volume", "ema", "rsi", "local"):
        assert grown.column(name).tolist() == pytest.approx(whole.column(name).tolist(), nan_ok=True), name


def test_ema_and_rsi_are_what_their_inventors_say():
    series = BarSeries(KEY, 300, bars(400))
    closes = series.column("close").tolist()
    ema = sum(closes[:20]) / 20
    for close in closes[20:]:
        ema += (close - ema) * 2 / 21
    changes = [b - a for a, b in pairwise(closes)]
    gain = sum(max(c, 0) for c in changes[:14]) / 14
    loss = sum(max(-c, 0) for c in changes[:14]) / 14
    for change in changes[14:]:
        gain, loss = (gain * 13 + max(change, 0)) / 14, (loss * 13 + max(-change, 0)) / 14
    assert series.value("ema", -1) == pytest.approx(ema)
    assert series.value("rsi", -1) == pytest.approx(100 - 100 / (1 + gain / loss))
    assert math.isnan(series.value("ema", 18)) and not math.isnan(series.value("ema", 19))


def test_an_older_bar_is_corrected_and_an_unknown_one_ignored():
    series = BarSeries(KEY, 300, bars(10))
    version = series.version
    assert series.update(bar(FRIDAY + 300, 99.0)) is Change.CORRECTED
    assert series.value("close", 1) == 99.0 and series.version > version
    assert series.update(bar(FRIDAY + 7, 1.0)) is Change.IGNORED
    assert len(series) == 10


def test_disordered_and_repeated_bars_are_put_in_order():
    some = bars(5)
    series = BarSeries(KEY, 300, (some[3], some[0], some[0], some[1]))
    assert series.column("start").tolist() == [some[0].start, some[1].start, some[3].start]


def test_joined_bars_keep_every_high_and_low():
    series = BarSeries(KEY, 60, bars(1000, 60))
    size = group_size(1000, 500)
    groups = take(series, 0, 999, size)
    assert size == 6 and len(groups.x) <= 500 / 3 + 1
    assert groups.high.max() == series.column("high").max() and groups.low.min() == series.column("low").min()
    assert groups.open[0] == series.value("open", 0) and groups.close[-1] == series.value("close", -1)
    moved = take(series, 7, 999, size)
    assert set(moved.x).issubset(set(groups.x))


# --- scales -----------------------------------------------------------------------------------------


def test_gaps_between_sessions_take_no_room():
    series = BarSeries(KEY, 300, (*bars(96), *bars(96, start=MONDAY)))
    assert series.value("start", 96) - series.value("start", 95) > 2 * 86_400
    labels = dict(time_ticks(series, 60, 130, 10))
    assert labels[96] == "23 Nov"
    assert bar_time(series, 95) == "20 Nov 17:55" and bar_time(series, 96) == "23 Nov 10:00"


def test_times_are_on_the_exchanges_clock():
    new_york = datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp()
    series = BarSeries("NASDAQ:AAPL", 300, [Bar("NASDAQ:AAPL", new_york, 1, 1, 1, 1)])
    assert bar_time(series, 0) == "20 Nov 09:30"
    summer = datetime(2026, 7, 20, 13, 30, tzinfo=UTC).timestamp()
    assert (
        bar_time(BarSeries("NASDAQ:AAPL", 300, [Bar("NASDAQ:AAPL", summer, 1, 1, 1, 1)]), 0) == "20 Jul 09:30"
    )


@pytest.mark.parametrize(("seconds", "room"), [(60, 5), (300, 10), (900, 3), (3600, 8), (86_400, 12)])
def test_there_are_never_more_times_than_room(seconds, room):
    series = BarSeries(KEY, seconds, bars(2000, seconds))
    for low, high in ((0, 2000), (1500, 1600), (1990, 2010)):
        ticks = time_ticks(series, low, high, room)
        assert len(ticks) <= room + 1
        assert all(low - 1 <= index <= high + 1 for index, _ in ticks)


def test_price_steps_are_round_and_no_finer_than_the_decimals():
    assert price_ticks(44.97, 45.06, 9, 2) == pytest.approx([44.97 + 0.01 * n for n in range(10)])
    assert price_ticks(0, 100, 5, 2) == [0, 20, 40, 60, 80, 100]
    assert len(price_ticks(1.0, 1.001, 50, 2)) <= 1
    assert price_ticks(1.0, 1.0, 5, 2) == []


# --- the panel --------------------------------------------------------------------------------------


def test_it_says_that_history_is_loading_and_then_shows_it(panel):
    assert panel.asked == [("watch", KEY, 300)]
    panel.set_bars(BarsLoaded(KEY, 300, ()))
    assert panel.message.isVisible() and panel.message.text() == "Loading history…"
    load(panel)
    assert not panel.message.isVisible()
    assert panel.view.state.high >= 299 and panel.view.state.count == 300


def test_it_gives_up_saying_so(panel, qtbot):
    panel._patience.setInterval(1)
    panel._patience.start()
    qtbot.waitUntil(lambda: not panel._patience.isActive())
    assert panel.message.text().startswith("No bars yet")


def test_another_time_frame_asks_for_other_bars(panel, qtbot):
    load(panel)
    qtbot.mouseClick(panel.header.frames[3600], Qt.LeftButton)
    assert panel.asked[1:] == [("unwatch", KEY, 300), ("watch", KEY, 3600)]
    assert panel.view.series is None and panel.message.isVisible()
    panel.set_bars(BarsLoaded(KEY, 300, bars(5)))  # too late
    assert panel.view.series is None
    qtbot.keyClick(panel.view, Qt.Key_5)
    assert panel.seconds == 86_400 and panel.header.frames[86_400].isChecked()


def test_the_last_bar_grows_and_a_new_one_moves_the_view_on(panel):
    loaded = load(panel)
    low = panel.view.state.low
    panel.update_bar(BarUpdated(KEY, 300, bar(loaded[-1].start, 46.0)))
    assert panel.view.last_line.level.price == 46.0 and panel.view.state.low == low
    panel.update_bar(BarUpdated(KEY, 300, bar(loaded[-1].start + 300, 46.5)))
    assert panel.view.state.count == 301 and panel.view.state.low == low + 1
    panel.view.go_to_start()
    low = panel.view.state.low
    panel.update_bar(BarUpdated(KEY, 300, bar(loaded[-1].start + 600, 46.5)))
    assert panel.view.state.low == low  # who looks at the past is left there


def test_a_bar_that_leaves_the_scale_widens_it(panel):
    loaded = load(panel)
    panel.update_bar(BarUpdated(KEY, 300, bar(loaded[-1].start, 60.0)))
    assert panel.view.price.top > 60.5


def test_a_bar_before_any_history_is_shown(panel):
    panel.update_bar(BarUpdated(KEY, 300, bar(FRIDAY, 45.0)))
    assert panel.view.state.count == 1 and not panel.message.isVisible()
    panel.update_bar(BarUpdated("BIST:GARAN", 300, bar(FRIDAY, 45.0)))
    assert panel.view.state.count == 1


def test_history_that_comes_later_leaves_the_view_at_its_time(panel):
    recent = bars(100, start=FRIDAY + 300 * 200)
    panel.set_bars(BarsLoaded(KEY, 300, recent))
    panel.view.show()
    panel.view.state.show(10, 40)
    seen = panel.view.series.value("start", 20)
    panel.set_bars(BarsLoaded(KEY, 300, (*bars(200), *recent)))
    state = panel.view.state
    assert state.low < panel.view.series.index_at(seen) < state.high


def on_the_screen(panel: ChartPanel) -> QImage:
    """What stands on the screen now, however it came there; the readout else comes a moment later."""
    if panel._readout_due.isActive():
        panel._readout_due.stop()
        panel._show_readout()
    QApplication.processEvents()
    view = panel.view
    place = QRect(view.mapTo(panel, QPoint(0, 0)), view.size())
    return QApplication.primaryScreen().grabWindow(panel.winId()).copy(place).toImage()


def painted_anew(panel: ChartPanel) -> QImage:
    panel.view.live.forget()
    return on_the_screen(panel)


def change_last(panel: ChartPanel, close: float, volume: float = 1000.0) -> None:
    start = panel.view.series.value("start", -1)
    panel.update_bar(BarUpdated(KEY, 300, Bar(KEY, start, 45.0, max(45.4, close), 44.6, close, volume)))


def test_a_tick_is_painted_over_a_picture_of_the_rest(panel, monkeypatch):
    load(panel)
    change_last(panel, 45.1)
    on_the_screen(panel)
    change_last(panel, 45.2)
    on_the_screen(panel)
    assert panel.view.live.has_picture
    monkeypatch.setattr(panel.view.price.closed, "paint", None)  # the scene is not painted again
    change_last(panel, 45.3)
    seen = on_the_screen(panel)
    assert panel.view.live.has_picture
    monkeypatch.undo()
    assert seen == painted_anew(panel)


def test_whatever_changes_the_screen_shows_what_is_true(panel, prices):
    load(panel)
    view = panel.view
    point = QPointF(300, 200)
    steps = (
        lambda: view.pan(-7), lambda: view.zoom(0.6), lambda: view.point_at(point), view.go_to_end,
        lambda: panel.resize(900, 420), lambda: view.set_shown("rsi", False), view._unpoint,
        lambda: view.set_levels([Level(45.05, "down", "Stop"), Level(45.3, "up", "Target")]),
        lambda: view.set_markers([Marker(view.series.value("start", -1), True, True, "bought")]),
        lambda: view.set_last("stale", "stale"), lambda: view.set_last("up", None),
        lambda: view.set_shown("ema", False), lambda: theme.apply_theme(QApplication.instance(), "light"),
        lambda: change_last(panel, 60.0),
    )  # fmt: skip
    for number, step in enumerate(steps):
        step()
        for tick_number in range(3):
            change_last(panel, 45.0 + 0.1 * tick_number + 0.01 * number, 900.0 + 50 * tick_number)
            on_the_screen(panel)
        assert on_the_screen(panel) == painted_anew(panel), f"after step {number}"


def painted(pane: Pane, paint: Callable[[QPainter], None], left: float) -> QImage:
    """What `paint` puts into a pane, from the pixel `left` on."""
    size = pane.rect().size().toSize()
    picture = QImage(size, QImage.Format_ARGB32)
    picture.fill(0)
    painter = QPainter(picture)
    paint(painter)
    painter.end()
    return picture.copy(QRect(math.ceil(left), 0, size.width() - math.ceil(left), size.height()))


@pytest.mark.parametrize("bar_count", [40, 300, 4000])
def test_the_last_bar_looks_like_a_closed_one(panel, bar_count):
    load(panel, bar_count)
    view, state = panel.view, panel.view.state
    view.zoom(bar_count / 130)
    view.go_to_end()
    view.set_last("up", None)
    size = state.size
    begin = (state.count - 1) // size * size
    groups, bar = take(view.series, begin - size, state.count - 1, size), state.live_bar()
    left = view.price.x_of(bar.x) - state.spacing * size / 2 + 1
    empty = painted(view.price, lambda painter: None, left)
    for pane in (view.price, view.volume, view.rsi):
        pane.draw_caption = lambda painter: None  # and no bands: what is about the pane, not the bar
        closed = painted(pane, lambda painter, pane=pane: pane.draw(painter, groups), left)
        last = painted(pane, lambda painter, pane=pane: pane.draw_live(painter, bar), left)
        if pane is not view.rsi:
            assert last == closed
        assert last != empty


def test_the_crosshair_reads_the_bar_under_the_mouse(panel):
    loaded = load(panel)
    view = panel.view
    x = view.price.place.left() + (200 - view.state.low) * view.state.spacing
    view.point_at(QPointF(x + 1, 60))
    assert view.crosshair.isVisible() and view.crosshair.texts[1] == bar_time(view.series, 200)
    said = panel.readout.accessibleName()
    assert f"C {loaded[200].close:.2f}" in said and "EMA 20" in said and "RSI 14" in said
    price, _ = view.crosshair.texts
    assert price == view.price.label(view.price.value_at(60 - view.price.place.top()))
    view.leaveEvent(QEvent(QEvent.Leave))
    assert not view.crosshair.isVisible() and f"C {loaded[-1].close:.2f}" in panel.readout.accessibleName()


def test_prices_have_the_instruments_decimals(panel):
    load(panel)
    assert panel.view.price.label(45.5) == "45.50"
    panel.show_symbol("CRYPTO:SHIB")
    shib = "CRYPTO:SHIB"
    panel.set_bars(BarsLoaded(shib, 300, [Bar(shib, FRIDAY, 1e-5, 1.2e-5, 0.9e-5, 1.1e-5)]))
    assert panel.view.price.label(1.1e-5) == "0.00001100"


def signal(stamp: float, side: Side = Side.BUY) -> Signal:
    return Signal(
        key=KEY, side=side, price=45.0, confidence=0.9, timestamp=stamp, source="x", simulated=False,
        reference_price=44.0, change_pct=2.27,
    )  # fmt: skip


def test_signals_and_trades_stand_at_their_bars(panel):
    loaded = load(panel)
    panel.set_signals([signal(loaded[250].start + 20), signal(FRIDAY - 86_400)])
    panel.set_trades([
        ClosedTrade(
            position_id=1, symbol="ASELS", exchange="BIST", quantity=Decimal(-10), entry_price=Decimal("46"),
            exit_price=Decimal("45"), opened_at=loaded[240].start, closed_at=loaded[260].start + 1,
            realised_pnl=Decimal(10),
        )
    ])  # fmt: skip
    view = panel.view
    assert [(m.buys, m.trade) for m in view.markers_at(250)] == [(True, False)]
    assert [(m.buys, m.trade) for m in view.markers_at(240)] == [
        (False, True)
    ]  # a short one begins with a sale
    assert [(m.buys, m.trade) for m in view.markers_at(260)] == [(True, True)]
    x = view.price.place.left() + (250 - view.state.low) * view.state.spacing
    view.point_at(QPointF(x + 1, 60))
    assert "BUY signal at 45.00 (+2.27%)" in panel.readout.text()
    view.viewport().update()
    QApplication.processEvents()


def position(**fields) -> Position:
    options = {"stop": Decimal("44"), "target": Decimal("48"), **fields}
    return Position(
        symbol="ASELS", exchange="BIST", quantity=Decimal(500), entry_price=Decimal("45.5"), opened_at=FRIDAY,
        **options,
    )  # fmt: skip


def test_positions_and_the_previous_close_have_lines(panel, prices):
    load(panel)
    prices.apply_ticks([tick()])
    panel.set_positions([position()])
    lines = {line.level.label: line for line in panel.view.level_lines}
    assert {label: line.level.price for label, line in lines.items()} == {
        "Long 500": 45.5, "Stop": 44.0, "Target": 48.0, "Prev. close": 44.5,
    }  # fmt: skip
    tags = sorted(line._tag.top() for line in (*lines.values(), panel.view.last_line) if line.isVisible())
    assert all(below - above >= 17.9 for above, below in pairwise(tags))
    panel.set_positions([])
    assert [line.level.label for line in panel.view.level_lines] == ["Prev. close"]


@pytest.mark.parametrize(
    ("freshness", "marked"),
    [
        (Freshness.LIVE, None), (Freshness.DELAYED, None), (Freshness.CLOSED, None),
        (Freshness.STALE, "stale"), (Freshness.SIMULATED, "simulated"),
    ],
)  # fmt: skip
def test_a_dead_price_never_looks_live(panel, prices, freshness, marked):
    load(panel)
    prices.apply_ticks([tick(freshness=freshness)])
    panel.refresh_price()
    assert panel.view.state.mark == marked
    assert panel.band.isVisible() is (freshness is Freshness.SIMULATED)
    if marked:
        assert panel.view.last_line.level.role == marked


def test_a_lost_connection_marks_the_last_bar(panel, prices):
    load(panel)
    prices.apply_ticks([tick()])
    panel.refresh_price()
    prices.set_link(False, trying=True, simulated=False)
    panel.refresh_price()
    assert panel.view.state.mark == "stale"


def test_keys_and_wheel_move_and_zoom(panel, qtbot):
    load(panel)
    state, view = panel.view.state, panel.view
    before = (state.low, state.high)
    qtbot.keyClick(view, Qt.Key_Left)
    assert state.low == pytest.approx(before[0] - 13)
    qtbot.keyClick(view, Qt.Key_Plus)
    assert state.high - state.low == pytest.approx((before[1] - before[0]) * 0.8)
    qtbot.keyClick(view, Qt.Key_Minus)
    qtbot.keyClick(view, Qt.Key_Home)
    assert state.low <= 0
    qtbot.keyClick(view, Qt.Key_End)
    assert state.high > 299
    with qtbot.waitSignal(panel.close_wanted):
        qtbot.keyClick(view, Qt.Key_Escape)
    low = state.low
    qtbot.mousePress(view.viewport(), Qt.LeftButton, pos=QPoint(400, 100))
    view._drag = (400.0, low)
    view.state.show(low - 20, state.high - state.low)
    qtbot.mouseRelease(view.viewport(), Qt.LeftButton, pos=QPoint(500, 100))
    assert state.low == pytest.approx(low - 20) and view._drag is None


def test_nobody_gets_lost_beyond_the_bars(panel):
    load(panel)
    for _ in range(200):
        panel.view.pan(50)
    assert panel.view.state.low < 299
    for _ in range(200):
        panel.view.pan(-50)
    assert panel.view.state.high > 0
    for _ in range(100):
        panel.view.zoom(0.5)
    assert panel.view.state.high - panel.view.state.low >= 12
    for _ in range(100):
        panel.view.zoom(2.0)
    assert panel.view.state.high - panel.view.state.low <= 300 * 1.04 + 1


def test_a_narrow_header_shows_the_states_dot_alone(panel, prices):
    label = panel.header._state
    label.say("#26A69A", "15 min delayed")
    label.resize(200, 20)
    assert "15 min delayed" in label.text()
    label.resize(30, 20)
    assert "15 min" not in label.text() and "●" in label.text()
    assert label.toolTip() == "15 min delayed" and "15 min delayed" in panel.header.texts()[2]


def test_panes_can_be_switched_off(panel, qtbot):
    load(panel)
    assert panel.view.rsi.box.isVisible()
    height = panel.view.price.rect().height()
    qtbot.mouseClick(panel.header.switches["rsi"], Qt.LeftButton)
    qtbot.mouseClick(panel.header.switches["volume"], Qt.LeftButton)
    qtbot.mouseClick(panel.header.switches["ema"], Qt.LeftButton)
    QApplication.processEvents()
    assert not panel.view.rsi.box.isVisible() and not panel.view.volume.box.isVisible()
    assert panel.view.price.rect().height() > height
    assert "RSI" not in panel.readout.accessibleName() and "EMA" not in panel.readout.accessibleName()


def test_without_volume_there_is_no_volume_pane(panel):
    panel.set_bars(BarsLoaded(KEY, 300, [bar(FRIDAY + 300 * n, 45.0, volume=None) for n in range(50)]))
    assert not panel.view.volume.box.isVisible() and "Vol" not in panel.readout.accessibleName()


def test_the_picture_says_what_it_shows(panel, prices, tmp_path, monkeypatch):
    load(panel)
    prices.apply_ticks([tick(45.0, Freshness.SIMULATED)])
    file = tmp_path / "asels.png"
    offered = []

    def choose(_parent, _title, name, _filter):
        offered.append(name)
        return str(file.with_suffix("")), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    panel.export()
    assert offered[0].startswith("ASELS_5m_") and ":" not in offered[0]
    picture = QPixmap(str(file))
    assert picture.width() >= 900 and picture.height() > panel.view.height()
    assert "ASELS" in panel.caption() and "Simulated" in panel.caption()


def test_a_picture_that_cannot_be_written_is_told(panel, qtbot, tmp_path):
    load(panel)
    assert panel.save_picture(tmp_path / "no" / "such" / "folder.png") is False
    from PyQt5.QtWidgets import QMessageBox

    box = panel.findChild(QMessageBox)
    assert "folder.png" in box.text()
    box.close()


def test_language_and_theme_follow(panel, prices):
    load(panel)
    prices.apply_ticks([tick()])
    panel.set_positions([position()])
    set_language("tr")
    for widget in (panel, panel.header):
        QApplication.sendEvent(widget, QEvent(QEvent.LanguageChange))
    assert panel.header.frames[3600].text() == "1s" and "45,00" in panel.header.texts()[1]
    assert "Zarar durdur" in [line.level.label for line in panel.view.level_lines]
    assert panel.view.price.label(45.5) == "45,50" and "Kas" in panel.readout.accessibleName()
    theme.apply_theme(QApplication.instance(), "light")
    QApplication.processEvents()
    image = panel.view.grab().toImage()
    assert image.pixelColor(image.width() // 2, 2).lightness() > 200
    theme.apply_theme(QApplication.instance(), "dark")
    QApplication.processEvents()
    image = panel.view.grab().toImage()
    assert image.pixelColor(image.width() // 2, 2).lightness() < 60


# --- in the window ----------------------------------------------------------------------------------


def test_the_chart_costs_nothing_until_it_is_opened(prices, qtbot):
    host = ChartHost(prices, SystemClock())
    qtbot.addWidget(host)
    host.set_positions([position()])
    assert host.panel is None and host.key == ""
    host.show_symbol(KEY)
    assert host.key == KEY and host.panel._positions == [position()]


def test_from_the_price_list_to_a_chart_and_back(qtbot, monkeypatch):
    window = stub_window(qtbot, StubMarket(BTC=50_000.0))
    posted = []
    post = window.link.post
    monkeypatch.setattr(window.link, "post", lambda command: (posted.append(command), post(command))[1])
    dock, key = window.docks["chart"], BTC.key
    assert dock.isHidden()
    window.desk.ticker.symbol_activated.emit(key)
    assert dock.isVisible() and window.desk.chart.key == key
    assert any(isinstance(c, WatchBars) and (c.key, c.seconds) == (key, 300) for c in posted)
    assert window.docks["signals"] in window.tabifiedDockWidgets(window.docks["positions"])
    window.link.tell(
        BarsLoaded(key, 300, tuple(Bar(key, FRIDAY + 300 * n, 5, 6, 4, 5 + n) for n in range(40)))
    )
    window.link.tell(BarUpdated(key, 300, Bar(key, FRIDAY + 300 * 39, 5, 90, 4, 77.0)))
    assert window.desk.chart.panel.view.last_line.level.price == 77.0
    window.link.tell(PositionsChanged((position(),)))
    qtbot.keyClick(window.desk.chart.panel.view, Qt.Key_Escape)
    assert dock.isHidden() and window.desk.chart.key == ""
    assert any(isinstance(c, UnwatchBars) and c.key == key for c in posted)
    assert window.docks["signals"] not in window.tabifiedDockWidgets(window.docks["positions"])
    assert window.docks["signals"].isVisible() and window.docks["positions"].isVisible()


@pytest.mark.parametrize("how", ["double click", "Enter"])
@pytest.mark.parametrize(("place", "name"), [("symbols", "Watched symbols"), ("signals", "Signals")])
def test_symbols_and_signals_open_the_chart_too(qtbot, place, name, how):
    window = stub_window(qtbot, StubMarket(BTC=50_000.0))
    window.desk.signals.set_signals([replace(signal(FRIDAY), key=BTC.key)])
    window.docks[place].raise_()
    views = window.desk.panels[place].findChildren(QAbstractItemView)
    view = next(view for view in views if view.accessibleName() == name)
    index = view.model().index(0, 0)
    view.setCurrentIndex(index)
    if how == "Enter":
        qtbot.keyClick(view, Qt.Key_Return)
    else:
        where = view.visualRect(index).center()
        qtbot.mouseClick(view.viewport(), Qt.LeftButton, pos=where)
        qtbot.mouseDClick(view.viewport(), Qt.LeftButton, pos=where)
    assert window.docks["chart"].isVisible() and window.desk.chart.key == BTC.key


def test_resetting_the_layout_leaves_an_open_chart_open(qtbot):
    window = stub_window(qtbot, StubMarket(BTC=50_000.0))
    window.open_chart(BTC.key)
    window.docks.arrange()
    assert window.docks["chart"].isVisible() and window.desk.chart.key == BTC.key
    window.docks["chart"].close()
    assert window.desk.chart.key == ""


def test_ticks_of_the_engine_become_candles(qtbot):
    market = StubMarket(BTC=50_000.0)
    window = stub_window(qtbot, market)
    window.start_scan()
    window.open_chart(BTC.key)
    panel = window.desk.chart.panel
    wait(qtbot, lambda: panel.view.state.count > 0)
    market.set(BTC.key, 51_000.0)
    wait(qtbot, lambda: panel.view.last_line.level.price == 51_000.0)
    assert "51,000.00" in panel.header.texts()[1]
    window.stop_scan()
    wait(qtbot, lambda: panel.view.state.mark == "stale")  # nothing looks live without a feed
    window.close_chart()


def test_an_open_chart_without_a_symbol_comes_back_with_an_invitation(qtbot, data_dir):
    window = stub_window(qtbot, StubMarket(BTC=50_000.0), data_dir=data_dir)
    window.docks.open_chart()
    window.close()
    again = stub_window(qtbot, StubMarket(BTC=50_000.0), data_dir=data_dir)
    assert again.docks["chart"].isVisible() and again.desk.chart.panel is None
    again.close_chart()
    assert again.docks["chart"].isHidden() and again.docks["signals"].isVisible()


def test_pyqtgraph_is_not_loaded_with_the_window():
    code = "import sys, gui.app; sys.exit('pyqtgraph' in sys.modules or 'numpy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("width", [1000, 743, 560])
def test_what_a_price_is_worth_is_never_cut_in_the_middle(qtbot, width) -> None:
    header = ChartHeader()
    qtbot.addWidget(header)
    header.resize(width, 40)
    header.set_symbol("BIST:ASELS")
    header.set_price("1,207.90 ₺", "↑ +1.41%", "up", "No new price for 14 min", "stale")
    header.show()
    qtbot.waitExposed(header)
    assert ("No new price for 14 min" in header._state.text()) is (width > 560)  # else the dot alone
    assert "No new price for 14 min" in header.texts()[2]
    assert header.switches["rsi"].isVisible() is (width == 1000)
    assert header.more.isVisible() is (width != 1000)
    with qtbot.waitSignal(header.switched) as heard:
        header._actions["rsi"].trigger()
    assert heard.args == ["rsi", False]
    assert not header.switches["rsi"].isChecked()
