"""The bots' panel from outside: states in, what a person sees and asks for out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtWidgets import QMessageBox

from core.bots.model import BotPosition, BotState, BotStatus
from core.clock import FakeClock
from core.i18n import set_language
from core.model import Freshness
from gui.models.bot_card import state_of, stop_distance
from gui.models.bot_text import spoken_text, tooltip_text
from gui.models.bots_model import BotFilter, BotSort
from gui.models.tick_row import RowState
from gui.widgets.bot_delegate import button_rect, dot_of, error_rect
from gui.widgets.bot_status_panel import FRAME_MS, BotStatusPanel

D = Decimal
NOW = 1_795_000_000.0


def held(quantity: str = "400", **fields: Any) -> BotPosition:
    named = {
        "key": "BIST:ASELS", "entry_price": D("44.10"), "opened_at": NOW - 3600, "stop": D("43.00"),
        "trailing_stop": D("44.10"), **fields,
    }  # fmt: skip
    return BotPosition(quantity=D(quantity), **named)


def state(bot_id: str = "trend", **fields: Any) -> BotState:
    named: dict[str, Any] = {
        "owner": "local", "name": bot_id.title(), "version": 1, "status": BotStatus.RUNNING,
        "key": "BIST:ASELS", "updated_at": NOW, "keys": ("BIST:ASELS",), "last_price": 45.32,
        "price_freshness": Freshness.LIVE, **fields,
    }  # fmt: skip
    return BotState(bot_id=bot_id, **named)


def in_position(bot_id: str = "trend", **fields: Any) -> BotState:
    position = fields.pop("position", held())
    named = {
        "status": BotStatus.IN_POSITION, "position": position, "positions": (position,), "open_pnl": 488.0,
        "open_pnl_pct": 2.77, "daily_pnl": 401.1, "daily_trades": 3, "last_trade_time": NOW - 180,
        "trailing_stop_price": 44.10, **fields,
    }  # fmt: skip
    return state(bot_id, **named)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def panel(qtbot: Any, clock: FakeClock) -> BotStatusPanel:
    made = BotStatusPanel(clock=clock)
    qtbot.addWidget(made)
    made.resize(300, 600)
    made.show()
    return made


def shown(panel: BotStatusPanel) -> list[str]:
    model = panel.model()
    return [model.row_at(number).key for number in range(model.rowCount())]


def spoken(panel: BotStatusPanel, key: str = "trend") -> str:
    card = panel.card(key)
    assert card is not None
    return spoken_text(card, panel.model().clock.time(), panel.model().silence(card))


def test_a_payload_becomes_a_card_with_everything_a_person_needs(panel: BotStatusPanel) -> None:
    panel.update_bot(in_position().payload())
    text = spoken(panel)
    for part in ("Trend", "IN POSITION", "ASELS  400", "+488.00", "+2.77%", "day +401.10", "3 trades",
                 "trailing stop 44.10", "−2.69%", "−488.00", "45.32", "traded 3 min ago"):  # fmt: skip
        assert part in text


def test_the_payload_and_the_state_say_the_same(panel: BotStatusPanel) -> None:
    one = in_position()
    read = state_of(one.payload())
    assert read is not None
    assert read.payload() == {**one.payload(), "positions": read.payload()["positions"]}


def test_an_older_version_changes_nothing_and_a_newer_one_does(panel: BotStatusPanel) -> None:
    panel.update_bot(state(version=5, daily_pnl=5.0).payload())
    panel.update_bot(state(version=4, daily_pnl=4.0).payload())
    assert panel.card("trend").state.daily_pnl == 5.0
    panel.update_bot(state(version=6, daily_pnl=6.0).payload())
    assert panel.card("trend").state.daily_pnl == 6.0


@pytest.mark.allow_log("names no bot")
@pytest.mark.parametrize("payload", [
    {}, {"bot_id": 5}, {"bot_id": "a", "status": "dancing", "position": [], "last_price": "x",
                       "updated_at": "yesterday", "version": None, "exchange": "MARS", "open_pnl": True},
    {"bot_id": "a", "positions": [None, {"quantity": "x"}], "position": {"quantity": 1}},
])  # fmt: skip
def test_a_payload_with_nonsense_breaks_nothing(panel: BotStatusPanel, payload: dict[str, Any]) -> None:
    panel.update_bot(payload)
    panel.grab()
    assert panel.model().total == (payload.get("bot_id") == "a")


@given(st.dictionaries(
    st.sampled_from(["bot_id", "status", "symbol", "exchange", "position", "positions", "version",
                     "open_pnl", "last_price", "trailing_stop_price", "updated_at", "last_trade_time",
                     "price_freshness", "last_error", "simulated", "name", "daily_pnl"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
              st.lists(st.integers(), max_size=2), st.just({"quantity": 5, "entry_price": "1.5"})),
))  # fmt: skip
@pytest.mark.allow_log("names no bot")
def test_any_payload_is_read_or_refused_quietly(payload: dict[str, Any]) -> None:
    read = state_of(payload)
    assert (read is None) == (not (isinstance(payload.get("bot_id"), str) and payload["bot_id"]))
    if read is not None:
        stop_distance(read)


def test_the_distance_to_the_stop_is_what_would_be_lost_from_here() -> None:
    percent, money = stop_distance(in_position())
    assert percent == pytest.approx((44.10 / 45.32 - 1) * 100)
    assert money == pytest.approx(-488.0)
    short = in_position(position=held("-400", trailing_stop=None, stop=D("46.00")), trailing_stop_price=46.0)
    percent, money = stop_distance(short)
    assert percent == pytest.approx(-(46.0 / 45.32 - 1) * 100)
    assert money == pytest.approx(-(46.0 - 45.32) * 400)
    assert stop_distance(state()) is None


def test_a_position_without_a_stop_says_so(panel: BotStatusPanel) -> None:
    bare = held(stop=None, trailing_stop=None)
    panel.update_states([in_position(position=bare, trailing_stop_price=None)])
    assert "no stop" in spoken(panel)


def test_no_sign_of_life_turns_the_dots_within_three_seconds(panel: BotStatusPanel, clock: FakeClock) -> None:
    panel.update_states([state()])
    panel.beat()
    card = panel.card("trend")
    clock.advance(2.0)
    panel._look_around()
    assert dot_of(card, panel.model().silence(card) is not None) is RowState.LIVE
    clock.advance(1.0)
    panel._look_around()
    assert dot_of(card, panel.model().silence(card) is not None) is RowState.LOST
    assert "no update for 3 s" in spoken(panel)
    assert "Engine silent for 3 s" in panel.totals.plain()
    panel.beat()
    assert dot_of(card, panel.model().silence(card) is not None) is RowState.LIVE
    assert "silent" not in panel.totals.plain()


def test_an_engine_that_rests_does_not_look_dead(panel: BotStatusPanel, clock: FakeClock) -> None:
    panel.update_states([state()])
    for _ in range(20):
        panel.beat()
        clock.advance(1.0)
        panel._look_around()
        assert panel.model().silent == {}
    assert "20 s ago" in spoken(panel)  # its own last update is as old as it is


def test_a_lost_server_does_not_grey_this_computers_bots(panel: BotStatusPanel, clock: FakeClock) -> None:
    panel.update_states([state()])
    panel.update_states([state("far")], "home")
    panel.beat()
    panel.set_silent("home")
    model = panel.model()
    assert model.silence(panel.card("trend")) is None
    assert model.silence(panel.card("home/far")) is not None
    panel.remove_server("home")
    assert shown(panel) == ["trend"]


def test_bots_are_sorted_and_filtered(panel: BotStatusPanel) -> None:
    panel.update_states([
        state("a", status=BotStatus.STOPPED, daily_pnl=1.0), in_position("b", daily_pnl=-2.0),
        state("c", status=BotStatus.ERROR, daily_pnl=3.0, last_error="x", key="NASDAQ:AAPL"), state("d"),
    ])  # fmt: skip
    assert shown(panel) == ["c", "b", "d", "a"]
    panel.sort.setCurrentIndex(list(BotSort).index(BotSort.DAILY_PNL))
    assert shown(panel) == ["c", "a", "d", "b"]
    panel.filter.setText("aap")
    assert shown(panel) == ["c"]
    panel.filter.clear()
    panel.shown.setCurrentIndex(list(BotFilter).index(BotFilter.IN_POSITION))
    assert shown(panel) == ["b"]
    panel.shown.setCurrentIndex(list(BotFilter).index(BotFilter.ACTIVE))
    assert set(shown(panel)) == {"b", "d"}


def test_a_filter_that_hides_all_offers_the_way_back(panel: BotStatusPanel, qtbot: Any) -> None:
    panel.update_states([state()])
    panel.filter.setText("nothing like it")
    assert panel.empty.isVisible()
    qtbot.mouseClick(panel.empty.button, Qt.LeftButton)
    assert shown(panel) == ["trend"]
    assert not panel.empty.isVisible()


def test_without_bots_it_shows_an_example_and_offers_a_new_one(panel: BotStatusPanel, qtbot: Any) -> None:
    assert panel.empty.isVisible()
    with qtbot.waitSignal(panel.new_requested):
        qtbot.mouseClick(panel.empty.button, Qt.LeftButton)


def place_of(panel: BotStatusPanel, rect_of: Any) -> QPoint:
    return rect_of(panel.list.row_rect(0)).center()


def test_the_button_in_a_card_starts_and_stops(panel: BotStatusPanel, qtbot: Any) -> None:
    panel.update_states([state()])
    where = place_of(panel, button_rect)
    with qtbot.waitSignal(panel.stop_requested) as stopped:
        qtbot.mouseClick(panel.list.viewport(), Qt.LeftButton, pos=where)
    assert stopped.args == ["trend"]
    panel.update_states([state(version=2, status=BotStatus.STOPPED)])
    with qtbot.waitSignal(panel.start_requested):
        qtbot.mouseClick(panel.list.viewport(), Qt.LeftButton, pos=where)


def test_the_keyboard_does_all_of_it(panel: BotStatusPanel, qtbot: Any) -> None:
    panel.update_states([state()])
    panel.list.setCurrentIndex(panel.model().index(0))
    with qtbot.waitSignal(panel.stop_requested):
        qtbot.keyClick(panel.list, Qt.Key_Space)
    with qtbot.waitSignal(panel.edit_requested):
        qtbot.keyClick(panel.list, Qt.Key_Return)
    with qtbot.waitSignal(panel.delete_requested):
        qtbot.keyClick(panel.list, Qt.Key_Delete)


def test_a_click_on_the_error_shows_it_in_full(panel: BotStatusPanel, qtbot: Any) -> None:
    error = "The strategy failed <b>here</b>: " + "a long story " * 20
    panel.update_states([state(status=BotStatus.ERROR, last_error=error)])
    qtbot.mouseClick(panel.list.viewport(), Qt.LeftButton, pos=place_of(panel, error_rect))
    (box,) = panel.findChildren(QMessageBox)
    assert box.text() == error
    assert box.textFormat() == Qt.PlainText
    box.close()


def test_what_is_not_named_any_more_goes(panel: BotStatusPanel) -> None:
    panel.update_states([state("a", version=9), state("b")])
    panel.set_bots([state("a", version=1, daily_pnl=7.0)])
    assert shown(panel) == ["a"]
    assert panel.card("a").state.daily_pnl == 7.0  # another world counts anew


def test_the_foot_sums_up_by_currency(panel: BotStatusPanel) -> None:
    panel.update_states([
        state("a", daily_pnl=10.0, open_pnl=1.0), state("b", daily_pnl=-4.0, status=BotStatus.STOPPED),
        state("c", key="NASDAQ:AAPL", daily_pnl=2.5),
    ])  # fmt: skip
    text = panel.totals.plain().replace("\N{NO-BREAK SPACE}", " ")
    assert "2 of 3 active" in text
    assert "+6.00 ₺" in text
    assert "+2.50 $" in text


def test_simulated_bots_say_so(panel: BotStatusPanel) -> None:
    panel.update_states([state(simulated=True, price_freshness=Freshness.SIMULATED)])
    card = panel.card("trend")
    assert "simulated prices" in tooltip_text(card, NOW, None)


def test_it_speaks_turkish(panel: BotStatusPanel) -> None:
    panel.update_states([in_position()])
    set_language("tr")
    panel.retranslate()
    assert "POZİSYONDA" in spoken(panel)
    assert "izleyen stop" in spoken(panel)
    assert panel.shown.itemText(0) == "Tüm botlar"


def test_five_hundred_bots_are_taken_without_painting_what_nobody_sees(
    panel: BotStatusPanel, qtbot: Any
) -> None:
    panel.update_states([state(f"bot{n}") for n in range(500)])
    painted: list[str] = []
    real = panel.list.delegate.paint_card
    panel.list.delegate.paint_card = lambda *args: (painted.append(args[2].key), real(*args))[1]
    panel.update_states([state(f"bot{n}", version=2) for n in range(500)])
    qtbot.waitUntil(lambda: bool(painted))
    assert len(set(painted)) <= 8


def test_a_new_state_is_painted_at_the_next_frame(panel: BotStatusPanel, qtbot: Any) -> None:
    panel.update_states([state()])
    qtbot.waitUntil(lambda: not panel.card("trend").dirty)
    panel._look.stop()
    panel._resort.stop()
    panel.update_states([state(version=2, daily_pnl=9.0)])
    assert panel.card("trend").dirty
    assert panel._frame.isActive() and panel._frame.interval() <= FRAME_MS
    qtbot.waitUntil(lambda: not panel.card("trend").dirty)
    assert "+9.00" in spoken(panel)
