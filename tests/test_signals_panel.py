"""The signals table: newest on top, bounded, filtered, exported, cheap in a storm."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QApplication, QDialog, QFileDialog

from core.i18n import set_language
from core.model import Side, Signal
from gui.models.signals_model import MAX_SIGNALS, SignalFilter, SignalsModel
from gui.widgets.signals_panel import SignalsPanel

NOW = 1_795_000_000.0  # 18 November 2026, 14:06:40 in Istanbul


def signal(number=0, key="BIST:ASELS", side=Side.BUY, ago=0.0, **more):
    values = {
        "price": 45.32, "confidence": 0.95, "source": "tvdatafeed", "simulated": False,
        "reference_price": 44.37,
        "change_pct": 2.15 if side is Side.BUY else -2.3,
    }  # fmt: skip
    return Signal(key=key, side=side, timestamp=NOW - ago + number * 0.001, id=number, **(values | more))


@pytest.fixture
def panel(qtbot):
    widget = SignalsPanel(now=lambda: NOW)
    qtbot.addWidget(widget)
    widget.resize(900, 300)
    widget.show()
    return widget


def text(panel, row, name):
    column = next(n for n, each in enumerate(panel.model.columns) if each.name == name)
    return panel.model.index(row, column).data()


def tip(panel, row, name):
    column = next(n for n, each in enumerate(panel.model.columns) if each.name == name)
    return panel.model.index(row, column).data(Qt.ToolTipRole)


def symbols(panel):
    return [each.symbol for each in panel.model.signals()]


def test_a_signal_shows_all_that_is_known_of_it(panel):
    panel.add_signals([signal(ago=180)])
    assert text(panel, 0, "time") == "14:03:40  3 min ago"
    assert "14:03:40 (BIST time)" in tip(panel, 0, "time")
    assert text(panel, 0, "symbol") == "ASELS  BIST"
    assert text(panel, 0, "side") == "↑ BUY"
    assert text(panel, 0, "price") == "45.32\N{NO-BREAK SPACE}₺"
    assert text(panel, 0, "confidence") == "95%"
    assert text(panel, 0, "reason") == "Price rose +2.15%"
    assert text(panel, 0, "source") == "tvdatafeed"


def test_a_sale_of_an_american_share_has_its_own_clock_and_currency(panel):
    panel.add_signals([signal(key="NASDAQ:AAPL", side=Side.SELL)])
    assert text(panel, 0, "time") == "06:06:40  now"
    assert text(panel, 0, "side") == "↓ SELL"
    assert text(panel, 0, "price") == "45.32\N{NO-BREAK SPACE}$"
    assert text(panel, 0, "reason") == "Price fell −2.30%"


def test_simulation_and_gaps_are_marked(panel):
    panel.add_signals([signal(1, gap=900.0), signal(2, simulated=True, source="simulation")])
    assert text(panel, 0, "source") == "◇ simulated"
    assert panel.model.cell(0, 3).hatch == "simulated"
    assert "15 min" in tip(panel, 1, "reason")
    assert panel.model.cell(1, 6).tint == "warning"


def test_newest_is_on_top_however_they_come(panel):
    panel.set_signals([signal(1, "BIST:A"), signal(3, "BIST:C"), signal(2, "BIST:B")])
    assert symbols(panel) == ["C", "B", "A"]
    panel.add_signals([signal(4, "BIST:D"), signal(5, "BIST:E")])
    assert symbols(panel) == ["E", "D", "C", "B", "A"]
    QApplication.processEvents()
    panel.add_signals([signal(0, "BIST:LATE", ago=1)])
    assert symbols(panel)[-1] == "LATE"


def test_the_table_is_bounded(panel):
    panel.set_signals([signal(n) for n in range(MAX_SIGNALS)])
    panel.add_signals([signal(MAX_SIGNALS + n, "BIST:NEW") for n in range(10)])
    assert panel.model.rowCount() == panel.model.count_all() == MAX_SIGNALS
    assert symbols(panel)[:11] == ["NEW"] * 10 + ["ASELS"]
    assert panel.model.signals()[-1].id == 10


@pytest.mark.parametrize(("sort_by", "most"), [(-1, 2), (3, 1)])
def test_a_storm_is_one_change_of_the_table(panel, qtbot, sort_by, most):
    panel.set_signals([signal(n) for n in range(50)])
    panel.table.sortByColumn(sort_by, Qt.AscendingOrder)
    changes = []
    panel.model.rowsInserted.connect(lambda *_: changes.append("inserted"))
    panel.model.modelReset.connect(lambda: changes.append("reset"))
    for n in range(235):
        panel.add_signals([signal(50 + n, "BIST:NEW")])
    qtbot.waitUntil(lambda: symbols(panel).count("NEW") == 235)
    assert len(changes) <= most
    assert panel.count.text() == "285 signals"


@pytest.mark.parametrize("sort_by", [-1, 3])
def test_a_storm_over_a_full_table_is_shown_in_few_changes(panel, qtbot, sort_by):
    panel.set_signals([signal(n) for n in range(MAX_SIGNALS)])
    panel.table.sortByColumn(sort_by, Qt.AscendingOrder)
    changes = []
    for change in (panel.model.rowsInserted, panel.model.rowsRemoved, panel.model.modelReset):
        change.connect(lambda *_: changes.append(1))
    for n in range(200):
        panel.add_signals([signal(MAX_SIGNALS + n, "BIST:NEW")])
    qtbot.waitUntil(lambda: symbols(panel).count("NEW") == 200)
    assert len(changes) < 20


def test_the_selected_signal_stays_selected(panel):
    panel.set_signals([signal(1, "BIST:A"), signal(2, "BIST:B")])
    panel.table.selectRow(1)
    panel.add_signals([signal(n, "BIST:C") for n in range(3, 9)])
    assert panel.table.selected_row().signal.symbol == "A"


@pytest.mark.parametrize(("typed", "found"), [
    ("asel", ["ASELS"]), ("ASELS", ["ASELS"]), ("nasdaq", ["AAPL"]), ("rose", ["AAPL", "ASELS"]), ("zzz", []),
    ("yfin", ["AAPL"]), ("  ", ["AAPL", "GARAN", "ASELS"]),
])  # fmt: skip
def test_text_filters_symbol_reason_and_source(panel, typed, found):
    panel.set_signals([
        signal(1), signal(2, "BIST:GARAN", Side.SELL), signal(3, "NASDAQ:AAPL", source="yfinance"),
    ])  # fmt: skip
    panel.search.setText(typed)
    assert symbols(panel) == found
    assert panel.count.text() == ("3 signals" if len(found) == 3 else f"{len(found)} of 3 signals")


def test_side_and_day_filter_together(panel):
    panel.set_signals([
        signal(1), signal(2, side=Side.SELL), signal(3, ago=86_400), signal(4, side=Side.SELL, ago=86_400),
    ])  # fmt: skip
    panel.side.setCurrentIndex(2)
    assert [each.id for each in panel.model.signals()] == [2, 4]
    panel.day.setCurrentIndex(1)
    assert [each.id for each in panel.model.signals()] == [2]
    panel.clear_filter()
    assert panel.model.rowCount() == 4


def test_today_is_the_day_of_the_exchange(panel):
    # 07:30 of the 18th in Istanbul is still the 17th in New York.
    american = signal(1, "NASDAQ:AAPL", ago=24_000)
    turkish = signal(2, "BIST:ASELS", ago=24_000)
    assert SignalFilter(today=True).accepts(turkish, NOW)
    assert not SignalFilter(today=True).accepts(american, NOW)


def test_what_comes_while_filtered_is_filtered_too(panel):
    panel.side.setCurrentIndex(1)
    panel.add_signals([signal(1), signal(2, side=Side.SELL)])
    assert [each.id for each in panel.model.signals()] == [1]
    panel.clear_filter()
    assert [each.id for each in panel.model.signals()] == [2, 1]


def test_a_filter_that_hides_all_can_be_lifted(panel, qtbot):
    panel.set_signals([signal(1)])
    panel.search.setText("zzz")
    assert panel.empty.isVisible()
    qtbot.mouseClick(panel.empty.button, Qt.LeftButton)
    assert symbols(panel) == ["ASELS"]


def test_before_the_first_signal_there_is_a_hint(panel):
    assert panel.empty.isVisible()
    assert not panel.empty.button.isVisible()
    assert not panel.export_action.isEnabled()


def test_export_writes_what_is_shown_in_the_shown_order(panel, tmp_path, monkeypatch):
    path = tmp_path / "signals.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    panel.set_signals([signal(1), signal(2, "BIST:GARAN", Side.SELL), signal(3, "BIST:THYAO")])
    panel.side.setCurrentIndex(1)
    panel.export()
    lines = path.read_text("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert "THYAO" in lines[1]
    assert "Price rose +2.15%" in lines[2]
    panel.findChildren(QDialog)[0].reject()


def test_a_file_that_cannot_be_written_is_said(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "x.csv"), ""))
    panel.set_signals([signal(1)])
    panel.export()
    box = panel.findChildren(QDialog)[0]
    assert "cannot be written" in box.text()
    box.reject()


def test_ages_grow(qtbot):
    clock = [NOW]
    panel = SignalsPanel(now=lambda: clock[0])
    qtbot.addWidget(panel)
    panel.add_signals([signal()])
    assert text(panel, 0, "time").endswith("now")
    clock[0] += 600
    panel.model.refresh_ages()
    assert text(panel, 0, "time").endswith("10 min ago")


def test_another_language(panel):
    panel.add_signals([signal()])
    set_language("tr")
    QApplication.sendEvent(panel, QEvent(QEvent.LanguageChange))
    assert text(panel, 0, "side") == "↑ AL"
    assert text(panel, 0, "reason") == "Fiyat yükseldi +%2,15"
    assert panel.side.itemText(1) == "Yalnız AL"


@given(st.data())
def test_the_model_equals_a_plain_list(data):
    """Whatever is added, sorted or filtered, what is shown is what a plain list would give."""
    model = SignalsModel(now=lambda: NOW)
    known, numbers = [], count()
    wanted = SignalFilter()
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(("add", "filter", "set"))):
            case "add":
                sides = data.draw(st.lists(st.sampled_from(Side), max_size=5))
                fresh = [signal(next(numbers), side=side) for side in sides]
                known += fresh
                model.add_signals(fresh)
            case "filter":
                wanted = SignalFilter(side=data.draw(st.sampled_from((None, *Side))))
                model.set_wanted(wanted)
            case "set":
                known = known[-3:]
                model.set_signals(known)
        expected = [each for each in reversed(known) if wanted.accepts(each, NOW)]
        assert [each.timestamp for each in model.signals()] == [each.timestamp for each in expected]
        assert model.rowCount() == len(expected)
