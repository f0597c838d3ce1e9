"""Bots in the running engine: commands through the inbox, prices that are asked for, worlds, replays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotAlert, BotFill, BotState, BotTrade
from core.bots.run_marker import KEY
from core.bots.strategy import Action, Decision
from core.clock import FakeClock
from core.commands import (
    ApplyConfig,
    BotHistory,
    BotsLoaded,
    CommandResult,
    RequestBotHistory,
    RequestSnapshot,
    RunBotCycle,
    SetInstruments,
    StartBot,
    StartFeed,
    StopAllBots,
    StopBot,
    StopFeed,
)
from core.config import BotConfig, Config
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Notice, Position
from core.storage.memory_store import MemoryStore
from gui.workers.websocket_worker import WebSocketWorker
from tests.bot_rig import BotStore, Puppet, add_puppet, bot
from tests.scripted import ASELS, THYAO, WEDNESDAY, Events, FailingStore
from tests.test_engine_loop import Rig, config, position
from tests.test_replay import Rig as ReplayRig
from tests.test_replay import config as replay_config
from tests.test_replay import session, write

BOT_EVENTS = (BotState, BotTrade, BotFill, BotAlert, BotsLoaded, BotHistory)


@pytest.fixture(autouse=True)
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    return add_puppet(monkeypatch)


class LastingStore(FailingStore):
    """Can be opened again."""

    def close(self) -> None:
        """See `Store.close`."""


class BotLoop(Rig):
    """A loop with bots that the test turns by hand."""

    def __init__(self, *bots: BotConfig, store: FailingStore | None = None) -> None:
        super().__init__(replace(config(), bots=bots), store)
        self.told = Events(self.loop.bus, *BOT_EVENTS)
        self.events.all.clear()

    def state(self, bot_id: str = "b1") -> BotState:
        return next(each for each in reversed(self.told.of(BotState)) if each.bot_id == bot_id)

    def buy(self, puppet: Puppet, price: float = 100.0, on: Any = ASELS) -> None:
        puppet.wants[on.key] = Decision(action=Action.BUY)
        self.clock.advance(1)
        self.see(price, on)


@pytest.fixture
def rig() -> Iterator[BotLoop]:
    made = BotLoop(bot("b1", stop_loss_pct=3.0), bot("b2", "THYAO", autostart=False))
    yield made
    made.loop.close()


# --- commands -------------------------------------------------------------------------------------------


def test_a_newcomer_is_told_all_bots(rig: BotLoop):
    assert rig.do(RequestSnapshot()) == [""]
    loaded = rig.told.of(BotsLoaded)[-1]
    assert [state.bot_id for state in loaded.states] == ["b1", "b2"]
    assert [made.id for made in loaded.configs] == ["b1", "b2"]


@pytest.mark.allow_log("was not carried out")
def test_commands_are_answered(rig: BotLoop):
    rig.do(StartFeed())
    assert rig.do(StartBot(bot_id="b2"), StopBot(bot_id="b2"), RequestBotHistory()) == ["", "", ""]
    assert rig.told.of(BotHistory)[-1].trades == ()
    unknown, idle = rig.do(StartBot(bot_id="x"), RunBotCycle(bot_id="b2"))
    assert "no bot called x" in unknown and "does not run" in idle


def test_prices_reach_the_bots_only_after_the_commands_of_their_batch(rig: BotLoop, puppet: Puppet):
    rig.do(StartFeed())
    rig.buy(puppet)
    assert [fill.price for fill in rig.told.of(BotFill)] == [100]
    stop = StopAllBots(flatten=True)
    rig.loop.post(stop)
    rig.clock.advance(1)
    rig.see(101.0)
    assert [trade.exit_price for trade in rig.told.of(BotTrade)] == [100]
    assert rig.state().status == "stopped"


def test_starting_a_bot_while_the_scan_rests_is_remarked(rig: BotLoop):
    assert rig.do(StartBot(bot_id="b2")) == [""]
    assert [notice.key for notice in rig.events.of(Notice)] == ["bots.started_without_feed"]


def test_stopping_the_scan_with_open_positions_is_a_warning(rig: BotLoop, puppet: Puppet):
    rig.do(StartFeed())
    rig.buy(puppet)
    rig.do(StopFeed())
    rig.step()
    assert ("bots.no_feed", {"count": 1}) in [(each.key, each.params) for each in rig.events.of(Notice)]
    rig.clock.advance(1)
    rig.step()
    assert rig.state().price_freshness == "stale"


def test_positions_that_nobody_prices_after_a_start_are_a_warning(puppet: Puppet):
    rig = BotLoop(bot("b1"), store=LastingStore())
    rig.do(StartFeed())
    rig.buy(puppet)
    rig.loop.close()
    again = BotLoop(bot("b1"), store=rig.store)
    for _ in range(6):
        again.clock.advance(1)
        again.step()
    assert [each.key for each in again.events.of(Notice)] == ["bots.no_feed"]
    again.do(StartFeed())
    again.loop.close()


def test_what_was_asked_before_the_end_is_done(puppet: Puppet):
    rig = BotLoop(bot("b1"))
    rig.do(StartFeed())
    rig.buy(puppet)
    rig.loop.post(StopBot(bot_id="b1", flatten=True))
    rig.loop.close()
    assert rig.state().status == "stopped"
    result = rig.events.of(CommandResult)[-1]
    assert result.error == ""


# --- which prices are asked for -----------------------------------------------------------------------------


def test_instruments_of_bots_are_priced_first_though_nobody_watches_them(puppet: Puppet):
    rig = BotLoop(bot("b1", "ASELS"), bot("b2", "THYAO"))
    held = Position(**{**_fields(position()), "symbol": "GARAN"})
    rig.store.add_positions([held])
    rig.loop.engine.refresh_ledger()
    rig.do(SetInstruments(instruments=()), StartFeed())
    assert [each.symbol for each in rig.loop.engine.priced()] == ["ASELS", "THYAO", "GARAN"]
    rig.buy(puppet, on=THYAO)
    assert rig.loop.engine.priced()[0] == THYAO
    assert rig.loop.engine.preferred == {"BIST:ASELS", "BIST:THYAO", "BIST:GARAN"}
    rig.answering = True
    rig.step_until(lambda: rig.sources and rig.sources[0].fetches)
    assert set(rig.sources[0].fetches[-1]) == {"THYAO", "ASELS", "GARAN"}
    rig.loop.close()


def _fields(value: Position) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_a_bot_that_is_added_gets_prices_at_once_and_one_that_goes_is_forgotten(puppet: Puppet):
    rig = BotLoop()
    rig.do(StartFeed())
    rig.see(100.0)
    assert rig.told.of(BotState) == []
    rig.do(ApplyConfig(config=replace(config(), bots=(bot("b1", "THYAO"),))))
    assert [each.key for each in rig.loop.engine.priced()] == ["BIST:THYAO"]
    rig.buy(puppet, on=THYAO)
    assert rig.state().status == "in_position"
    rig.do(StopAllBots(flatten=True), ApplyConfig(config=config()))
    assert rig.told.of(BotsLoaded)[-1].states == ()
    assert rig.loop.engine.priced() == ()
    rig.loop.close()


# --- worlds -------------------------------------------------------------------------------------------------


def test_real_and_simulated_bots_share_nothing(puppet: Puppet):
    rig = BotLoop(bot("b1"))
    rig.do(StartFeed())
    rig.buy(puppet)
    simulated = replace(config(live_data_source="simulation"), bots=(bot("b1"),))
    rig.do(ApplyConfig(config=simulated))
    assert len(rig.stores) == 2 and rig.state().position is None and rig.state().simulated
    assert rig.state().version == 1
    rig.loop.close()


def test_a_replay_trades_with_bots_and_begins_each_time_with_nothing(tmp_path: Path):
    file = write(tmp_path / "day.jsonl", *session())
    bots = (bot("b1", strategy="threshold", direction="both", quantity=10.0),)
    rig = ReplayRig(replace(replay_config(file), bots=bots))
    told = Events(rig.loop.bus, *BOT_EVENTS)
    results = []
    for _ in range(2):
        fills = len(told.of(BotFill))
        rig.loop.post(StartFeed())
        rig.until(lambda: "replay.ended" in [each.key for each in rig.events.of(Notice)])
        results.append([
            (fill.side, fill.price, fill.filled_at, fill.simulated) for fill in told.of(BotFill)[fills:]
        ])  # fmt: skip
        rig.events.all.clear()
        rig.loop.post(StopFeed())
        rig.turn()
    assert results[0] == results[1] and len(results[0]) > 4
    assert all(simulated and at < WEDNESDAY + 500 for _, _, at, simulated in results[0])
    ids = [fill.fill_id for fill in told.of(BotFill)]
    assert len(set(ids)) == len(ids)
    versions = [state.version for state in told.of(BotState)]
    assert versions == list(range(versions[0], versions[0] + len(versions)))
    rig.loop.close()


# --- the desktop --------------------------------------------------------------------------------------------


def test_the_worker_tells_of_bots_by_signals_and_frames(qtbot: Any):
    store = BotStore()
    settings = replace(config(), bots=(bot("b1"),))
    worker = WebSocketWorker([], settings, open_store=lambda _: store, autostart=False)
    payloads: list[dict[str, Any]] = []
    worker.bot_status_updated.connect(payloads.append)
    events: list[Any] = []
    worker.core_event.connect(events.append)
    with qtbot.waitSignal(worker.frame_waiting):
        worker.start()
    frame = worker.take_frame()
    assert [state.bot_id for state in frame.bots] == ["b1"]
    qtbot.waitUntil(lambda: any(isinstance(each, BotsLoaded) for each in events))
    with qtbot.waitSignal(worker.frame_waiting):
        worker.post(StopBot(bot_id="b1"))
    assert worker.take_frame().bots[-1].status == "stopped"
    qtbot.waitUntil(lambda: bool(payloads))
    assert payloads[-1]["bot_id"] == "b1" and payloads[-1]["status"] == "stopped"
    worker.stop()


def test_an_engine_without_bots_writes_nothing_about_them():
    store = MemoryStore()
    engine = Engine(Config(), lambda _: store, FakeClock(WEDNESDAY), EventBus())
    assert store.value(KEY) is None and engine.bots.by_key == {}
    engine.close()
