"""The whole way from the providers' protocols to the worker's signals, under every fault that they may show.

The real tvDatafeed and yfinance ask loopback servers, which tell moving prices; then the servers misbehave in
one way for longer than `stale_after_sec`, and behave again. However that goes, not one price may be published
as live or delayed that was not true of its symbol at its time, nothing may look live once it has lasted
`stale_after_sec`, and all must heal without a hand. Time runs `SPEED` times faster for the program and the
servers alike, so every default (spacing, backoff, pauses of minutes) is in force; the cases run side by side.
"""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from PyQt5.QtCore import Qt

from core.clock import Clock
from core.config import Config, RealTimeConfig
from core.feed.budget import BudgetRegistry
from core.feed.messages import InstrumentUnknown
from core.model import Freshness
from core.sources.base import PolledSource
from core.sources.simulation import SimulationSource
from core.sources.tvdatafeed_source import TvDatafeedSource
from core.sources.yfinance_source import YFinanceSource
from gui.workers import websocket_worker
from gui.workers.websocket_worker import WebSocketWorker
from tests.loopback.faults import WRONG_PRICE, Fault
from tests.loopback.market import Market
from tests.loopback.tradingview_server import TradingViewServer
from tests.loopback.yahoo_server import YahooServer
from tests.patience import PATIENCE
from tests.scripted import FastClock, at

pytestmark = pytest.mark.timeout(150)

SPEED = 20.0
STALE_AFTER = 60.0
SLACK = 10.0
"""Seconds (half a real one) that it may take until the test sees what the engine knows."""
FAULT_LASTS = STALE_AFTER + SLACK + 20.0
HEALS_WITHIN = 260.0
"""A pause of two minutes after a refusal, a turn of all symbols, and some for a busy machine."""
POLL, YAHOO_SPACING = 5.0, 15.0
AT_ONCE = 10
KEYS = {"BIST:THYAO": 300.0, "NASDAQ:AAPL": 200.0, "CRYPTO:BTC": 90_000.0}
GOOD = (Freshness.LIVE, Freshness.DELAYED)


class Case(NamedTuple):
    """One fault, at one provider or at both."""

    fault: Fault
    where: str = "both"


HARMLESS = {Fault.REORDERED_KEYS, Fault.OUT_OF_ORDER_BARS, Fault.NULL_CLOSE}
"""Faults through which one provider or the other still tells true and new prices."""
DENIALS = {Fault.SYMBOL_ERROR_THEN_SILENCE, Fault.SYMBOL_ERROR_THEN_HEARTBEATS}
CASES = [
    *(Case(fault) for fault in Fault),
    *(
        Case(fault, "tradingview")
        for fault in (Fault.SILENCE, Fault.HTTP_429, Fault.WRONG_SYMBOL, Fault.FUTURE)
    ),
    *(Case(fault, "yahoo") for fault in (Fault.DRIBBLE, Fault.REFUSE, Fault.WRONG_SYMBOL, Fault.NAN)),
]


