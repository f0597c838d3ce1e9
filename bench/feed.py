"""Push against polling: how old the shown price is, how much the socket client takes, and whether it leaks.

All against loopback servers, up to what the feed hands to the engine. The polled ages are those of an hour of
polling one symbol after the other through the real request budget, on a clock that jumps.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from bench.market import instruments
from core.clock import FakeClock, SystemClock
from core.config import RealTimeConfig, WebSocketConfig
from core.feed.board import FeedBoard
from core.feed.budget import BudgetRegistry
from core.feed.closes import CloseMemory
from core.feed.push_runner import PushRunner
from core.model import Quote
from core.sources.tradingview_push import TradingViewPush
from tests.loopback.quote_session import call
from tests.loopback.tradingview_server import TradingViewServer

SYMBOLS = 30
POLL_SECONDS = 5.0
AGE_SECONDS = 5.0
FLOOD = 300_000
PER_MESSAGE = 25
RECONNECTS = 1000
WARM_UP = 100


class _Watcher:
    """The sink: the newest quote of each instrument, and how many there were."""

    def __init__(self) -> None:
        self.newest: dict[str, Quote] = {}
        self.count = 0

    def put_quotes(self, quotes: Sequence[Quote]) -> None:
        """See `FeedSink`."""
        self.count += len(quotes)
        self.newest.update((quote.key, quote) for quote in quotes)

    def put(self, message: Any) -> None:
        """See `FeedSink`; not of interest here."""


class _HastyClock(SystemClock):
    """Nobody rests between two tries."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return event.is_set()


def run() -> list[Figure]:
    """The three measurements, one after the other."""
    return [*_ages(), *_flood(), *_soak()]


def _server(count: int = SYMBOLS) -> TradingViewServer:
    server = TradingViewServer()
    server.pushes = True
    for instrument in instruments(count):
        server.market.set_price(instrument.key, 100.0, 99.0)
    return server


def _runner(server: TradingViewServer, sink: _Watcher, clock: SystemClock) -> tuple[PushRunner, FeedBoard]:
    source = TradingViewPush(server.endpoint, 10.0, clock)
    budget = BudgetRegistry(clock).of(source.provider)
    board = FeedBoard(
        sink, clock, (source.name,), CloseMemory(lambda exchange: 0), 60.0, chosen_simulation=False,
        push_sources=(source.name,),
    )  # fmt: skip
    board.add_source(source.name, budget)
    watched = instruments(SYMBOLS)
    config = WebSocketConfig(endpoint=server.endpoint, reconnect_delay_ms=0)
    return PushRunner(
        source, watched, budget, board, clock, config, grace=60.0, jitter=random.Random(1)
    ), board


