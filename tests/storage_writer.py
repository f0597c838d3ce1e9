"""A process that writes into a database until it is killed. Run as a module, it takes its orders from stdin.

    work PATH SEED      do the endless work of SEED, one line "N" after each step that was acknowledged
    bots PATH SEED      the same with bots that trade at random
    server URL SEED     the same in a database server
    open PATH STEP      open the database and be killed before its STEP-th statement

Each order is carried out by a fork, so that the imports are paid once. It says "pid N" first and "end STATUS"
last.
"""

from __future__ import annotations

import itertools
import os
import random
import signal as signals
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from core.storage.base import Store
from core.storage.sql_store import SqlStore
from tests.bot_helpers import bot_work
from tests.storage_helpers import delivery, position, signal


def say(text: str) -> None:
    """One line to the test, at once."""
    os.write(1, f"{text}\n".encode())


def work(store: Store, seed: int) -> Iterator[int]:
    """Endless work that depends on nothing but `seed` and what `store` holds; yields after each step."""
    dice = random.Random(seed)
    for number in itertools.count(1):
        step(store, dice, float(seed * 100_000 + number))
        yield number


def step(store: Store, dice: random.Random, moment: float) -> None:
    """One transaction, chosen by `dice`."""
    held = store.positions()
    kind = dice.randrange(8)
    if kind == 0 or not held:
        quantities = [dice.choice([-1, 1]) * dice.randrange(1, 1000) for _ in range(dice.randrange(1, 4))]
        store.add_positions([position(str(q), opened_at=moment, note=f"{moment}") for q in quantities])
        return
    chosen = dice.choice(held)
    if kind == 1:
        store.replace_position(replace(chosen, note=f"edited {moment}"))
    elif kind == 2 and len(held) > 20:
        store.delete_position(chosen.id)
    elif kind == 3:
        store.close_position(chosen.id, Decimal(dice.randrange(100, 9999)) / 100, moment)
    elif kind == 4:
        store.close_position(chosen.id, Decimal("45.5"), moment, abs(chosen.quantity) / 2)
    elif kind == 5:
        store.record_deliveries([delivery(f"m{dice.randrange(50)}", created=moment, title=f"{moment}")])
    elif kind == 6:
        store.set_value("key", moment)
    else:
        store.add_signals([signal(moment + share / 100) for share in range(dice.randrange(1, 30))])


def do_work(path: Path, seed: int) -> None:
    """Work until killed."""
    for number in work(SqlStore("", data_dir=path.parent, name=path.stem), seed):
        say(str(number))


def do_bots(path: Path, seed: int) -> None:
    """Let bots trade until killed."""
    for number in bot_work(SqlStore("", data_dir=path.parent, name=path.stem), seed):
        say(str(number))


def do_server(url: str, seed: int) -> None:
    """Let bots trade in a database server until killed."""
    for number in bot_work(SqlStore(url, data_dir=None), seed):
        say(str(number))


def do_open(path: Path, deadly: int) -> None:
    """Open the database; the process ends for good before the statement (or commit) number `deadly`."""
    count = itertools.count(1)

    def maybe_die(*_: Any) -> None:
        if next(count) == deadly:
            os.kill(os.getpid(), signals.SIGKILL)

    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, event, maybe_die)
    SqlStore("", data_dir=path.parent, name=path.stem).close()


ORDERS = {"work": do_work, "bots": do_bots, "open": do_open}


def main() -> None:
    """Carry out orders until stdin ends."""
    import alembic.command  # noqa: F401 - paid once

    warm = SqlStore("sqlite://", data_dir=None)
    next(itertools.islice(bot_work(warm, 0), 9, None))  # statements are compiled once, too
    warm.close()
    for line in sys.stdin:
        order, path, number = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            if order == "server":
                do_server(path, int(number))
            ORDERS[order](Path(path), int(number))
            os._exit(0)
        say(f"pid {child}")
        say(f"end {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


if __name__ == "__main__":
    main()