class Exchange:
    """The truth: prices that move all the time, and what each was when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.market = Market(clock.time)
        self.told: dict[str, dict[float, list[float]]] = {key: {} for key in KEYS}
        self.late = 0.0
        """By how many seconds a busy machine has kept this test waiting lately."""
        self._moves = 0
        self._current: dict[str, list[float]] = {}
        self.move()

    def move(self) -> None:
        """Give every symbol a price that it never had."""
        self._moves += 1
        for key, base in KEYS.items():
            swing = 0.01 if self._moves % 40 < 20 else -0.01
            price = round(base * (1.0 + swing) + self._moves * 0.01, 2)
            span = self.told[key][price] = [self.clock.time(), float("inf")]
            self.market.set_price(key, price, base)
            if key in self._current:
                self._current[key][1] = self.clock.time()
            self._current[key] = span

    def falsehood(self, payload: dict[str, Any]) -> str:
        """What is untrue of a published tick; "" if nothing."""
        if payload["freshness"] not in GOOD:
            return ""
        key = f"{payload['exchange']}:{payload['symbol']}"
        span = self.told[key].get(payload["price"])
        if payload["simulated"] or span is None:
            return f"{key} never was {payload['price']}"
        stamp = datetime.fromisoformat(payload["timestamp"]).timestamp()
        received = datetime.fromisoformat(payload["received_at"]).timestamp()
        began, ended = span
        if not (began <= received + 1.0 and ended >= stamp - 2.0):
            return f"{key} was {payload['price']} at another time"
        if ended < received - STALE_AFTER:
            return f"{key} was {payload['price']} too long ago"
        return ""


class Run:
    """One case from start to end: healthy, faulty, healed. `poll` it often."""

    def __init__(self, case: Case, exchange: Exchange) -> None:
        self.case = case
        self.clock = exchange.clock
        self.exchange = exchange
        self.tradingview = TradingViewServer(exchange.market)
        self.yahoo = YahooServer(exchange.market)
        self.problems: list[str] = []
        self.shown: dict[str, Freshness] = {}
        self.ticks: list[dict[str, Any]] = []
        self.signals: list[dict[str, Any]] = []
        self.unknown: set[str] = set()
        self.ended = False
        self._seen_good: set[str] = set()
        self.phase = "warming up"
        self._since = self.began = self.clock.time()
        config = Config(real_time=RealTimeConfig(
            poll_interval_sec=POLL, stale_after_sec=STALE_AFTER, signal_threshold_pct=0.5,
        ))  # fmt: skip
        self.worker = _FastWorker(
            list(KEYS),
            config,
            clock=self.clock,
            budgets=BudgetRegistry(self.clock),
            source_factory=self._source,
        )
        self.worker.tick_received.connect(self.ticks.append, Qt.DirectConnection)
        self.worker.signal_triggered.connect(self.signals.append, Qt.DirectConnection)
        self.worker.core_event.connect(self._note, Qt.DirectConnection)
        self.worker.start()

    def poll(self) -> bool:
        """Look, act if it is time to; whether the case is over."""
        frame = self.worker.take_frame()
        self.shown.update((tick.key, tick.freshness) for tick in frame.ticks)
        self.shown.update((change.key, change.freshness) for change in frame.aged)
        lasted = self.clock.time() - self._since
        if self.phase == "warming up":
            if self._all_good():
                self._set_fault(self.case.fault)
                self._enter("faulty")
            elif lasted > HEALS_WITHIN:
                self._end("never came to life")
        elif self.phase == "faulty":
            slack = SLACK + 2.0 * self.exchange.late
            if lasted > STALE_AFTER + slack:
                self._seen_good |= self._good()
            if lasted > FAULT_LASTS + slack:
                self._judge_fault()
                self._set_fault(None)
                if self.case.fault in DENIALS:
                    self.worker.stop_feed()
                    self.worker.start_feed()
                self._enter("healing")
        elif self.phase == "healing":
            if self._all_good():
                self._end("")
            elif lasted > HEALS_WITHIN:
                self._end(f"did not heal: {self.shown}")
        return self.phase == "over"

    def _judge_fault(self) -> None:
        """What was good when the fault had lasted long enough?"""
        if self.case.fault in HARMLESS:
            return
        if self.case.where == "both":
            if self._seen_good:
                self.problems.append(f"{sorted(self._seen_good)} looked live too long after the fault")
        elif len(self._seen_good) < len(KEYS):
            self.problems.append(f"the healthy source did not cover all: {self.shown}")

    def _good(self) -> set[str]:
        return {key for key, freshness in self.shown.items() if freshness in GOOD}

    def _all_good(self) -> bool:
        return len(self._good()) == len(KEYS)

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self._since = self.clock.time()

    def _end(self, problem: str) -> None:
        self.phase = "over"
        if problem:
            self.problems.append(problem)
        lasted = self.clock.time() - self.began
        self.worker.stop()
        self.ended = self.worker.isFinished()
        self.worker.deleteLater()
        self.tradingview.stop()
        self.yahoo.stop()
        for name, count, spacing in (
            ("TradingView", len(self.tradingview.requests), POLL),
            ("Yahoo", len(self.yahoo.data_requests()), YAHOO_SPACING),
        ):
            if count > lasted / spacing + 2:
                self.problems.append(f"{name} was asked {count} times in {lasted:.0f} s")

    def _set_fault(self, fault: Fault | None) -> None:
        if self.case.where != "yahoo":
            self.tradingview.fault(fault)
        if self.case.where != "tradingview":
            self.yahoo.fault(fault)

    def _source(self, name: str, config: Config, clock: Clock) -> PolledSource:
        deadline = 20.0 / SPEED
        if name == "tvdatafeed":
            return TvDatafeedSource(self.tradingview.endpoint, deadline, clock)
        if name == "yfinance":
            return YFinanceSource(self.yahoo.base_url, deadline, clock)
        return SimulationSource(1, clock)

    def _note(self, event: object) -> None:
        if isinstance(event, InstrumentUnknown):
            self.unknown.add(event.key)


class _FastWorker(WebSocketWorker):
    """Looks at its inbox as often as the faster time demands."""

    def _receive_tick(self) -> Any:
        return self._loop.inbox.take(0.02)


pytestmark = pytest.mark.timeout(300)  # the first one waits for all cases


@pytest.fixture(scope="module")
def _patient_end() -> Iterator[None]:
    """So many workers at once may take their time to end; but they must."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket_worker, "JOIN_MS", int(1000 * PATIENCE))
        yield


@pytest.fixture(scope="module")
def outcomes(qapp_cls: Any, _patient_end: None) -> Iterator[dict[Case, Run]]:
    """All cases, run side by side."""
    from PyQt5.QtWidgets import QApplication

    app = QApplication.instance() or qapp_cls([])
    for package in ("tvDatafeed.main", "yfinance"):
        importlib.import_module(package)
    exchange = Exchange(FastClock(SPEED, at("2026-11-18 17:31")))
    waiting, running, done = deque(CASES), [], {}
    next_move, looked, gaps = 0.0, time.monotonic(), deque([0.0], maxlen=500)
    while waiting or running:
        gaps.append(time.monotonic() - looked)
        looked = time.monotonic()
        exchange.late = SPEED * max(gaps)
        while waiting and len(running) < AT_ONCE:
            running.append(Run(waiting.popleft(), exchange))
        if time.monotonic() >= next_move:
            exchange.move()
            next_move = time.monotonic() + 0.1
        for run in running[:]:
            if run.poll():
                running.remove(run)
                done[run.case] = run
        app.processEvents()
        time.sleep(0.005)
    yield done


def named(case: Case) -> str:
    return f"{case.fault.name}-{case.where}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_no_fault_makes_a_false_price_look_live(outcomes, case):
    run = outcomes[case]
    assert run.problems == []
    falsehoods = [text for payload in run.ticks if (text := run.exchange.falsehood(payload))]
    assert falsehoods == []
    assert sum(payload["freshness"] in GOOD for payload in run.ticks) > len(KEYS)
    assert WRONG_PRICE not in [payload["price"] for payload in run.ticks]
    assert not any(signal["simulated"] for signal in run.signals)
    assert all(signal["price"] in run.exchange.told[_key(signal)] for signal in run.signals)
    assert run.ended
    assert run.unknown == (set(KEYS) if case.fault in DENIALS else set())


def _key(payload: dict[str, Any]) -> str:
    return f"{payload['exchange']}:{payload['symbol']}"
