"""One source's thread: round-robin, backing off, healing, previous closes. Driven without a thread, by a
clock that jumps ahead whenever somebody waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from core.clock import FakeClock
from core.errors import BadDataError, CancelledError, RateLimitedError, SourceError, UnknownSymbolError
from core.feed.backoff import BASE, CAP, RATE_LIMIT_PAUSE, delay_after
from core.feed.board import BELIEVED_FOR, FeedBoard
from core.feed.budget import MARGIN, BudgetRegistry
from core.feed.closes import TRIES, CloseMemory
from core.feed.messages import InstrumentUnknown
from core.feed.runner import BAD_ANSWERS, LEISURE, LONGEST_PAUSE, SourceRunner
from core.model import FeedStatus, Instrument, Quote, SourceStatus
from core.sources.base import DailyCloses
from tests.scripted import AAPL, ASELS, BTC, THYAO, WEDNESDAY, ScriptedSource, Sink, quote

GRACE = 60.0
FOUR = (ASELS, THYAO, AAPL, BTC)


class Line:
    """A runner with all that it needs. `turns` runs it until the source was asked so often."""

    def __init__(
        self, instruments: Sequence[Instrument] = FOUR, source: ScriptedSource | None = None,
        real: Sequence[str] = ("alpha",), session: Callable[[str], object] = lambda exchange: 1,
    ) -> None:  # fmt: skip
        self.clock = FakeClock(WEDNESDAY)
        self.sink = Sink()
        self.source = source or ScriptedSource()
        self.source.clock = self.clock
        self.closes = CloseMemory(session)
        self.budget = BudgetRegistry(self.clock).of(self.source.provider)
        self.budget.set_spacing(3.0)
        self.board = FeedBoard(
            self.sink,
            self.clock,
            real,
            self.closes,
            grace=GRACE if real else -1.0,
            chosen_simulation=not real,
        )
        self.board.add_source(self.source.name, self.budget)
        self.runner = SourceRunner(
            self.source,
            instruments,
            self.budget,
            self.board,
            self.clock,
            interval=0.1,
            jitter=random.Random(1),
        )
        self.left = 0
        self.script: list[Any] = []
        self.source.answer = self.scripted(self.source.answer)

    def scripted(self, usual: Callable[[Sequence[Instrument]], list[Quote]]) -> Any:
        def answer(instruments: Sequence[Instrument]) -> list[Quote]:
            self.left -= 1
            step = self.script.pop(0) if self.script else None
            if self.left <= 0:
                self.runner.stop()
            if isinstance(step, BaseException):
                raise step
            return usual(instruments) if step is None else step

        return answer

    def turns(self, count: int, *script: Any) -> None:
        """Ask `count` times for prices; `script` holds errors, quotes, or None for the usual answer."""
        self.left = count
        self.script = list(script)
        self.runner._stop_event.clear()
        self.source.cancelled.clear()
        self.runner.run()

    @property
    def status(self) -> SourceStatus:
        """The last status in which the source did not just end."""
        return self.states()[-1]

    def states(self) -> list[SourceStatus]:
        return [status.sources[0] for status in self.sink.of(FeedStatus)]


# --- whom to ask ----------------------------------------------------------------------------------------


def test_instruments_are_asked_in_turn_within_the_spacing():
    line = Line(FOUR[:3])
    line.turns(7)
    assert [names[0] for names in line.source.fetches][:3] == ["ASELS", "THYAO", "AAPL"]
    assert [names[0] for names in line.source.fetches][3:6] == ["ASELS", "THYAO", "AAPL"]
    gaps = [b - a for a, b in pairwise(line.source.asked_at)]
    assert min(gaps) >= 3.0
    assert len(line.sink.quotes) == 7
    assert line.source.closed.is_set()


def test_a_batch_holds_as_many_as_the_source_takes():
    line = Line(FOUR, ScriptedSource(batch_size=3))
    line.turns(3)
    assert line.source.fetches == [
        ("ASELS", "THYAO", "AAPL"),
        ("BTC", "ASELS", "THYAO"),
        ("AAPL", "BTC", "ASELS"),
    ]
    line = Line(FOUR, ScriptedSource(batch_size=50))
    line.turns(2)
    assert line.source.fetches == [("ASELS", "THYAO", "AAPL", "BTC")] * 2


@pytest.mark.allow_log("unusable answer")
def test_a_bad_symbol_does_not_hold_up_the_others():
    line = Line()
    line.turns(4, BadDataError("no"), None, None, None)
    assert [names[0] for names in line.source.fetches] == ["ASELS", "THYAO", "AAPL", "BTC"]


def test_new_instruments_are_asked_first_and_removed_ones_no_more():
    line = Line((ASELS, THYAO))
    line.turns(1)
    line.runner.watch((THYAO, AAPL, BTC))
    line.turns(4)
    assert [names[0] for names in line.source.fetches] == ["ASELS", "AAPL", "BTC", "THYAO", "AAPL"]


def test_an_unknown_symbol_is_said_once_and_not_asked_again():
    line = Line((ASELS, THYAO))
    line.turns(4, UnknownSymbolError(ASELS.key))
    assert [names[0] for names in line.source.fetches] == ["ASELS", "THYAO", "THYAO", "THYAO"]
    assert line.sink.of(InstrumentUnknown) == [InstrumentUnknown(ASELS.key)]
    assert line.status.state == "ok"


def test_a_batch_source_names_the_unknown_itself_and_silence_proves_nothing():
    source = ScriptedSource(batch_size=10)
    source.unknown = {THYAO.key, "BIST:NEVER"}
    line = Line((ASELS, THYAO, AAPL), source)
    line.turns(3, [quote(ASELS)])
    assert line.source.fetches == [("ASELS", "THYAO", "AAPL"), ("ASELS", "AAPL"), ("ASELS", "AAPL")]
    assert line.sink.of(InstrumentUnknown) == [InstrumentUnknown(THYAO.key)]


def test_with_nothing_to_ask_for_it_waits_and_says_so():
    line = Line(())
    waits: list[float] = []

    def wait(event: Any, seconds: float) -> bool:
        waits.append(seconds)
        line.runner._stop_event.set()
        return True

    line.clock.wait = wait  # type: ignore[method-assign]
    line.runner.run()
    assert waits == [1.0] and line.source.fetches == []
    assert line.status.state == "idle"
    assert line.sink.of(FeedStatus)[-1].state == "connecting"


# --- failing and healing --------------------------------------------------------------------------------


def test_backoff_is_exponential_capped_and_spread():
    jitter = random.Random(7)
    for failures in range(1, 60):
        expected = min(CAP, BASE * 2.0 ** min(failures - 1, 30))
        assert 0.75 * expected <= delay_after(failures, jitter) <= 1.25 * expected
    assert len({delay_after(9, jitter) for _ in range(10)}) == 10


def test_failures_back_off_and_one_answer_heals():
    line = Line()
    line.turns(7, *(SourceError(f"no {n}") for n in range(5)))
    states = line.states()
    failing = [s for s in states if s.state == "failing"]
    assert [s.failures for s in failing] == [1, 2, 3, 4, 5]
    assert failing[-1].last_error == "no 4"
    gaps = [b - a for a, b in pairwise(line.source.asked_at)]
    assert gaps[:4] == sorted(gaps[:4]) and gaps[3] > 10
    assert all(s.next_try is not None and s.next_try > WEDNESDAY for s in failing)
    assert (line.status.state, line.status.failures, line.status.next_try) == ("ok", 0, None)


def test_it_tells_since_when_it_works_and_how_many_prices_come_a_second():
    line = Line(FOUR, ScriptedSource(batch_size=4))
    line.turns(40)
    since = line.status.connected_since
    assert since is not None and since < WEDNESDAY + 4.0
    assert line.status.rate == pytest.approx(4 / 3.05, abs=0.1)
    line.turns(1, SourceError("no"))
    assert (line.status.connected_since, line.status.rate) == (None, None)
    line.turns(2)
    assert line.status.connected_since > since + 100.0


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(None, RATE_LIMIT_PAUSE), (40.0, 40.0), (0.0, 3.0), (1e9, LONGEST_PAUSE)],
)
def test_a_rate_limit_is_obeyed(asked, pause):
    line = Line()
    line.turns(2, RateLimitedError("slow down", asked))
    one, two = line.source.asked_at
    assert two - one == pytest.approx(pause, abs=MARGIN + 0.01)
    blocked = next(s for s in line.states() if s.state == "blocked")
    assert blocked.last_error == "slow down" and blocked.next_try == pytest.approx(WEDNESDAY + pause)


@pytest.mark.allow_log("unusable answer")
def test_a_row_of_bad_answers_is_a_failure_a_single_one_is_not():
    line = Line()
    line.turns(6, BadDataError("bad"), None, *(BadDataError("bad") for _ in range(BAD_ANSWERS)))
    assert [s.state for s in line.states()].count("failing") == 1
    line = Line(FOUR, ScriptedSource(batch_size=4))
    line.turns(2, BadDataError("bad"))
    assert any(s.state == "failing" for s in line.states()), "a bad batch says nothing about anybody"


@pytest.mark.allow_log("unusable answer")
def test_a_source_that_answers_without_prices_is_not_a_working_one():
    line = Line(FOUR, ScriptedSource(batch_size=4))
    line.turns(2, [])
    failing = next(s for s in line.states() if s.state == "failing")
    assert failing.last_error == "alpha answered without a single price."


def test_a_request_that_ran_out_of_time_is_a_failure_not_an_end():
    line = Line()
    line.turns(2, CancelledError("deadline"))
    failing = next(s for s in line.states() if s.state == "failing")
    assert failing.last_error == "alpha took too long to answer."
    assert len(line.source.fetches) == 2


@pytest.mark.allow_log("the source alpha broke")
def test_a_bug_in_a_source_is_logged_with_its_traceback_once_and_tried_again(caplog):
    line = Line()
    line.turns(4, ValueError("odd"), ValueError("odd"), KeyError("other"))
    traces = [record for record in caplog.records if record.exc_info]
    assert [record.levelname for record in caplog.records if "broke" in record.message] == [
        "ERROR", "WARNING", "ERROR",
    ]  # fmt: skip
    assert len(traces) == 2
    assert any("ValueError: odd" in s.last_error for s in line.states())
    assert line.status.state == "ok"


def test_nothing_is_delivered_after_the_board_was_stopped():
    line = Line()
    line.board.stop()
    line.turns(2)
    assert line.sink.quotes == [] and line.sink.messages == []


def test_the_lag_is_that_of_the_newest_price_and_forgotten_when_markets_are_closed():
    line = Line(FOUR, ScriptedSource(batch_size=4))
    now = line.clock.time()
    line.turns(1, [quote(ASELS, stamp=now - 40.0), quote(THYAO, stamp=now - 20.0)])
    assert line.status.lag == 20.0
    line.turns(1, [quote(ASELS, stamp=now - 40000.0)])
    assert line.status.lag is None
    line.turns(1, [quote(ASELS, stamp=now - 10.0, span=60.0)])
    assert line.status.lag == 0.0


# --- daily closes ---------------------------------------------------------------------------------------


def silent_about_closes() -> ScriptedSource:
    source = ScriptedSource()
    source.previous_close = None
    source.daily = lambda i: DailyCloses(i.key, (90.0, 91.0))
    return source


def test_the_previous_close_is_asked_once_per_symbol_and_session_after_its_first_price():
    session = [1]
    line = Line((ASELS, THYAO), silent_about_closes(), session=lambda exchange: session[0])
    line.turns(10)
    assert line.source.dailies == ["ASELS", "THYAO"]
    assert line.source.fetches[:3] == [("ASELS",), ("THYAO",), ("ASELS",)]
    assert [m.closes for m in line.sink.of(DailyCloses)] == [(90.0, 91.0)] * 2
    session[0] = 2
    line.turns(6)
    assert line.source.dailies == ["ASELS", "THYAO"] * 2


def test_daily_requests_keep_the_spacing_too():
    line = Line((ASELS, THYAO), silent_about_closes())
    line.turns(8)
    gaps = [b - a for a, b in pairwise(line.source.asked_at)]
    assert min(gaps) >= 3.0


def test_closes_outlive_a_restart_of_the_feed():
    line = Line((ASELS, THYAO), silent_about_closes())
    line.turns(6)
    again = Line((ASELS, THYAO), silent_about_closes())
    again.board._closes = line.closes
    again.turns(6)
    assert again.source.dailies == []
    line.closes.keep_only([ASELS.key])
    again.turns(12)
    assert again.source.dailies == ["THYAO"], "the engine has forgotten it as well"


def test_where_prices_tell_the_close_daily_bars_are_asked_at_leisure_once():
    source = ScriptedSource()
    source.daily = lambda i: DailyCloses(i.key, (90.0,) * 20)
    line = Line((ASELS, THYAO), source)
    line.turns(LEISURE - 1)
    assert source.dailies == []
    line.turns(5 * LEISURE)
    assert sorted(source.dailies) == ["ASELS", "THYAO"]


def test_while_another_source_works_a_missing_close_is_not_urgent():
    line = Line((ASELS,), silent_about_closes(), real=("alpha", "beta"))
    line.board.report(SourceStatus(name="beta", state="ok"))
    line.turns(LEISURE - 1)
    assert line.source.dailies == []
    line.board.mark_unknown(ASELS.key, "beta")
    line.turns(1)
    assert line.source.dailies == ["ASELS"], "the other one does not know it"
    line = Line((ASELS,), silent_about_closes(), real=("alpha", "beta"))
    line.board.report(SourceStatus(name="beta", state="failing"))
    line.turns(2)
    assert line.source.dailies == ["ASELS"]


def failing(error: Exception) -> Callable[[Instrument], DailyCloses]:
    def daily(_: Instrument) -> DailyCloses:
        raise error

    return daily


def test_a_symbol_without_daily_bars_is_still_asked_for_its_price():
    source = silent_about_closes()
    source.daily = failing(UnknownSymbolError(ASELS.key))
    line = Line((ASELS,), source)
    line.turns(5)
    assert source.dailies == ["ASELS"] and len(source.fetches) == 5
    assert line.sink.of(InstrumentUnknown) == []


def test_an_unknown_symbol_is_tried_again_much_later_without_another_word():
    line = Line((ASELS, THYAO))
    line.turns(3, UnknownSymbolError(ASELS.key))
    line.clock.advance(BELIEVED_FOR)
    line.turns(3, UnknownSymbolError(ASELS.key))
    assert [names[0] for names in line.source.fetches] == [
        "ASELS",
        "THYAO",
        "THYAO",
        "ASELS",
        "THYAO",
        "THYAO",
    ]
    assert len(line.sink.of(InstrumentUnknown)) == 1
    line.clock.advance(BELIEVED_FOR)
    line.turns(2)
    assert {q.key for q in line.sink.quotes} == {ASELS.key, THYAO.key}


@pytest.mark.allow_log("unusable answer")
@pytest.mark.parametrize(
    ("error", "times"),
    [(SourceError("no"), TRIES), (BadDataError("no"), 1), (UnknownSymbolError(ASELS.key), 1)],
)
def test_daily_closes_that_cannot_be_had_are_given_up(error, times):
    source = silent_about_closes()
    source.daily = failing(error)
    line = Line((ASELS, THYAO), source)
    line.turns(3 * LEISURE)
    assert source.dailies.count("ASELS") == times


def test_a_try_that_we_cut_off_ourselves_does_not_count():
    source = silent_about_closes()
    line = Line((ASELS,), source)

    def cut_off(_: Instrument) -> DailyCloses:
        line.runner.stop()
        raise CancelledError("stop")

    source.daily = cut_off
    for _ in range(TRIES + 2):
        line.turns(5)
    assert source.dailies == ["ASELS"] * (TRIES + 2)


def test_an_empty_list_of_closes_is_an_answer_too():
    source = silent_about_closes()
    source.daily = lambda i: DailyCloses(i.key, ())
    line = Line((ASELS,), source)
    line.turns(2 * LEISURE)
    assert source.dailies == ["ASELS"] and line.sink.of(DailyCloses) == []


# --- simulation -----------------------------------------------------------------------------------------


def simulation() -> ScriptedSource:
    return ScriptedSource("simulation", batch_size=99, min_spacing=0.0, simulated=True)


def test_the_fallback_waits_until_every_real_source_has_failed_for_the_grace_time():
    line = Line((ASELS,), simulation())
    line.board.report(SourceStatus(name="alpha", state="failing"))
    line.turns(3)
    assert line.source.asked_at[0] - 1000.0 > GRACE
    assert line.source.asked_at[1] - line.source.asked_at[0] == pytest.approx(0.1)
    assert line.source.dailies == []
    assert line.sink.of(FeedStatus)[-1].state == "simulated"


def test_it_rests_as_soon_as_a_real_one_answers():
    line = Line((ASELS,), simulation())
    line.board.report(SourceStatus(name="alpha", state="failing"))
    line.turns(1)
    line.board.report(SourceStatus(name="alpha", state="ok"))
    assert not line.board.simulation_wanted()
    line.board.deliver("alpha", [quote()])
    line.board.report(SourceStatus(name="alpha", state="failing"))
    assert not line.board.simulation_wanted(), "the grace time begins anew"
    line.clock.advance(GRACE + 1)
    assert line.board.simulation_wanted()


def test_the_chosen_simulator_starts_at_once_and_is_a_connection():
    line = Line((ASELS,), simulation(), real=())
    line.turns(1)
    assert line.clock.time() - WEDNESDAY < 1
    status = line.sink.of(FeedStatus)[-1]
    assert (status.state, status.connected, status.active) == ("running", True, "simulation")


@pytest.mark.allow_log("unusable answer")
def test_a_bad_answer_of_the_simulation_does_not_spin():
    source = simulation()
    source.batch_size = 1
    line = Line((ASELS,), source, real=())
    line.turns(2, BadDataError("bad"))
    assert line.source.asked_at[1] - line.source.asked_at[0] == pytest.approx(0.1)
