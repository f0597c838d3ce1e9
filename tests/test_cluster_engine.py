"""An engine with `server.redis_url`: its bots are seen elsewhere, and elsewhere they are commanded."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.arguments import Options, parse
from cli.doctor_checks import FAIL, OK, WARN, Patient
from cli.doctor_cluster import check_redis
from cli.worker import run_worker_mode
from core.bots.elsewhere import BotsMoved
from core.bots.model import BotState, BotStatus
from core.clock import FakeClock
from core.cluster.commands import CommandSender
from core.cluster.engine_link import engine_id_of
from core.cluster.link import Names
from core.cluster.listener import FleetListener
from core.cluster.locks import worker_beat
from core.cluster.messages import BotCommand
from core.cluster.tasks import broker_of
from core.commands import ApplyConfig, CommandResult, StartBot
from core.config import BotConfig, Config, RealTimeConfig, ServerConfig
from core.engine.loop import EngineLoop
from core.errors import InputError, UserError
from core.model import Notice
from core.storage.memory_store import MemoryStore
from tests.cluster_helpers import QUICK, Screen, redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.patience import PATIENCE
from tests.scripted import WEDNESDAY, Events, ScriptedSource

BOT = BotConfig(id="b1", name="B1", symbols=("ASELS",), owner="ayse")
LIVE = RealTimeConfig(live_data_source="yfinance")


class Running:
    """An engine's loop in a thread of its own."""

    def __init__(self, config: Config, data_dir: Path | None) -> None:
        self.loop = EngineLoop(
            config, lambda _config: MemoryStore(), FakeClock(WEDNESDAY), data_dir=data_dir,
            create_source=lambda *_: ScriptedSource(),
        )  # fmt: skip
        self.events = Events(self.loop.bus, CommandResult, Notice, BotState)
        self._thread = threading.Thread(target=self.loop.run, name="engine")
        self._thread.start()

    def until(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.events.all
            time.sleep(0.005)

    def close(self) -> None:
        self.loop.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def _config(server: RedisServer, **fields: Any) -> Config:
    return Config(bots=(BOT,), real_time=LIVE, server=ServerConfig(redis_url=server.url), **fields)


def _listen(server: RedisServer, stack: ExitStack) -> Screen:
    screen = Screen()
    listener = FleetListener(server.url, screen, timings=QUICK)
    stack.callback(listener.stop)
    listener.start()
    return screen


def test_an_engines_bots_are_seen_and_commanded_through_redis(
    redis_server: RedisServer,  # noqa: F811
    data_dir: Path,
    stack: ExitStack,
) -> None:
    screen, name = _listen(redis_server, stack), engine_id_of(data_dir)
    engine = Running(_config(redis_server), data_dir)
    stack.callback(engine.close)
    screen.wait(lambda: screen.version("b1", name) == 1)
    sender = CommandSender(redis_server.url)
    command = BotCommand(id="c1", owner="ayse", bot_id="b1", action="start")
    assert sender.send(name, command, PATIENCE).outcome == "done"
    screen.wait(lambda: screen.bots[name]["b1"].status is not BotStatus.STOPPED)
    assert sender.send(name, replace(command, id="c2", owner="eve"), PATIENCE).outcome == "unknown"


def test_an_engine_follows_a_change_of_the_redis_url(
    redis_server: RedisServer,  # noqa: F811
    data_dir: Path,
    stack: ExitStack,
) -> None:
    config = _config(redis_server)
    screen, name = _listen(redis_server, stack), engine_id_of(data_dir)
    engine = Running(replace(config, server=ServerConfig()), data_dir)
    stack.callback(engine.close)
    engine.loop.post(ApplyConfig(config=config))
    screen.wait(lambda: screen.version("b1", name) == 1 and screen.beats(name) > 0)
    engine.loop.post(ApplyConfig(config=replace(config, server=ServerConfig())))
    screen.wait(lambda: screen.alive[name][-1] > 1000)


def test_a_demo_is_not_told_to_others(
    redis_server: RedisServer,  # noqa: F811
    stack: ExitStack,
) -> None:
    engine = Running(_config(redis_server), None)
    stack.callback(engine.close)
    engine.until(lambda: engine.events.of(BotState))
    client = redis_server.client()
    assert client.keys("*") == []
    client.close()


@pytest.mark.allow_log("no worker works for the bots", "StartBot was not carried out")
def test_a_command_for_a_worker_is_answered_when_the_worker_answers(
    redis_server: RedisServer,  # noqa: F811
    data_dir: Path,
    stack: ExitStack,
) -> None:
    engine = Running(_config(redis_server, bot_executor="celery"), data_dir)
    stack.callback(engine.close)
    command = StartBot(bot_id="b1")
    engine.loop.post(command)
    unknown = StartBot(bot_id="nobody")
    engine.loop.post(unknown)
    engine.until(lambda: any(r.command_id == unknown.id for r in engine.events.of(CommandResult)))
    assert not any(r.command_id == command.id for r in engine.events.of(CommandResult))
    moved = BotState(
        bot_id="b1", owner="ayse", name="B1", version=1, status=BotStatus.RUNNING, key="BIST:ASELS",
        updated_at=WEDNESDAY, keys=("BIST:ASELS",),
    )  # fmt: skip
    engine.loop.inbox.put(BotsMoved(states=(moved,), results=((command.id, "Not today."),)))
    engine.until(lambda: moved in engine.events.of(BotState))
    engine.until(lambda: any(r.command_id == command.id for r in engine.events.of(CommandResult)))
    results = {result.command_id: result.error for result in engine.events.of(CommandResult)}
    assert results[command.id] == "Not today."
    assert results[unknown.id]
    engine.until(lambda: any(n.key == "cluster.no_workers" for n in engine.events.of(Notice)))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://10.0.0.5:6379/3", "redis://10.0.0.5:6379/3"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://:secret@/run/redis.sock?db=2", "redis+socket://:secret@/run/redis.sock?virtual_host=2"),
    ],
)
def test_celery_is_told_of_the_same_redis_in_its_own_words(url: str, broker: str) -> None:
    assert broker_of(url) == broker


