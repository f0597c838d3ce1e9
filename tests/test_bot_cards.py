"""The bots' cards under the mouse and the eye: what counts as a press, and what must never be hidden."""

from __future__ import annotations

from typing import Any

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtWidgets import QMenu, QMessageBox

from core.bots.model import BotStatus
from core.clock import FakeClock
from core.model import Freshness
from gui.models.bot_text import tooltip_text, worth_text
from gui.widgets.bot_delegate import button_rect, error_rect
from gui.widgets.bot_status_panel import BotStatusPanel
from tests.test_bot_status_panel import NOW, held, in_position, spoken, state


@pytest.fixture
def panel(qtbot: Any) -> BotStatusPanel:
    made = BotStatusPanel(clock=FakeClock(NOW))
    qtbot.addWidget(made)
    made.resize(300, 600)
    made.show()
    return made


def button(panel: BotStatusPanel, number: int = 0) -> QPoint:
    return button_rect(panel.list.row_rect(number)).center()


def wishes(panel: BotStatusPanel) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    panel.start_requested.connect(lambda key: found.append(("start", key)))
    panel.stop_requested.connect(lambda key: found.append(("stop", key)))
    return found


def test_a_double_click_on_stop_does_not_start_the_bot_again(panel: BotStatusPanel, qtbot: Any) -> None:
    panel.update_states([state()])
    found = wishes(panel)
    view = panel.list.viewport()
    qtbot.mouseClick(view, Qt.LeftButton, pos=button(panel))
    panel.update_states([state(version=2, status=BotStatus.STOPPED)])
    qtbot.mouseDClick(view, Qt.LeftButton, pos=button(panel))
    assert found == [("stop", "trend")]


def test_a_press_that_was_meant_for_another_bot_or_another_word_is_lost(
    panel: BotStatusPanel, qtbot: Any
) -> None:
    panel.update_states([state("a"), state("b")])
    found = wishes(panel)
    view = panel.list.viewport()
    qtbot.mousePress(view, Qt.LeftButton, pos=button(panel, 0))
    qtbot.mouseRelease(view, Qt.LeftButton, pos=button(panel, 1))
    qtbot.mousePress(view, Qt.LeftButton, pos=QPoint(5, 5))
    qtbot.mouseRelease(view, Qt.LeftButton, pos=button(panel, 0))
    qtbot.mousePress(view, Qt.LeftButton, pos=button(panel, 0))
    panel.update_states([state("a", version=2, status=BotStatus.STOPPED)])  # it stopped by itself meanwhile
    qtbot.mouseRelease(view, Qt.LeftButton, pos=button(panel, 0))
    assert found == []


def test_a_failed_bot_that_holds_something_shows_its_stop_and_its_error(
    panel: BotStatusPanel, qtbot: Any
) -> None:
    panel.update_states([in_position(status=BotStatus.ERROR, last_error="The strategy failed: no such bar.")])
    assert "trailing stop 44.10" in spoken(panel)
    assert "no such bar" in spoken(panel)
    view, card = panel.list.viewport(), panel.list.row_rect(0)
    qtbot.mouseClick(view, Qt.LeftButton, pos=error_rect(card).center())  # there the stop stands
    assert not panel.findChildren(QMessageBox)
    qtbot.mouseClick(view, Qt.LeftButton, pos=error_rect(card, holds=True).center())
    (box,) = panel.findChildren(QMessageBox)
    assert "no such bar" in box.text()
    box.close()


def test_what_rests_and_still_holds_something_can_be_sold_from_its_menu(
    panel: BotStatusPanel, qtbot: Any
) -> None:
    sold: list[str] = []
    panel.sell_requested.connect(sold.append)
    panel.update_states([in_position(status=BotStatus.STOPPED)])
    panel.list.customContextMenuRequested.emit(QPoint(20, 20))
    (menu,) = panel.findChildren(QMenu)
    texts = {action.text(): action for action in menu.actions()}
    assert "Start" in texts
    texts["Sell its positions…"].trigger()
    assert sold == ["trend"]
    menu.close()


@pytest.mark.parametrize(
    ("fields", "word", "role"),
    [({"price_freshness": Freshness.LIVE}, "Live", "up"),
     ({"price_freshness": Freshness.DELAYED}, "Delayed", "warning"),
     ({"price_freshness": Freshness.STALE}, "Old price", "stale"),
     ({"price_freshness": Freshness.LIVE, "simulated": True}, "Simulated", "simulated"),
     ({"price_freshness": None, "last_price": None}, "", "secondary")],
)  # fmt: skip
def test_a_price_says_in_words_what_it_is_worth(
    panel: BotStatusPanel, fields: dict[str, Any], word: str, role: str
) -> None:
    panel.update_states([state(**fields)])
    assert worth_text(panel.card("trend").state) == (word, role)
    assert word in spoken(panel)


def test_the_tooltip_names_every_level_that_is_enforced(panel: BotStatusPanel) -> None:
    position = held(target=50)
    panel.update_states([in_position(position=position)])
    text = tooltip_text(panel.card("trend"), NOW, None)
    assert "Stop 43.00" in text
    assert "Trailing stop 44.10" in text
    assert "Target 50.00" in text
