"""The terminal's screen: what it says, and that it fits."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from cli.terminal_view import TerminalView
from cli.terminal_words import news_line
from core.bots.model import BotAlert, BotAlertKind, BotPosition, BotState, BotStatus
from core.clock import FakeClock
from core.commands import BotsLoaded
from core.config import Config, RealTimeConfig
from core.i18n import set_language
from core.model import (
    FeedStatus,
    Freshness,
    FreshnessChange,
    Instrument,
    Notice,
    Side,
    SourceConflict,
)
from tests.terminal_helpers import (
    AAPL,
    ASELS,
    NOW,
    OFFLINE,
    RUNNING,
    line_with,
    make_view,
    portfolio,
    signal,
    text_of,
    tick,
)

# --- what it says ---------------------------------------------------------------------------------------


def test_a_live_price_says_all() -> None:
    view = make_view()
    view.on_tick(tick())
    line = line_with(text_of(view), "ASELS")
    assert line.split() == ["ASELS", "45.32", "₺", "↑", "+2.15%", "Live", "2", "s"]


def test_a_turkish_reader_reads_turkish() -> None:
    set_language("tr")
    view = make_view()
    view.on_tick(tick(change=-1234.5, price=1234.5))
    view.on_signal(signal(side=Side.SELL, change_pct=-2.15))
    text = text_of(view)
    assert line_with(text, "1.234,50").split() == [
        "ASELS",
        "1.234,50",
        "₺",
        "↓",
        "−%1.234,50",
        "Canlı",
        "2",
        "sn",
    ]
    assert "↓ SAT  BIST:ASELS" in text
    assert "Sinyaller" in text


@pytest.mark.parametrize(("change", "shown"), [(0.004, "→ 0.00%"), (-0.004, "→ 0.00%"), (0.006, "↑ +0.01%")])
def test_a_change_that_reads_as_zero_goes_nowhere(change: float, shown: str) -> None:
    view = make_view()
    view.on_tick(tick(change=change))
    assert shown in " ".join(line_with(text_of(view), "ASELS").split())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"freshness": Freshness.DELAYED, "delay": 900.0}, "15 min delayed 2 s"),
        ({"freshness": Freshness.DELAYED}, "Delayed 2 s"),
        ({"freshness": Freshness.STALE, "stamp": NOW - 250}, "No new price 4 min"),
        ({"freshness": Freshness.CLOSED, "stamp": NOW - 7300}, "Market closed 2 h"),
        ({"freshness": Freshness.SIMULATED, "simulated": True}, "Simulated 2 s"),
        ({"freshness": Freshness.STALE, "simulated": True, "stamp": NOW - 200_000}, "Simulated 2 d"),
    ],
)
def test_every_state_has_its_words(fields: dict[str, Any], words: str) -> None:
    view = make_view()
    view.on_tick(tick(**fields))
    assert " ".join(line_with(text_of(view), "ASELS").split()).endswith(words)


def test_a_price_that_sources_disagree_on_says_so() -> None:
    view = make_view()
    view.on_tick(tick())
    conflict = SourceConflict("BIST:ASELS", ("poll", "push"), (41.1, 45.32), NOW)
    view.on_conflict(conflict)
    view.on_tick(tick(price=45.33))
    line = line_with(text_of(view), "ASELS")
    assert "Sources disagree" in line and "Live" not in line
    (news,) = view._state.take_news()
    text = news_line(news, NOW).plain
    assert "BIST:ASELS: sources disagree (poll 41.10, push 45.32); no signals until they agree" in text
    view.on_conflict(replace(conflict, prices=(41.2, 45.32)))
    assert view._state.take_news() == [], "the same quarrel is no news"
    view.on_conflict(replace(conflict, over=True))
    assert "Live" in line_with(text_of(view), "ASELS")
    (news,) = view._state.take_news()
    assert "sources agree again" in news_line(news, NOW).plain
    view.on_freshness(FreshnessChange("BIST:ASELS", Freshness.STALE, NOW - 61, None))
    view.on_conflict(conflict)
    assert "No new price" in line_with(text_of(view), "ASELS"), "an old price is old whoever tells it"


def test_a_price_that_ages_is_no_longer_live() -> None:
    view = make_view()
    view.on_freshness(FreshnessChange("BIST:ASELS", Freshness.STALE, NOW, None))  # of a price that never came
    view.on_tick(tick())
    view.on_freshness(FreshnessChange("BIST:ASELS", Freshness.STALE, NOW - 61, None))
    line = line_with(text_of(view), "ASELS")
    assert "Live" not in line
    assert "No new price" in line
    assert "1 min" in line


def test_a_symbol_without_a_price_shows_no_zero() -> None:
    view = make_view()
    assert "No price yet" in line_with(text_of(view), "ASELS")
    view.on_feed_status(RUNNING)
    line = line_with(text_of(view), "ASELS")
    assert line.split() == ["ASELS", "—", "—", "Waiting"]


def test_symbols_of_several_exchanges_bear_their_exchange() -> None:
    text = text_of(make_view(ASELS, AAPL))
    assert "BIST:ASELS" in text
    assert "NASDAQ:AAPL" in text


def test_a_change_since_the_open_says_so() -> None:
    view = make_view()
    view.on_tick(tick(basis="session_open"))
    text = text_of(view)
    assert "+2.15%*" in text
    assert "* against the session's first price" in text


def test_without_symbols_it_says_what_to_do() -> None:
    view = TerminalView((), Config(), Console(file=io.StringIO(), width=80), clock=FakeClock(NOW))
    assert "No symbols to watch" in text_of(view)


def test_the_feed_says_what_it_does() -> None:
    view = make_view()
    assert "○ Scan stopped" in text_of(view)
    view.on_feed_status(RUNNING)
    line = text_of(view).splitlines()[0]
    assert "● Feed: yfinance" in line
    assert "4/12" in line
    view.on_feed_status(OFFLINE)
    assert "Trying yfinance again in 12 s" in text_of(view)


@pytest.mark.parametrize("language", ["en", "tr"])
def test_simulated_prices_are_told_loudly(language: str) -> None:
    set_language(language)
    all_of_it, some_of_it = {
        "en": ("NO REAL PRICES", "1 OF 2"),
        "tr": ("GERÇEK FİYAT DEĞİL", "2 FİYATTAN 1"),
    }[language]
    made_up = {"simulated": True, "freshness": Freshness.SIMULATED}
    view = make_view(ASELS, AAPL)
    view.on_tick(tick())
    assert "SIM" not in text_of(view).upper().replace("İ", "I")
    view.on_tick(tick(AAPL, **made_up))
    assert some_of_it in text_of(view)
    view.on_tick(tick(**made_up))
    assert all_of_it in text_of(view).splitlines()[0]
    chosen = Config(real_time=RealTimeConfig(live_data_source="simulation"))
    assert all_of_it in text_of(make_view(config=chosen))
    fallback = make_view()
    fallback.on_feed_status(FeedStatus(state="simulated", active="simulation"))
    assert all_of_it in text_of(fallback)


def test_signals_are_listed_newest_first() -> None:
    view = make_view()
    assert "No signal yet." in text_of(view)
    view.on_signal(signal())
    view.on_signal(signal(side=Side.SELL, change_pct=-2.4, simulated=True, gap=120.0))
    lines = text_of(view).splitlines()
    assert "↓ SELL  BIST:ASELS  Simulated  45.32 ₺  Price fell −2.40%" in lines[-2].replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "↑ BUY  BIST:ASELS" in lines[-1]


def test_positions_and_totals() -> None:
    view = make_view()
    view.on_portfolio(portfolio(stale=1))
    text = text_of(view).replace("\N{NO-BREAK SPACE}", " ")
    assert line_with(text, "−1,234.5").split() == [
        "ASELS", "−1,234.5", "44.10", "45.32", "₺", "−1,506.09", "−2.77%", "+312.40",
    ]  # fmt: skip
    assert "1 of 9 prices stale" in text
    total = line_with(text, "1,250.00")
    assert "Day +1,250.00 ₺ (+2.50%)" in total
    assert "Open P&L −1,506.09 ₺ (−2.77%)" in total
    view.on_portfolio(portfolio(price=None))
    text = text_of(view)
    assert "stale" not in text
    assert line_with(text, "−1,234.5").split()[3:] == ["—", "—", "—", "—"]


def test_notices_stay_as_long_as_they_matter() -> None:
    clock = FakeClock(NOW)
    view = make_view(clock=clock)
    view.on_notice(Notice("info", "engine.stored_again"))
    view.on_notice(Notice("warning", "engine.unknown_symbol", {"key": "BIST:XXX"}))
    assert "Saving works again" in text_of(view)
    clock.advance(31)
    assert "Saving works again" not in text_of(view)
    assert "BIST:XXX is not known" in text_of(view)
    clock.advance(600)
    assert "BIST:XXX" not in text_of(view)


# --- that it fits ---------------------------------------------------------------------------------------


def fill(view: TerminalView, instruments: list[Instrument]) -> None:
    """The widest of everything."""
    for number, instrument in enumerate(instruments):
        freshness = list(Freshness)[number % len(Freshness)]
        view.on_tick(tick(instrument, 123_456.78, -12.34, freshness=freshness, delay=900.0, stamp=NOW - 3599))
    view.on_portfolio(portfolio(count=12, stale=1))
    view.on_feed_status(OFFLINE)
    view.on_notice(Notice("error", "engine.not_stored", {"error": "a long sentence " * 8}))
    for _ in range(20):
        view.on_signal(signal(gap=600.0))


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 50), (160, 40), (240, 70), (80, 8)])
def test_it_fits_the_terminal(language: str, width: int, height: int) -> None:
    set_language(language)
    instruments = [Instrument("CRYPTO" if n % 2 else "NASDAQ", f"SYMB{n}") for n in range(100)]
    view = make_view(*instruments, width=width, height=height)
    fill(view, instruments)
    lines = text_of(view).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= height or height == 8
    prices = [line for line in lines if "SYMB" in line]
    assert prices
    assert not any("…" in line for line in prices)
    hidden = 100 - sum(line.count("SYMB") for line in prices)
    left_out = [line for line in lines if line.startswith(("and ", "ve ")) and str(hidden) in line]
    assert left_out if hidden else (width, height) == (240, 70)
    if width >= 160:
        assert prices[0].count("SYMB") == width // 80


@pytest.mark.parametrize("language", ["en", "tr"])
def test_positions_fit_eighty_columns(language: str) -> None:
    set_language(language)
    view = make_view()
    large = portfolio()
    row = replace(large.rows[0], open_pnl=-1_234_567.89, daily_pnl=-1_234_567.89, price=12_345.67)
    view.on_portfolio(replace(large, rows=(row,)))
    assert "…" not in text_of(view)


def test_what_fits_is_not_called_left_out() -> None:
    instruments = [Instrument("BIST", f"SYMB{n}") for n in range(12)]
    text = text_of(make_view(*instruments, height=24))
    assert text.count("SYMB") == 12
    assert "more" not in text


def bot_state(**fields: Any) -> BotState:
    values: dict[str, Any] = {
        "bot_id": "b1", "owner": "local", "name": "Signals", "version": 1, "status": BotStatus.IN_POSITION,
        "key": "BIST:ASELS", "updated_at": NOW, "daily_pnl": -12.5, "open_pnl": 34.0, "open_pnl_pct": 1.2,
        "trailing_stop_price": 44.1,
    } | fields  # fmt: skip
    if values["status"] is BotStatus.IN_POSITION:
        held = BotPosition(key="BIST:ASELS", quantity=Decimal(10), entry_price=Decimal(45), opened_at=NOW)
        values |= {"position": held, "positions": (held,)}
    return BotState(**values)


def test_the_bots_are_shown_with_what_they_earn_and_what_is_wrong() -> None:
    view = make_view()
    assert "Bots" not in text_of(view)
    broken = bot_state(bot_id="b2", name="Broken", status=BotStatus.ERROR, last_error="it hangs")
    view.on_bots(BotsLoaded((bot_state(), broken), ()))
    text = text_of(view)
    assert line_with(text, "Signals ").split() == [
        "Signals", "In", "position", "ASELS", "+34.00", "+1.20%", "−12.50", "₺", "44.10",
    ]  # fmt: skip
    assert "Broken: it hangs" in text and all(len(line) <= 80 for line in text.splitlines())
    view.on_bot(bot_state(status=BotStatus.STOPPED, version=2))
    assert "Stopped" in line_with(text_of(view), "Signals ")
    view.on_bot(bot_state(bot_id="unknown", name="Unknown"))
    assert "Unknown" not in text_of(view)


def test_what_a_bot_did_is_news() -> None:
    view = make_view()
    view.on_bots(BotsLoaded((bot_state(),), ()))
    fields = {"side": "SELL", "quantity": 10.0, "price": 44.05, "pnl": -9.5, "reason": "stop"}
    view.on_bot_alert(BotAlert(
        alert_id="b1-a1", kind=BotAlertKind.STOP, bot_id="b1", owner="local", name="Signals",
        key="BIST:ASELS", at=NOW, fields=fields,
    ))  # fmt: skip
    (news,) = view._state.take_news()
    line = news_line(news, NOW).plain
    assert "Signals" in line and "44.05" in line
    assert line in text_of(view)
