"""The whole way from TradingView's stream to published ticks, under every fault it may show.

In none is a price published under another symbol's name, and none looks live that is not: whatever goes
wrong, all live prices are those that the exchange has at that time, and when nothing real comes any more,
nothing stays live. Then the fault ends and all heals by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from core.commands import SetInstruments, StartFeed
from core.config import Config, RealTimeConfig, WebSocketConfig
from core.engine.loop import EngineLoop
from core.feed.budget import BudgetRegistry
from core.model import FeedStatus, Freshness, FreshnessChange, Instrument, Tick
from core.sources.registry import create_push
from core.storage.memory_store import MemoryStore
from tests.loopback.faults import Fault
from tests.loopback.quote_session import call
from tests.loopback.tradingview_server import TradingViewServer
from tests.patience import PATIENCE
from tests.scripted import FastClock, ScriptedSource, at

SPEED = 30.0
PRICES = {"BIST:KCHOL": 180.0, "NASDAQ:KCHOL": 12.5, "CRYPTO:BTC": 90_000.0}
GOOD = (Freshness.LIVE, Freshness.DELAYED)


def fast_clock() -> FastClock:
    """BIST and New York are both open, and time runs fast."""
    return FastClock(SPEED, at("2026-11-18 17:40"))


class Rig:
    """A server, a running engine and what it published."""

    def __init__(self) -> None:
        self.clock = fast_clock()
        self.server = TradingViewServer()
        self.server.market.now = self.clock.time
        self.server.pushes = True
        self.server.heartbeat_seconds = 0.05
        for key, price in PRICES.items():
            self.server.set_price(key, price, price * 0.99)
        self.told = {key: {price} for key, price in PRICES.items()}
        self.problems: list[str] = []
        self.shown: dict[str, Freshness] = {}
        self.status = FeedStatus(state="stopped")
        config = Config(
            real_time=RealTimeConfig(
                live_data_source="tradingview", allow_simulation=False, stale_after_sec=20.0,
                poll_interval_sec=3.0,
            ),
            websocket=WebSocketConfig(endpoint=self.server.endpoint, reconnect_delay_ms=1000),
        )  # fmt: skip
        self.loop = EngineLoop(
            config, lambda _: MemoryStore(), self.clock, budgets=BudgetRegistry(self.clock),
            create_source=lambda name, config, clock: ScriptedSource(name), create_push=create_push,
        )  # fmt: skip
        self.loop.bus.subscribe(Tick, self._on_tick)
        self.loop.bus.subscribe(FreshnessChange, lambda change: self._show(change.key, change.freshness))
        self.loop.bus.subscribe(FeedStatus, lambda status: setattr(self, "status", status))
        self.thread = threading.Thread(target=self.loop.run, name="engine")
        self.thread.start()
        self.loop.post(SetInstruments(instruments=tuple(map(Instrument.from_key, PRICES))))
        self.loop.post(StartFeed())
        self._step = 0

    def _show(self, key: str, freshness: Freshness) -> None:
        self.shown[key] = freshness

    def _on_tick(self, tick: Tick) -> None:
        self._show(tick.key, tick.freshness)
        if tick.price not in self.told[tick.key] or tick.simulated:
            self.problems.append(f"{tick.key} never was {tick.price}")

    def move(self) -> None:
        """Every symbol trades at a price it never had."""
        self._step += 1
        for key, base in PRICES.items():
            price = round(base + self._step * 0.01, 2)
            self.told[key].add(price)
            self.server.set_price(key, price)

    def until(self, condition: Callable[[], Any], *, moving: bool = True, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"in vain: {self.shown} {self.status}"
            if moving:
                self.move()
            time.sleep(0.01)

    def all_good(self) -> bool:
        return len(self.shown) == len(PRICES) and all(state in GOOD for state in self.shown.values())

    def none_good(self) -> bool:
        return not any(state in GOOD for state in self.shown.values())

    def end(self) -> None:
        self.loop.stop()
        self.thread.join(PATIENCE)
        self.server.stop()
        assert not self.thread.is_alive()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.end()


def silence(rig: Rig) -> None:
    rig.server.quotes.silent = True


def unplug(rig: Rig) -> None:
    rig.server.unplug()


def behind(fault: Fault) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.fault(fault)
        rig.server.quotes.drop()

    return begin


def refuse(error: str) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.quotes.refuse = error
        rig.server.quotes.drop()

    return begin


def storm(rig: Rig) -> None:
    rig.server.quotes.silent = True
    rig.server.quotes.drop_after = 0
    rig.server.quotes.drop()


def deny(reason: str) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.quotes.errors = dict.fromkeys(("BIST:KCHOL", "NASDAQ:KCHOL", "CRYPTO:BTCUSD"), reason)
        rig.server.quotes.drop()

    return begin


FAULTS = {
    "silence with heartbeats": silence, "unplugged": unplug, "403": behind(Fault.HTTP_403),
    "500": behind(Fault.HTTP_500), "a web page": behind(Fault.HTML), "garbage": behind(Fault.GARBAGE),
    "critical_error": refuse("critical_error"), "protocol_error": refuse("protocol_error"),
    "storm": storm, "permission_denied": deny("permission_denied"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_shows_a_false_price(rig, name):
    rig.until(rig.all_good)
    server = rig.server
    before = len(server.requests)
    FAULTS[name](rig)
    rig.until(rig.none_good)
    if name not in ("silence with heartbeats", "unplugged"):
        rig.until(lambda: len(server.requests) > before)
        rig.until(lambda: rig.status.state != "running")
        assert rig.none_good()
    server.quotes.errors, server.quotes.refuse, server.quotes.drop_after = {}, "", None
    server.quotes.silent = False
    server.fault(None)
    server.plug_in()
    if name == "permission_denied":
        server.quotes.drop()
    rig.until(rig.all_good, seconds=25.0)
    rig.until(lambda: rig.status.state == "running")
    assert rig.problems == []


def test_foreign_and_old_messages_show_nothing(rig):
    rig.until(rig.all_good)
    now = int(rig.clock.time())
    lies = [
        call("qsd", "QS", {"n": "KCHOL", "s": "ok", "v": {"lp": 666.0, "lp_time": now}}),
        call("qsd", "QS", {"n": "AMEX:KCHOL", "s": "ok", "v": {"lp": 666.0, "lp_time": now}}),
        call("qsd", "qs_old", {"n": "BIST:KCHOL", "s": "ok", "v": {"lp": 666.0, "lp_time": now}}),
        call("qsd", "QS", {"n": "BIST:KCHOL", "s": "error", "errmsg": "x", "v": {"lp": 666.0}}),
        call("qsd", "QS", {"n": "BIST:KCHOL", "s": "ok", "v": {"lp": 666.0, "lp_time": now + 86_400}}),
    ]
    for lie in lies:
        rig.server.quotes.say(lie)
    step = rig._step
    rig.until(lambda: rig._step > step + 20)
    assert rig.problems == []


@pytest.mark.allow_log("bad out of order")
def test_an_old_price_is_never_live_though_the_connection_is(rig):
    rig.until(rig.all_good)
    rig.until(rig.none_good, moving=False)
    assert rig.status.connected
    rig.server.quotes.tell("BIST:KCHOL", volume=5.0)
    for _ in range(5):
        rig.server.quotes.tell("BIST:KCHOL", lp_time=int(rig.clock.time()) - 3600)
    other, price = "NASDAQ:KCHOL", PRICES["NASDAQ:KCHOL"] + 5.0
    rig.told[other] |= {price + step for step in range(10_000)}
    steps = count()

    def heard() -> bool:
        rig.server.set_price(other, price + next(steps))  # it comes after them
        return rig.shown[other] in GOOD

    rig.until(heard, moving=False)
    assert not any(state in GOOD for key, state in rig.shown.items() if key != other)


def test_delayed_data_says_so(rig):
    rig.server.quotes.mode = "delayed_streaming_900"
    rig.server.quotes.drop()
    rig.until(lambda: set(rig.shown.values()) == {Freshness.DELAYED} and len(rig.shown) == 3)
    assert rig.problems == []
