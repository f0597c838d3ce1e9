"""Push against polling: how old the shown price is, how much the socket client takes, and whether it leaks.

All against loopback servers. The ages are those of the cells of the real window, with the real clients: the
push client, and tvdatafeed polling one symbol after the other within its budget, by a clock that runs fast.
The other two are measured up to what the feed hands to the engine.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.children import ROOT, measure
from bench.figures import Figure
from bench.market import BASE, FastClock, instruments
from core.clock import SystemClock
from core.config import WebSocketConfig
from core.feed.board import FeedBoard
from core.feed.budget import BudgetRegistry
from core.feed.closes import CloseMemory
from core.feed.push_runner import PushRunner
from core.model import Quote
from core.sources.tradingview_push import TradingViewPush
from tests.loopback.market import Market
from tests.loopback.tradingview_server import TradingViewServer

SYMBOLS = 30
POLL_SPEED = 20.0
"""So many times as fast the clock runs while polling is measured: a round of all symbols takes 150 s."""
POLL_WAIT, POLL_SECONDS = 400.0, 600.0
START_SECONDS = 2.0
FLOOD = 500_000
RECONNECTS = 1000
WARM_UP = 100
SOCKET_LOOKS = 30


class _Watcher:
    """The sink: the newest quote of each instrument, and how many there were."""

    def __init__(self) -> None:
        self.newest: dict[str, Quote] = {}
        self.count = 0

    def put_quotes(self, quotes: Sequence[Quote]) -> None:
        """See `FeedSink`."""
        self.newest.update((quote.key, quote) for quote in quotes)
        self.count += len(quotes)  # last, as whoever waits for it then looks at the newest

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


def _runner(endpoint: str, sink: _Watcher, clock: SystemClock) -> tuple[PushRunner, FeedBoard]:
    source = TradingViewPush(endpoint, 10.0, clock)
    budget = BudgetRegistry(clock).of(source.provider)
    board = FeedBoard(
        sink, clock, (source.name,), CloseMemory(lambda exchange: 0), 60.0, chosen_simulation=False,
        push_sources=(source.name,),
    )  # fmt: skip
    board.add_source(source.name, budget)
    watched = instruments(SYMBOLS)
    config = WebSocketConfig(endpoint=endpoint, reconnect_delay_ms=0)
    return PushRunner(
        source, watched, budget, board, clock, config, grace=60.0, jitter=random.Random(1)
    ), board


def _ages() -> list[Figure]:
    """Every symbol trades about ten times a second; at each look, how old is what the cells show?"""
    push = _painted("tradingview", 1.0, 4.0, 8.0)
    poll = _painted("tvdatafeed", POLL_SPEED, POLL_WAIT / POLL_SPEED, POLL_SECONDS / POLL_SPEED)
    note = f"{push['rows']:.0f} rows in the window, each about 10 trades/s"
    return [
        Figure("age of the painted price, p50", push["p50"], "s", 0.25, naive=poll["p50"], note=note),
        Figure("age of the painted price, p99", push["p99"], "s", naive=poll["p99"],
               note=f"polled: one symbol per 5 s, the clock at {POLL_SPEED:g}x"),
        Figure("rows without their last price afterwards", push["wrong"], "rows", 0),
    ]  # fmt: skip


def _painted(source: str, speed: float, wait: float, seconds: float) -> dict[str, float]:
    """What `bench.feed_child` saw; the market trades until it has ended its measuring."""
    clock = FastClock(speed, time.monotonic())
    server = TradingViewServer(Market(now=clock.time))
    server.pushes = source == "tradingview"
    keys = _keys()
    for key in keys:
        server.market.set_price(key, BASE, BASE)
    over = threading.Event()
    begin = clock.zero + START_SECONDS + wait
    end = begin + seconds
    trader = threading.Thread(target=_trade, args=(server, clock, keys, over, end + 0.1))
    trader.start()
    try:
        arguments = (source, server.endpoint, speed, clock.zero, SYMBOLS, begin, end)
        result = measure("bench.feed_child", arguments, wait + seconds + 60.0)
    finally:
        over.set()
        trader.join(5)
        server.stop()
    last = min(server.market.listings[key].price for key in keys)
    result["wrong"] = SYMBOLS - result["rows"] + (result["lowest"] < last - 1e-6)
    return result


def _trade(
    server: TradingViewServer, clock: FastClock, keys: list[str], over: threading.Event, until: float
) -> None:
    """Let a third of the symbols trade, thirty times a second; each price is its moment."""
    rng = random.Random(2)
    while time.monotonic() < until and not over.wait(0.033):
        for key in rng.sample(keys, len(keys) // 3):
            price = round(BASE + clock.since_start(), 6)
            server.market.set_price(key, price)
            if server.pushes:
                server.quotes.tell(key, lp=price, lp_time=int(clock.time()))


def _flood() -> list[Figure]:
    """As many quotes as the client takes, many in a message; the last of each symbol must be there."""
    command = [sys.executable, "-m", "bench.flood_server", str(SYMBOLS)]
    sink = _Watcher()
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        runner, board = _runner(server.stdout.readline().strip(), sink, SystemClock())
        runner.start()
        try:
            _until(lambda: len(sink.newest) == SYMBOLS)
            before = sink.count
            server.stdin.write(f"{FLOOD}\n")
            server.stdin.flush()
            server.stdout.readline()
            began = time.perf_counter()
            _until(lambda: sink.count - before >= FLOOD, 60.0)
            lasted = time.perf_counter() - began
            last = {key: quote.price for key, quote in sink.newest.items()}
        finally:
            board.stop()
            runner.stop()
            runner.join(5)
            server.stdin.close()
    numbers = {key: range(FLOOD)[place::SYMBOLS][-1] + 1 for place, key in enumerate(_keys())}
    lost = sum(last[key] != number for key, number in numbers.items())
    return [
        Figure("quotes through the socket client", FLOOD / lasted, "quotes/s", 50_000, higher=True,
               note=f"{FLOOD:,} in {lasted:.1f} s, server in another process"),
        Figure("symbols whose latest value was lost", lost, "symbols", 0),
    ]  # fmt: skip


def _keys() -> list[str]:
    return [instrument.key for instrument in instruments(SYMBOLS)]


def _soak() -> list[Figure]:
    """Connections that break again and again, with every symbol subscribed anew each time."""
    server, sink = TradingViewServer(), _Watcher()
    server.pushes = True
    for key in _keys():
        server.market.set_price(key, 100.0, 99.0)
    server.quotes.drop_after = 5
    runner, board = _runner(server.endpoint, sink, _HastyClock())
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
    """Threads, sockets and resident megabytes. Connections come and go, so the fewest of some looks count."""
    gc.collect()
    looks = []
    for _ in range(SOCKET_LOOKS):
        looks.append(_sockets())
        time.sleep(0.01)
    lasting = [t for t in threading.enumerate() if not t.name.startswith("call-")]
    return len(lasting), min(looks), _resident()


def _sockets() -> int:
    """How many sockets this process has open, 0 where the system does not tell."""
    directory = Path("/proc/self/fd")
    links = []
    for path in directory.iterdir() if directory.is_dir() else ():
        try:
            links.append(str(path.readlink()))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


def _resident() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


def _until(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the benchmark waited in vain")
        time.sleep(0.002)
