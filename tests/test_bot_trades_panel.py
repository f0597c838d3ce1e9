"""The bots' trades from outside: what is listed, filtered, summed up, exported; their traces in the chart."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PyQt5.QtCore import QRectF
from PyQt5.QtWidgets import QFileDialog, QMessageBox

from core.bots.model import BotPosition, BotTrade
from core.config import BotConfig
from core.i18n import set_language
from gui.chart.annotations import BotTraces, bot_levels, bot_markers
from gui.models.bot_trades_model import TradeFilter
from gui.widgets.bot_trades_panel import BotTradesPanel
from gui.widgets.equity_curve import EquityCurve

D = Decimal
NOW = 1_795_000_000.0
BOTS = (
    BotConfig(id="trend", name="Trend BIST", symbols=("ASELS",), cash=1000.0),
    BotConfig(id="us", name="Pullback US", symbols=("NASDAQ:AAPL",)),
)


def trade(number: int, pnl: str = "10", **fields: Any) -> BotTrade:
    named = {
        "bot_id": "trend", "owner": "local", "key": "BIST:ASELS", "quantity": D(10), "entry_price": D("45"),
        "exit_price": D("46"), "opened_at": NOW - 7200 - number * 100_000, "reason": "signal",
        "closed_at": NOW - 3600 - number * 100_000, "fees": D("1"), "pnl": D(pnl), **fields,
    }  # fmt: skip
    return BotTrade(trade_id=f"t{number}", **named)


@pytest.fixture
def panel(qtbot: Any) -> BotTradesPanel:
    made = BotTradesPanel(now=lambda: NOW)
    qtbot.addWidget(made)
    made.set_bots(BOTS)
    made.resize(900, 400)
    made.show()
    return made


def ids(panel: BotTradesPanel) -> list[str]:
    return [row.trade_id for row in panel.model.rows()]


def text(panel: BotTradesPanel) -> str:
    return panel.totals.plain().replace("\N{NO-BREAK SPACE}", " ")


def test_the_past_is_asked_for_when_somebody_looks(qtbot: Any) -> None:
    made = BotTradesPanel(now=lambda: NOW)
    qtbot.addWidget(made)
    with qtbot.waitSignal(made.history_wanted):
        made.show()
    made.hide()
    with qtbot.assertNotEmitted(made.history_wanted):
        made.show()


def test_trades_come_newest_first_and_a_live_one_is_not_counted_twice(
    panel: BotTradesPanel, qtbot: Any
) -> None:
    panel.set_trades([trade(1), trade(2, "-5")])
    panel.add_trade(trade(0))
    panel.add_trade(trade(0))
    qtbot.waitUntil(lambda: ids(panel) == ["t0", "t1", "t2"])
    assert "Trades 3" in text(panel)


def test_the_figures_are_net_and_per_currency(panel: BotTradesPanel) -> None:
    panel.set_trades([
        trade(0, "30"), trade(1, "-20"), trade(2, "10"),
        trade(3, "2.5", bot_id="us", key="NASDAQ:AAPL"),
    ])  # fmt: skip
    figures = text(panel)
    assert "Net P&L +20.00 ₺" in figures
    assert "Won 67%" in figures
    assert "Profit factor 2.00" in figures
    assert "Drawdown −20.00 ₺ (−1.98%)" in figures  # of 1000 + 10
    assert "Net P&L +2.50 $" in figures
    assert panel.curve.curve[-1][1] == 1020.0


def test_filters(panel: BotTradesPanel) -> None:
    panel.set_trades([trade(0), trade(1, "-5"), trade(9, bot_id="us", key="NASDAQ:AAPL")])
    panel.bot.setCurrentIndex(panel.bot.findData("trend"))
    assert ids(panel) == ["t0", "t1"]
    panel.outcome.setCurrentIndex(2)
    assert ids(panel) == ["t1"]
    panel.clear_filter()
    panel.search.setText("aapl")
    assert ids(panel) == ["t9"]
    panel.clear_filter()
    panel.period.setCurrentIndex(1)
    assert ids(panel) == ["t0"]
    panel.search.setText("nothing")
    assert panel.empty.isVisible()
    panel.empty.pressed.emit()
    assert len(ids(panel)) == 3


def test_today_is_the_day_of_each_trade_s_exchange() -> None:
    noon = datetime(2026, 11, 25, 9, 0, tzinfo=UTC).timestamp()  # 12:00 in Istanbul, 04:00 in New York
    only_today = TradeFilter(today_at=noon)
    night = datetime(2026, 11, 25, 3, 0, tzinfo=UTC).timestamp()  # 06:00 and, the day before, 22:00
    assert only_today.accepts(trade(0, closed_at=night))
    assert not only_today.accepts(trade(0, closed_at=night, key="NASDAQ:AAPL"))
    assert not only_today.accepts(trade(0, closed_at=noon - 86_400))


def test_what_a_trade_brought_is_in_view_on_a_small_screen(panel: BotTradesPanel) -> None:
    panel.resize(744, 300)
    panel.set_trades([trade(0), trade(1, "-5000")])
    table, columns = panel.table, [column.name for column in panel.model.columns]
    number = columns.index("realised")
    right = table.columnViewportPosition(number) + table.columnWidth(number)
    assert right <= table.viewport().width()


def test_thousands_of_trades_make_only_the_cells_that_are_seen(panel: BotTradesPanel) -> None:
    panel.set_trades([trade(number) for number in range(3000)])
    panel.table.viewport().repaint()
    made = sum(cells is not None for cells in panel.model._cells)
    assert 0 < made < 100


def test_the_curve_of_many_trades_has_no_more_points_than_the_screen_shows(qtbot: Any) -> None:
    curve = EquityCurve()
    qtbot.addWidget(curve)
    points = [(NOW + n, 1000.0 + (n * 7919) % 500) for n in range(20_000)]
    curve.set_curve(points, "₺")
    box = QRectF(0, 0, 300, 80)
    drawn = curve._steps(box)
    assert len(drawn) <= 301 * 6
    heights = [point.y() for point in drawn]
    assert min(heights) == pytest.approx(box.top())
    assert max(heights) == pytest.approx(box.bottom())


def test_a_bot_that_is_gone_keeps_its_trades(panel: BotTradesPanel) -> None:
    panel.set_trades([trade(0, bot_id="gone")])
    assert panel.bot.findData("gone") > 0
    panel.set_bots(BOTS[:1])
    assert ids(panel) == ["t0"]


def test_days_are_summed_per_bot(panel: BotTradesPanel) -> None:
    panel.set_trades([trade(0, "30"), trade(0, "-10", closed_at=NOW - 3700), trade(1)])
    rows = panel.days.rows()
    assert rows[0].pnl == D("20") or rows[0].trades == 1
    assert sum(row.trades for row in rows) == 3


def test_the_export_holds_what_is_shown(
    panel: BotTradesPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.set_trades([trade(0), trade(1, "-5")])
    panel.outcome.setCurrentIndex(1)
    path = tmp_path / "bots.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    panel.export()
    lines = path.read_text("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "Trend BIST" in lines[1]
    for box in panel.findChildren(QMessageBox):
        box.close()


def test_it_speaks_turkish(panel: BotTradesPanel) -> None:
    panel.set_trades([trade(0)])
    set_language("tr")
    panel.retranslate()
    assert "Net K/Z" in text(panel)
    assert panel.bot.itemText(0) == "Tüm botlar"


def test_the_chart_shows_where_a_bot_is_in_and_where_it_will_get_out() -> None:
    held = BotPosition(
        key="BIST:ASELS", quantity=D(100), entry_price=D("45"), opened_at=NOW, stop=D("43.5"),
        target=D("50"), trailing_stop=D("44.2"),
    )  # fmt: skip
    traces = BotTraces((("Trend", held),), (trade(0), trade(1, key="NASDAQ:AAPL")))
    levels = {level.label: level.price for level in bot_levels(traces, "BIST:ASELS")}
    assert levels == {
        "Trend: entry": 45.0, "Trend: stop": 43.5, "Trend: trailing stop": 44.2, "Trend: target": 50.0,
    }  # fmt: skip
    assert len(list(bot_markers(traces, "BIST:ASELS"))) == 3  # the open entry, and in and out of the trade
    assert list(bot_levels(traces, "BIST:GARAN")) == []
