"""A process in which bots trade as fast as they can until it is killed. It takes its orders from stdin.

    PATH SEED       open the database, let the bots trade on the prices of SEED

Each order is carried out by a fork, so that the imports are paid once. It says "pid N" first, then a line for
everything that is published ("f FILL", "v BOT VERSION STATUS HELD STOP", "a KIND BOT"), "open" when the
engine has begun, "q KEY PRICE" before the first price of each instrument, and "end" last.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from core.bots.model import BotAlert, BotFill, BotState
from core.clock import SystemClock
from core.config import BotConfig, Config, RealTimeConfig
from core.engine.engine import Engine
from core.events import EventBus
from core.model import Instrument, Quote
from core.storage.sql_store import SqlStore

NAMES = tuple(f"CRYPTO:C{number}" for number in range(4))
BOTS = tuple(
    BotConfig(
        id=f"b{number}", name=f"B{number}", symbols=NAMES, strategy="threshold", direction="both",
        autostart=True, cash=1e6, size=10_000.0, max_open_positions=3, stop_loss_pct=1.0 + number,
        trailing_stop_pct=2.0, fee_pct=0.1, slippage_pct=0.02,
    )
    for number in range(5)
)  # fmt: skip


def say(text: str) -> None:
    """One line to the test, at once."""
    os.write(1, f"{text}\n".encode())


def tell_state(state: BotState) -> None:
    """A bot's step."""
    held = state.position
    stop = "-" if held is None else str(held.stop)
    say(f"v {state.bot_id} {state.version} {state.status.value} {len(state.positions)} {stop}")


def trade(path: Path, seed: int) -> None:
    """Trade until killed."""
    bus = EventBus()
    bus.subscribe(BotFill, lambda fill: say(f"f {fill.fill_id}"))
    bus.subscribe(BotState, tell_state)
    bus.subscribe(BotAlert, lambda alert: say(f"a {alert.kind.value} {alert.bot_id}"))
    settings = RealTimeConfig(
        live_data_source="tvdatafeed", signal_threshold_pct=0.5, signal_cooldown_sec=0.0
    )
    engine = Engine(
        Config(bots=BOTS, real_time=settings), lambda _: SqlStore("", data_dir=path.parent, name=path.stem),
        SystemClock(), bus,
    )  # fmt: skip
    engine.watch([Instrument.from_key(name) for name in NAMES])
    say("open")
    dice = random.Random(seed)
    prices = dict.fromkeys(NAMES, 100.0)
    unseen = set(NAMES)
    while True:
        engine.begin_batch()
        for name in dice.sample(NAMES, dice.randrange(1, 4)):
            prices[name] = round(prices[name] * (1.0 + dice.gauss(0.0, 0.004)), 2)
            if name in unseen:
                unseen.remove(name)
                say(f"q {name} {prices[name]}")
            now = time.time()
            engine.on_quote(Quote(
                key=name, price=prices[name], stamp=now, received=now, source="push", previous_close=100.0
            ))  # fmt: skip
        engine.end_batch()


def main() -> None:
    """Carry out orders until stdin ends."""
    import alembic.command  # noqa: F401 - paid once

    import core.bots.strategies.threshold  # noqa: F401

    SqlStore("sqlite://", data_dir=None).close()
    say("ready")
    for line in sys.stdin:
        path, seed = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            trade(Path(path), int(seed))
        say(f"pid {child}")
        os.waitpid(child, 0)
        say("end")


if __name__ == "__main__":
    main()
