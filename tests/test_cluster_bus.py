"""Bots' states over a real Redis: from engines to listeners, whatever happens to Redis in between."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from typing import Any

import pytest
from msgspec.structs import replace

from core.cluster.commands import CommandSender
from core.cluster.engine_link import EngineLink, engine_id_of
from core.cluster.link import Names, Timings
from core.cluster.listener import FleetListener
from core.cluster.messages import BotCommand, GoneMessage, StateMessage, decode_state, encode
from core.cluster.publisher import BotPublisher
from core.commands import BotsLoaded, CommandResult, StartBot, StopBot
from core.events import EventBus
from tests.cluster_helpers import QUICK, Screen, redis_server, state  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.patience import FOREVER, PATIENCE
from tests.server_helpers import wait_for

TROUBLE = pytest.mark.allow_log(
    r"Redis does not take the bots' states", r"Redis is not heard", r"no commands can come through Redis"
)


class Plant:
    """Engines and listeners on one Redis, all ended at the end."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.stack = ExitStack()

    def publisher(self, engine: str = "e1", *, timings: Timings = QUICK, **fields: Any) -> BotPublisher:
        publisher = BotPublisher(self.server.url, engine, timings=timings, **fields)
        publisher.start()
        self.stack.callback(publisher.stop)
        return publisher

    def listener(self) -> tuple[FleetListener, Screen]:
        screen = Screen()
        listener = FleetListener(self.server.url, screen, timings=QUICK)
        listener.start()
        self.stack.callback(listener.stop)
        return listener, screen


@pytest.fixture
def plant(redis_server: RedisServer) -> Iterator[Plant]:  # noqa: F811
    made = Plant(redis_server)
    with made.stack:
        yield made


def test_a_new_server_has_all_bots_at_once_and_then_hears_of_changes(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1", 3), state("b2", 7)])
    _, early = plant.listener()
    early.wait(lambda: early.version("b1") == 3 and early.version("b2") == 7)
    _, late = plant.listener()
    late.wait(lambda: late.version("b2") == 7 and late.beats() > 0)
    publisher.put(state("b1", 4, last_error="ş\n<b>"))
    for screen in (early, late):
        screen.wait(lambda screen=screen: screen.version("b1") == 4)
        assert screen.bots["e1"]["b1"] == state("b1", 4, last_error="ş\n<b>")


def test_removed_bots_leave_also_those_of_the_engines_last_run(plant: Plant) -> None:
    first = plant.publisher()
    first.replace_all([state("b1"), state("b2"), state("b3")])
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b3") == 1)
    first.replace_all([state("b1"), state("b2")])
    screen.wait(lambda: screen.version("b3") == 0)
    first.stop()
    plant.publisher().replace_all([state("b1", 2)])
    screen.wait(lambda: list(screen.bots["e1"]) == ["b1"] and screen.version("b1") == 2)


def test_a_version_never_goes_back(plant: Plant) -> None:
    publisher = plant.publisher()
    _, screen = plant.listener()
    publisher.put(state("b1", 5))
    publisher.put(state("b1", 4))
    screen.wait(lambda: screen.version("b1") == 5)
    late = encode(StateMessage("e1", state("b1", 3)))
    client = plant.server.client()
    client.publish(Names.of(plant.server.url).events, late)
    client.close()
    publisher.put(state("b1", 6))
    screen.wait(lambda: screen.version("b1") == 6)
    assert screen.versions[-1] == ("b1", 6)
    assert ("b1", 3) not in screen.versions
    assert ("b1", 4) not in screen.versions


def test_a_database_that_began_anew_is_believed(plant: Plant) -> None:
    first = plant.publisher()
    first.replace_all([state("b1", 50)])
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 50)
    first.stop()
    second = plant.publisher()
    second.replace_all([state("b1", 1)])
    screen.wait(lambda: screen.version("b1") == 1)
    second.put(state("b1", 2))
    screen.wait(lambda: screen.version("b1") == 2)


def test_two_engines_with_the_same_bot_the_living_one_keeps_it(plant: Plant) -> None:
    conflicts: list[tuple[str, str]] = []
    first = plant.publisher("e1", timings=Timings())  # a late beat of it is no death
    first.replace_all([state("b1", 9)])
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.cluster.publisher.log.warning", lambda *_: None)
        second = plant.publisher("e2", on_conflict=lambda *names: conflicts.append(names))
        second.replace_all([state("b1", 2)])
        screen.wait(lambda: screen.beats("e2") > 2)
    assert conflicts == [("b1", "e1")]
    assert screen.version("b1", "e1") == 9
    first.stop()
    screen.wait(lambda: screen.version("b1", "e2") == 2 and screen.version("b1", "e1") == 0)


