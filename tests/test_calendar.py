"""Sessions, holidays and half days against the `exchange_calendars` package, and how prices are shown."""

from __future__ import annotations

import json
import warnings
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.exchanges import EXCHANGES
from core.i18n import set_language
from core.market_calendar import MarketCalendar, parse_closure
from core.price_rules import currency_of, decimals_of, format_price, tick_size
from tests import make_calendar_data

CODES = ("BIST", "NYSE", "NASDAQ", "AMEX")
ISTANBUL, NEW_YORK = ZoneInfo("Europe/Istanbul"), ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def reference() -> dict[str, list[tuple[date, float, float]]]:
    """Day, opening and close of every session by the package, per calendar."""
    result = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("XIST", "XNYS"):
            schedule = make_calendar_data.calendar(name).schedule
            result[name] = [
                (day.date(), row["open"].timestamp(), row["close"].timestamp())
                for day, row in schedule.iterrows()
            ]
    return result


def at(zone: ZoneInfo, *parts: int) -> float:
    return datetime(*parts, tzinfo=zone).timestamp()


def test_the_shipped_table_is_what_the_package_says() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert json.loads(make_calendar_data.TARGET.read_text("utf-8")) == make_calendar_data.build()


@pytest.mark.parametrize("code", CODES)
def test_every_day_of_the_table_agrees(
    code: str, reference: dict[str, list[tuple[date, float, float]]]
) -> None:
    calendar = MarketCalendar()
    sessions = {day: (opened, closed) for day, opened, closed in reference[EXCHANGES[code].calendar]}
    day = date(2024, 1, 1)
    while day <= date(2028, 12, 31):
        assert calendar.session(code, day) == sessions.get(day), day
        day += timedelta(days=1)


@pytest.mark.parametrize("code", CODES)
def test_the_state_agrees_around_every_opening_and_close(
    code: str, reference: dict[str, list[tuple[date, float, float]]]
) -> None:
    sessions = reference[EXCHANGES[code].calendar]
    calendar = MarketCalendar()
    for before, (day, opened, closed), after in zip(sessions, sessions[1:], sessions[2:], strict=False):
        for now, is_open in ((opened - 1, False), (opened, True), (closed - 1, True), (closed, False)):
            state = calendar.state(code, now)
            assert state.is_open == is_open
            running = before if now < opened else (day, opened, closed)
            assert (state.session_day, state.session_open, state.session_close) == running
            assert state.opens_at == (opened if now < opened else after[1])
            assert state.closes_at == (closed if is_open else None)
        assert calendar.previous_session_close(code, opened) == before[2]
        assert calendar.previous_session_close(code, closed) == before[2]


@given(st.floats(1_705_000_000, 1_855_000_000), st.sampled_from(CODES))
def test_any_moment_agrees_whatever_was_asked_before(now: float, code: str) -> None:
    state = _SHARED.state(code, now)
    assert state == MarketCalendar().state(code, now)
    assert state.is_open == (state.session_open <= now < state.session_close)
    assert state.opens_at is not None
    assert state.opens_at > now


_SHARED = MarketCalendar()


def test_half_days_and_summer_time() -> None:
    calendar = MarketCalendar()
    assert calendar.state("BIST", at(ISTANBUL, 2026, 3, 19, 12)).closes_at == at(
        ISTANBUL, 2026, 3, 19, 12, 30
    )
    assert calendar.state("NYSE", at(NEW_YORK, 2026, 11, 27, 12)).closes_at == at(NEW_YORK, 2026, 11, 27, 13)
    march = calendar.state("NASDAQ", at(NEW_YORK, 2026, 3, 8, 12))  # the Sunday on which the clocks change
    assert march.opens_at == datetime(2026, 3, 9, 13, 30, tzinfo=UTC).timestamp()
    november = calendar.state("NASDAQ", at(NEW_YORK, 2026, 11, 1, 12))
    assert november.opens_at == datetime(2026, 11, 2, 14, 30, tzinfo=UTC).timestamp()


