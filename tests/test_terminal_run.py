"""How the terminal's screen runs, with and without a terminal."""

from __future__ import annotations

import io
import threading

import pytest
from msgspec.structs import replace

from cli.terminal_state import MOST_NEWS, TerminalState
from cli.terminal_view import TerminalView
from core.clock import FakeClock
from core.config import Config
from core.model import (
    Instrument,
    Notice,
)
from tests.terminal_helpers import (
    ASELS,
    NOW,
    OFFLINE,
    RUNNING,
    CountedClock,
    make_view,
    output_of,
    signal,
    text_of,
    tick,
)


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
