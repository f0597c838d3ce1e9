"""The paper broker: what an order fills at, and when it does not fill at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bots.broker import Execution, Market, PaperBroker
from core.bots.model import BotOrder
from core.bots.money import exact, fee_of, plain, shares_for, slipped, to_lot, to_tick
from core.bots.strategy import Action
from core.config import BotConfig
from core.price_rules import tick_size
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import ASELS, BTC, THYAO, WEDNESDAY, at

D = Decimal
KEY = ASELS.key


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


def broker(**fields: Any) -> PaperBroker:
    values: dict[str, Any] = {"fee_pct": 0.0, "slippage_pct": 0.0} | fields
    return PaperBroker(BotConfig(id="b1", name="B1", symbols=("ASELS",), **values))


def order(
    side: str = "BUY", kind: str = "market", price: str | None = None, quantity: str = "100"
) -> BotOrder:
    return BotOrder(
        order_id="b1-o1", bot_id="b1", key=KEY, side=side, kind=kind, quantity=D(quantity), status="open",
        reason="signal", created_at=1.0, price=None if price is None else D(price),
    )  # fmt: skip


def fill(placed: BotOrder, price: str, **fields: Any) -> Execution | None:
    """What `placed` comes to when the market is at `price`."""
    paper = broker(**fields)
    paper.submit(placed)
    done = paper.executions(Market(KEY, D(price), 2.0))
    assert bool(done) is not bool(paper.open_orders())
    return done[0] if done else None


# --- prices, lots, fees ---------------------------------------------------------------------------------


def test_a_market_order_pays_the_slippage_rounded_to_the_tick_against_the_trader():
    bought = fill(order(), "100.00", slippage_pct=0.03)
    assert bought is not None and bought.price == D("100.10")  # 100.03, in steps of 0.10 above 100
    sold = fill(order("SELL"), "100.10", slippage_pct=0.03)
    assert sold is not None and sold.price == D("100.00")  # 100.07


def test_without_slippage_a_price_on_the_tick_stays():
    bought = fill(order(), "45.32")
    assert bought is not None and bought.price == D("45.32")


def test_fees_are_percent_of_the_value_to_the_cent_and_at_least_the_minimum():
    assert fee_of(D(100), D("45.32"), D("0.1"), D(0)) == D("4.53")
    assert fee_of(D(-100), D("45.32"), D("0.1"), D("7.5")) == D("7.5")
    done = fill(order(), "45.32", fee_pct=0.1)
    assert done is not None and done.fee == D("4.53")


def test_a_sum_buys_whole_lots():
    assert shares_for(KEY, D(10_000), D("45.32")) == D(220)
    assert shares_for(BTC.key, D(10_000), D("91234.5")) == D("0.109607")
    assert shares_for(KEY, D(10), D("45.32")) == 0 == shares_for(KEY, D(-5), D("45.32"))
    assert to_lot(KEY, D("12.7")) == D(12)
    assert plain(D("1E+3")) == "1000" and plain(D("1.500")) == "1.5"


@given(price=st.decimals("0.0001", "5000", places=4), percent=st.decimals("0", "10", places=2))
def test_slippage_never_favours_the_trader_and_costs_a_tick_more_at_most(price: D, percent: D):
    up, down = slipped(KEY, price, percent, buy=True), slipped(KEY, price, percent, buy=False)
    part = price * percent / 100
    assert up >= price + part and up - (price + part) < 2 * tick_size(KEY, float(up))
    assert down <= max(price - part, tick_size(KEY, float(down)))
    for value in (up, down):
        assert value > 0 and value % tick_size(KEY, float(value)) == 0


@given(price=st.decimals("0.01", "4000", places=5))
def test_a_price_between_two_ticks_is_put_onto_the_next(price: D):
    low, high = to_tick(KEY, price, up=False), to_tick(KEY, price, up=True)
    assert high >= price and (low <= price or low == tick_size(KEY, float(price)))
    assert high - low <= tick_size(KEY, float(high))


def test_a_float_counts_as_it_is_written():
    assert exact(0.1) == D("0.1") and exact(45.32) == D("45.32") and exact(100) == D(100)


# --- limits and stops -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placed", "price", "filled"),
    [
        (order("BUY", "limit", "99.95"), "100.00", None),
        (order("BUY", "limit", "99.95"), "99.95", "99.95"),
        (order("BUY", "limit", "99.95"), "98.00", "98.00"),
        (order("SELL", "limit", "101.00"), "100.90", None),
        (order("SELL", "limit", "101.00"), "101.00", "101.00"),
        (order("SELL", "limit", "101.00"), "103.00", "103.00"),
        (order("SELL", "stop", "97.00"), "97.05", None),
        (order("SELL", "stop", "97.00"), "97.00", "97.00"),
        (order("SELL", "stop", "97.00"), "91.50", "91.50"),
        (order("BUY", "stop", "103.00"), "102.90", None),
        (order("BUY", "stop", "103.00"), "109.40", "109.40"),
    ],
)
def test_limits_and_stops_fill_at_the_first_price_that_reaches_them(
    placed: BotOrder, price: str, filled: str | None
):
    done = fill(placed, price)
    assert (None if done is None else done.price) == (None if filled is None else D(filled))


def test_a_limit_is_never_passed_whatever_the_slippage():
    done = fill(order("BUY", "limit", "99.95"), "99.95", slippage_pct=1.0)
    assert done is not None and done.price == D("99.95")
    done = fill(order("SELL", "limit", "101.00"), "101.00", slippage_pct=1.0)
    assert done is not None and done.price == D("101.00")


@given(
    kind=st.sampled_from(["market", "limit", "stop"]), side=st.sampled_from(["BUY", "SELL"]),
    level=st.decimals("1", "400", places=2), price=st.decimals("1", "400", places=2),
    percent=st.decimals("0", "3", places=2),
)  # fmt: skip
def test_no_fill_is_ever_better_than_the_market(kind: str, side: str, level: D, price: D, percent: D):
    done = fill(order(side, kind, plain(level)), plain(price), slippage_pct=float(percent))
    if done is not None:
        better = done.price < price if side == "BUY" else done.price > price
        assert not better
        if kind == "limit":
            assert done.price <= level if side == "BUY" else done.price >= level


def test_an_order_that_was_taken_back_does_not_fill():
    paper = broker()
    paper.submit(order())
    cancelled = paper.cancel("b1-o1", 5.0)
    assert cancelled is not None and (cancelled.status, cancelled.updated_at) == ("cancelled", 5.0)
    assert paper.cancel("b1-o1", 6.0) is None
    assert paper.executions(Market(KEY, D(100), 6.0)) == []


def test_another_instruments_price_fills_nothing():
    paper = broker()
    paper.submit(order())
    assert paper.executions(Market(THYAO.key, D(100), 6.0)) == []


# --- on which prices may be traded (the desk shows the bots no others as true) ------------------------------


def test_no_fill_on_a_stale_price():
    rig = BotRig(bot())
    rig.want(Action.BUY)
    rig.see(100.0, stamp=rig.clock.time() - 7200)
    assert rig.fills() == []
    assert rig.state().last_price is None or rig.state().price_freshness == "stale"


def test_no_fill_outside_the_session():
    rig = BotRig(bot(), now=at("2026-11-18 20:00"))
    rig.want(Action.BUY)
    rig.see(100.0, stamp=at("2026-11-18 17:59"))
    rig.settle()
    assert rig.fills() == [] and rig.state().status == "market_closed"
    assert rig.state().price_freshness == "closed"


def test_no_fill_on_fallback_simulation():
    rig = BotRig(bot())
    rig.want(Action.BUY)
    rig.see(100.0, simulated=True, source="simulation")
    assert rig.fills() == [] and rig.state().last_price is None


def test_fills_in_the_chosen_simulator_round_the_clock():
    rig = BotRig(bot(), now=at("2026-11-22 03:00"), source="simulation")
    rig.want(Action.BUY)
    rig.see(100.0, simulated=True, source="simulation")
    (done,) = rig.fills()
    assert done.simulated and rig.state().simulated and rig.state().status == "in_position"


def test_no_fill_while_sources_disagree():
    rig = BotRig(bot(), cross_check_pct=3.0)
    rig.see(100.0, source="alpha")
    rig.want(Action.BUY)
    rig.clock.advance(1)
    rig.see(150.0, source="beta")
    assert rig.fills() == [] and rig.state().last_price == 100.0
    rig.clock.advance(1)
    rig.see(100.0, source="beta")
    assert [each.price for each in rig.fills()] == [D(100)]


def test_an_older_price_fills_nothing_even_after_a_restart():
    rig = BotRig(bot())
    rig.see(100.0)
    rig.settle()
    rig.engine.close()
    again = rig.reborn()
    again.want(Action.BUY)
    again.see(90.0, stamp=WEDNESDAY - 30)  # younger than stale, but from before the last price
    assert again.fills() == [] and again.puppet.views[-1].price == 100.0
    again.pass_by(101.0)
    assert [each.price for each in again.fills()] == [D(101)]


def test_a_delayed_price_may_be_traded_on():
    rig = BotRig(bot())
    rig.want(Action.BUY)
    rig.see(100.0, stamp=rig.clock.time() - 900, declared_delay=900.0)
    assert len(rig.fills()) == 1 and rig.state().price_freshness == "delayed"


def test_a_limit_order_waits_for_its_price_and_survives_a_restart():
    rig = BotRig(bot())
    rig.want(Action.BUY, limit=98.0)
    rig.pass_by(100.0, 99.0)
    (waiting,) = rig.store.bots()[0].orders
    assert (waiting.kind, waiting.price, waiting.status) == ("limit", D(98), "open")
    again = rig.reborn()
    again.pass_by(99.0, 97.5)
    assert [each.price for each in again.fills()] == [D("97.5")]
    assert again.store.bots()[0].orders == ()


def test_a_limit_order_ends_with_its_day():
    rig = BotRig(bot())
    rig.want(Action.BUY, limit=90.0)
    rig.pass_by(100.0)
    rig.clock.set_time(at("2026-11-19 11:00"))
    rig.pass_by(100.0, 89.0)
    assert rig.fills() == []
    assert [each.status for each in rig.store.bot_orders()] == ["cancelled"]


def test_the_same_limit_is_not_ordered_twice():
    rig = BotRig(bot())
    for _ in range(3):
        rig.want(Action.BUY, limit=90.0)
        rig.pass_by(100.0)
    assert len(rig.store.bot_orders()) == 1
    rig.want(Action.BUY, limit=91.0)
    rig.pass_by(100.0)
    assert [(each.price, each.status) for each in rig.store.bot_orders()] == [
        (D(91), "open"), (D(90), "cancelled"),
    ]  # fmt: skip
