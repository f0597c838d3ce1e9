"""Recording what enters the engine and replaying it: the same signals, byte for byte, at every speed."""

from __future__ import annotations

import errno
import gzip
import io
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.clock import FakeClock
from core.commands import ApplyConfig, CommandResult, SetInstruments, StartFeed, StopFeed
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.engine.loop import EngineLoop
from core.errors import InputError
from core.feed.messages import SourceLost
from core.feed_text import feed_sentence
from core.i18n import set_language
from core.model import FeedStatus, Freshness, FreshnessChange, Instrument, Notice, Quote, Signal, Tick
from core.replay.clock import ReplayClock, real_clock, replay_clock
from core.replay.format import (
    FORMAT,
    DailyRecord,
    FrameRecord,
    Header,
    LostRecord,
    MarkRecord,
    QuoteRecord,
    StatusRecord,
    decode,
    encode,
)
from core.replay.player import batches
from core.replay.reader import Recording, choose_recording, recordings
from core.replay.recorder import Recorder
from core.signal_text import reason
from core.sources.base import DailyCloses
from core.storage.memory_store import MemoryStore
from tests.patience import FOREVER, PATIENCE
from tests.scripted import AAPL, ASELS, THYAO, WEDNESDAY, Events, QuickBudgets, ScriptedSource, quote
from tests.scripted import at as istanbul_time
from tests.test_feed_live import until

SPEEDS = (1, 7, 50, 1000)
HEADER = Header(started=WEDNESDAY, format=FORMAT, version=1)


def config(file: Path | str = "", **fields: Any) -> Config:
    values = {"live_data_source": "replay", "replay_file": str(file), "signal_threshold_pct": 1.0} | fields
    return Config(real_time=RealTimeConfig(**values))


def write(path: Path, *records: Any) -> Path:
    data = b"".join(map(encode, (HEADER, *records)))
    path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)
    return path


def session(seconds: int = 400, seed: int = 3) -> list[Any]:
    """A lively quarter of an hour of two instruments, with silence, marks and a broken connection in it."""
    rng = random.Random(seed)
    prices = {ASELS: 100.0, THYAO: 300.0}
    records: list[Any] = []
    mono = 500.0
    for second in range(seconds):
        at = WEDNESDAY + second
        if second == 3:
            closes = tuple(100.0 + rng.uniform(-2, 2) for _ in range(10))
            records.append(DailyRecord(at=at, mono=mono + second, daily=DailyCloses(ASELS.key, closes)))
        for instrument in prices if not 150 <= second < 230 else ():
            prices[instrument] *= 1 + rng.gauss(0, 0.004)
            told = quote(instrument, round(prices[instrument], 2), stamp=at - 0.5, received=at,
                         previous_close=100.0 if instrument is ASELS else 300.0)  # fmt: skip
            records.append(QuoteRecord(at=at + 0.25, mono=mono + second + 0.25, quote=told))
        records.append(MarkRecord(at=at + 0.9, mono=mono + second + 0.9))
    records.append(LostRecord(at=at + 1, mono=mono + seconds, lost=SourceLost("alpha")))
    records.append(StatusRecord(at=at + 1, mono=mono + seconds, status=FeedStatus(state="stopped")))
    return records


class Rig:
    """A loop that the test turns by hand until a replay is over."""

    def __init__(self, settings: Config, folder: Path | None = None, **kw: Any) -> None:
        self.clock = FakeClock(WEDNESDAY + 5_000_000)
        self.time = ReplayClock(self.clock)
        self.stores: list[MemoryStore] = []
        self.loop = EngineLoop(
            settings, self._store, self.time, recordings=folder, budgets=QuickBudgets(self.clock), **kw
        )
        self.events = Events(
            self.loop.bus, Tick, Signal, Notice, FreshnessChange, FeedStatus, CommandResult
        )  # fmt: skip
        self.loop.open()
        self.loop.post(SetInstruments(instruments=(ASELS, THYAO)))

    def _store(self, _: Config) -> MemoryStore:
        self.stores.append(MemoryStore())
        return self.stores[-1]

    def turn(self) -> None:
        messages, quotes = self.loop.inbox.take(0.01)
        self.loop.process(messages, quotes, self.loop.engine.on_quote)

    def until(self, condition) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            self.turn()

    def play(self) -> None:
        self.loop.post(StartFeed())
        self.until(lambda: self.over)

    @property
    def over(self) -> bool:
        return any(s.state == "offline" for s in self.events.of(FeedStatus))

    def payloads(self) -> bytes:
        return json.dumps([s.payload(reason(s)) for s in self.events.of(Signal)]).encode()


