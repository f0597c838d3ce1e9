"""The questions before a bot is stopped or deleted promise a stop only where there is one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog

from core.bots.model import BotState
from core.i18n import set_language
from gui.dialogs.bot_questions import DeleteBotDialog, SellDialog, StopAllDialog, StopBotDialog
from tests.test_bot_status_panel import held, in_position

BARE = held(stop=None, trailing_stop=None)
FIXED = held(stop=Decimal("44.10"), trailing_stop=None)
TRAILED = held(stop=None, trailing_stop=Decimal("44.10"))


def holding(*positions: Any) -> BotState:
    shown = positions[0]
    level = shown.trailing_stop or shown.stop
    return in_position(
        position=shown, positions=positions, trailing_stop_price=None if level is None else float(level)
    )


@pytest.fixture
def ask(qtbot: Any) -> Callable[..., Any]:
    def build(kind: Callable[..., QDialog], state: Any) -> QDialog:
        made = kind(state)
        qtbot.addWidget(made)
        with qtbot.waitExposed(made):
            made.show()
        return made

    return build


@pytest.mark.parametrize("kind", [StopBotDialog, DeleteBotDialog])
@pytest.mark.parametrize("position", [FIXED, TRAILED], ids=["stop", "trailing stop"])
def test_a_stop_that_exists_is_promised_and_enter_goes_back(
    ask: Callable[..., Any], kind: Any, position: Any, qtbot: Any
) -> None:
    dialog = ask(kind, holding(position))
    assert "no stop" not in dialog.text.text()
    assert "stop" in dialog.text.text()
    qtbot.keyClick(dialog, Qt.Key_Return)
    assert (dialog.result(), dialog.sell) == (QDialog.Rejected, False)


@pytest.mark.parametrize("kind", [StopBotDialog, DeleteBotDialog])
@pytest.mark.parametrize("others", [(), (replace(FIXED, key="BIST:THYAO"),)], ids=["alone", "beside another"])
def test_where_there_is_no_stop_none_is_promised_and_enter_sells(
    ask: Callable[..., Any], kind: Any, others: Any, qtbot: Any
) -> None:
    dialog = ask(kind, holding(BARE, *others))
    assert "ASELS has no stop" in dialog.text.text()
    assert "enforced" not in dialog.text.text()
    assert "guarded" not in dialog.text.text()
    qtbot.keyClick(dialog, Qt.Key_Return)
    assert (dialog.result(), dialog.sell) == (QDialog.Accepted, True)


@pytest.mark.parametrize("kind", [StopBotDialog, DeleteBotDialog])
def test_escape_still_goes_back(ask: Callable[..., Any], kind: Any, qtbot: Any) -> None:
    dialog = ask(kind, holding(BARE))
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert (dialog.result(), dialog.sell) == (QDialog.Rejected, False)


def test_a_second_position_without_a_stop_is_named(ask: Callable[..., Any]) -> None:
    dialog = ask(StopBotDialog, holding(FIXED, replace(BARE, key="BIST:THYAO")))
    assert "THYAO has no stop" in dialog.text.text()


def test_a_level_that_only_the_state_tells_counts(ask: Callable[..., Any]) -> None:
    dialog = ask(StopBotDialog, in_position(position=BARE, positions=(BARE,), trailing_stop_price=44.1))
    assert "no stop" not in dialog.text.text()


def test_selling_and_the_panic_button_are_as_honest(ask: Callable[..., Any]) -> None:
    assert "nothing guards it until then" in ask(SellDialog, holding(BARE)).text.text()
    assert "enforced while the scan runs" in ask(SellDialog, holding(FIXED)).text.text()
    panic = ask(StopAllDialog, [holding(BARE), holding(FIXED)])
    assert "At 1 of those something has no stop" in panic.text.text()
    assert "stops stay enforced" in ask(StopAllDialog, [holding(FIXED)]).text.text()
    assert not panic.sell_all.isChecked()


def test_in_turkish(ask: Callable[..., Any]) -> None:
    set_language("tr")
    assert "ASELS için stop yok" in ask(StopBotDialog, holding(BARE)).text.text()
    assert "ASELS için stop yok" in ask(DeleteBotDialog, holding(BARE)).text.text()
