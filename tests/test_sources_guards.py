"""The guards that all sources share: calls with a deadline, believable figures, the registry."""

from __future__ import annotations

import math
import socket
import threading
import time
from datetime import UTC, date, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.errors import BadDataError, CancelledError, InputError, SourceError
from core.exchanges import exchange_of
from core.model import Instrument
from core.sources import calls as calls_module
from core.sources.calls import Abort, Calls
from core.sources.checks import (
    BadDataTally,
    finite,
    positive,
    retry_after,
    sane_ticker,
    session_day,
    session_finished,
    stamp_fault,
)
from core.sources.registry import (
    PUSH_SOURCES,
    SOURCES,
    auto_order,
    create_push,
    create_source,
    push_order,
)
from core.sources.yahoo_answer import read_quotes, yahoo_symbol
from tests.patience import FOREVER, PATIENCE

NOW = 1_795_000_000.0
THYAO = Instrument("BIST", "THYAO")


# --- calls ----------------------------------------------------------------------------------------------


def test_a_call_returns_or_raises_what_its_function_does() -> None:
    with Calls("test").begin() as call:
        assert call.run(lambda _: 42, PATIENCE) == 42
        with pytest.raises(ZeroDivisionError):
            call.run(lambda _: 1 // 0, PATIENCE)


def test_the_deadline_ends_a_call() -> None:
    with (
        Calls("test").begin() as call,
        pytest.raises(SourceError, match=r"test did not answer within 0\.05 s"),
    ):
        call.run(wait_for_abort, 0.05)


def wait_for_abort(abort: Abort) -> None:
    ended = threading.Event()
    abort.on_fire(ended.set)
    ended.wait(FOREVER)


def test_a_cancel_ends_a_call_and_those_after_it() -> None:
    calls = Calls("test")
    with calls.begin() as call:
        threading.Timer(0.02, calls.cancel).start()
        with pytest.raises(CancelledError):
            call.run(wait_for_abort, FOREVER)
        with pytest.raises(CancelledError):
            call.run(lambda _: 42, FOREVER)
    calls.cancel()
    with calls.begin() as call:
        assert call.run(lambda _: 42, PATIENCE) == 42


def test_an_abort_shuts_sockets_watched_before_and_after_it() -> None:
    abort = Abort()
    one, other = socket.socketpair()
    late, far = socket.socketpair()
    with one, other, late, far:
        abort.watch(one)
        reader = threading.Thread(target=one.recv, args=(1,))
        reader.start()
        abort.fire()
        reader.join(PATIENCE)
        assert not reader.is_alive()
        abort.watch(late)
        assert late.recv(1) == b""
    late_hook = threading.Event()
    abort.on_fire(late_hook.set)
    assert late_hook.is_set()
    abort.fire()


def test_calls_that_cannot_be_freed_are_left_behind_but_not_without_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls_module, "GRACE", 0.01)
    calls, release = Calls("test"), threading.Event()
    for _ in range(calls_module.MOST_LEFT_BEHIND):
        with calls.begin() as call, pytest.raises(SourceError, match="did not answer"):
            call.run(lambda _: release.wait(FOREVER), 0.01)
    with calls.begin() as call, pytest.raises(SourceError, match="still hang"):
        call.run(lambda _: 42, PATIENCE)
    release.set()
    end = time.monotonic() + PATIENCE
    while any(thread.name == "call-test" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.005)
    with calls.begin() as call:
        assert call.run(lambda _: 42, PATIENCE) == 42


# --- figures --------------------------------------------------------------------------------------------


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text(), st.none()))
def test_only_numbers_are_figures(value: object) -> None:
    number = finite(value)
    if number is not None:
        assert math.isfinite(number) and not isinstance(value, bool | str)
        assert positive(value) == (number if number > 0 else None)
    else:
        assert positive(value) is None


def test_a_huge_integer_is_no_figure() -> None:
    assert finite(10**400) is None


@pytest.mark.parametrize(
    ("stamp", "fault"),
    [(NOW, ""), (NOW + 119, ""), (NOW + 121, "future"), (0.0, "past"), (math.nan, "past"), (-5.0, "past")],
)
def test_stamps(stamp: float, fault: str) -> None:
    assert stamp_fault(stamp, NOW) == fault


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("37", 37.0), (" 0 ", 0.0), ("999999999", 86_400.0), (None, None), ("", None), ("soon", None),
        ("-5", None), (format_datetime(datetime.fromtimestamp(NOW + 90, UTC)), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC)), 0.0),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_takes_any_text(value: str) -> None:
    found = retry_after(value, NOW)
    assert found is None or 0 <= found <= 86_400


@pytest.mark.parametrize("symbol", ["A", "THYAO", "BRK.B", "BRK-B", "^GSPC", "BTC-USD", "M&M", "1211"])
def test_good_tickers(symbol: str) -> None:
    assert sane_ticker(Instrument("NYSE", symbol))


@pytest.mark.parametrize(
    "symbol", ["", "ŞİŞE", "aapl", "A B", 'A"', "A,B", "A:B", "A/B", "A\n", ".A", "X" * 33]
)
def test_bad_tickers(symbol: str) -> None:
    assert not sane_ticker(Instrument("NYSE", symbol))


