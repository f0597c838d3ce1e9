"""A real push session against a loopback server, recorded with its frames, broken off, and replayed."""

from __future__ import annotations

import json
import re
import threading
import time

from core.commands import SetInstruments, StartFeed
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.engine.loop import EngineLoop
from core.events import EventBus
from core.feed.budget import BudgetRegistry
from core.model import Instrument, Signal
from core.replay.format import FrameRecord, LostRecord, QuoteRecord
from core.replay.reader import Recording, recordings
from core.sources.checks import BadDataTally
from core.sources.registry import create_push
from core.sources.tradingview_quotes import QuoteSession
from core.storage.memory_store import MemoryStore
from tests.loopback.tradingview_server import TradingViewServer
from tests.patience import PATIENCE
from tests.scripted import ScriptedSource
from tests.test_push_faults import fast_clock
from tests.test_replay import Rig, config

KEYS = ("BIST:KCHOL", "NASDAQ:KCHOL")


def record_session(folder, signals: list[Signal]) -> None:
    """Two symbols with the same ticker move until both have signalled, over a broken connection."""
    clock, server = fast_clock(), TradingViewServer()
    server.market.now = clock.time
    server.pushes = True
    server.heartbeat_seconds = 0.05
    for key, price in zip(KEYS, (180.0, 12.5), strict=True):
        server.set_price(key, price, price)
    settings = Config(
        real_time=RealTimeConfig(
            live_data_source="tradingview", allow_simulation=False, signal_threshold_pct=1.0, record=True,
        ),
        websocket=WebSocketConfig(endpoint=server.endpoint, reconnect_delay_ms=1000),
    )  # fmt: skip
    bus = EventBus()
    bus.subscribe(Signal, signals.append)
    loop = EngineLoop(
        settings, lambda _: MemoryStore(), clock, bus=bus, budgets=BudgetRegistry(clock), recordings=folder,
        create_source=lambda name, settings, clock: ScriptedSource(name), create_push=create_push,
    )  # fmt: skip
    thread = threading.Thread(target=loop.run, name="engine")
    thread.start()
    try:
        loop.post(SetInstruments(instruments=tuple(map(Instrument.from_key, KEYS))))
        loop.post(StartFeed())
        move(server, lambda: {s.key for s in signals} == set(KEYS))
        server.quotes.drop()
        seen = len(signals)
        move(server, lambda: len(signals) >= seen + 3)
    finally:
        loop.stop()
        thread.join(PATIENCE)
        server.stop()
    assert not thread.is_alive()


def move(server: TradingViewServer, done) -> None:
    end, step = time.monotonic() + PATIENCE, 0
    while not done():
        assert time.monotonic() < end
        step += 1
        for key, base in zip(KEYS, (180.0, 12.5), strict=True):
            server.set_price(key, round(base * (1 + 0.004 * (step % 12)), 2))
        time.sleep(0.01)


def test_a_recorded_push_session_gives_the_same_signals_and_its_frames_the_same_prices(tmp_path):
    live: list[Signal] = []
    record_session(tmp_path, live)
    (path,) = recordings(tmp_path)
    records = list(Recording(path).records())
    assert any(isinstance(record, LostRecord) for record in records)

    rig = Rig(config("", replay_speed=1000), tmp_path)
    rig.play()
    rig.loop.close()
    told = rig.events.of(Signal)
    mine = [{**s.payload(""), "source": "tradingview", "simulated": False} for s in told]
    assert json.dumps(mine) == json.dumps([s.payload("") for s in live])

    frames = [record for record in records if isinstance(record, FrameRecord)]
    ids = dict.fromkeys(re.findall(r"qs_\w{12}", "".join(frame.data for frame in frames)))
    assert len(ids) >= 2
    first = next(iter(ids))
    session = QuoteSession("tradingview", BadDataTally("tradingview"))
    session.id = first
    session.add(tuple(map(Instrument.from_key, KEYS)))
    for frame in frames:
        session.take(frame.data, frame.at)
    again = [(quote.key, quote.price) for quote in session.quotes]
    before = [(r.quote.key, r.quote.price) for r in records if isinstance(r, QuoteRecord)]
    assert again
    assert before[: len(again)] == again