@pytest.fixture
def rig():
    rigs: list[Rig] = []

    def make(*args: Any, **kw: Any) -> Rig:
        rigs.append(Rig(*args, **kw))
        return rigs[-1]

    yield make
    for each in rigs:
        each.loop.close()


# --- determinism --------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["none", "median", "kalman"])
def test_the_same_file_gives_the_same_signals_byte_for_byte_at_every_speed(rig, tmp_path, noise):
    path = write(tmp_path / "day.jsonl.gz", *session())
    heard = []
    for speed in SPEEDS:
        made = rig(config(path, replay_speed=speed, noise_filter=noise, noise_window=3))
        made.play()
        heard.append(made.payloads())
        assert [t.price for t in made.events.of(Tick)]
    assert heard.count(heard[0]) == len(SPEEDS)
    signals = json.loads(heard[0])
    assert len(signals) > 5
    assert {signal["source"] for signal in signals} == {"replay"}
    assert all(signal["simulated"] for signal in signals)
    assert signals[0]["timestamp"].startswith("2026-11-18T14:0")


def test_a_second_run_of_the_same_program_gives_the_same_again(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    made = rig(config(path, replay_speed=1000))
    made.play()
    first = made.payloads()
    made.events.all.clear()
    made.loop.post(StopFeed())
    made.turn()
    made.events.all.clear()
    made.play()
    assert made.payloads() == first


def test_it_keeps_the_recorded_pace(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session(100))
    for speed, seconds in ((1, 100), (50, 2)):
        made = rig(config(path, replay_speed=speed))
        begun = made.clock.monotonic()
        made.play()
        assert made.clock.monotonic() - begun == pytest.approx(seconds, rel=0.1)


def test_a_stretch_without_any_record_is_passed_over(rig, tmp_path):
    night = [replace(r, at=r.at + 50_000, mono=r.mono + 50_000) for r in session(20) if type(r) is MarkRecord]
    path = write(tmp_path / "day.jsonl", *session(20), *night)
    made = rig(config(path))
    begun = made.clock.monotonic()
    made.play()
    assert made.clock.monotonic() - begun < 60


def test_what_was_live_is_replayed_with_the_same_signals(rig, tmp_path):
    """A recorded session of the real loop with real runner threads, then its replay."""
    source = ScriptedSource("tvdatafeed", batch_size=30, min_spacing=3.0)
    rng = random.Random(5)
    live = rig(
        config(live_data_source="tvdatafeed", allow_simulation=False, record=True), tmp_path,
        create_source=lambda name, settings, clock: source,
    )  # fmt: skip
    source.clock = live.clock
    live.clock.set_time(WEDNESDAY)

    def answer(instruments):
        source.price = round(source.price * (1 + rng.gauss(0, 0.01)), 2)
        return source.prices(instruments)

    source.answer = answer
    live.loop.post(StartFeed())
    live.until(lambda: len(live.events.of(Signal)) >= 8)
    live.loop.post(StopFeed())
    live.until(lambda: any(s.state == "stopped" for s in live.events.of(FeedStatus)))
    before = live.events.of(Signal)
    live.loop.close()
    made = rig(config("", replay_speed=1000), tmp_path)
    made.play()
    after = made.events.of(Signal)
    real = [replace(s, source="tvdatafeed", simulated=False) for s in after]
    assert [s.payload("") for s in real] == [s.payload("") for s in before]
    assert json.dumps([s.payload("") for s in real]) == json.dumps([s.payload("") for s in before])


def test_a_broken_connection_is_recorded_behind_what_it_told(rig, tmp_path):
    source = ScriptedSource("tvdatafeed")
    source.answer = source.hang
    live = rig(
        config(live_data_source="tvdatafeed", allow_simulation=False, record=True), tmp_path,
        create_source=lambda name, settings, clock: source,
    )  # fmt: skip
    live.clock.set_time(WEDNESDAY)
    live.loop.post(StartFeed())
    live.turn()
    now, inbox = live.clock.time(), live.loop.inbox
    inbox.put_quotes([quote(THYAO, 300.0, stamp=now, source="push")])
    inbox.put(SourceLost("push"))
    inbox.put_quotes([quote(THYAO, 301.0, stamp=now + 1, source="push")])
    live.turn()
    live.loop.close()
    (path,) = recordings(tmp_path)
    kinds = (QuoteRecord, LostRecord)
    told = [record for record in Recording(path).records() if isinstance(record, kinds)]
    assert [type(record) for record in told] == [QuoteRecord, LostRecord, QuoteRecord]
    made = rig(config("", replay_speed=1000), tmp_path)
    made.play()
    for events in (live.events, made.events):
        seen = [event for event in events.all if isinstance(event, Tick | FreshnessChange)]
        assert [type(event) for event in seen][:3] == [Tick, FreshnessChange, Tick]


# --- never taken for live -----------------------------------------------------------------------------


def test_replayed_prices_are_marked_and_age_by_the_recordings_clock(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    made = rig(config(path, replay_speed=1000))
    made.play()
    ticks = made.events.of(Tick)
    assert all(t.simulated and t.source == "replay" for t in ticks)
    assert {t.freshness for t in ticks} <= {Freshness.SIMULATED, Freshness.STALE, Freshness.CLOSED}
    aged = [c for c in made.events.of(FreshnessChange) if c.freshness is Freshness.STALE]
    assert {c.key for c in aged} == {ASELS.key, THYAO.key}
    assert made.time.time() == WEDNESDAY + 400
    assert made.loop.engine.prices.ticks()[0].simulated
    notices = [n.key for n in made.events.of(Notice)]
    assert notices == ["replay.ended"]
    assert made.events.of(Notice)[0].params == {"signals": len(made.events.of(Signal))}


def test_a_stale_recorded_price_gives_no_signal(rig, tmp_path):
    old = quote(ASELS, 110.0, stamp=WEDNESDAY - 4000, received=WEDNESDAY, previous_close=100.0)
    path = write(tmp_path / "day.jsonl", QuoteRecord(at=WEDNESDAY, mono=1.0, quote=old))
    made = rig(config(path))
    made.play()
    assert [t.freshness for t in made.events.of(Tick)] == [Freshness.STALE]
    assert made.events.of(Signal) == []


def test_made_up_prices_of_the_past_are_left_out(rig, tmp_path):
    made_up = quote(ASELS, 110.0, source="simulation", simulated=True, previous_close=100.0)
    path = write(tmp_path / "day.jsonl", QuoteRecord(at=WEDNESDAY, mono=1.0, quote=made_up))
    made = rig(config(path))
    made.play()
    assert made.events.of(Tick) == []


@pytest.fixture
def far_away(monkeypatch):
    """This computer's clock is set to another zone than the exchange's."""
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_status_tells_of_the_replay_in_one_sentence(rig, tmp_path, far_away):
    path = write(tmp_path / "day.jsonl", *session(20))
    made = rig(config(path, replay_speed=50))
    made.play()
    connecting, running, ended = made.events.of(FeedStatus)
    assert running.connected
    assert not ended.connected
    at = istanbul_time("2026-11-20 10:42:13")
    assert feed_sentence(connecting, at) == "Replay: opening the recording…"
    assert feed_sentence(running, at) == "Replay of 2026-11-20, 10:42:13, 50x"
    assert feed_sentence(ended, at) == "Replay of 2026-11-20 has ended at 10:42:13"
    set_language("tr")
    assert feed_sentence(running, at) == "Tekrar oynatma: 20.11.2026, 10:42:13, 50x"


def test_a_replay_of_new_york_is_told_by_its_clock(rig, tmp_path, far_away):
    path = write(tmp_path / "day.jsonl", *session(20))
    made = rig(replace(config(path, replay_speed=50), exchange="NASDAQ"))
    made.play()
    _, running, _ = made.events.of(FeedStatus)
    told = feed_sentence(running, istanbul_time("2026-11-20 18:30:00"))
    assert told == "Replay of 2026-11-20, 10:30:00, 50x"


def test_settings_that_do_not_concern_it_leave_a_running_replay_alone(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    settings = config(path)
    made = rig(settings)
    made.loop.post(StartFeed())
    made.until(lambda: len(made.events.of(Tick)) > 50)
    at_ = made.time.time()
    for change in (
        {"signal_threshold_pct": 3.0}, {"noise_filter": "median"}, {"poll_interval_sec": 30.0},
        {"enable_notifications": False}, {"stale_after_sec": 90.0}, {"max_live_symbols": 10},
    ):  # fmt: skip
        settings = replace(settings, real_time=replace(settings.real_time, **change))
        made.loop.post(ApplyConfig(config=settings))
    made.loop.post(
        ApplyConfig(config=replace(settings, theme="dark", websocket=WebSocketConfig(timeout_ms=9)))
    )
    made.until(lambda: len(made.events.of(CommandResult)) >= 8)
    assert made.time.time() >= at_ and [s.state for s in made.events.of(FeedStatus)] == [
        "connecting",
        "running",
    ]
    made.until(lambda: made.over)
    assert [s.state for s in made.events.of(FeedStatus)] == ["connecting", "running", "offline"]


def test_another_speed_begins_anew(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    made = rig(config(path))
    made.loop.post(StartFeed())
    made.until(lambda: len(made.events.of(Tick)) > 50)
    made.loop.post(ApplyConfig(config=config(path, replay_speed=1000)))
    made.until(lambda: made.over)
    states = [(s.state, s.replay_speed) for s in made.events.of(FeedStatus)]
    assert states[-3:] == [("connecting", 1000), ("running", 1000), ("offline", 1000)]


# --- other worlds -------------------------------------------------------------------------------------


@pytest.mark.allow_log("ApplyConfig was not carried out")
def test_going_back_to_live_prices_forgets_the_replay(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    source = ScriptedSource("tvdatafeed", batch_size=30)
    made = rig(config(path), create_source=lambda name, settings, clock: source)
    source.clock = made.clock
    made.loop.post(StartFeed())
    made.until(lambda: made.events.of(Signal))
    assert made.time.time() < WEDNESDAY + 500
    real = config(live_data_source="tvdatafeed", allow_simulation=False)
    made.loop.post(ApplyConfig(config=real))
    made.until(lambda: any(s.active == "tvdatafeed" for s in made.events.of(FeedStatus)))
    made.until(lambda: any(not t.simulated for t in made.events.of(Tick)))
    assert len(made.stores) == 2
    assert made.time.time() >= WEDNESDAY + 5_000_000
    count = len(made.events.of(Tick))
    made.turn()
    assert not any(t.simulated for t in made.events.of(Tick)[count:])
    made.loop.post(ApplyConfig(config=config(tmp_path / "none.jsonl")))
    made.until(lambda: any(s.state == "stopped" for s in made.events.of(FeedStatus)))
    assert "There is no recording" in made.events.of(CommandResult)[-1].error


def test_a_replay_is_not_recorded_again(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session(20))
    made = rig(config(path, record=True), tmp_path / "out")
    made.play()
    made.loop.close()
    assert not (tmp_path / "out").exists()


def test_recording_follows_the_settings(rig, tmp_path):
    source = ScriptedSource("tvdatafeed", batch_size=30)
    off = config(live_data_source="tvdatafeed", allow_simulation=False)
    made = rig(off, tmp_path, create_source=lambda name, settings, clock: source)
    on = replace(off, real_time=replace(off.real_time, record=True))
    made.loop.post(ApplyConfig(config=on))
    made.turn()
    made.loop.inbox.put(DailyCloses(ASELS.key, (1.0, 2.0)))
    made.loop.inbox.put(SourceLost("alpha"))
    made.turn()
    made.loop.post(ApplyConfig(config=off))
    made.turn()
    (path,) = recordings(tmp_path)
    assert [type(r) for r in Recording(path).records()] == [DailyRecord, LostRecord]


# --- broken files -------------------------------------------------------------------------------------


def test_a_damaged_recording_is_played_up_to_the_damage(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session(20))
    path.write_bytes(path.read_bytes() + b"garbage\n")
    made = rig(config(path))
    made.play()
    assert made.events.of(Tick)
    (notice,) = made.events.of(Notice)
    assert "damaged on line" in notice.params["text"]


def test_an_empty_recording_says_so(rig, tmp_path):
    made = rig(config(write(tmp_path / "day.jsonl")))
    made.play()
    assert "holds no prices" in made.events.of(Notice)[0].params["text"]


@pytest.mark.allow_log("StartFeed was not carried out")
def test_a_start_without_a_recording_is_refused_with_one_sentence(rig, tmp_path):
    made = rig(config(""), tmp_path)
    made.loop.post(StartFeed())
    made.turn()
    assert "There is no recording yet" in made.events.of(CommandResult)[-1].error


@pytest.mark.allow_log("the replay broke")
def test_a_bug_in_the_reader_is_told(rig, tmp_path, monkeypatch):
    path = write(tmp_path / "day.jsonl", *session(5))
    monkeypatch.setattr(Recording, "records", lambda self: iter([None]))
    made = rig(config(path))
    made.play()
    assert "AttributeError" in made.events.of(Notice)[0].params["text"]


def test_stopping_ends_the_thread_at_once_and_ignores_what_is_on_its_way(rig, tmp_path):
    path = write(tmp_path / "day.jsonl", *session())
    made = rig(config(path))
    made.loop.post(StartFeed())
    made.turn()
    until(lambda: made.loop.inbox._messages)
    made.loop.post(StopFeed())
    made.turn()
    made.turn()
    assert made.events.of(Signal) == []
    made.loop.close()
    assert not any(t.name == "feed-replay" for t in threading.enumerate())


@pytest.mark.parametrize("content", [
    b"", b"\n", b"not a recording\n", b"\x00\xff\n", b"{}\n", b'{"type":"header","started":1}\n',
    b"\x1f\x8bnot really gzip", b'{"type":"mark","at":1,"mono":1}\n',
])  # fmt: skip
def test_garbage_is_refused_with_one_sentence(tmp_path, content):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.jsonl"):
        Recording(path)


def test_other_versions_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(encode(Header(started=1.0, format=FORMAT, version=9)))
    with pytest.raises(InputError, match="format 9"):
        Recording(path)
    with pytest.raises(InputError, match="There is no recording"):
        Recording(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        Recording(tmp_path)
    path.write_bytes(encode(HEADER) + encode(HEADER))
    with pytest.raises(InputError, match="line 2"):
        list(Recording(path).records())
    path.write_bytes(encode(HEADER) + b"x" * 5_000_000)
    with pytest.raises(InputError, match="damaged"):
        list(Recording(path).records())


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_torn_end_is_left_out(tmp_path, name):
    records = session(60)
    path = write(tmp_path / name, *records)
    whole = path.read_bytes()
    for size in range(len(whole) - 1, len(whole) // 2, -997):
        path.write_bytes(whole[:size])
        found = list(Recording(path).records())
        assert found == records[: len(found)]
        assert len(found) < len(records) or len(whole) - size <= 8


def test_damaged_packing_is_told(tmp_path):
    path = write(tmp_path / "x.jsonl.gz", *session())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged"):
        list(Recording(path).records())


def test_the_newest_recording_is_the_default(tmp_path):
    assert recordings(None) == []
    for name in ("2026-11-19.jsonl.gz", "2026-11-20.jsonl.gz", "2026-11-20-2.jsonl.gz", "notes.txt"):
        write(tmp_path / name)
    assert choose_recording("", tmp_path).name == "2026-11-20-2.jsonl.gz"
    assert choose_recording("2026-11-19.jsonl.gz", tmp_path) == tmp_path / "2026-11-19.jsonl.gz"
    assert choose_recording("/elsewhere/x.jsonl", tmp_path) == Path("/elsewhere/x.jsonl")


# --- the format ---------------------------------------------------------------------------------------

floats = st.floats(allow_nan=True, allow_infinity=False)


@given(
    st.builds(
        Quote, key=st.text(max_size=12), price=floats, stamp=floats, received=floats,
        source=st.text(max_size=9),
        previous_close=st.none() | st.floats(allow_nan=False, allow_infinity=False), span=floats,
        simulated=st.booleans(),
    ),
    st.floats(0, 2e9), st.floats(0, 1e9),
)  # fmt: skip
def test_a_quote_survives_being_written(told, at, mono):
    line = encode(QuoteRecord(at=at, mono=mono, quote=told))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found = decode(line)
    assert isinstance(found, QuoteRecord)
    for name in Quote.__struct_fields__:
        one, two = getattr(told, name), getattr(found.quote, name)
        assert one == two or (math.isnan(one) and math.isnan(two))


def test_infinities_come_back_as_what_is_refused_too():
    found = decode(encode(QuoteRecord(at=1.0, mono=1.0, quote=quote(ASELS, math.inf))))
    assert isinstance(found, QuoteRecord)
    assert math.isnan(found.quote.price)


def test_batches_keep_together_what_the_engine_took_at_once():
    def told(at: float, price: float) -> QuoteRecord:
        return QuoteRecord(at=at, mono=at, quote=quote(ASELS, price))

    frame = FrameRecord(at=1.0, mono=1.0, source="tradingview", data="~m~4~m~~h~1")
    records = [told(1.0, 1), told(1.0, 2), frame, told(2.0, 3), MarkRecord(at=2.0, mono=2.0), told(2.0, 4)]
    assert [len(batch) for batch in batches(iter(records))] == [2, 1, 1, 1]
    assert list(batches(iter([]))) == []


# --- the recorder -------------------------------------------------------------------------------------


def test_it_writes_by_day_and_never_into_an_old_file(tmp_path):
    for _ in range(2):
        recorder = Recorder(tmp_path, pytest.fail)
        recorder.quotes(WEDNESDAY, 1.0, [quote(ASELS), quote(AAPL)])
        recorder.message(WEDNESDAY, 1.0, FeedStatus(state="running"))
        recorder.mark(WEDNESDAY + 86_400, 2.0)
        recorder.frame(WEDNESDAY + 86_400, 2.0, "tradingview", "~m~2~m~{}")
        recorder.close()
        recorder.close()
        recorder.mark(WEDNESDAY, 1.0)
    names = [path.name for path in recordings(tmp_path)]
    assert sorted(names) == [
        "2026-11-18-2.jsonl.gz", "2026-11-18.jsonl.gz", "2026-11-19-2.jsonl.gz", "2026-11-19.jsonl.gz",
    ]  # fmt: skip
    found = list(Recording(tmp_path / "2026-11-18-2.jsonl.gz").records())
    assert [type(r) for r in found] == [QuoteRecord, QuoteRecord, StatusRecord]
    found = list(Recording(tmp_path / "2026-11-19.jsonl.gz").records())
    assert [type(r) for r in found] == [MarkRecord, FrameRecord]


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_flushed_is_readable_though_the_writer_never_closed(tmp_path, packed):
    recorder = Recorder(tmp_path, pytest.fail, packed=packed)
    recorder.quotes(WEDNESDAY, 1.0, [quote(ASELS)])
    until(lambda: recorder.path is not None and recorder.path.exists())

    def readable() -> bool:
        return len(list(Recording(recorder.path).records())) == 1

    until(readable)
    recorder.close()


class FullDisk(io.BytesIO):
    """Takes a few bytes, then none."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.allow_log("the recording cannot be written")
@pytest.mark.parametrize("room", [0, 50, 2000])
def test_a_full_disk_is_told_once_and_recording_goes_on_when_there_is_room(tmp_path, room):
    notices: list[Notice] = []
    opened: list[io.BytesIO] = []

    def opener(path: Path) -> io.BytesIO:
        opened.append(FullDisk(room if len(opened) < 3 else 10**9))
        return opened[-1]

    recorder = Recorder(tmp_path, notices.append, packed=False, opener=opener, retry=0.0)
    for number in range(4000):
        recorder.quotes(WEDNESDAY + number, 1.0, [quote(ASELS)])
    until(recorder._queue.empty)
    recorder.close()
    assert [n.key for n in notices][:2] == ["replay.not_written", "replay.written_again"]
    assert len(opened) >= 4
    assert len(notices) == (2 if room < 100 else 6)


@pytest.mark.allow_log("the recording cannot be written")
def test_while_the_disk_stays_full_it_is_said_only_once(tmp_path):
    notices: list[Notice] = []
    recorder = Recorder(tmp_path, notices.append, opener=lambda path: FullDisk(0), retry=0.0)
    for number in range(50):
        recorder.mark(WEDNESDAY + number, 1.0)
    recorder.close()
    assert [n.key for n in notices] == ["replay.not_written"]


@pytest.mark.allow_log("the disk is too slow")
def test_a_slow_disk_holds_nobody_up(tmp_path):
    gate, notices = threading.Event(), []

    def opener(path: Path) -> io.BytesIO:
        gate.wait(FOREVER)
        return io.BytesIO()

    recorder = Recorder(tmp_path, notices.append, opener=opener, most_waiting=5)
    for number in range(20):
        recorder.mark(WEDNESDAY + number, 1.0)
    assert recorder.dropped >= 14
    gate.set()
    recorder.close()
    assert [n.key for n in notices] == ["replay.too_slow"]


# --- the clock ----------------------------------------------------------------------------------------


def test_the_clock_stands_still_while_it_is_held_and_waits_in_real_time():
    base = FakeClock(1000.0)
    clock = ReplayClock(base)
    assert replay_clock(clock) is clock
    assert replay_clock(base).base is base
    assert real_clock(clock) is base
    assert real_clock(base) is base
    clock.hold(5.0, 7.0)
    assert not clock.wait(threading.Event(), 3.0)
    assert (clock.time(), clock.monotonic()) == (5.0, 7.0)
    clock.release()
    assert clock.time() == 1003.0
    assert clock.monotonic() == base.monotonic()


def test_instruments_of_the_recording_need_not_be_watched(rig, tmp_path):
    other = Instrument("BIST", "GARAN")
    path = write(tmp_path / "x.jsonl", QuoteRecord(at=WEDNESDAY, mono=1.0, quote=quote(other, 100.0)))
    made = rig(config(path))
    made.play()
    assert [t.symbol for t in made.events.of(Tick)] == ["GARAN"]


KILLED = """
import sys, time
from pathlib import Path
from core.replay.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), print)
at = time.time()
while True:
    recorder.mark(at, 1.0)
    time.sleep(0.001)
"""


def test_a_killed_writer_leaves_a_readable_file(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}) as writer:

        def written() -> bool:
            found = recordings(tmp_path)
            return bool(found and found[0].stat().st_size and len(list(Recording(found[0]).records())) > 100)

        until(written)
        writer.kill()
    (path,) = recordings(tmp_path)
    assert len(list(Recording(path).records())) > 100