def test_sessions_end_with_their_exchange() -> None:
    new_york, crypto = exchange_of("NYSE"), exchange_of("CRYPTO")
    today = datetime(2026, 11, 18, 9, 30, tzinfo=new_york.zone)
    assert not session_finished(today, new_york, today.replace(hour=16, minute=14).timestamp())
    assert session_finished(today, new_york, today.replace(hour=16, minute=15).timestamp())
    midnight = datetime(2026, 11, 18, tzinfo=UTC)
    assert not session_finished(midnight, crypto, midnight.timestamp() + 86_399)
    assert session_finished(midnight, crypto, midnight.timestamp() + 86_400)


def test_a_daily_bar_names_its_day() -> None:
    new_york = exchange_of("NYSE")
    opened = datetime(2026, 11, 18, 9, 30, tzinfo=new_york.zone).timestamp()
    assert session_day(opened, new_york).date() == date(2026, 11, 18)
    midnight = datetime(2026, 11, 18, tzinfo=UTC).timestamp()
    assert session_day(midnight, new_york).date() == date(2026, 11, 18)


def test_bad_data_is_logged_once_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tally = BadDataTally("test")
    for _ in range(100):
        tally.count("zero", "BIST:X")
    tally.count("nan")
    assert tally.counts() == {"zero": 100, "nan": 1}
    assert len(caplog.records) == 2


# --- Yahoo's answers ------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(
    ["symbol", "regularMarketPrice", "regularMarketTime", "regularMarketPreviousClose", "regularMarketDayLow",
     "regularMarketDayHigh", "regularMarketVolume", "exchangeDataDelayedBy"]
)  # fmt: skip


@given(st.lists(st.dictionaries(fields, json_values | st.just("THYAO.IS") | st.floats(0, 2e9))), json_values)
def test_no_answer_gives_an_impossible_quote(items: list[dict[str, object]], error: object) -> None:
    answer = {"quoteResponse": {"result": items, "error": error}}
    try:
        batch = read_quotes(answer, {"THYAO.IS": THYAO}, "SPY", NOW, "yfinance", BadDataTally("test"))
    except BadDataError:
        return
    for quote in batch.quotes:
        assert quote.key == "BIST:THYAO"
        assert quote.price > 0 and math.isfinite(quote.price)
        assert stamp_fault(quote.stamp, NOW) == ""
        assert quote.previous_close is None or quote.previous_close > 0
        assert quote.low is None or quote.high is None or quote.low <= quote.high
    if any(item.get("symbol") not in ("THYAO.IS", "SPY") for item in items) or not items:
        assert not batch.complete


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"quoteResponse": None}, {"quoteResponse": {"result": 1}}]
)
def test_what_is_no_quote_answer_is_refused(answer: object) -> None:
    with pytest.raises(BadDataError):
        read_quotes(answer, {"THYAO.IS": THYAO}, "SPY", NOW, "yfinance", BadDataTally("test"))


@pytest.mark.parametrize(
    ("key", "name"),
    [("BIST:THYAO", "THYAO.IS"), ("NYSE:BRK.B", "BRK-B"), ("NASDAQ:AAPL", "AAPL"), ("CRYPTO:BTC", "BTC-USD"),
     ("CRYPTO:BTC-USD", "BTC-USD")],
)  # fmt: skip
def test_yahoos_names(key: str, name: str) -> None:
    assert yahoo_symbol(Instrument.from_key(key)) == name


# --- registry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_keeps_the_protocol(name: str) -> None:
    source = create_source(name, Config(), FakeClock())
    assert source.name == name
    assert source.batch_size >= 1
    assert source.simulated is (name == "simulation")
    assert source.min_spacing >= (0.0 if source.simulated else 3.0)
    assert source.provider
    assert source.unknown_keys() == frozenset()
    source.cancel()
    source.close()
    source.close()


@pytest.mark.parametrize("name", PUSH_SOURCES)
def test_every_push_source_keeps_the_protocol(name: str) -> None:
    source = create_push(name, Config(), FakeClock())
    assert source.name == name and source.provider
    assert source.min_spacing >= 3.0 and not source.simulated
    source.disconnect()
    source.cancel()
    source.disconnect()


def test_an_unknown_source_is_refused() -> None:
    for create in (create_source, create_push):
        with pytest.raises(InputError, match="nasdaq-direct"):
            create("nasdaq-direct", Config(), FakeClock())


def test_auto_pushes_if_it_may() -> None:
    assert push_order(Config()) == ("tradingview",)
    assert push_order(Config(websocket=WebSocketConfig(enabled=False))) == ()
    for chosen, order in (("yahoo", ("yahoo",)), ("tradingview", ("tradingview",)), ("yfinance", ())):
        assert push_order(Config(real_time=RealTimeConfig(live_data_source=chosen))) == order


def test_auto_takes_the_best_that_is_allowed() -> None:
    assert auto_order(Config()) == ("tvdatafeed", "yfinance")
    assert auto_order(Config(real_time=RealTimeConfig(use_tvdata=False))) == ("yfinance",)
    assert auto_order(Config(websocket=WebSocketConfig(use_tvdata=False))) == ("yfinance",)
