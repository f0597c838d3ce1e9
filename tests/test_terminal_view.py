"""The terminal's screen: what it says, that it fits, and how it runs with and without a terminal."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from cli.terminal_state import MOST_NEWS, TerminalState
from cli.terminal_view import TerminalView
from core.clock import FakeClock
from core.config import Config, RealTimeConfig
from core.i18n import set_language
from core.model import (
    CurrencyTotal,
    FeedStatus,
    Freshness,
    FreshnessChange,
    Instrument,
    Notice,
    PortfolioSnapshot,
    Position,
    PositionPnl,
    Side,
    Signal,
    SourceStatus,
    Tick,
)

NOW = 1_795_000_000.0
ASELS, AAPL = Instrument("BIST", "ASELS"), Instrument("NASDAQ", "AAPL")
RUNNING = FeedStatus(
    state="running",
    active="yfinance",
    used=4,
    budget=12,
    sources=(SourceStatus(name="yfinance", state="ok", lag=0.2),),
)
OFFLINE = FeedStatus(
    state="offline", next_try=NOW + 12,
    sources=(SourceStatus(name="yfinance", state="failing", last_error="no answer", next_try=NOW + 12),),
)  # fmt: skip


class CountedClock(FakeClock):
    """Sets the event after so many waits, having called `each` before every one."""

    def __init__(self, waits: int, each: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(NOW)
        self._waits = waits
        self._each = each
        self._count = 0

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._count += 1
        self._each(self._count)
        if self._count > self._waits:
            event.set()
        return super().wait(event, seconds)


def tick(instrument: Instrument = ASELS, price: float = 45.32, change: float = 2.15, **fields: Any) -> Tick:
    named: dict[str, Any] = {
        "key": instrument.key, "price": price, "change_pct": change, "stamp": NOW - 3, "received": NOW - 2,
        "source": "yfinance", "simulated": False, "freshness": Freshness.LIVE, "delay": None,
        "basis": "previous_close", "previous_close": None, "open": None, "high": None, "low": None,
        "volume": None,
    }  # fmt: skip
    return Tick(**{**named, **fields})


def signal(**fields: Any) -> Signal:
    named: dict[str, Any] = {
        "key": "BIST:ASELS", "side": Side.BUY, "price": 45.32, "confidence": 0.95, "timestamp": NOW,
        "source": "yfinance", "simulated": False, "reference_price": 44.37, "change_pct": 2.15,
    }  # fmt: skip
    return Signal(**{**named, **fields})


def portfolio(count: int = 1, price: float | None = 45.32, stale: int = 0) -> PortfolioSnapshot:
    position = Position(
        symbol="ASELS",
        exchange="BIST",
        quantity=Decimal("-1234.5"),
        entry_price=Decimal("44.10"),
        opened_at=NOW,
    )
    row = PositionPnl(
        position=position, price=price, value=None, open_pnl=-1506.09 if price else None,
        open_pnl_pct=-2.77 if price else None, daily_pnl=312.4 if price else None, daily_pnl_pct=None,
        freshness=Freshness.LIVE if price else None,
    )  # fmt: skip
    total = CurrencyTotal(
        currency="₺", total_value=1.0, open_pnl=-1506.09, open_pnl_pct=-2.77, daily_pnl=1250.0,
        daily_pnl_pct=2.5, realised_today=0.0, positions=9, stale_positions=stale,
    )  # fmt: skip
    return PortfolioSnapshot(rows=(row,) * count, totals=(total,), updated=NOW)


def make_view(
    *instruments: Instrument, width: int = 80, height: int | None = None, config: Config | None = None,
    clock: FakeClock | None = None,
) -> TerminalView:  # fmt: skip
    console = Console(
        file=io.StringIO(), width=width, height=height or 25, force_terminal=height is not None,
        color_system=None, legacy_windows=False, highlight=False,
    )  # fmt: skip
    return TerminalView(instruments or (ASELS,), config or Config(), console, clock=clock or FakeClock(NOW))


def text_of(view: TerminalView) -> str:
    console = view._console
    with console.capture() as capture:
        console.print(view.render())
    return capture.get()


def output_of(view: TerminalView) -> str:
    return view._console.file.getvalue()


def line_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


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


# --- how it runs ----------------------------------------------------------------------------------------


def test_without_a_terminal_news_are_plain_lines() -> None:
    def each(count: int) -> None:
        if count == 1:
            view.on_feed_status(RUNNING)
            view.on_feed_status(replace(RUNNING, used=5))  # no news
            view.on_tick(tick())
        if count == 3:
            view.on_signal(signal())
            view.on_notice(Notice("warning", "engine.unknown_symbol", {"key": "BIST:XXX"}))
            view.on_feed_status(OFFLINE)

    view = make_view(clock=CountedClock(10, each))
    view.run(threading.Event())
    output = output_of(view)
    lines = output.splitlines()
    assert "\x1b" not in output
    assert "Feed: yfinance" in lines[0]
    assert "BUY  BIST:ASELS" in lines[1]
    assert (
        "BIST:XXX is not known to any price source. Check the symbol and its exchange in the Symbols tab."
        in lines[2]
    )
    assert "No connection" in lines[3]
    assert "no answer" in lines[3]
    assert sum(line.startswith("ASELS") for line in lines) == 1  # the table at the end


def test_without_a_terminal_the_table_comes_every_ten_seconds() -> None:
    view = make_view(clock=CountedClock(4 * 35))
    view.run(threading.Event())
    assert output_of(view).count("ASELS") == 3 + 1


def test_in_a_terminal_the_screen_is_redrawn_and_given_back() -> None:
    def each(count: int) -> None:
        if count == 2:
            view.on_tick(tick())

    view = make_view(height=24, clock=CountedClock(3, each))
    view.run(threading.Event())
    output = output_of(view)
    assert output.count("\x1b[?1049h") == output.count("\x1b[?1049l") == 1
    assert output.index("No price yet") < output.index("45.32") < output.index("\x1b[?1049l")


def test_an_end_that_came_before_the_start_still_shows_everything_once() -> None:
    stop = threading.Event()
    stop.set()
    view = make_view()
    view.on_signal(signal())
    view.run(stop)
    assert output_of(view).count("BUY  BIST:ASELS") == 2  # the line, and the list under the table


def test_events_may_come_from_several_threads_while_it_is_drawn() -> None:
    instruments = [Instrument("BIST", f"SYMB{n}") for n in range(50)]
    view = make_view(*instruments)
    done = threading.Event()

    def feed(offset: int) -> None:
        for number in range(2000):
            view.on_tick(tick(instruments[(number + offset) % 50], price=float(number + 1)))
            view.on_signal(signal())
        done.set()

    threads = [threading.Thread(target=feed, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        assert text_of(view).count("SYMB") == 50
    for thread in threads:
        thread.join()
    assert text_of(view).count("SYMB") == 50


def test_news_that_nobody_reads_are_bounded() -> None:
    state = TerminalState()
    for number in range(MOST_NEWS + 5):
        state.put_signal(signal(id=number))
    news = state.take_news()
    assert len(news) == MOST_NEWS
    assert news[-1].id == MOST_NEWS + 4
    assert state.take_news() == []


def test_its_own_console_survives_an_output_that_knows_no_arrows(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="cp1254", write_through=True))
    stop = threading.Event()
    stop.set()
    view = TerminalView((ASELS,), Config(), clock=FakeClock(NOW))
    view.on_tick(tick())
    view.run(stop)
    assert b"45.32" in raw.getvalue()
