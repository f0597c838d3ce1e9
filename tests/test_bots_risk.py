"""Stops, targets, trailing stops, the day's limits: what is shown is what is enforced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.bots.model import BotAlertKind, BotPosition, BotStatus
from core.bots.risk import average_true_range, enforced_stop, fixed_levels, trailing_level
from core.bots.strategy import Action
from core.commands import StartBot, StopAllBots, StopBot
from core.config import BotConfig
from core.errors import InputError
from core.model import Bar
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import ASELS, THYAO, at

D = Decimal


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


def short(rig: BotRig, price: float = 100.0) -> None:
    rig.want(Action.SELL)
    rig.pass_by(price)


# --- stop loss and take profit --------------------------------------------------------------------------


def test_the_stop_that_is_shown_is_the_stop_that_is_enforced():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    assert rig.state().trailing_stop_price == 97.0
    assert rig.state().position is not None and rig.state().position.stop == D(97)
    rig.pass_by(97.05)
    assert rig.trades() == []
    rig.pass_by(97.0)
    (trade,) = rig.trades()
    assert (trade.exit_price, trade.reason, trade.pnl) == (D(97), "stop", D(-300))
    assert rig.state().position is None and rig.state().status == "running"
    (order,) = [each for each in rig.store.bot_orders() if each.side == "SELL"]
    assert (order.kind, order.price, order.status, order.reason) == ("stop", D(97), "filled", "stop")


def test_a_gap_through_the_stop_sells_at_the_market_not_at_the_stop():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.pass_by(88.25)
    assert [each.exit_price for each in rig.trades()] == [D("88.25")]
    (alert,) = rig.alerts(BotAlertKind.STOP)
    assert (alert.fields["price"], alert.fields["stop"], alert.fields["pnl"]) == (88.25, 97.0, -1175.0)


def test_a_short_position_is_protected_the_other_way_round():
    rig = BotRig(bot(stop_loss_pct=3.0, take_profit_pct=5.0, direction="short"))
    short(rig)
    position = rig.state().position
    assert position is not None
    assert (position.quantity, position.stop, position.target) == (D(-100), D(103), D(95))
    rig.pass_by(103.1)
    assert [(each.pnl, each.reason) for each in rig.trades()] == [(D(-310), "stop")]


def test_the_target_sells_at_the_target_or_better():
    rig = BotRig(bot(take_profit_pct=2.0, slippage_pct=0.5))
    rig.buy(100.0)
    entry = rig.fills()[0].price
    assert entry == D("100.5")
    rig.pass_by(102.5)  # the target is 102.51, rounded away from the market
    assert rig.trades() == []
    rig.pass_by(102.6)
    assert [(each.exit_price, each.reason) for each in rig.trades()] == [(D("102.6"), "target")]
    assert len(rig.alerts(BotAlertKind.EXIT)) == 1


def test_stops_are_guarded_while_the_bot_rests_and_while_it_is_in_error():
    rig = BotRig(bot("b1", stop_loss_pct=3.0), bot("b2", "THYAO", stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.buy(100.0, on=THYAO)
    rig.execute(StopBot(bot_id="b1"))
    rig.want(ValueError("boom"), THYAO)
    rig.pass_by(99.0)
    rig.pass_by(99.0, on=THYAO)
    assert (rig.state("b1").status, rig.state("b2").status) == ("stopped", "error")
    assert all(rig.state(each).position for each in ("b1", "b2"))
    rig.pass_by(96.0)
    rig.pass_by(96.0, on=THYAO)
    assert [each.reason for each in rig.trades()] == ["stop", "stop"]
    assert (rig.state("b1").status, rig.state("b2").status) == ("stopped", "error")


@given(
    long=st.booleans(), entry=st.decimals("0.5", "4000", places=2), percent=st.floats(0.1, 50),
)  # fmt: skip
def test_levels_lie_on_the_right_sides_of_the_entry(long: bool, entry: D, percent: float):
    config = BotConfig(id="b", name="b", symbols=("ASELS",), stop_loss_pct=percent, take_profit_pct=percent)
    position = BotPosition(key=ASELS.key, quantity=D(1 if long else -1), entry_price=entry, opened_at=0.0)
    levels = fixed_levels(config, position)
    assert levels.stop is not None and levels.target is not None
    below, above = (levels.stop, levels.target) if long else (levels.target, levels.stop)
    assert below <= entry + D("0.01") and above >= entry - D("0.01")


# --- the trailing stop ----------------------------------------------------------------------------------


def test_the_trailing_stop_follows_the_high_water_mark_and_never_goes_back():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.buy(100.0)
    shown = [rig.state().trailing_stop_price]
    for price in (104.0, 102.5, 106.0, 105.0):
        rig.pass_by(price)
        shown.append(rig.state().trailing_stop_price)
    assert shown == [98.0, 102.0, 102.0, 103.9, 103.9]
    rig.pass_by(103.9)
    assert [(each.exit_price, each.reason) for each in rig.trades()] == [(D("103.9"), "trailing_stop")]


@pytest.mark.allow_log("out of order")
def test_only_true_prices_move_the_high_water_mark():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.buy(100.0)
    rig.pass_by(120.0, simulated=True, source="simulation")
    rig.pass_by(120.0, stamp=rig.clock.time() - 300)
    rig.settle()
    assert rig.state().trailing_stop_price == 98.0


def test_the_nearer_of_the_two_stops_counts():
    rig = BotRig(bot(stop_loss_pct=1.0, trailing_stop_pct=5.0))
    rig.buy(100.0)
    assert rig.state().trailing_stop_price == 99.0
    rig.pass_by(103.0, 105.0)
    assert rig.state().trailing_stop_price == 99.75
    rig.pass_by(99.7)
    assert rig.trades()[0].reason == "trailing_stop"


def test_a_short_positions_trailing_stop_follows_the_low():
    rig = BotRig(bot(trailing_stop_pct=2.0, direction="short"))
    short(rig)
    rig.pass_by(96.0, 97.0)
    assert rig.state().trailing_stop_price == 97.9
    rig.pass_by(97.9)
    assert [each.pnl for each in rig.trades()] == [D(210)]


def test_the_trailing_stop_by_the_average_true_range_waits_for_enough_bars():
    rig = BotRig(bot(trailing_stop_atr=2.0))
    rig.puppet.seconds, rig.puppet.count = 60, 20
    rig.apply(bot(trailing_stop_atr=2.0, name="Anew"))
    rig.buy(100.0)
    assert rig.state().trailing_stop_price is None
    for number in range(16):
        rig.pass_by(101.0 - number % 2, every=60.0)
    # Each true range is 1, so the stop stands 2 below the highest price.
    assert rig.state().trailing_stop_price == 99.0
    rig.pass_by(99.0)
    assert rig.trades()[0].reason == "trailing_stop"


def test_the_average_true_range_is_the_mean_of_true_ranges_gaps_included():
    bars = [Bar(ASELS.key, n * 60.0, 10.0, 11.0, 9.0, 10.0, None) for n in range(14)]
    assert average_true_range(bars) is None
    bars.append(Bar(ASELS.key, 900.0, 20.0, 21.0, 19.0, 20.0, None))  # a gap of 10 above the close
    assert average_true_range(bars) == pytest.approx((13 * 2.0 + 11.0) / 14)


@given(
    prices=st.lists(st.decimals("50", "150", places=2), min_size=1, max_size=30), long=st.booleans(),
    percent=st.floats(0.2, 20),
)  # fmt: skip
def test_a_trailing_stop_only_ever_tightens(prices: list[D], long: bool, percent: float):
    config = BotConfig(id="b", name="b", symbols=("ASELS",), trailing_stop_pct=percent)
    position = BotPosition(
        key=ASELS.key, quantity=D(1 if long else -1), entry_price=D(100), opened_at=0.0, high_water=D(100)
    )
    before: D | None = None
    for price in prices:
        high = position.high_water or price
        position = replace(position, high_water=max(high, price) if long else min(high, price))
        level = trailing_level(config, position, None)
        assert level is not None
        if before is not None:
            assert level >= before if long else level <= before
        position = replace(position, trailing_stop=level)
        before = level
        assert enforced_stop(position) == (level, "trailing_stop")


# --- the day's limits -----------------------------------------------------------------------------------


def test_the_daily_loss_closes_everything_and_stops_the_bot():
    rig = BotRig(bot("b1", "ASELS", "THYAO", max_daily_loss=500.0, max_open_positions=2))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    rig.pass_by(96.0)
    assert rig.state().daily_pnl == -400.0 and rig.trades() == []
    rig.pass_by(95.0)
    assert sorted((each.key, each.reason) for each in rig.trades()) == [
        (ASELS.key, "daily_loss"), (THYAO.key, "daily_loss"),
    ]  # fmt: skip
    assert rig.state().status == "stopped" and rig.state().daily_pnl == -500.0
    (alert,) = rig.alerts(BotAlertKind.LIMIT)
    assert alert.fields == {"reason": "daily_loss", "pnl": -500.0}


def test_the_daily_target_stops_the_bot_too():
    rig = BotRig(bot(daily_target=300.0))
    rig.buy(100.0)
    rig.pass_by(103.5)
    assert [each.reason for each in rig.trades()] == ["daily_target"]
    assert rig.state().status == "stopped" and rig.state().daily_pnl == 350.0


def test_a_bot_that_reached_its_limit_starts_again_only_on_another_day():
    rig = BotRig(bot(max_daily_loss=100.0))
    rig.buy(100.0)
    rig.pass_by(98.0)
    with pytest.raises(InputError, match="loss limit for today"):
        rig.execute(StartBot(bot_id="b1"))
    rig.clock.set_time(at("2026-11-19 09:50"))
    rig.execute(StartBot(bot_id="b1"))  # before the day's first price
    rig.clock.set_time(at("2026-11-19 11:00"))
    rig.pass_by(98.0)
    assert (rig.state().daily_pnl, rig.state().status) == (0.0, "running")


def test_what_cannot_be_sold_now_is_sold_at_the_next_true_price():
    rig = BotRig(bot("b1", "ASELS", "THYAO", max_daily_loss=500.0, max_open_positions=2))
    rig.buy(50.0, on=THYAO)
    rig.buy(100.0)
    rig.wait(70)  # THYAO goes stale
    rig.pass_by(94.0)
    assert [each.key for each in rig.trades()] == [ASELS.key]
    assert rig.state().status == "stopped" and len(rig.state().positions) == 1
    rig.pass_by(49.0, on=THYAO)
    assert [each.key for each in rig.trades()] == [ASELS.key, THYAO.key]


def test_a_new_day_counts_from_what_everything_was_worth():
    rig = BotRig(bot(stop_loss_pct=0.0))
    rig.buy(100.0)
    rig.pass_by(110.0)
    assert (rig.state().daily_pnl, rig.state().daily_trades) == (1000.0, 1)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(111.0, previous_close=110.0)
    state = rig.state()
    assert (state.daily_pnl, state.open_pnl, state.daily_trades) == (100.0, 1100.0, 0)


# --- how much at once -----------------------------------------------------------------------------------


def test_no_more_positions_than_allowed():
    rig = BotRig(bot("b1", "ASELS", "THYAO", max_open_positions=1))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    assert [each.key for each in rig.state().positions] == [ASELS.key]


def test_a_loss_is_followed_by_a_pause():
    rig = BotRig(bot(stop_loss_pct=1.0, cooldown_after_loss_sec=60.0))
    rig.buy(100.0)
    rig.pass_by(98.0)
    rig.buy(98.0)
    assert len(rig.fills()) == 2
    rig.clock.advance(61)
    rig.buy(98.0)
    assert len(rig.fills()) == 3


def test_the_pause_takes_waiting_entries_back():
    rig = BotRig(bot("b1", "ASELS", "THYAO", cooldown_after_loss_sec=600.0, max_open_positions=2))
    rig.buy(100.0)
    rig.want(Action.BUY, THYAO, limit=49.0)
    rig.pass_by(50.0, on=THYAO)
    rig.want(Action.EXIT)
    rig.pass_by(96.0)
    rig.pass_by(48.5, on=THYAO)
    assert [(each.key, each.side) for each in rig.fills()] == [(ASELS.key, "BUY"), (ASELS.key, "SELL")]
    assert [each.status for each in rig.store.bot_orders() if each.key == THYAO.key] == ["cancelled"]


def test_the_pause_leaves_the_orders_that_end_positions():
    rig = BotRig(bot("b1", "ASELS", "THYAO", cooldown_after_loss_sec=600.0, max_open_positions=2))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    rig.want(Action.EXIT, THYAO, limit=52.0)
    rig.pass_by(50.0, on=THYAO)
    rig.want(Action.EXIT)
    rig.pass_by(96.0)
    rig.pass_by(52.0, on=THYAO)
    assert [each.key for each in rig.trades()] == [ASELS.key, THYAO.key]


def test_a_size_in_money_buys_whole_shares_that_the_cash_can_pay():
    rig = BotRig(bot(quantity=0.0, size=10_000.0, cash=5_000.0, fee_pct=0.1))
    rig.buy(30.0)
    (done,) = rig.fills()
    assert done.quantity == D(166) and done.fee == D("4.98")  # 166 x 30 + 4.98 <= 5,000
    assert rig.stored().equity <= 5_000.0 and rig.store.bots()[0].cash >= 0


def test_waiting_orders_keep_their_fee_too():
    rig = BotRig(bot("b1", "ASELS", "THYAO", cash=10_000.0, quantity=0.0, size=5_000.0, fee_pct=1.0,
                     max_open_positions=2))  # fmt: skip
    rig.want(Action.BUY, limit=100.0)
    rig.pass_by(101.0)
    rig.want(Action.BUY, THYAO)
    rig.pass_by(1.0, on=THYAO)
    rig.pass_by(99.99)
    assert len(rig.fills()) == 2
    assert rig.store.bots()[0].cash == D(1), "5,000 + 50 and 4,900 + 49 of 10,000"


def test_too_little_cash_is_told_and_buys_nothing():
    rig = BotRig(bot(quantity=100.0, cash=50.0))
    rig.buy(100.0)
    assert rig.fills() == [] and rig.store.bot_orders() == ()
    assert "cash" in (rig.state().last_error or "") and rig.state().status == "running"


def test_short_sales_need_cover():
    rig = BotRig(bot("b1", "ASELS", "THYAO", quantity=60.0, cash=10_000.0, direction="both",
                     max_open_positions=2))  # fmt: skip
    short(rig)
    rig.want(Action.SELL, THYAO)
    rig.pass_by(100.0, on=THYAO)  # the proceeds of the first sale are no cash to trade with
    assert [each.key for each in rig.state().positions] == [ASELS.key]


# --- what a signal does ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "actions", "expected"),
    [
        ("long", [Action.BUY, Action.SELL], ["BUY", "SELL"]),
        ("long", [Action.SELL], []),
        ("long", [Action.BUY, Action.BUY], ["BUY"]),
        ("short", [Action.SELL, Action.BUY], ["SELL", "BUY"]),
        ("short", [Action.BUY], []),
        ("both", [Action.BUY, Action.SELL], ["BUY", "SELL", "SELL"]),
        ("both", [Action.SELL, Action.EXIT], ["SELL", "BUY"]),
        ("both", [Action.EXIT], []),
    ],
)
def test_a_decision_is_a_target_not_an_order(direction: Any, actions: list[Action], expected: list[str]):
    rig = BotRig(bot(direction=direction))
    for action in actions:
        rig.want(action)
        rig.pass_by(100.0)
    assert [each.side for each in rig.fills()] == expected


def test_the_panic_button_stops_all_bots_and_sells_everything():
    rig = BotRig(bot("b1"), bot("b2", "THYAO"), bot("b3"))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    rig.execute(StopAllBots(flatten=True))
    assert {rig.state(each).status for each in ("b1", "b2", "b3")} == {BotStatus.STOPPED}
    assert [each.reason for each in rig.trades()] == ["flatten", "flatten"]
    assert all(not each.state.positions for each in rig.store.bots())
