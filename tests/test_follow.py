"""Following a status server's stream: any cut of the bytes, any loss, any freeze."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bots import sse
from core.bots.follow import BotFollower, BotGone, BotSeen, BotsSeen, GapError, Health, LateError
from core.bots.sse import EventTooLongError, SseEvent, SseParser
from core.clock import FakeClock

# --- bytes to events ---------------------------------------------------------------------------------------


def reference(text: str) -> list[SseEvent]:
    """The standard's words, read slowly, on a whole stream."""
    events, name, last, data = [], "", "", []
    for line in re.split("\r\n|\n|\r", text.removeprefix("\ufeff"))[:-1]:
        if not line:
            if data:
                events.append(SseEvent(name or "message", last, "\n".join(data)))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last = value
    return events


lines = st.one_of(
    st.sampled_from(
        ["", "", "data: {}", "data", "data:x", "event: beat", "id: ab-1", "id: a\0", ": hm", "retry: 5"]
    ),
    st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=8),
)
streams = st.lists(st.tuples(lines, st.sampled_from(["\n", "\r\n", "\r"])), max_size=30).map(
    lambda pairs: "".join(line + end for line, end in pairs)
)


@given(streams, st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_events_are_the_same_wherever_the_bytes_are_cut(text: str, cuts: list[int], mark: bool) -> None:
    text = ("\ufeff" if mark else "") + text
    raw = text.encode()
    places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    parser, events = SseParser(), []
    for start, end in pairwise(places):
        events += parser.feed(raw[start:end])
    assert events == reference(text)


def test_a_stream_that_never_ends_an_event_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LONGEST_EVENT", 1000)
    parser = SseParser()
    for _ in range(5):
        assert len(parser.feed(b"data: x\n\n" * 150)) == 150
    with pytest.raises(EventTooLongError):
        for _ in range(1001):
            parser.feed(b"data: x\n")


def test_the_servers_wish_for_a_pause_is_read() -> None:
    parser = SseParser()
    parser.feed(b"retry: 2000\nretry: soon\ndata: {}\n\n")
    assert parser.retry == 2000


# --- events to bots ----------------------------------------------------------------------------------------


def event(name: str, id_: str, data: dict[str, Any] | list[Any]) -> SseEvent:
    return SseEvent(name, id_, json.dumps(data))


class Server:
    """What a server says: every event it ever sent, and what is true after each."""

    def __init__(self) -> None:
        self.bots: dict[str, dict[str, Any]] = {}
        self.events: list[SseEvent] = []
        self.truth: list[dict[str, dict[str, Any]]] = [{}]

    def change(self, bot_id: str, pnl: int) -> None:
        known = self.bots.get(bot_id)
        bot = {
            "bot_id": bot_id,
            "version": (known or {"version": 0})["version"] + 3,
            "status": "running",
            "pnl": pnl,
        }
        diff = {key: value for key, value in bot.items() if known is None or key != "status"}
        self.bots[bot_id] = bot
        self._say("update", diff)

    def remove(self, bot_id: str) -> None:
        if self.bots.pop(bot_id, None):
            self._say("removed", {"bot_id": bot_id})

    def _say(self, name: str, data: dict[str, Any]) -> None:
        self.events.append(event(name, f"ab-{len(self.events) + 1}", data))
        self.truth.append(dict(self.bots))

    def snapshot(self, number: int) -> SseEvent:
        bots = list(self.truth[number].values())
        return event("snapshot", f"ab-{number}", {"bots": bots, "engines": {"local": 0.1}})


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from("abc"), st.integers(-9, 9)),
        st.tuples(st.just("remove"), st.sampled_from("abc")),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@given(happenings, st.data())
