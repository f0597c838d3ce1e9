"""The feed's health: what the table says, and the strip of the day."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.clock import FakeClock
from core.i18n import set_language
from core.model import FeedStatus, SourceStatus
from gui.models.feed_model import DAY, MOST_CHANGES
from gui.widgets.feed_health_panel import FeedHealthPanel


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def panel(qtbot, clock):
    made = FeedHealthPanel(now=clock.time)
    qtbot.addWidget(made)
    made.resize(700, 240)
    made.show()
    return made


def status(clock, *sources, state="running"):
    return FeedStatus(state=state, sources=sources, updated=clock.time())


def push(clock, state="ok", **fields):
    return SourceStatus(name="tradingview", state=state, push=True, **fields)


def texts(panel, row=0):
    model = panel.model
    return [model.data(model.index(row, column)) for column in range(model.columnCount())]


def test_each_source_tells_how_it_fares(panel, clock):
    poll = SourceStatus(name="yfinance", state="failing", last_error="No answer.", requests=4)
    panel.set_status(status(clock, push(clock, connected_since=clock.time() - 600, rate=12.5, lag=0.4,
                                        reconnects=3, requests=2), poll))  # fmt: skip
    assert texts(panel) == ["tradingview", "working", "10 min", "12.5", "0.4 s", "3", "2", ""]
    assert texts(panel, 1) == ["yfinance", "failing", "–", "–", "–", "–", "4", "No answer."]
    poll = SourceStatus(name="yfinance", state="ok")
    panel.set_status(status(clock, push(clock), poll))
    assert texts(panel, 1)[-1] == "No answer."


def test_the_day_is_told_in_pieces(panel, clock):
    panel.set_status(status(clock, push(clock, "connecting")))
    clock.advance(DAY / 4)
    panel.set_status(status(clock, push(clock)))
    panel.set_status(status(clock, push(clock)))
    clock.advance(DAY / 4)
    assert [(round(a, 2), round(b, 2), state) for a, b, state in panel.strip.pieces("tradingview")] == [
        (0.5, 0.75, "connecting"), (0.75, 1.0, "ok"),
    ]  # fmt: skip
    panel.set_status(FeedStatus(state="stopped"))
    assert panel.strip.pieces("tradingview")[-1][2] == "stopped" and panel.model.rowCount() == 0
    panel.grab()
    clock.advance(2 * DAY)
    panel.set_status(status(clock, push(clock)))
    assert [state for _, _, state in panel.strip.pieces("tradingview")] == ["stopped", "ok"]


def test_the_strip_marks_round_hours(panel, clock):
    marks = panel.strip.hours(clock.time())
    assert [round(b[0] - a[0], 3) for a, b in pairwise(marks)] == [0.125] * (len(marks) - 1)
    assert len(marks) in (7, 8) and all(text.endswith(":00") for _, text in marks)
    assert all(0.0 <= share < 1.0 for share, _ in marks)


def test_a_storm_is_not_remembered_without_bound(panel, clock):
    for step in range(MOST_CHANGES + 50):
        panel.set_status(status(clock, push(clock, "ok" if step % 2 else "failing")))
    assert len(panel.model.changes["tradingview"]) == MOST_CHANGES


def test_it_follows_the_language(panel, clock, qtbot):
    panel.set_status(status(clock, push(clock)))
    set_language("tr")
    panel.retranslate()
    assert panel.table.accessibleName() == "Fiyat kaynakları"
