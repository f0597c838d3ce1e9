"""A bot that is gone keeps its id, its name and its deposit; one that takes its id begins anew."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.bots.model import BotTrade
from core.bots.strategy import Action, Decision
from core.commands import BotsRemembered, RequestSnapshot
from core.storage import open_store
from gui.dialogs.bot_dialog import BotDialog
from gui.dialogs.bot_questions import DeleteBotDialog
from gui.main_window.main_window import MainWindow
from gui.widgets.bot_trades_panel import BotTradesPanel
from tests.bot_rig import BotRig, Puppet, add_puppet, bot
from tests.scripted import Events
from tests.test_bots_engine import BotLoop, LastingStore
from tests.test_main_window_bots import bot as window_bot
from tests.test_main_window_bots import dialog_of, status, with_bots
from tests.window_helpers import StubMarket, stub_window, wait


@pytest.fixture(autouse=True)
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    return add_puppet(monkeypatch)


def lose(rig: BotLoop, puppet: Puppet) -> None:
    """Buy at 100, sell at 90: a loss of 1000."""
    from core.commands import StartFeed

    rig.do(StartFeed())
    rig.buy(puppet)
    puppet.wants["BIST:ASELS"] = Decision(action=Action.EXIT)
    rig.clock.advance(1)
    rig.see(90.0)


def remembered(rig: BotLoop) -> BotsRemembered:
    told = Events(rig.loop.bus, BotsRemembered)
    rig.do(RequestSnapshot())
    return told.of(BotsRemembered)[-1]


def test_the_engine_tells_of_removed_bots_and_whose_trades_are_whose(puppet: Puppet) -> None:
    store = LastingStore()
    first = BotLoop(bot("b1", name="Swing"), store=store)
    lose(first, puppet)
    assert remembered(first).trades_before == {}
    first.loop.close()
    without = BotLoop(store=store)
    assert [(each.id, each.name) for each in remembered(without).configs] == [("b1", "Swing")]
    without.loop.close()
    for _ in range(2):  # the file was edited by hand: another bot under the same id, which lasts
        again = BotLoop(bot("b1", name="Other", cash=5000.0), store=store)
        told = remembered(again)
        assert [(each.name, each.cash) for each in told.configs] == [("Other", 5000.0)]
        assert told.trades_before == {"b1": 1}
        again.loop.close()


def panel_of(qtbot: Any) -> BotTradesPanel:
    panel = BotTradesPanel()
    qtbot.addWidget(panel)
    panel.show()
    return panel


def choose(panel: BotTradesPanel, name: str) -> str:
    panel.bot.setCurrentIndex(panel.bot.findText(name))
    return panel.totals.plain().replace("\N{NO-BREAK SPACE}", " ")


def traded(number: int, pnl: str) -> BotTrade:
    return BotTrade(
        trade_id=f"b1-t{number}", bot_id="b1", owner="local", key="BIST:ASELS", quantity=Decimal(100),
        entry_price=Decimal(100), exit_price=Decimal(100) + Decimal(pnl) / 100, opened_at=1e9 + number,
        closed_at=1e9 + number + 0.5, fees=Decimal(0), pnl=Decimal(pnl), reason="signal",
    )  # fmt: skip


@pytest.mark.parametrize("trades_first", [True, False])
def test_the_figures_of_a_bot_under_an_old_id_begin_at_its_deposit(qtbot: Any, trades_first: bool) -> None:
    panel = panel_of(qtbot)
    now = bot("b1", name="Other", cash=5000.0)
    steps = [
        lambda: panel.set_trades([traded(2, "-500"), traded(1, "-1000")]),
        lambda: panel.set_remembered((now,), {"b1": 1}),
    ]
    for step in steps if trades_first else reversed(steps):
        step()
    panel.set_bots((now,))
    text = choose(panel, "Other")
    assert "−500.00 ₺ (−10.00%)" in text.replace("\N{NARROW NO-BREAK SPACE}", "")
    assert "1,000" not in text
    earlier = choose(panel, "Other (an earlier one)")
    assert "−1,000.00 ₺" in earlier
    assert "%)" not in earlier, "its deposit is not known any more"
    panel.add_trade(traded(3, "100"))
    assert panel._trades[0].bot_id == "b1"


def test_a_removed_bots_drawdown_is_of_its_stored_deposit(qtbot: Any) -> None:
    panel = panel_of(qtbot)
    panel.set_remembered((bot("b1", name="Swing", cash=5000.0),), {})
    panel.set_bots(())
    panel.set_trades([traded(1, "-1000")])
    assert "(−20.00%)" in choose(panel, "Swing")
    panel.set_trades([])
    assert panel.bot.count() == 1, "who is gone and has no trades is no choice"


def test_one_that_is_removed_while_the_window_is_open_too(qtbot: Any) -> None:
    panel = panel_of(qtbot)
    panel.set_trades([traded(1, "-1000")])
    panel.set_bots((bot("b1", name="Swing", cash=5000.0),))
    panel.set_bots(())
    assert "(−20.00%)" in choose(panel, "Swing")


def window_on(qtbot: Any, folder: Path, *bots: Any) -> MainWindow:
    return stub_window(
        qtbot, StubMarket(BTC=100.0), with_bots(*bots), open_store=lambda _: open_store("", folder)
    )


def offered_id(window: MainWindow) -> str:
    window.bots.new()
    dialog = dialog_of(BotDialog)
    dialog.form.set_value("name", "Trend")
    found = dialog._free_id("trend")
    dialog.reject()
    return str(found)


def test_the_id_of_a_deleted_bot_is_not_offered_again(qtbot: Any, tmp_path: Path) -> None:
    window = window_on(qtbot, tmp_path, window_bot())
    wait(qtbot, lambda: status(window) is not None)
    window.bots.delete("trend")
    dialog_of(DeleteBotDialog).accept_button.click()
    wait(qtbot, lambda: status(window) is None)
    assert offered_id(window) == "trend-2"
    window.close()
    again = window_on(qtbot, tmp_path)
    wait(qtbot, lambda: bool(again.bots._remembered))
    assert offered_id(again) == "trend-2"


def test_money_and_figures_agree_after_the_file_was_edited(puppet: Puppet) -> None:
    rig = BotRig(bot("b1"))
    rig.buy(100.0)
    rig.want(Action.EXIT)
    rig.pass_by(90.0)
    rig.apply()
    rig.apply(bot("b1", cash=5000.0))
    assert rig.state().realised_pnl == 0
    assert rig.store.bots()[0].cash == 5000