def test_whatever_is_lost_or_comes_twice_the_bots_are_right_or_a_gap_is_told(
    steps: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    server = Server()
    for what, *arguments in steps:
        getattr(server, what)(*arguments)
    follower = BotFollower(FakeClock())
    at = data.draw(st.integers(0, len(server.events)))
    follower.take(server.snapshot(at))
    while at < len(server.events):
        sent = data.draw(st.integers(max(0, at - 2), min(at + 2, len(server.events) - 1)))
        try:
            change = follower.take(server.events[sent])
        except GapError:
            assert sent > at
            assert follower.last_id == ""
            at = data.draw(st.integers(sent + 1, len(server.events)))
            assert follower.take(server.snapshot(at)) == BotsSeen(tuple(follower.bots.values()))
        else:
            assert sent <= at
            assert (change is not None) == (sent == at)
            at = max(at, sent + 1)
        assert follower.bots == server.truth[at]
        assert follower.last_id == f"ab-{at}"


def test_every_kind_of_change_is_told() -> None:
    follower = BotFollower(FakeClock())
    bot = {"bot_id": "a", "version": 1, "status": "running"}
    assert follower.take(event("snapshot", "ab-5", {"bots": [bot]})) == BotsSeen((bot,))
    seen = follower.take(event("update", "ab-6", {"bot_id": "a", "version": 4}))
    assert seen == BotSeen({"bot_id": "a", "version": 4, "status": "running"})
    assert follower.take(event("removed", "ab-7", {"bot_id": "a"})) == BotGone("a")
    assert follower.take(event("of-tomorrow", "ab-7", {"x": 1})) is None
    assert follower.last_id == "ab-7"


@pytest.mark.parametrize(
    "bad",
    [
        SseEvent("update", "ab-6", "{"), SseEvent("update", "ab-6", "[" * 100_000),
        event("update", "ab-6", [1]), event("update", "cd-6", {"bot_id": "a"}),
        event("update", "", {"bot_id": "a"}),
        event("update", "ab-6", {"version": 2}), event("update", "ab-6", {"bot_id": "new"}),
        event("snapshot", "ab-9", {"bots": 3}), event("snapshot", "ab-9", {"bots": [{"name": "x"}]}),
        event("snapshot", "ab-9", {"bots": [{"bot_id": []}]}), event("snapshot", "x", {"bots": []}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_asks_for_a_snapshot(bad: SseEvent) -> None:
    follower = BotFollower(FakeClock())
    follower.take(event("snapshot", "ab-5", {"bots": [{"bot_id": "a", "version": 1}]}))
    with pytest.raises(GapError):
        follower.take(bad)
    assert follower.last_id == ""


# --- how live it is ----------------------------------------------------------------------------------------


def beat(clock: FakeClock, behind: float = 0.0, **engines: float | None) -> SseEvent:
    return event("beat", "ab-1", {"at": clock.time() - behind, "engines": engines})


def test_a_stream_is_live_only_while_it_beats() -> None:
    clock = FakeClock()
    follower = BotFollower(clock)
    assert follower.health() == Health(False, "waiting")
    follower.take(beat(clock, local=0.2))
    assert follower.health() == Health(True, "")
    clock.advance(3.9)
    assert follower.health().live
    clock.advance(0.2)
    assert follower.health() == Health(False, "silent")
    follower.take(beat(clock, local=0.2))
    assert follower.health().live
    follower.lost()
    assert not follower.health().live


def test_an_engine_that_is_silent_is_told_apart_from_a_silent_server() -> None:
    clock = FakeClock()
    follower = BotFollower(clock)
    follower.take(beat(clock, local=3.0, other=0.1))
    assert follower.health().live
    clock.advance(2.0)
    assert follower.health() == Health(False, "engine", ("local",))
    assert follower.blind_for() == 5.0
    follower.take(beat(clock, local=0.1, other=None))
    assert follower.health() == Health(False, "engine", ("other",))
    assert follower.blind_for() is None


def test_neither_sleep_nor_a_clock_that_is_set_leaves_something_old_live() -> None:
    clock = FakeClock()
    follower = BotFollower(clock)
    follower.take(beat(clock, local=0.2))
    clock.set_time(clock.time() + 3600)  # slept: the monotonic clock stood still
    assert not follower.health().live
    clock.set_time(clock.time() - 7200)
    clock.advance(10)
    assert not follower.health().live


def test_a_beat_that_waited_in_a_buffer_is_not_taken_for_a_new_one() -> None:
    clock = FakeClock()
    follower = BotFollower(clock)
    follower.take(beat(clock, behind=1800.0, local=0.1))  # clocks differ by half an hour, that is all
    assert follower.health().live
    clock.advance(2)
    follower.take(beat(clock, behind=1800.5, local=0.1))
    clock.advance(60)
    with pytest.raises(LateError):
        follower.take(beat(clock, behind=1858.0, local=0.1))
    follower.connected()
    follower.take(beat(clock, behind=1800.0, local=0.1))
    assert follower.health().live


def test_a_snapshot_in_which_bots_may_be_missing_takes_none_away_and_is_not_live() -> None:
    clock = FakeClock()
    follower = BotFollower(clock)
    old, new = ({"bot_id": "a", "version": version, "status": "running"} for version in (1, 2))
    other = {"bot_id": "b", "version": 5, "status": "running"}
    follower.take(event("snapshot", "ab-3", {"bots": [new, other], "engines": {}, "ready": True}))
    assert follower.health().live
    follower.connected()
    partial = {"bots": [old], "engines": {"local": 0.1}, "ready": False}
    assert follower.take(event("snapshot", "00-0", partial)) == BotsSeen((new, other))
    assert follower.health() == Health(False, "not_ready")
    assert follower.blind_for() is None
    follower.take(event("snapshot", "cd-1", {"bots": [new], "engines": {"local": 0.1}, "ready": True}))
    assert follower.bots == {"a": new}
    assert follower.health().live
