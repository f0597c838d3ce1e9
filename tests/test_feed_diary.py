"""The day of the price sources outlives the program."""

from __future__ import annotations

import pytest

from core.clock import FakeClock
from core.config import Config
from core.engine.feed_diary import DAY, KEY, MOST_CHANGES, FeedDay, FeedDiary
from core.engine.loop import EngineLoop
from core.errors import StorageError
from core.events import EventBus
from core.model import FeedStatus, SourceStatus
from core.storage.memory_store import MemoryStore
from core.storage.sql_store import SqlStore


class Rig:
    """A diary, what it told last, and how its process ends and begins."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.start()

    def start(self) -> None:
        """Another run of the program."""
        bus = EventBus()
        self.told: list[FeedDay] = []
        bus.subscribe(FeedDay, self.told.append)
        self.diary = FeedDiary(self.clock, bus)
        self.diary.open(self.store)

    def note(self, **states: str) -> None:
        """The feed tells how its sources fare."""
        sources = tuple(SourceStatus(name=name, state=state) for name, state in states.items())
        self.diary.note(FeedStatus(state="running", sources=sources))

    @property
    def day(self) -> dict[str, list[tuple[float, str]]]:
        """What was told last, its times in seconds before now."""
        now = self.clock.time()
        return {
            name: [(now - at, state) for at, state in past] for name, past in self.told[-1].changes.items()
        }


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_each_change_is_told_once(rig):
    rig.note(tradingview="connecting", yahoo="ok")
    rig.clock.advance(30)
    rig.note(tradingview="ok", yahoo="ok")
    rig.note(tradingview="ok", yahoo="ok")
    assert rig.day == {"tradingview": [(30, "connecting"), (0, "ok")], "yahoo": [(30, "ok")]}
    assert len(rig.told) == 3  # the empty one of the start, too


def test_a_source_that_is_not_used_any_more_has_stopped(rig):
    rig.note(tradingview="ok", yahoo="ok")
    rig.clock.advance(30)
    rig.note(yahoo="ok")
    assert rig.day["tradingview"] == [(30, "ok"), (0, "stopped")]


def test_it_outlives_an_end_in_good_order(rig):
    rig.note(tradingview="ok")
    rig.clock.advance(100)
    rig.diary.close(rig.store)
    rig.clock.advance(50)
    rig.start()
    rig.note(tradingview="failing")
    assert rig.day == {"tradingview": [(150, "ok"), (50, "stopped"), (0, "failing")]}


def test_after_a_crash_nothing_is_said_to_have_gone_on(rig):
    rig.clock.advance(20)
    rig.note(tradingview="ok")
    for _ in range(300):
        rig.clock.advance(1)
        rig.diary.look(rig.store)
    rig.clock.advance(3600)
    rig.start()
    (began, state), (ended, stopped) = rig.day["tradingview"]
    assert (began, state, stopped) == (3900, "ok", "stopped")
    assert 3600 <= ended <= 3660


def test_it_is_not_written_at_each_look(rig):
    written = []
    rig.store.set_value = lambda key, value: written.append(key)
    for step in range(120):
        rig.clock.advance(1)
        rig.note(tradingview="ok" if step % 2 else "failing")
        rig.diary.look(rig.store)
    assert written == [KEY] * 12


def test_what_is_older_than_a_day_is_forgotten(rig):
    rig.note(tradingview="ok", yahoo="ok")
    rig.clock.advance(2 * DAY)
    rig.note(tradingview="failing")
    rig.clock.advance(1)
    rig.note(tradingview="ok")
    assert [state for _, state in rig.day["tradingview"]] == ["ok", "failing", "ok"]
    rig.diary.close(rig.store)
    rig.clock.advance(DAY + 1)
    rig.start()
    assert rig.day == {}


def test_a_storm_is_not_remembered_without_bound(rig):
    for step in range(MOST_CHANGES + 50):
        rig.note(tradingview="ok" if step % 2 else "failing")
    assert len(rig.day["tradingview"]) == MOST_CHANGES


def test_a_clock_that_is_set_back_makes_no_negative_stretch(rig):
    rig.note(tradingview="ok")
    rig.clock.advance(-500)
    rig.note(tradingview="failing")
    (one, _), (other, _) = rig.day["tradingview"]
    assert one == other == -500


@pytest.mark.allow_log("cannot be read")
@pytest.mark.parametrize("kept", [[], "x", {"changes": {"tradingview": [["x", 1]]}}, {"other": 1}])
def test_what_is_not_its_own_is_not_believed(rig, kept):
    rig.store.set_value(KEY, kept)
    rig.start()
    assert rig.day == {}
    rig.note(tradingview="ok")
    assert rig.day == {"tradingview": [(0, "ok")]}


@pytest.mark.allow_log("cannot be stored")
def test_a_busy_database_delays_it_only(rig):
    working = rig.store.set_value

    def busy(key, value):
        raise StorageError("busy")

    rig.store.set_value = busy
    rig.note(tradingview="ok")
    rig.clock.advance(20)
    rig.diary.look(rig.store)
    rig.store.set_value = working
    rig.clock.advance(20)
    rig.diary.look(rig.store)
    rig.start()
    assert rig.day["tradingview"] == [(40, "ok"), (0, "stopped")]


def run_of_the_program(data_dir, clock, states):
    """One run of the loop with a real database, in which the feed tells of `states`; the days it told."""
    bus, told = EventBus(), []
    bus.subscribe(FeedDay, told.append)
    loop = EngineLoop(Config(), lambda _: SqlStore("", data_dir=data_dir), clock, bus=bus)
    loop.open()
    for state in states:
        sources = (SourceStatus(name="tradingview", state=state),)
        loop.inbox.put(FeedStatus(state="running", sources=sources))
        loop.step(loop.engine.on_quote)
        clock.advance(60)
    loop.close()
    return [[state for _, state in day.changes.get("tradingview", ())] for day in told]


def test_the_next_run_of_the_program_knows_the_day(tmp_path):
    clock = FakeClock()
    first = run_of_the_program(tmp_path, clock, ["connecting", "ok"])
    assert first == [[], ["connecting"], ["connecting", "ok"], ["connecting", "ok", "stopped"]]
    assert run_of_the_program(tmp_path, clock, ["ok"])[:2] == [first[-1], [*first[-1], "ok"]]
