"""A bot's day: its limits guard whatever it holds, and its figures are those of the exchange's day."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.bots.model import BotAlertKind
from core.bots.strategy import Action
from core.commands import StartBot, StopBot
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import ASELS, BTC, THYAO, at

D = Decimal


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


# --- the limits -----------------------------------------------------------------------------------------


def test_the_loss_limit_guards_a_bot_in_error():
    rig = BotRig(bot(max_daily_loss=500.0))
    rig.buy(100.0)
    rig.want(ValueError("boom"))
    rig.pass_by(99.0)
    assert rig.state().status == "error"
    rig.pass_by(95.0, 90.0)
    assert [(each.reason, each.pnl) for each in rig.trades()] == [("daily_loss", D(-500))]
    assert [each.fields["pnl"] for each in rig.alerts(BotAlertKind.LIMIT)] == [-500.0]
    assert rig.state().status == "error" and "boom" in (rig.state().last_error or "")


@pytest.mark.parametrize(("price", "reason"), [(95.0, "daily_loss"), (103.0, "daily_target")])
def test_the_limits_guard_what_a_stopped_bot_has_kept(price: float, reason: str):
    rig = BotRig(bot(max_daily_loss=500.0, daily_target=300.0))
    rig.buy(100.0)
    rig.execute(StopBot(bot_id="b1"))
    rig.pass_by(price, price)
    assert [each.reason for each in rig.trades()] == [reason]
    assert len(rig.alerts(BotAlertKind.LIMIT)) == 1
    assert rig.state().status == "stopped"


def test_a_limit_is_told_once_while_something_waits_to_be_sold():
    rig = BotRig(bot("b1", "ASELS", "THYAO", max_daily_loss=500.0, max_open_positions=2))
    rig.buy(50.0, on=THYAO)
    rig.buy(100.0)
    rig.execute(StopBot(bot_id="b1"))
    rig.wait(70)  # THYAO goes stale
    rig.pass_by(94.0, 93.0)
    rig.pass_by(49.0, on=THYAO)
    assert [(each.key, each.reason) for each in rig.trades()] == [
        (ASELS.key, "daily_loss"), (THYAO.key, "daily_loss"),
    ]  # fmt: skip
    assert len(rig.alerts(BotAlertKind.LIMIT)) == 1


def test_a_bot_that_reached_its_limit_is_not_started_by_an_edit():
    rig = BotRig(bot(max_daily_loss=300.0, autostart=False))
    rig.execute(StartBot(bot_id="b1"))
    rig.buy(100.0)
    rig.pass_by(96.0)
    assert rig.state().status == "stopped"
    rig.apply(bot(max_daily_loss=300.0, autostart=True))
    rig.want(Action.BUY)
    rig.pass_by(96.0, 96.1)
    assert rig.state().status == "stopped" and len(rig.fills()) == 2


def test_an_edit_that_raises_the_limit_may_start_the_bot():
    rig = BotRig(bot(max_daily_loss=300.0, autostart=False))
    rig.execute(StartBot(bot_id="b1"))
    rig.buy(100.0)
    rig.pass_by(96.0)
    rig.apply(bot(max_daily_loss=900.0, autostart=True))
    rig.buy(96.0)
    assert rig.state().status == "in_position"


def test_an_edit_that_lowers_the_limit_stops_a_bot_that_holds_nothing():
    rig = BotRig(bot(max_daily_loss=5_000.0))
    rig.buy(100.0)
    rig.want(Action.EXIT)
    rig.pass_by(96.0)
    rig.pass_by(96.0)
    rig.apply(bot(max_daily_loss=300.0))
    rig.want(Action.BUY)
    rig.pass_by(96.0)
    assert rig.state().status == "stopped" and len(rig.fills()) == 2


# --- when it begins -------------------------------------------------------------------------------------


def test_what_was_missed_yesterday_is_not_todays_loss():
    rig = BotRig(bot(max_daily_loss=500.0))
    rig.buy(100.0)  # Wednesday 14:00; then nobody watches
    rig.settle()
    rig.clock.set_time(at("2026-11-19 11:00"))
    again = rig.reborn()
    again.see(94.0, previous_close=94.0)
    again.pass_by(93.0, previous_close=94.0)
    assert again.trades() == []
    assert (again.state().daily_pnl, again.state().open_pnl) == (-100.0, -700.0)
    again.pass_by(89.0, previous_close=94.0)
    assert [each.reason for each in again.trades()] == ["daily_loss"]
    assert again.state().daily_pnl == -500.0


def test_each_position_counts_from_its_own_previous_close():
    rig = BotRig(bot("b1", "ASELS", "THYAO", max_open_positions=2))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(103.0, previous_close=102.0)
    assert rig.state().daily_pnl == 100.0
    rig = rig.reborn()
    rig.pass_by(49.0, on=THYAO, previous_close=48.0)
    rig.settle()
    assert rig.state().daily_pnl == 200.0
    rig.pass_by(103.0, 104.0, previous_close=102.0)
    assert rig.state().daily_pnl == 300.0


def test_without_a_previous_close_the_day_counts_from_the_last_price_seen():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.pass_by(110.0)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(111.0, previous_close=None)
    assert rig.state().daily_pnl == 100.0


def test_where_trading_never_ends_the_day_counts_from_midnights_price():
    rig = BotRig(bot("b1", "CRYPTO:BTC"))
    rig.clock.set_time(at("2026-11-19 02:59"))  # 23:59 UTC
    rig.buy(100.0, on=BTC)
    rig.pass_by(110.0, on=BTC)
    rig.pass_by(111.0, on=BTC, every=60.0, previous_close=90.0)
    assert rig.state().daily_pnl == 100.0


def test_the_days_figures_end_with_the_day_though_no_price_comes():
    rig = BotRig(bot(max_daily_loss=500.0))
    rig.buy(100.0)
    rig.want(Action.EXIT)
    rig.pass_by(96.0)
    assert (rig.state().daily_pnl, rig.state().daily_trades) == (-400.0, 2)
    rig.clock.set_time(at("2026-11-19 09:00"))
    rig.wait(2)
    assert (rig.state().daily_pnl, rig.state().daily_trades) == (-400.0, 2), "not open yet"
    rig.clock.set_time(at("2026-11-19 11:00"))
    rig.wait(2)
    assert (rig.state().daily_pnl, rig.state().daily_trades) == (0.0, 0)
    rig.execute(StopBot(bot_id="b1"))
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().status == "running"


def test_a_day_that_began_without_prices_counts_from_the_previous_close():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-19 11:00"))
    rig.wait(2)
    assert rig.state().daily_pnl == 0.0
    rig.pass_by(95.0, previous_close=94.0)
    assert rig.state().daily_pnl == 100.0