def test_bots_in_workers_need_a_way_to_them(data_dir: Path) -> None:
    config = Config(bots=(BOT,), real_time=LIVE, bot_executor="celery")
    loop = EngineLoop(config, lambda _config: MemoryStore(), FakeClock(WEDNESDAY), data_dir=data_dir)
    with pytest.raises(InputError, match=r"server\.redis_url"):
        loop.open()


def test_simulated_prices_are_not_for_workers(data_dir: Path, stack: ExitStack) -> None:
    live = RealTimeConfig(live_data_source="simulation")
    engine = Running(Config(bots=(BOT,), real_time=live, bot_executor="celery"), data_dir)
    stack.callback(engine.close)
    engine.until(lambda: engine.events.of(BotState))


# --- the command line ---------------------------------------------------------------------------------------


def test_a_worker_without_redis_says_what_it_needs(data_dir: Path) -> None:
    with pytest.raises(UserError, match=r"server\.redis_url"):
        run_worker_mode(Options(mode="worker", data_dir=data_dir))
    with pytest.raises(UserError, match="demo"):
        run_worker_mode(Options(mode="worker", data_dir=data_dir, demo=True))


def test_the_worker_takes_its_options_and_nobody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(["worker", "--processes", "3", "--pool", "solo", "--redis-url", "redis://127.0.0.1/4"])
    assert (options.mode, options.worker.processes, options.worker.pool) == ("worker", 3, "solo")
    for line in ("worker --host x", "--processes 2", "worker --pool threads", "worker --processes 0"):
        with pytest.raises(SystemExit):
            parse(line.split())
        assert capsys.readouterr().err


def test_a_real_worker_starts_and_ends_in_good_order(
    redis_server: RedisServer,  # noqa: F811
    data_dir: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "run.py", "worker", "--redis-url", redis_server.url, "--pool", "solo", "--for", "2",
         "--data-dir", str(data_dir)],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Working for the bots of redis://127.0.0.1" in done.stdout
    assert "Traceback" not in done.stderr


def _finding(config: Config, data_dir: Path) -> Any:
    return check_redis(Patient(config, data_dir / "swing_config.json", data_dir))


def test_doctor_tells_of_redis_engines_and_workers(
    redis_server: RedisServer,  # noqa: F811
    data_dir: Path,
) -> None:
    assert _finding(Config(), data_dir).status == OK
    assert _finding(Config(bot_executor="celery"), data_dir).status == FAIL
    config = _config(redis_server)
    assert _finding(config, data_dir).status == OK
    celery = replace(config, bot_executor="celery")
    assert _finding(celery, data_dir).status == WARN
    client = redis_server.client()
    worker_beat(client, Names.of(redis_server.url), "w1")
    assert "a file of this computer" in _finding(celery, data_dir).text
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.close()
    assert _finding(config, data_dir).status == WARN
    redis_server.kill()
    gone = _finding(config, data_dir)
    assert gone.status == FAIL
    assert "redis-server" in gone.mend
