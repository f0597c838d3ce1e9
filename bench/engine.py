"""The engine alone: quotes in, vetted ticks, signals and P&L over 50 positions out, on one core."""

from __future__ import annotations

import statistics
import time
from decimal import Decimal

from bench.figures import Figure
from bench.market import Walk, instruments
from core.clock import SystemClock
from core.config import BotConfig, Config
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Position, Quote, Tick
from core.storage.memory_store import MemoryStore

SYMBOLS = 235
POSITIONS = 50
BOTS = 50
TICKS = 200_000
ROUNDS = 5
BATCH = 1_000


def run() -> list[Figure]:
    """Median of several rounds, with the naive way (a dict per tick, all positions valued anew) beside it."""
    ours, naive, with_bots = [], [], []
    for _ in range(ROUNDS):
        ours.append(_ours())
        naive.append(_naive())
        with_bots.append(_ours(_bots()))
    return [
        Figure("ticks per second", statistics.median(ours), "1/s", goal=300_000, higher=True,
               naive=statistics.median(naive), note=f"{SYMBOLS} symbols, {POSITIONS} positions"),
        Figure("ticks per second with bots", statistics.median(with_bots), "1/s", goal=100_000, higher=True,
               note=f"{BOTS} bots on 5 symbols each, stops and trailing stops armed, every step stored"),
    ]  # fmt: skip


def _quotes() -> list[list[Quote]]:
    walk = Walk([instrument.key for instrument in instruments(SYMBOLS)])
    start = time.time() - 30.0
    return [walk.quotes(BATCH, start + n * 1e-3) for n in range(TICKS // BATCH)]


def _positions() -> list[Position]:
    return [
        Position(symbol=i.symbol, exchange=i.exchange, quantity=Decimal(10 + n), entry_price=Decimal(100),
                 opened_at=0.0)
        for n, i in enumerate(instruments(POSITIONS))
    ]  # fmt: skip


def _bots() -> tuple[BotConfig, ...]:
    """Half of them follow signals, half averages of one-minute bars; all may be long and short."""
    names = [instrument.key for instrument in instruments(SYMBOLS)]
    return tuple(
        BotConfig(
            id=f"b{number}", name=f"Bot {number}",
            symbols=tuple(names[(number * 5 + step) % SYMBOLS] for step in range(5)),
            strategy="threshold" if number % 2 else "ema_cross",
            params={} if number % 2 else {"timeframe_sec": 60}, direction="both", autostart=True,
            max_open_positions=5, stop_loss_pct=3.0, trailing_stop_pct=2.0, max_daily_loss=50_000.0,
        )
        for number in range(BOTS)
    )  # fmt: skip


def _ours(bots: tuple[BotConfig, ...] = ()) -> float:
    store = MemoryStore()
    store.add_positions(_positions())
    bus = EventBus()
    latest: dict[str, Tick] = {}
    bus.subscribe(Tick, lambda tick: latest.__setitem__(tick.key, tick))
    engine = Engine(Config(bots=bots), lambda _: store, SystemClock(), bus)
    engine.watch(instruments(SYMBOLS))
    batches = _quotes()
    started = time.perf_counter()
    for batch in batches:
        for quote in batch:
            engine.on_quote(quote)
        engine.end_batch()
    elapsed = time.perf_counter() - started
    engine.close()
    return TICKS / elapsed


def _naive() -> float:
    positions = [(p.key, float(p.quantity), float(p.entry_price)) for p in _positions()]
    references: dict[str, float] = {}
    prices: dict[str, float] = {}
    batches = _quotes()[: TICKS // BATCH // 20]
    started = time.perf_counter()
    for batch in batches:
        for quote in batch:
            tick = {"symbol": quote.key, "price": quote.price, "time": quote.stamp}
            prices[quote.key] = quote.price
            reference = references.setdefault(quote.key, quote.previous_close or quote.price)
            if abs(quote.price / reference - 1.0) >= 0.02:
                references[quote.key] = quote.price
            pnl = sum((prices.get(key, entry) - entry) * size for key, size, entry in positions)
            tick["pnl"] = pnl
    return TICKS / 20 / (time.perf_counter() - started)
