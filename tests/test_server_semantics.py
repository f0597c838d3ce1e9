"""What the streams promise, held against chance: whatever happens to engine and connections, a client that
comes back ends in the hub's state, and nobody ever gets a byte of another user's bots."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bots.model import BotState
from server.channel import PAUSE, RING
from server.hub import Hub, TooManyStreamsError
from server.stream import Stream
from tests.server_helpers import Event, bot_state, parse_events

USERS = ("ali", "bea")
BOTS = ("a", "b", "c")


class FakeLoop:
    """The part of an event loop that the hub uses, on a clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, int, list[Any]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> Any:
        entry: list[Any] = [call, arguments]
        self._count += 1
        heapq.heappush(self._calls, (self.now + delay, self._count, entry))

        class Handle:
            def cancel(self) -> None:
                entry[0] = None

        return Handle()

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            self.now, _, (call, arguments) = heapq.heappop(self._calls)
            if call is not None:
                call(*arguments)
        self.now = end


class Client:
    """A client by the book: a snapshot replaces, an update is applied, the last id is for coming back."""

    def __init__(self, hub: Hub, user: str, bot_id: str | None = None) -> None:
        self.hub, self.user, self.bot_id = hub, user, bot_id
        self.bots: dict[str, dict[str, Any]] = {}
        self.last_id = ""
        self.seen: list[Event] = []
        self.raw = b""
        self.stream: Stream | None = None

    def connect(self) -> None:
        self.stream = self.hub.subscribe(self.user, self.bot_id, self.last_id, "")

    def cut(self) -> None:
        assert self.stream is not None
        self.hub.unsubscribe(self.stream)
        self.stream = None

    def read(self) -> None:
        while self.stream is not None and (chunk := self.stream.take()):
            self.raw += chunk
            for event in parse_events(iter(chunk.decode().split("\n"))):
                self.take(event)

    def take(self, event: Event) -> None:
        self.seen.append(event)
        self.last_id = event.id
        if event.name == "snapshot":
            self.bots = {bot["bot_id"]: bot for bot in event.data["bots"]}
        elif event.name == "update":
            bot = self.bots.setdefault(event.data["bot_id"], {})
            assert event.data["version"] > bot.get("version", 0)
            assert all(
                name in ("bot_id", "version") or name not in bot or bot[name] != value
                for name, value in event.data.items()
            ), "an update carried a field that has not changed"
            bot.update(event.data)
        elif event.name == "removed":
            del self.bots[event.data["bot_id"]]


def truth(hub: Hub, user: str) -> dict[str, Any]:
    return {bot_id: json.loads(bot.json) for bot_id, bot in hub.channel(user).bots.items()}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(BOTS), st.floats(-1e6, 1e6, allow_nan=False)),
        st.tuples(st.just("late"), st.sampled_from(BOTS), st.just(0.0)),
        st.tuples(st.just("remove"), st.sampled_from(BOTS), st.just(0.0)),
        st.tuples(st.just("owner"), st.sampled_from(BOTS), st.sampled_from((0.0, 1.0))),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from((0.01, 0.05, 0.2, 3.0))),
        st.tuples(st.just("cut"), st.just(""), st.just(0.0)),
        st.tuples(st.just("connect"), st.just(""), st.just(0.0)),
        st.tuples(st.just("read"), st.just(""), st.just(0.0)),
        st.tuples(st.just("another database"), st.just(""), st.just(0.0)),
        st.tuples(st.just("flood"), st.sampled_from(BOTS), st.just(0.0)),
    ),
    max_size=60,
)


