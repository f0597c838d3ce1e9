"""The feed's health: what the table says, and the strip of the day."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.clock import FakeClock
from core.engine.feed_diary import DAY, FeedDay
from core.i18n import set_language
from core.model import FeedStatus, SourceStatus
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
    began = clock.time()
    clock.advance(DAY / 2)
    day = FeedDay({"tradingview": ((began, "connecting"), (began + DAY / 4, "ok"))})
    panel.set_day(day)
    assert [(round(a, 2), round(b, 2), state) for a, b, state in panel.strip.pieces("tradingview")] == [
        (0.5, 0.75, "connecting"), (0.75, 1.0, "ok"),
    ]  # fmt: skip
    panel.grab()
    clock.advance(DAY / 2)
    panel.set_day(FeedDay({"tradingview": (*day.changes["tradingview"], (clock.time() - 60, "failing"))}))
    assert [state for *_, state in panel.strip.pieces("tradingview")] == ["connecting", "ok", "failing"]
    assert panel.strip.pieces("other") == []


def test_nothing_goes_on_after_the_feed_has_ended(panel, clock):
    panel.set_status(status(clock, push(clock)))
    panel.set_day(FeedDay({"tradingview": ((clock.time(), "ok"),)}))
    clock.advance(DAY / 4)
    panel.set_status(FeedStatus(state="stopped"))
    clock.advance(DAY / 4)
    assert panel.strip.pieces("tradingview") == [(0.5, 0.75, "ok"), (0.75, 1.0, "stopped")]
    assert panel.model.rowCount() == 0


def test_the_strip_marks_round_hours(panel, clock):
    marks = panel.strip.hours(clock.time())
    assert [round(b[0] - a[0], 3) for a, b in pairwise(marks)] == [0.125] * (len(marks) - 1)
    assert len(marks) in (7, 8) and all(text.endswith(":00") for _, text in marks)
    assert all(0.0 <= share < 1.0 for share, _ in marks)


def test_it_follows_the_language(panel, clock, qtbot):
    panel.set_status(status(clock, push(clock)))
    set_language("tr")
    panel.retranslate()
    assert panel.table.accessibleName() == "Fiyat kaynakları"