def test_an_engine_that_ends_is_not_alive_at_once_and_one_that_dies_is_so_soon(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1")])
    _, screen = plant.listener()
    screen.wait(lambda: screen.beats() > 1)
    publisher.stop()
    screen.wait(lambda: screen.alive["e1"][-1] > 1000)
    _, late = plant.listener()
    late.wait(lambda: late.version("b1") == 1)
    assert late.beats() == 0


def test_an_engine_for_whose_bots_nobody_works_is_not_alive(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1")])
    _, screen = plant.listener()
    screen.wait(lambda: screen.beats() > 1)
    publisher.set_serving(False)
    publisher.put(state("b1", 2))
    screen.wait(lambda: screen.version("b1") == 2)
    before = screen.beats()
    publisher.put(state("b1", 3))
    screen.wait(lambda: screen.version("b1") == 3)
    _, late = plant.listener()
    late.wait(lambda: late.version("b1") == 3)
    assert late.beats() == 0
    assert screen.beats() <= before + 1
    publisher.set_serving(True)
    late.wait(lambda: late.beats() > 0)


@TROUBLE
def test_redis_killed_and_started_empty_ends_in_the_right_state(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1"), state("b2")])
    listener, screen = plant.listener()
    screen.wait(lambda: screen.version("b2") == 1)
    plant.server.kill()
    for version in range(2, 40):
        publisher.put(state("b1", version))
    publisher.replace_all([state("b1", 40)])
    plant.server.start()
    screen.wait(lambda: screen.version("b1") == 40 and screen.version("b2") == 0)
    wait_for(lambda: listener.sessions >= 2)  # counted once all was read
    publisher.put(state("b1", 41))
    screen.wait(lambda: screen.version("b1") == 41)


@TROUBLE
def test_a_frozen_redis_is_noticed_and_all_is_right_after_it(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1")])
    listener, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 1 and listener.connected)
    plant.server.freeze()
    try:
        publisher.put(state("b1", 2))
        end = time.monotonic() + PATIENCE
        while (listener.connected or publisher.connected) and time.monotonic() < end:
            publisher.put(state("b1", 3))
        assert not listener.connected
        assert not publisher.connected
        publisher.put(state("b1", 4))
    finally:
        plant.server.thaw()
    screen.wait(lambda: screen.version("b1") == 4)
    assert sorted(screen.versions) == screen.versions


@TROUBLE
def test_a_connection_that_is_cut_again_and_again_comes_back_each_time(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1")])
    listener, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 1 and screen.beats() > 0)
    for version in range(2, 12):
        sessions = listener.sessions
        plant.server.cut()
        publisher.put(state("b1", version))
        screen.wait(lambda version=version: screen.version("b1") == version)
        end = time.monotonic() + PATIENCE
        while listener.sessions == sessions and time.monotonic() < end:
            publisher.state_of("b1")
        assert listener.sessions > sessions


@pytest.mark.allow_log("a message of Redis was lost on its way")
def test_a_message_that_was_lost_on_its_way_is_found_out(plant: Plant) -> None:
    _, screen = plant.listener()
    publisher = plant.publisher()
    publisher.replace_all([state("b1"), state("b2")])
    screen.wait(lambda: screen.version("b2") == 1)
    names, client = Names.of(plant.server.url), plant.server.client()
    client.hset(names.states, "b1", encode(StateMessage("e1", state("b1", 8))))
    client.hset(names.versions, "b1", "8 e1")
    screen.wait(lambda: screen.version("b1") == 8)
    client.hdel(names.versions, "b2")
    client.hdel(names.states, "b2")
    screen.wait(lambda: screen.version("b2") == 0)
    client.close()


@pytest.mark.allow_log("a message of Redis was lost on its way")  # if the listener looks before the publisher
def test_a_redis_that_lost_its_memory_without_a_break_is_told_again(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1", 3)])
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 3)
    names, client = Names.of(plant.server.url), plant.server.client()
    client.flushall()
    end = time.monotonic() + PATIENCE
    while client.hget(names.versions, "b1") is None and time.monotonic() < end:
        publisher.state_of("b1")
    assert decode_state(client.hget(names.states, "b1")).state == state("b1", 3)
    client.close()


@pytest.mark.allow_log("cannot be read", "a message of Redis was lost on its way")
def test_what_cannot_be_read_stops_nothing(plant: Plant) -> None:
    publisher = plant.publisher()
    publisher.replace_all([state("b1")])
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 1)
    names, client = Names.of(plant.server.url), plant.server.client()
    for garbage in (
        b"",
        b"{",
        b"\xff",
        b'{"kind":"news"}',
        b'{"kind":"state"}',
        encode(GoneMessage("nobody")),
    ):
        client.publish(names.events, garbage)
    client.hset(names.states, "bx", b'{"kind":"state","engine":"e9","state":{"status":"dreaming"}}')
    client.hset(names.versions, "bx", "1 e9")
    client.close()
    publisher.put(state("b1", 2))
    screen.wait(lambda: screen.version("b1") == 2)
    _, late = plant.listener()
    late.wait(lambda: late.version("b1") == 2)


def test_nothing_waits_for_a_redis_that_is_not_there() -> None:
    patient = replace(QUICK, reply=FOREVER, connect=PATIENCE)
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as silent:
        patch.setattr("core.cluster.publisher.log.warning", lambda *_: None)
        for port in (1, silent.getsockname()[1]):  # it refuses; it takes the connection and says nothing
            publisher = BotPublisher(f"redis://127.0.0.1:{port}/0", "e1", timings=patient)
            publisher.start()
            for version in range(1, 2000):
                publisher.put(state("b1", version))
            with nullcontext() if port == 1 else silent.accept()[0]:
                publisher.stop()


# --- commands -------------------------------------------------------------------------------------------


class FakeEngine:
    """An engine that carries out what is posted in the same thread."""

    def __init__(self, plant: Plant, *, refuse: str = "", mute: bool = False) -> None:
        self.posted: list[Any] = []
        self.refuse, self.mute = refuse, mute
        self.bus = EventBus()
        self.link = EngineLink(plant.server.url, "e1", self.bus, self.post, label="desk")
        plant.stack.callback(self.link.close)
        self.link.open()
        self.bus.publish(BotsLoaded((state("b1"),), ()))

    def post(self, message: Any) -> None:
        if isinstance(message, StartBot | StopBot):
            self.posted.append(message)
            if not self.mute:
                self.bus.publish(CommandResult(command_id=message.id, error=self.refuse))


def _ready(plant: Plant) -> CommandSender:
    _, screen = plant.listener()
    screen.wait(lambda: screen.version("b1") == 1)
    return CommandSender(plant.server.url)


def _command(number: int = 1, **fields: Any) -> BotCommand:
    named = {"id": f"c{number}", "owner": "local", "bot_id": "b1", "action": "stop"} | fields
    return BotCommand(**named)


def test_a_command_reaches_the_engine_once_and_is_answered(plant: Plant) -> None:
    engine = FakeEngine(plant)
    sender = _ready(plant)
    assert sender.send("e1", _command(1, flatten=True), PATIENCE).outcome == "done"
    assert sender.send("e1", _command(1, flatten=True), PATIENCE).outcome == "done"
    assert sender.send("e1", _command(2, action="start"), PATIENCE).outcome == "done"
    assert [(type(c), getattr(c, "flatten", None)) for c in engine.posted] == [
        (StopBot, True),
        (StartBot, None),
    ]


def test_another_users_bot_is_unknown_to_the_engine_too(plant: Plant) -> None:
    engine = FakeEngine(plant)
    sender = _ready(plant)
    assert sender.send("e1", _command(1, owner="eve"), PATIENCE).outcome == "unknown"
    assert sender.send("e1", _command(2, bot_id="nothing"), PATIENCE).outcome == "unknown"
    assert engine.posted == []


def test_a_refusal_comes_back_with_its_sentence(plant: Plant) -> None:
    FakeEngine(plant, refuse="Not now.")
    answer = _ready(plant).send("e1", _command(), PATIENCE)
    assert (answer.outcome, answer.error) == ("refused", "Not now.")


def test_an_engine_that_took_a_command_and_says_nothing_leaves_it_unclear(plant: Plant) -> None:
    FakeEngine(plant, mute=True)
    assert _ready(plant).send("e1", _command(), 0.2).outcome == "unclear"


def test_a_command_for_a_silent_engine_does_not_happen_later(plant: Plant) -> None:
    sender = CommandSender(plant.server.url)
    assert sender.send("e1", _command(1), 0.2).outcome == "silent"
    publisher = plant.publisher("e1", timings=Timings())  # lives, but takes no commands
    publisher.replace_all([state("b1")])
    _, screen = plant.listener()
    screen.wait(lambda: screen.beats() > 0)
    assert sender.send("e1", _command(2), 0.2).outcome == "silent"
    publisher.stop()
    engine = FakeEngine(plant)
    assert _ready(plant).send("e1", _command(3), PATIENCE).outcome == "done"
    assert len(engine.posted) == 1


def test_an_engine_keeps_its_name(data_dir: Any) -> None:
    name = engine_id_of(data_dir)
    assert engine_id_of(data_dir) == name
    (data_dir / "engine_id").write_text("no name\n")
    assert engine_id_of(data_dir) != "no name"


def test_without_a_redis_url_nothing_of_redis_or_celery_is_imported() -> None:
    code = (
        "import sys, core.engine.loop, core.session, cli.headless, cli.main\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('redis', 'celery', 'kombu')"
        " or name.startswith('core.cluster')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