def _ages() -> list[Figure]:
    """Every symbol trades about ten times a second; at each look, how old is what is shown?"""
    server, sink = _server(), _Watcher()
    runner, board = _runner(server, sink, SystemClock())
    runner.start()
    try:
        _until(lambda: len(sink.newest) == SYMBOLS)
        keys = list(sink.newest)
        pushed, end = [], time.monotonic() + AGE_SECONDS
        rng, told = random.Random(2), 100
        while time.monotonic() < end:
            told += 1
            for key in rng.sample(keys, SYMBOLS // 3):
                server.quotes.tell(key, lp=float(told), lp_time=int(time.time()))
            time.sleep(0.033)
            now = time.time()
            pushed += [now - quote.received for quote in sink.newest.values()]
    finally:
        board.stop()
        runner.stop()
        runner.join(5)
        server.stop()
    polled = _polled_ages()
    note = f"{SYMBOLS} symbols, each about 10 trades/s"
    return [
        Figure("age of the shown price, p50", percentile(pushed, 0.5), "s", 0.25,
               naive=percentile(polled, 0.5), note=note),
        Figure("age of the shown price, p99", percentile(pushed, 0.99), "s",
               naive=percentile(polled, 0.99), note=f"polled: one symbol per {POLL_SECONDS:g} s"),
    ]  # fmt: skip


def _polled_ages() -> list[float]:
    """The ages in an hour of polling one symbol after the other through the real budget; the clock jumps."""
    clock, stop = FakeClock(), threading.Event()
    budget = BudgetRegistry(clock).of("polled")
    budget.set_spacing(RealTimeConfig(poll_interval_sec=POLL_SECONDS).poll_interval_sec)
    asked: dict[int, float] = {}
    ages: list[float] = []
    for turn in range(720):
        budget.wait_for_slot(stop)
        asked[turn % SYMBOLS] = clock.monotonic()
        if len(asked) == SYMBOLS:
            ages += [clock.monotonic() - when for when in asked.values()]
    return ages


def _flood() -> list[Figure]:
    """As many quotes as the client takes, many in a message; the last of each symbol must be there."""
    server, sink = _server(), _Watcher()
    runner, board = _runner(server, sink, SystemClock())
    runner.start()
    try:
        _until(lambda: len(sink.newest) == SYMBOLS)
        keys = list(sink.newest)
        line, before = server.quotes.lines[0], sink.count
        messages = _messages(keys, line.session)
        began = time.perf_counter()
        for text in messages:
            server.quotes.say(text)
        _until(lambda: sink.count - before >= FLOOD, 60.0)
        lasted = time.perf_counter() - began
        last = {key: sink.newest[key].price for key in keys}
    finally:
        board.stop()
        runner.stop()
        runner.join(5)
        server.stop()
    expected = {key: float(FLOOD - SYMBOLS + 1 + index) for index, key in enumerate(_ordered(keys))}
    lost = sum(last[key] != price for key, price in expected.items())
    return [
        Figure("quotes through the socket client", FLOOD / lasted, "quotes/s", 50_000, higher=True,
               note=f"{PER_MESSAGE} in a message, server in the same process"),
        Figure("symbols whose latest value was lost", lost, "symbols", 0),
    ]  # fmt: skip


def _ordered(keys: list[str]) -> list[str]:
    """The keys in the order in which the last round of the flood tells them."""
    start = (FLOOD - SYMBOLS) % len(keys)
    return keys[start:] + keys[:start]


def _messages(keys: list[str], session: str) -> list[str]:
    stamp = int(time.time())
    names = {key: key + "USD" if key.startswith("CRYPTO:") else key for key in keys}
    frames = []
    for number in range(FLOOD):
        body = {"n": names[keys[number % len(keys)]], "s": "ok", "v": {"lp": number + 1, "lp_time": stamp}}
        frames.append(call("qsd", session, body))
    return ["".join(frames[at : at + PER_MESSAGE]) for at in range(0, FLOOD, PER_MESSAGE)]


def _soak() -> list[Figure]:
    """Connections that break again and again, with every symbol subscribed anew each time."""
    server, sink = _server(), _Watcher()
    server.quotes.drop_after = 5
    runner, board = _runner(server, sink, _HastyClock())
    began = time.perf_counter()
    runner.start()
    try:
        _until(lambda: len(server.quotes.sessions) >= WARM_UP, 60.0)
        before = _resources()
        _until(lambda: len(server.quotes.sessions) >= WARM_UP + RECONNECTS, 120.0)
        after = _resources()
        lasted = time.perf_counter() - began
        server.quotes.drop_after = None
        count = sink.count
        _until(lambda: sink.count >= count + SYMBOLS, 10.0)
        healed = len(sink.newest) == SYMBOLS
    finally:
        board.stop()
        runner.stop()
        runner.join(5)
        server.stop()
    note = f"{RECONNECTS} reconnects in {lasted:.0f} s, server in the same process"
    return [
        Figure("threads more after the reconnects", max(0, after[0] - before[0]), "threads", 0, note=note),
        Figure("sockets more after the reconnects", max(0, after[1] - before[1]), "sockets", 0),
        Figure("memory more after the reconnects", max(0.0, after[2] - before[2]), "MB", 5),
        Figure("all symbols back afterwards", float(healed), "", 1, higher=True),
    ]


def _resources() -> tuple[int, int, float]:
    """Threads, sockets (two per connection as both ends are here, give or take) and resident megabytes."""
    gc.collect()
    sockets = -1
    directory = Path("/proc/self/fd")
    if directory.is_dir():
        links = []
        for path in directory.iterdir():
            try:
                links.append(str(path.readlink()))
            except OSError:
                continue
        sockets = sum(link.startswith("socket:") for link in links)
    lasting = [t for t in threading.enumerate() if not t.name.startswith("call-")]
    return len(lasting), max(0, sockets - 4), _resident()


def _resident() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


def _until(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the benchmark waited in vain")
        time.sleep(0.002)
