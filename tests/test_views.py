"""What the window remembers besides its docks: the tables' columns, and the chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PyQt5.QtCore import QSettings, Qt

from core.model import Instrument
from gui.main_window.layout import LAYOUT_FILE
from gui.main_window.views import VIEWS
from tests.window_helpers import StubMarket, stub_window, wait

BTC = Instrument("CRYPTO", "BTC")


def window_in(qtbot: Any, data_dir: Path) -> Any:
    return stub_window(qtbot, StubMarket(BTC=50_000.0), data_dir=data_dir)


def widths(table: Any) -> dict[str, int]:
    return table.layout_state()["widths"]


def test_the_columns_of_every_table_come_back(qtbot, data_dir):
    window = window_in(qtbot, data_dir)
    signals, trades = window.desk.signals.table, window.desk.trades.table
    signals.setColumnWidth(1, 222)
    signals.horizontalHeader().moveSection(0, 3)
    trades.setColumnHidden(2, True)
    trades.sortByColumn(1, Qt.DescendingOrder)
    before = [table.layout_state() for table in (signals, trades)]
    window.close()
    again = window_in(qtbot, data_dir)
    assert [t.layout_state() for t in (again.desk.signals.table, again.desk.trades.table)] == before
    assert before[0]["widths"]["symbol"] == 222 and len(before[1]["hidden"]) == 1


def test_the_chart_comes_back_with_its_symbol_and_time_frame(qtbot, data_dir):
    window = window_in(qtbot, data_dir)
    window.open_chart(BTC.key)
    window.desk.chart.panel.set_frame(900)
    window.desk.chart.panel.header.switches["rsi"].setChecked(False)
    window.close()
    again = window_in(qtbot, data_dir)
    wait(qtbot, lambda: again.desk.chart.panel is not None)
    panel = again.desk.chart.panel
    assert (panel.key, panel.seconds) == (BTC.key, 900)
    assert not panel.header.switches["rsi"].isChecked() and panel.header.switches["ema"].isChecked()
    assert panel.header.frames[900].isChecked()
    again.close_chart()
    again.close()
    third = window_in(qtbot, data_dir)
    assert third.docks["chart"].isHidden() and third.desk.chart.panel is None
    third.open_chart(BTC.key)
    assert third.desk.chart.panel.seconds == 900, "the time frame is kept though the chart was closed"


def test_the_window_does_not_wait_for_the_chart(qtbot, data_dir):
    window = window_in(qtbot, data_dir)
    window.open_chart(BTC.key)
    window.close()
    again = stub_window(qtbot, StubMarket(BTC=50_000.0), data_dir=data_dir)
    seen: list[bool] = []
    again.first_painted.connect(lambda: seen.append(again.desk.chart.panel is None))
    wait(qtbot, lambda: again.desk.chart.key == BTC.key)
    assert all(seen)


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", '{"tables": 5, "chart": "x"}',
    '{"tables": {"signals": [1], "nobody": {}}, "chart": {"key": "XXX:1", "frame": 7, "off": 5}}',
    '{"tables": {"signals": {"widths": {"symbol": "wide"}}}, "chart": {"key": 5, "frame": [1]}}',
])  # fmt: skip
def test_nonsense_is_passed_over(qtbot, data_dir, text):
    window = window_in(qtbot, data_dir)
    window.docks.open_chart()
    usual = widths(window.desk.signals.table)
    window.close()
    settings = QSettings(str(data_dir / LAYOUT_FILE), QSettings.IniFormat)
    settings.setValue(VIEWS, text)
    settings.sync()
    again = window_in(qtbot, data_dir)
    qtbot.waitUntil(lambda: again.alerts._manager is not None)  # all that follows the first paint is done
    assert widths(again.desk.signals.table) == usual
    assert again.desk.chart.panel is None


def test_what_is_stored_is_plain_text(qtbot, data_dir):
    window = window_in(qtbot, data_dir)
    window.close()
    stored = json.loads(QSettings(str(data_dir / LAYOUT_FILE), QSettings.IniFormat).value(VIEWS))
    assert set(stored["tables"]) >= {"signals", "trades", "positions", "notifications", "feed"}


def test_without_a_folder_nothing_is_stored(qtbot):
    window = stub_window(qtbot, StubMarket(BTC=50_000.0))
    window.close()