class World:
    """An engine, a hub, and two clients per user: one follows everything, one follows bot "a"."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.hub = Hub(get_loop=lambda: self.loop)  # type: ignore[arg-type,return-value]
        self.hub.on_ready(True)
        self.states: dict[str, BotState] = {}
        self.owners = dict.fromkeys(BOTS, "ali")
        self.version = 0
        self.clients = [Client(self.hub, user) for user in USERS]

    def publish_all(self) -> None:
        self.hub.on_bots("local", tuple(self.states.values()))

    def change(self, bot_id: str, pnl: float) -> None:
        known = self.states.get(bot_id)
        self.version = max(self.version, 0) + 1
        new = known is None
        owner = self.owners[bot_id]
        self.states[bot_id] = bot_state(
            bot_id, owner, name=f"{owner} {bot_id}", version=self.version, open_pnl=pnl
        )
        if new:
            self.publish_all()
        else:
            self.hub.on_state("local", self.states[bot_id])

    def step(self, what: str, bot_id: str, value: float) -> None:
        if what == "change":
            self.change(bot_id, value)
        elif what == "flood":
            for number in range(RING + 3):
                self.change(bot_id, float(number))
                self.loop.advance(PAUSE)
        elif what == "late" and bot_id in self.states:
            self.hub.on_state("local", self.states[bot_id])
        elif what == "remove":
            self.states.pop(bot_id, None)
            self.publish_all()
        elif what == "owner":
            self.owners[bot_id] = USERS[int(value)]
        elif what == "another database":
            self.version = 0
            self.states = {}
            for name in BOTS[:2]:
                self.version += 1
                self.states[name] = bot_state(name, self.owners[name], version=self.version)
            self.publish_all()
        elif what == "wait":
            self.loop.advance(value)
        else:
            self.connection(what)

    def connection(self, what: str) -> None:
        for client in self.clients:
            if what == "cut" and client.stream is not None:
                client.cut()
            elif what == "connect" and client.stream is None:
                client.connect()
            elif what == "read":
                client.read()

    def settle(self) -> None:
        self.step("connect", "", 0)
        self.loop.advance(1.0)
        self.step("read", "", 0)


@given(STEPS)
@settings(max_examples=150)
def test_whatever_happens_a_client_ends_in_the_hubs_state(steps: list[tuple[str, str, float]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    world.settle()
    for client in world.clients:
        assert client.bots == truth(world.hub, client.user)
        owned = {name for name, state in world.states.items() if state.owner == client.user}
        assert client.bots.keys() == owned


@given(STEPS)
@settings(max_examples=100)
def test_nobody_ever_gets_a_byte_of_anothers_bots(steps: list[tuple[str, str, float]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    world.settle()
    for client, other in zip(world.clients, reversed(USERS), strict=True):
        assert f'"owner":"{other}"'.encode() not in client.raw
        assert f'"name":"{other}'.encode() not in client.raw


@given(STEPS)
@settings(max_examples=50)
def test_ids_of_one_epoch_never_go_back(steps: list[tuple[str, str, float]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    world.settle()
    for client in world.clients:
        last: dict[str, int] = {}
        for event in client.seen:
            epoch, _, number = event.id.partition("-")
            assert int(number) >= last.get(epoch, 0)
            if event.name in ("update", "removed"):
                assert int(number) > last.get(epoch, -1) or epoch not in last
            last[epoch] = int(number)


def connected(world: World) -> Client:
    client = world.clients[0]
    client.connect()
    client.read()
    return client


def test_one_bot_gives_at_most_ten_updates_a_second_and_always_its_last_state() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    client.seen.clear()
    for number in range(500):
        world.change("a", float(number))
        world.loop.advance(0.004)
        client.read()
    world.loop.advance(PAUSE)
    client.read()
    updates = [event for event in client.seen if event.name == "update"]
    assert 19 <= len(updates) <= 22
    assert updates[-1].data["open_pnl"] == 499.0


def test_a_change_after_a_quiet_time_goes_out_at_once() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    world.loop.advance(1.0)
    client.seen.clear()
    world.change("a", 7.0)
    client.read()
    assert [event.data["open_pnl"] for event in client.seen] == [7.0]


def test_a_snapshot_shows_no_more_than_its_number_promises() -> None:
    """What is held back comes as an update after the snapshot, not twice and not never."""
    world = World()
    world.change("a", 1.0)
    world.change("a", 2.0)  # held back
    client = connected(world)
    assert client.bots["a"]["open_pnl"] == 1.0
    world.loop.advance(PAUSE)
    client.read()
    assert client.bots["a"]["open_pnl"] == 2.0


def test_who_missed_little_gets_the_updates_and_who_missed_much_a_snapshot() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    client.cut()
    for number in range(3):
        world.change("a", float(number + 1))
        world.loop.advance(PAUSE)
    client.seen.clear()
    client.connect()
    client.read()
    assert [event.name for event in client.seen] == ["update", "update", "update", "beat"]
    client.cut()
    world.step("flood", "a", 0.0)
    client.seen.clear()
    client.connect()
    client.read()
    assert [event.name for event in client.seen] == ["snapshot"]


@pytest.mark.parametrize("last", ["nonsense", "0123456789ab-3", "-1", "0123456789ab-", "\u0664", "x" * 1000])
def test_an_id_that_is_none_of_ours_gets_a_snapshot(last: str) -> None:
    world = World()
    world.change("a", 0.0)
    client = world.clients[0]
    client.last_id = last
    client.connect()
    client.read()
    assert [event.name for event in client.seen] == ["snapshot"]


def test_an_id_from_the_future_gets_a_snapshot() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    epoch = client.last_id.partition("-")[0]
    client.cut()
    client.last_id, client.seen = f"{epoch}-99", []
    client.connect()
    client.read()
    assert [event.name for event in client.seen] == ["snapshot"]


def test_a_client_too_slow_for_the_ring_gets_a_snapshot_and_nothing_is_kept_for_it() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    world.step("flood", "a", 0.0)
    client.seen.clear()
    client.read()
    assert [event.name for event in client.seen] == ["snapshot"]


def test_the_stream_of_one_bot_tells_of_no_other_and_ends_with_it() -> None:
    world = World()
    world.change("a", 0.0)
    world.change("b", 0.0)
    client = Client(world.hub, "ali", "a")
    client.connect()
    client.read()
    world.loop.advance(1.0)
    world.change("b", 5.0)
    world.change("a", 6.0)
    client.read()
    assert client.bots.keys() == {"a"}
    assert client.bots["a"]["open_pnl"] == 6.0
    world.step("remove", "a", 0.0)
    client.read()
    assert client.seen[-1].name == "removed"
    assert client.stream is not None and client.stream.ended


def test_all_get_the_same_bytes_and_a_state_is_serialised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.change("a", 0.0)
    clients = [Client(world.hub, "ali") for _ in range(10)]
    for client in clients:
        client.connect()
        client.read()
    made: list[Any] = []
    payload = BotState.payload
    monkeypatch.setattr(BotState, "payload", lambda state: made.append(1) or payload(state))
    world.loop.advance(1.0)
    for client in clients:
        client.raw = b""
    world.change("a", 3.0)
    for client in clients:
        client.read()
    assert len({client.raw for client in clients}) == 1
    assert len(made) == 1


def test_a_user_has_so_many_streams_and_no_more_until_one_ends() -> None:
    world = World()
    hub = Hub(2, get_loop=lambda: world.loop)  # type: ignore[arg-type,return-value]
    first = hub.subscribe("ali", None, "", "")
    hub.subscribe("ali", None, "", "")
    with pytest.raises(TooManyStreamsError):
        hub.subscribe("ali", None, "", "")
    hub.subscribe("bea", None, "", "")
    hub.unsubscribe(first)
    hub.unsubscribe(first)
    hub.subscribe("ali", None, "", "")
    assert hub.streams == 3


def test_beats_tell_how_long_each_engine_was_silent() -> None:
    world = World()
    world.change("a", 0.0)
    client = connected(world)
    assert client.seen[-1].data["engines"] == {"local": None}
    world.hub.on_alive("local", 0.5)
    assert world.hub.alive("local")
    world.loop.advance(2.0)
    client.read()
    assert client.seen[-1].name == "beat"
    age = client.seen[-1].data["engines"]["local"]
    assert 1.0 < age <= 2.6
    world.loop.advance(4.1)
    assert not world.hub.alive("local")
    client.read()
    assert client.seen[-1].data["engines"]["local"] > 5.0


def test_beats_come_at_the_promised_pace_to_thousands() -> None:
    world = World()
    hub = Hub(10_000, get_loop=lambda: world.loop)  # type: ignore[arg-type,return-value]
    clients = [Client(hub, "ali") for _ in range(2000)]
    for client in clients:
        client.connect()
        client.read()
        client.seen.clear()
    for _ in range(100):
        world.loop.advance(0.1)
        for client in clients:
            client.read()
    assert all(3 <= len(client.seen) <= 7 for client in clients)


def test_a_bot_that_changes_hands_leaves_the_one_and_comes_whole_to_the_other() -> None:
    world = World()
    world.change("a", 1.0)
    ali, bea = world.clients
    for client in (ali, bea):
        client.connect()
        client.read()
    world.loop.advance(1.0)
    world.owners["a"] = "bea"
    world.change("a", 2.0)
    ali.read()
    bea.read()
    assert ali.bots == {}
    assert bea.bots["a"]["open_pnl"] == 2.0
    assert bea.bots.keys() == {"a"} and bea.bots["a"].keys() == truth(world.hub, "bea")["a"].keys()


def test_an_unused_channel_is_forgotten() -> None:
    world = World()
    client = Client(world.hub, "passer-by")
    client.connect()
    client.cut()
    assert "passer-by" not in world.hub._channels
