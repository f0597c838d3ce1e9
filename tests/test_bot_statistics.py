"""A bot's figures: win rate, profit factor, drawdown, equity curve, days."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from core.bots.model import BotTrade
from core.bots.statistics import by_day, summarise

DAY = 86_400.0
NOON = 1_764_072_000.0
"""2025-11-25, noon UTC."""


def trade(pnl: str, closed_at: float = NOON, fees: str = "1", key: str = "BIST:ASELS") -> BotTrade:
    """A trade that lasted an hour."""
    return BotTrade(
        trade_id=f"t{closed_at}", bot_id="b", owner="local", key=key, quantity=Decimal(1),
        entry_price=Decimal(100), exit_price=Decimal(100), opened_at=closed_at - 3600, closed_at=closed_at,
        fees=Decimal(fees), pnl=Decimal(pnl), reason="signal",
    )  # fmt: skip


MONEY = st.decimals(-10_000, 10_000, places=4)
TRADES = st.lists(
    st.builds(trade, MONEY.map(str), st.integers(0, 30).map(lambda day: NOON + day * DAY)), max_size=12
)


def test_no_trades_make_no_figures() -> None:
    result = summarise([], Decimal(1000))
    assert (result.trades, result.win_rate, result.profit_factor, result.curve) == (0, None, None, ())
    assert (result.net_pnl, result.average_win, result.max_drawdown, result.max_drawdown_pct) == (0, 0, 0, 0)


def test_a_known_series_of_trades() -> None:
    pnls = ["100", "-300", "0", "50", "400"]
    trades = [trade(pnl, NOON + DAY * number) for number, pnl in enumerate(pnls)]
    result = summarise(trades, Decimal(1000))
    assert (result.trades, result.wins, result.losses) == (5, 3, 1)
    assert result.win_rate == 0.6
    assert result.net_pnl == 250
    assert result.fees == 5
    assert result.average_win == 550 / 3
    assert result.average_loss == -300
    assert result.profit_factor == 550 / 300
    assert result.max_drawdown == 300
    assert math.isclose(result.max_drawdown_pct, 300 / 1100 * 100)
    assert result.curve == (
        (NOON - 3600, 1000.0), (NOON, 1100.0), (NOON + DAY, 800.0), (NOON + 2 * DAY, 800.0),
        (NOON + 3 * DAY, 850.0), (NOON + 4 * DAY, 1250.0),
    )  # fmt: skip


def test_a_loss_at_once_is_a_fall_from_the_starting_cash() -> None:
    result = summarise([trade("-250")], Decimal(1000))
    assert (result.max_drawdown, result.max_drawdown_pct, result.profit_factor) == (250, 25, 0)


def test_days_are_those_of_the_exchange() -> None:
    late = NOON + 10 * 3600  # 22:00 UTC: the next day in Istanbul, the same in New York
    days = by_day([trade("5", late), trade("-2", late), trade("7", late, key="NYSE:F"), trade("1.5", NOON)])
    assert [(day.day, day.pnl, day.fees, day.trades, day.wins) for day in days] == [
        ("2025-11-26", Decimal(3), Decimal(2), 2, 1), ("2025-11-25", Decimal("8.5"), Decimal(2), 2, 2),
    ]  # fmt: skip


@given(TRADES, st.randoms())
def test_the_order_in_which_trades_are_given_does_not_matter(trades: list[BotTrade], random) -> None:
    shuffled = trades[:]
    random.shuffle(shuffled)
    assert summarise(shuffled, Decimal(1000)) == summarise(trades, Decimal(1000))
    assert by_day(shuffled) == by_day(trades)


@given(TRADES, st.decimals(0, 10**9, places=2))
def test_the_figures_agree_with_each_other(trades: list[BotTrade], cash: Decimal) -> None:
    result = summarise(trades, cash)
    exact = sum((Fraction(each.pnl) for each in trades), Fraction(0))
    assert result.net_pnl == float(exact)
    assert result.wins + result.losses <= result.trades
    assert (result.profit_factor is None) == (result.losses == 0)
    assert 0 <= result.max_drawdown <= float(sum(abs(Fraction(each.pnl)) for each in trades))
    assert result.max_drawdown_pct >= 0
    times = [at for at, _ in result.curve]
    assert times == sorted(times)
    if trades:
        assert result.curve[-1][1] == float(Fraction(cash) + exact)
        low = min(value for _, value in result.curve)
        assert result.max_drawdown >= result.curve[0][1] - low - 1e-6
    assert sum((day.pnl for day in by_day(trades)), Decimal(0)) == sum(
        (each.pnl for each in trades), Decimal(0)
    )


@given(st.lists(st.decimals(0, 10_000, places=2), max_size=10))
def test_equity_that_never_falls_has_no_drawdown(pnls: list[Decimal]) -> None:
    result = summarise([trade(str(pnl), NOON + n) for n, pnl in enumerate(pnls)], Decimal(10))
    assert (result.max_drawdown, result.max_drawdown_pct, result.losses) == (0, 0, 0)
