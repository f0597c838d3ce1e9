"""Positions valued at live prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.portfolio import Portfolio
from core.model import ClosedTrade, Freshness, Instrument, PortfolioSnapshot, Position, PositionPnl
from tests.scripted import AAPL, ASELS, BTC, THYAO, WEDNESDAY, tick

TODAY = WEDNESDAY - 14 * 3600
YESTERDAY = TODAY - 3600


def position(on: Instrument = ASELS, quantity: str = "10", entry: str = "90", **fields: Any) -> Position:
    values: dict[str, Any] = {"opened_at": YESTERDAY} | fields
    return Position(
        symbol=on.symbol,
        exchange=on.exchange,
        quantity=Decimal(quantity),
        entry_price=Decimal(entry),
        **values,
    )


def trade(pnl: str, on: Instrument = ASELS) -> ClosedTrade:
    return ClosedTrade(
        position_id=1, symbol=on.symbol, exchange=on.exchange, quantity=Decimal(1), entry_price=Decimal(1),
        exit_price=Decimal(1), opened_at=YESTERDAY, closed_at=WEDNESDAY, realised_pnl=Decimal(pnl),
    )  # fmt: skip


def portfolio(*positions: Position, trade_simulation: bool = False) -> Portfolio:
    made = Portfolio(lambda exchange: TODAY, trade_simulation=trade_simulation)
    made.set_positions(positions)
    return made


def shown(made: Portfolio) -> tuple[PositionPnl, PortfolioSnapshot]:
    snapshot = made.snapshot(WEDNESDAY)
    return snapshot.rows[0], snapshot


def test_pnl_is_price_less_entry_times_quantity_and_percent_of_the_entry_value():
    made = portfolio(position())
    made.on_tick(tick(price=99.0, previous_close=100.0, stamp=WEDNESDAY - 1))
    row, snapshot = shown(made)
    assert (row.price, row.value, row.open_pnl, row.open_pnl_pct) == (99.0, 990.0, 90.0, 10.0)
    assert (row.daily_pnl, row.daily_pnl_pct) == (-10.0, -1.0)
    assert (row.freshness, row.stamp) == (Freshness.LIVE, WEDNESDAY - 1)
    total = snapshot.total_for("₺")
    assert total is not None
    assert (total.total_value, total.open_pnl, total.open_pnl_pct) == (990.0, 90.0, 10.0)
    assert (total.daily_pnl, total.daily_pnl_pct, total.positions, total.stale_positions) == (
        -10.0,
        -1.0,
        1,
        0,
    )


def test_a_short_position_wins_when_the_price_falls():
    made = portfolio(position(quantity="-10", entry="110"))
    made.on_tick(tick(price=99.0, previous_close=100.0))
    row, snapshot = shown(made)
    assert (row.value, row.open_pnl, row.open_pnl_pct) == (-990.0, 110.0, 10.0)
    assert (row.daily_pnl, row.daily_pnl_pct) == (10.0, 1.0)
    total = snapshot.total_for("₺")
    assert total is not None and total.open_pnl_pct == 10.0


def test_a_position_opened_today_counts_from_its_entry():
    made = portfolio(position(entry="98", opened_at=TODAY))
    made.on_tick(tick(price=99.0, previous_close=50.0))
    row, _ = shown(made)
    assert row.daily_pnl == row.open_pnl == 10.0


def test_without_a_previous_close_the_day_counts_from_the_entry():
    made = portfolio(position(entry="98"))
    made.on_tick(tick(price=99.0, previous_close=None))
    assert shown(made)[0].daily_pnl == 10.0
    made.on_tick(tick(price=99.0, previous_close=97.0))
    made.on_tick(tick(price=99.0, previous_close=None))
    assert shown(made)[0].daily_pnl == 20.0, "a close once known is kept"


def test_until_there_is_a_price_there_are_no_figures_and_the_total_says_so():
    made = portfolio(position(), position(THYAO))
    made.on_tick(tick(THYAO, 99.0))
    row, snapshot = shown(made)
    assert (row.price, row.value, row.open_pnl, row.daily_pnl, row.freshness) == (None,) * 5
    total = snapshot.total_for("₺")
    assert total is not None
    assert (total.positions, total.stale_positions, total.open_pnl_pct) == (2, 1, 10.0)


def test_several_positions_in_one_symbol_each_have_their_own_figures():
    made = portfolio(
        position(id=1), position(quantity="-4", entry="105", id=2), position(id=3, opened_at=TODAY)
    )
    made.on_tick(tick(price=100.0, previous_close=99.0))
    rows = made.snapshot(WEDNESDAY).rows
    assert [row.open_pnl for row in rows] == [100.0, 20.0, 100.0]
    assert [row.daily_pnl for row in rows] == [10.0, -4.0, 100.0]
    assert made.open_pnl == {"₺": 220.0}
    assert made.keys == (ASELS.key,)


def test_what_was_realised_today_is_part_of_the_day():
    made = portfolio(position())
    made.set_realised_today([trade("50.25"), trade("-0.25"), trade("7", AAPL)])
    made.on_tick(tick(price=101.0))
    snapshot = made.snapshot(WEDNESDAY)
    lira, dollar = snapshot.total_for("₺"), snapshot.total_for("$")
    assert lira is not None and dollar is not None
    assert (lira.realised_today, lira.daily_pnl, lira.daily_pnl_pct) == (50.0, 60.0, 6.0)
    assert (dollar.realised_today, dollar.daily_pnl, dollar.positions) == (7.0, 7.0, 0)


def test_currencies_are_kept_apart():
    made = portfolio(position(), position(AAPL, "2", "50"), position(BTC, "1", "10"))
    for on, price in ((ASELS, 91.0), (AAPL, 51.0), (BTC, 12.0)):
        made.on_tick(tick(on, price, previous_close=None))
    assert made.open_pnl == {"₺": 10.0, "$": 4.0}
    snapshot = made.snapshot(WEDNESDAY)
    assert [(t.currency, t.total_value) for t in snapshot.totals] == [("₺", 910.0), ("$", 114.0)]
    assert snapshot.total_for("€") is None


def test_an_aged_price_is_counted_as_stale_and_a_closed_or_delayed_one_is_not():
    made = portfolio(position(), position(THYAO))
    made.on_tick(tick())
    made.on_tick(tick(THYAO, freshness=Freshness.DELAYED))
    for freshness, stale in ((Freshness.STALE, 1), (Freshness.CLOSED, 0), (Freshness.STALE, 1)):
        made.dirty = False
        made.on_freshness(ASELS.key, freshness)
        assert made.dirty
        total = made.snapshot(WEDNESDAY).totals[0]
        assert total.stale_positions == stale
    made.on_freshness(ASELS.key, Freshness.STALE)
    made.on_freshness(AAPL.key, Freshness.STALE)
    assert not made.dirty


def test_fallback_simulation_never_values_a_position_and_shows_that_its_price_is_dead():
    made = portfolio(position())
    fake = tick(price=500.0, simulated=True, freshness=Freshness.SIMULATED)
    made.on_tick(fake)
    assert shown(made)[0].price is None
    made.on_tick(tick(price=99.0))
    made.on_tick(fake)
    row, snapshot = shown(made)
    assert (row.price, row.freshness, snapshot.totals[0].stale_positions) == (99.0, Freshness.STALE, 1)


def test_the_chosen_simulator_values_positions():
    made = portfolio(position(), trade_simulation=True)
    made.on_tick(tick(price=99.0, simulated=True, freshness=Freshness.SIMULATED))
    row, snapshot = shown(made)
    assert (row.open_pnl, row.freshness, snapshot.totals[0].stale_positions) == (90.0, Freshness.SIMULATED, 0)


def test_new_positions_keep_the_prices_of_the_old_and_strangers_change_nothing():
    made = portfolio(position())
    made.on_tick(tick(price=99.0, previous_close=98.0))
    made.set_positions([position(), position(quantity="5"), position(THYAO)])
    rows = made.snapshot(WEDNESDAY).rows
    assert [row.open_pnl for row in rows] == [90.0, 45.0, None]
    assert rows[0].daily_pnl == 10.0 and rows[0].freshness is Freshness.LIVE
    assert not made.dirty
    made.on_tick(tick(AAPL))
    assert not made.dirty


def test_the_payload_is_the_contracts():
    made = portfolio(position(), position(THYAO))
    made.on_tick(tick(price=99.0))
    (payload,) = made.snapshot(WEDNESDAY).payloads()
    assert list(payload) == [
        "symbol", "exchange", "current_price", "total_value", "open_pnl", "open_pnl_pct", "daily_pnl",
        "daily_pnl_pct", "update_time", "stale_positions",
    ]  # fmt: skip
    assert (payload["symbol"], payload["current_price"], payload["total_value"]) == ("ASELS", 99.0, 990.0)
    assert (payload["open_pnl"], payload["daily_pnl"], payload["stale_positions"]) == (90.0, -10.0, 1)


money = st.decimals("0.01", "9999", places=2)
amount = st.decimals("-500", "500", places=3).filter(bool)
some_positions = st.lists(
    st.builds(
        lambda on, quantity, entry, opened: position(on, str(quantity), str(entry), opened_at=opened),
        st.sampled_from([ASELS, THYAO, AAPL]), amount, money, st.sampled_from([YESTERDAY, TODAY + 1]),
    ), max_size=8,
)  # fmt: skip
some_ticks = st.lists(
    st.tuples(
        st.sampled_from([ASELS, THYAO, AAPL, BTC]), st.floats(0.01, 9999), st.none() | st.floats(0.01, 9999)
    ),
    max_size=30,
)


@given(some_positions, some_ticks, st.integers(0, 30))
def test_the_running_figure_equals_the_recomputed_one(positions, ticks, when):
    made = portfolio(*positions)
    prices: dict[str, float] = {}
    for number, (on, price, close) in enumerate(ticks):
        if number == when:
            made.set_positions(positions[::-1])
        made.on_tick(tick(on, price, previous_close=close, change_pct=0.0))
        prices[on.key] = price
    for currency in ("₺", "$"):
        held = [p for p in positions if p.key in prices and (p.exchange == "BIST") == (currency == "₺")]
        exact = sum((Decimal(prices[p.key]) - p.entry_price) * p.quantity for p in held)
        assert made.open_pnl.get(currency, 0.0) == pytest.approx(float(exact), rel=1e-9, abs=1e-6)
        total = made.snapshot(WEDNESDAY).total_for(currency)
        if total is not None:
            assert total.open_pnl == pytest.approx(float(exact), rel=1e-9, abs=1e-6)
            assert total.total_value - total.open_pnl == pytest.approx(
                float(sum(p.entry_price * p.quantity for p in held)), rel=1e-9, abs=1e-6
            )


@given(some_positions, some_ticks)
def test_the_total_is_the_sum_of_the_rows(positions, ticks):
    made = portfolio(*positions)
    for on, price, close in ticks:
        made.on_tick(tick(on, price, previous_close=close, change_pct=0.0))
    snapshot = made.snapshot(WEDNESDAY)
    for total in snapshot.totals:
        rows = [r for r in snapshot.rows if (r.position.exchange == "BIST") == (total.currency == "₺")]
        assert total.open_pnl == pytest.approx(sum(r.open_pnl or 0.0 for r in rows), abs=1e-6)
        assert total.daily_pnl == pytest.approx(sum(r.daily_pnl or 0.0 for r in rows), abs=1e-6)
        assert total.stale_positions == sum(r.price is None for r in rows)
        for row in rows:
            if row.open_pnl is not None and row.position.opened_at >= TODAY:
                assert row.daily_pnl == row.open_pnl
