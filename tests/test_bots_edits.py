"""A bot that is edited while it holds something keeps its protection, its money and its limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotAlertKind, BotState
from core.bots.strategy import Action
from core.commands import StartBot, StopBot
from core.config import BotConfig
from core.errors import InputError
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import AAPL, at

D = Decimal


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


# --- the trailing stop ----------------------------------------------------------------------------------


def calm_rig(**fields: Any) -> BotRig:
    """A bot that has seen 17 quarter-hours with a range of 0.5 each, and holds 100 from 100.5 and 104 on."""
    rig = BotRig(bot(trailing_stop_atr=2.0, **fields))
    rig.clock.set_time(at("2026-11-17 10:05"))
    for number in range(17 * 15):
        rig.pass_by(100.5 if number % 2 else 100.0, every=60.0)
    rig.buy(100.5)
    rig.pass_by(104.0)
    assert rig.state().trailing_stop_price == 103.0
    return rig


def trailing_stop(rig: BotRig) -> Decimal | None:
    rig.settle()
    position = rig.state().position
    assert position is not None
    return position.trailing_stop


def test_another_stop_loss_does_not_loosen_the_trailing_stop():
    rig = calm_rig(stop_loss_pct=20.0)
    for number in range(60):  # it has become restless since, so a stop of now would lie further away
        rig.pass_by(104.0 if number % 15 < 7 else 103.3, every=60.0)
    rig.apply(bot(trailing_stop_atr=2.0, stop_loss_pct=19.0))
    assert trailing_stop(rig) == D(103)


def test_another_target_and_other_bars_do_not_take_the_trailing_stop_away():
    rig = calm_rig()
    rig.apply(bot(
        trailing_stop_atr=2.0, take_profit_pct=50.0, strategy="ema_cross", params={"timeframe_sec": 86_400}
    ))  # fmt: skip
    assert trailing_stop(rig) == D(103)
    rig.pass_by(102.9)
    assert [each.reason for each in rig.trades()] == ["trailing_stop"]


def test_another_trailing_stop_is_in_force_at_once_looser_ones_too():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.buy(100.0)
    rig.pass_by(110.0)
    assert trailing_stop(rig) == D("107.8")
    rig.apply(bot(trailing_stop_pct=5.0))
    assert trailing_stop(rig) == D("104.5")
    rig.apply(bot(stop_loss_pct=1.0))
    assert trailing_stop(rig) is None
    assert rig.state().trailing_stop_price == 99.0


def test_the_former_trailing_stop_stays_until_the_new_one_is_known():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.clock.set_time(at("2026-11-17 10:05"))
    rig.buy(100.0)
    rig.pass_by(104.0)
    rig.apply(bot(trailing_stop_atr=8.0))
    assert trailing_stop(rig) == D(102)
    rig = rig.reborn()
    for number in range(16 * 15):
        rig.pass_by(103.5 if number % 2 else 103.0, every=60.0)
    assert trailing_stop(rig) == D(100), "8 ranges of 0.5 under 104"


# --- what went wrong ------------------------------------------------------------------------------------


def test_a_stopped_bot_is_no_longer_in_error_but_its_alert_stays():
    rig = BotRig(bot())
    rig.want(ValueError("boom"))
    rig.pass_by(100.0)
    assert rig.state().status == "error" and "boom" in (rig.state().last_error or "")
    rig.execute(StopBot(bot_id="b1"))
    assert (rig.state().status, rig.state().last_error) == ("stopped", None)
    assert "boom" in rig.alerts(BotAlertKind.ERROR)[0].fields["error"]


# --- one ledger, one currency ---------------------------------------------------------------------------


def dollar_bot(**fields: Any) -> BotConfig:
    return bot("b1", "NASDAQ:AAPL", cash=5_000.0, quantity=10.0, **fields)


def trade_in_new_york(rig: BotRig) -> None:
    rig.clock.set_time(at("2026-11-18 17:45"))
    rig.buy(200.0, on=AAPL)


def refused(rig: BotRig) -> BotState:
    """The bot's state, once it is sure that the edit had to wait and nothing was lost."""
    state = rig.state()
    assert state.status == "error"
    assert "holds ASELS in ₺ and cannot trade in $ before that is sold" in (state.last_error or "")
    assert [(each.key, each.stop) for each in state.positions] == [("BIST:ASELS", D(97))]
    assert rig.store.bots()[0].cash == D(90_000)
    return state


def test_an_edit_to_another_currency_waits_while_something_is_held():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.apply(dollar_bot())
    assert refused(rig).keys == ("BIST:ASELS",)
    with pytest.raises(InputError, match="holds ASELS"):
        rig.execute(StartBot(bot_id="b1"))
    rig.apply(dollar_bot(), symbols=("THYAO",))  # something else is edited: it is not told again
    trade_in_new_york(rig)
    assert len(rig.fills()) == 1 and len(rig.alerts(BotAlertKind.ERROR)) == 1
    rig.pass_by(96.0)
    assert [each.reason for each in rig.trades()] == ["stop"]


def test_a_bot_that_has_sold_starts_with_the_money_of_the_other_currency():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.apply(dollar_bot())
    rig.execute(StopBot(bot_id="b1", flatten=True))
    assert [each.reason for each in rig.trades()] == ["flatten"]
    rig.execute(StartBot(bot_id="b1"))
    assert (rig.state().status, rig.state().keys, rig.state().equity) == ("running", (AAPL.key,), 5_000.0)
    trade_in_new_york(rig)
    assert rig.store.bots()[0].cash == D(3_000)
    assert rig.state().payload()["currency"] == "$"


def test_the_former_symbols_end_the_refusal():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.apply(dollar_bot())
    rig.apply(bot(stop_loss_pct=3.0))
    assert (rig.state().status, rig.state().last_error) == ("stopped", None)
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().status == "in_position"


@pytest.mark.parametrize("change", ["symbols", "exchange"])
def test_a_file_that_was_edited_while_the_program_was_down_must_wait_too(change: str):
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    edit = {"bots": (dollar_bot(),)} if change == "symbols" else {"exchange": "NASDAQ"}
    rig.engine.close()
    rig.config = replace(rig.config, **edit)
    for _ in range(2):
        rig = BotRig(store=rig.store, clock=rig.clock, config=rig.config)
        rig.engine.bots.publish_all()
        rig.settle()
        stored = rig.stored()
        assert stored.status == "error" and "holds ASELS" in (stored.last_error or "")
        with pytest.raises(InputError, match="holds ASELS"):
            rig.execute(StartBot(bot_id="b1"))
    assert rig.store.bots()[0].cash == D(90_000)
    rig.pass_by(96.0)
    assert [each.reason for each in rig.trades()] == ["stop"]


def test_without_positions_another_currency_brings_other_money():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.want(Action.EXIT)
    rig.pass_by(110.0)
    rig.apply(dollar_bot())
    state = rig.state()
    assert (state.status, state.equity, state.realised_pnl) == ("market_closed", 5_000.0, 0.0)
    trade_in_new_york(rig)
    assert rig.store.bots()[0].cash == D(3_000)
    assert [each.trade_id for each in rig.store.bot_trades()] == ["b1-t1"], "what was earned before stays"
