"""The signal rule, exactly by its specification, and the sentence that goes with a signal."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.signals import MIN_CLOSES, SignalRule, confidence, daily_volatility
from core.i18n import set_language
from core.model import Freshness, Side, Signal
from core.signal_text import reason
from tests.scripted import AAPL, ASELS, THYAO, WEDNESDAY, tick

SESSION = WEDNESDAY - 4 * 3600
NEXT_SESSION = SESSION + 86400


class Rule:
    """A rule with a clock that moves a minute per price unless told otherwise."""

    def __init__(
        self, threshold: float = 2.0, cooldown: float = 5.0, *, trade_simulation: bool = False
    ) -> None:
        self.rule = SignalRule(threshold, cooldown, trade_simulation=trade_simulation)
        self.now = WEDNESDAY

    def price(
        self, price: float, *, after: float = 60.0, session: float = SESSION, gap: float = 0.0, **fields: Any
    ) -> Signal | None:
        self.now += after
        values = {"received": self.now, "stamp": self.now} | fields
        return self.rule.check(tick(price=price, **values), session, gap)

    def sides(self, *prices: float, **fields: Any) -> str:
        """What the prices give, one letter each: B, S or a dot."""
        found = (self.price(price, **fields) for price in prices)
        return "".join("." if signal is None else signal.side.value[0] for signal in found)


def test_a_move_of_the_threshold_signals_and_a_smaller_one_does_not():
    assert Rule().sides(101.0, 101.99, 102.0) == "..B"
    assert Rule().sides(99.0, 98.01, 98.0) == "..S"


def test_a_stock_that_stays_at_three_percent_signals_once_and_again_after_another_threshold():
    assert Rule().sides(103.0, 103.0, 103.1, 102.9, 105.0, 105.06) == "B....B"


def test_the_reference_moves_to_the_signalled_price_in_both_directions():
    rule = Rule()
    first = rule.price(103.0)
    assert first is not None
    assert (first.side, first.reference_price, first.change_pct) == (Side.BUY, 100.0, 3.0)
    back = rule.price(100.9)
    assert back is not None
    assert (back.side, back.reference_price, back.change_pct) == (
        Side.SELL,
        103.0,
        pytest.approx(-2.0388, abs=1e-4),
    )


def test_within_the_cool_down_a_signal_is_suppressed_and_leaves_the_reference():
    rule = Rule(cooldown=5.0)
    assert rule.sides(102.0) == "B"
    assert rule.price(105.0, after=4.9) is None
    late = rule.price(105.0, after=0.1)
    assert late is not None and late.reference_price == 102.0


def test_the_cool_down_is_each_symbols_own():
    rule = Rule()
    assert rule.price(103.0) is not None
    other = rule.rule.check(tick(THYAO, 103.0, received=rule.now), SESSION)
    assert other is not None and other.key == THYAO.key


def test_a_clock_set_back_does_not_silence_the_rule():
    assert Rule(cooldown=60.0).sides(103.0, 106.0, after=-3600) == "BB"


@pytest.mark.parametrize("freshness", [Freshness.STALE, Freshness.CLOSED])
def test_no_signal_from_a_stale_or_closed_price_and_no_trace_of_it(freshness):
    rule = Rule()
    assert rule.price(150.0, freshness=freshness) is None
    assert rule.price(150.0, freshness=freshness, session=NEXT_SESSION) is None
    assert rule.sides(102.0) == "B"


def test_a_delayed_price_signals():
    assert Rule().sides(102.0, freshness=Freshness.DELAYED) == "B"


def test_no_signal_from_a_fallback_simulation_and_no_trace_of_it():
    rule = Rule()
    made_up = {"simulated": True, "freshness": Freshness.SIMULATED, "previous_close": 400.0}
    assert rule.sides(500.0, 600.0, **made_up) == ".."
    assert rule.sides(101.0, 102.0) == ".B"
    assert rule.sides(500.0, **made_up) == "."
    assert rule.sides(103.0, 104.1) == ".B"


def test_the_chosen_simulator_signals_and_says_that_it_is_one():
    rule = Rule(trade_simulation=True)
    signal = rule.price(103.0, simulated=True, freshness=Freshness.SIMULATED)
    assert signal is not None and signal.simulated


def test_a_price_from_before_the_current_session_gives_no_signal():
    rule = Rule()
    assert rule.sides(103.0) == "B"
    assert rule.price(110.0, session=-1.0) is None
    assert rule.sides(103.0) == "."


def test_the_first_price_after_a_gap_may_signal_and_is_marked():
    signal = Rule().price(103.0, gap=1234.56)
    assert signal is not None and signal.gap == 1234.6


def test_a_new_session_resets_the_reference_to_the_new_previous_close():
    rule = Rule()
    assert rule.sides(103.0, 104.0) == "B."
    assert rule.sides(104.0, previous_close=104.0, session=NEXT_SESSION) == "."
    signal = rule.price(106.1, previous_close=104.0, session=NEXT_SESSION)
    assert signal is not None and signal.reference_price == 104.0


def test_without_a_previous_close_the_sessions_first_price_is_the_reference_until_one_comes():
    rule = Rule()
    assert rule.price(100.0, previous_close=None, change_pct=0.0) is None
    assert rule.price(101.9, previous_close=None, change_pct=1.9) is None
    signal = rule.price(101.9, previous_close=99.0)
    assert signal is not None and signal.reference_price == 99.0
    assert rule.price(101.9, previous_close=90.0) is None, "after a signal its price is the reference"


def test_a_restart_within_the_session_does_not_alert_anew_but_the_next_session_does():
    before = Rule()
    signals = [s for s in (before.price(103.0), before.price(106.0)) if s is not None]
    after = Rule(cooldown=120.0)
    after.rule.restore(signals[::-1], {"BIST": SESSION})
    after.now = before.now
    assert after.price(106.0, after=60) is None
    assert after.price(108.2, after=59) is None, "the cool-down survives too"
    signal = after.price(108.2, after=1)
    assert signal is not None and signal.reference_price == 106.0
    later = Rule()
    later.rule.restore(signals[::-1], {"BIST": NEXT_SESSION, "NASDAQ": SESSION})
    assert later.sides(103.0, session=NEXT_SESSION) == "B"


def test_signals_of_exchanges_nobody_knows_are_not_restored():
    signal = Rule().price(103.0)
    rule = Rule()
    rule.rule.restore([signal], {"NASDAQ": SESSION})
    assert rule.sides(103.0) == "B"


def test_another_threshold_holds_at_once_and_keeps_the_references():
    rule = Rule()
    assert rule.sides(103.0) == "B"
    rule.rule.set_volatility(THYAO.key, 1.0)
    rule.rule.configure(10.0, 5.0, trade_simulation=False)
    assert rule.sides(106.0, 113.3) == ".B"


def test_forgetting_begins_anew():
    rule = Rule()
    assert rule.sides(103.0) == "B"
    rule.rule.forget()
    assert rule.sides(103.0) == "B"


def test_confidence_is_measured_against_the_instruments_own_volatility():
    calm, wild, unknown = Rule(), Rule(), Rule()
    calm.rule.set_volatility(ASELS.key, 1.0)
    wild.rule.set_volatility(ASELS.key, 4.0)
    found = [rule.price(102.0) for rule in (calm, unknown, wild)]
    values = [signal.confidence for signal in found if signal is not None]
    assert values == [0.9545, 0.9545, 0.3829]


@given(st.floats(-500, 500), st.floats(0, 100))
def test_confidence_lies_between_nought_and_one(move, volatility):
    assert 0.0 <= confidence(move, volatility) <= 1.0


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 50))
def test_confidence_rises_with_the_move_and_falls_with_the_volatility(one, two, volatility):
    small, large = sorted((one, two))
    assert confidence(small, volatility) <= confidence(large, volatility)
    assert confidence(-large, volatility) == confidence(large, volatility)
    assert confidence(large, volatility * 2) <= confidence(large, volatility)


def test_daily_volatility_is_the_spread_of_log_returns():
    assert daily_volatility((100.0,) * (MIN_CLOSES - 1)) is None
    assert daily_volatility((100.0,) * MIN_CLOSES) == 0.0
    up = math.log(1.01) * 100
    closes = (100.0, 101.0, 100.0, 101.0, 100.0, 101.0)
    mean = up / 5
    expected = math.sqrt((3 * (up - mean) ** 2 + 2 * (-up - mean) ** 2) / 4)
    assert daily_volatility(closes) == pytest.approx(expected)
    assert daily_volatility((0.0, math.nan, -1.0, math.inf, *closes)) == pytest.approx(expected)


prices = st.lists(st.floats(50.0, 150.0), min_size=1, max_size=60)


@given(prices, st.floats(0.1, 20.0), st.floats(0.0, 300.0))
def test_the_rule_agrees_with_a_naive_telling_of_it(path, threshold, cooldown):
    rule = Rule(threshold, cooldown)
    reference, last, now = 100.0, -math.inf, WEDNESDAY
    for price in path:
        now += 60.0
        move = (price / reference - 1.0) * 100.0
        expected = abs(move) >= threshold and now >= last + cooldown
        if abs(abs(move) - threshold) < 1e-6:
            return  # too near the edge for binary fractions
        signal = rule.price(price)
        assert (signal is not None) == expected
        if signal is not None:
            assert signal.side is (Side.BUY if move > 0 else Side.SELL)
            assert signal.reference_price == reference
            assert 0.0 <= signal.confidence <= 1.0
            reference, last = price, now


def test_the_payload_is_the_contracts():
    signal = Rule().price(103.0, after=0.123456)
    assert signal is not None
    payload = signal.payload(reason(signal))
    assert list(payload) == [
        "symbol", "exchange", "type", "price", "confidence", "reason", "timestamp", "source", "simulated",
        "reference_price", "change_pct", "gap_sec",
    ]  # fmt: skip
    assert (
        payload["symbol"] == "ASELS" and payload["type"] == "BUY" and payload["reason"] == "Price rose +3.00%"
    )
    stamp = datetime.fromisoformat(payload["timestamp"])
    assert stamp.utcoffset() is not None and stamp.timestamp() == pytest.approx(signal.timestamp, abs=1e-5)
    assert payload["timestamp"].endswith("+03:00")


def test_the_reason_is_in_the_interfaces_language():
    rose, fell = Rule().price(103.0), Rule().price(97.0, gap=600.0)
    assert rose is not None and fell is not None
    assert reason(fell) == "Price fell \N{MINUS SIGN}3.00% (first price after 10 min of silence)"
    set_language("tr")
    assert reason(rose) == "Fiyat yükseldi +%3,00"
    assert "10 dk" in reason(fell)


def test_a_signal_names_its_instrument():
    signal = SignalRule(2.0, 5.0, trade_simulation=False).check(tick(AAPL, 103.0), SESSION)
    assert signal is not None and (signal.symbol, signal.exchange) == ("AAPL", "NASDAQ")