def test_crypto_never_closes() -> None:
    now = datetime(2026, 11, 21, 15, tzinfo=UTC).timestamp()
    state = MarketCalendar().state("CRYPTO", now)
    assert (state.is_open, state.opens_at, state.closes_at) == (True, None, None)
    assert state.session_day == date(2026, 11, 21)
    midnight = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert (state.session_open, state.session_close) == (midnight, midnight + 86_400)
    assert MarketCalendar().previous_session_close("CRYPTO", now) == midnight
    assert MarketCalendar().session("CRYPTO", date(2026, 11, 21)) == (midnight, midnight + 86_400)
    assert MarketCalendar().table_ends("CRYPTO") is None


def test_closures_of_the_user_shut_one_exchange_alone() -> None:
    calendar = MarketCalendar(["NYSE:2026-11-23", " nyse : 2026-11-24 "])
    monday = at(NEW_YORK, 2026, 11, 23, 12)
    state = calendar.state("NYSE", monday)
    assert not state.is_open
    assert state.session_day == date(2026, 11, 20)
    assert state.opens_at == at(NEW_YORK, 2026, 11, 25, 9, 30)
    assert calendar.state("NASDAQ", monday).is_open


@pytest.mark.parametrize("text", ["", "BIST", "BIST:", "BIST:2026-13-01", "BIST:20261231", "LSE:2026-01-01",
                                  "CRYPTO:2026-01-01", "BIST:2026-W01-1", "BIST:31.12.2026"])  # fmt: skip
def test_a_bad_closure_is_told(text: str) -> None:
    with pytest.raises(InputError, match="BIST:2026-12-31"):
        parse_closure(text)


def test_outside_the_table_only_weekends_are_known() -> None:
    calendar = MarketCalendar()
    assert calendar.table_ends("BIST") == calendar.table_ends("AMEX") == date(2028, 12, 31)
    assert calendar.state("BIST", at(ISTANBUL, 2029, 1, 1, 12)).is_open  # a Monday, and truly a holiday
    assert not calendar.state("BIST", at(ISTANBUL, 2029, 1, 6, 12)).is_open
    assert not calendar.state("NYSE", at(NEW_YORK, 2019, 1, 5, 12)).is_open


def test_an_unknown_exchange_is_our_bug() -> None:
    with pytest.raises(KeyError):
        MarketCalendar().state("LSE", 0.0)


def test_what_was_asked_is_not_reckoned_again() -> None:
    calendar = MarketCalendar()
    now = at(ISTANBUL, 2026, 11, 20, 12)
    first = calendar.state("BIST", now)
    assert calendar.state("BIST", now + 1) is first


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(("price", "step"), [
    (19.99, "0.01"), (20, "0.02"), (49.98, "0.02"), (50, "0.05"), (100, "0.10"), (250, "0.25"), (500, "0.50"),
    (1000, "1"), (2499, "1"), (2500, "2.50"), (9000, "2.50"),
])  # fmt: skip
def test_the_steps_of_bist(price: float, step: str) -> None:
    assert tick_size("BIST:ASELS", price) == Decimal(step)


def test_steps_and_decimals_elsewhere() -> None:
    assert tick_size("NYSE:F", 12.3) == Decimal("0.01")
    assert tick_size("AMEX:X", 0.5) == Decimal("0.0001")
    assert tick_size("CRYPTO:BTC", 60_000) == Decimal("0.01")
    assert [decimals_of("CRYPTO:X", price) for price in (60_000, 2.5, 0.5, 0.00001)] == [2, 4, 6, 8]
    assert [decimals_of("NASDAQ:X", price) for price in (0.0, 0.5, 1.0, 500)] == [2, 4, 2, 2]
    assert decimals_of("BIST:X", 0.5) == 2


def test_prices_in_the_manner_of_the_language() -> None:
    assert format_price("BIST:ASELS", 1234.5) == "1,234.50"
    assert format_price("NASDAQ:AAPL", 45.32, currency=True) == "45.32\N{NO-BREAK SPACE}$"
    set_language("tr")
    assert format_price("BIST:ASELS", 1234.5, currency=True) == "1.234,50\N{NO-BREAK SPACE}₺"
    assert currency_of("BIST:ASELS") == "₺"


@given(st.floats(0.0, 1e7, allow_nan=False))
def test_a_step_covers_its_price(price: float) -> None:
    limits = (20, 50, 100, 250, 500, 1000, 2500)
    assert (
        tick_size("BIST:X", price)
        == sorted({tick_size("BIST:X", each) for each in (1, *limits)})[bisect_right(limits, price)]
    )
