"""Killed 200 times at random moments while bots trade: no fill lost or doubled, every stop armed again.

Each start tells the owner of every bot of the crash, and holds the first price of what is held against its
stop before anything else is done with it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.bots.model import BotPosition
from core.bots.risk import enforced_stop
from core.storage import open_store
from tests.bots_killed import BOTS
from tests.line_process import LineProcess

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is only on POSIX")

ROUNDS = 50
D = Decimal


class Program(LineProcess):
    """The process of `tests.bots_killed`."""

    def __init__(self) -> None:
        super().__init__("tests.bots_killed")
        assert self._line() == "ready"

    def run(self, path: Path, seed: int, lines: int, seconds: float) -> list[str]:
        """Let the bots trade, and kill them so many `seconds` after they have told `lines`."""
        self._say(path, seed)
        told: list[str] = []
        pid = 0
        while not pid or len(told) < lines:
            line = self._line()
            if line.startswith("pid "):
                pid = int(line[4:])
            else:
                told.append(line)
        moment = time.perf_counter() + seconds
        while time.perf_counter() < moment:
            pass
        os.kill(pid, signal.SIGKILL)
        while (line := self._line()) != "end":
            told.append(line)
        return told


@pytest.fixture
def program() -> Iterator[Program]:
    made = Program()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory, if there is such a place: a killed process loses nothing that it has written there."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("part", range(4))
def test_killed_while_trading(program: Program, folder: Path, part: int):
    dice = random.Random()
    path = folder / "swing_hunter.db"
    fills: set[str] = set()
    versions = dict.fromkeys((bot.id for bot in BOTS), 0)
    held: dict[tuple[str, str], BotPosition] = {}
    traded = crossed = 0
    for number in range(ROUNDS):
        lines = dice.choice((0, dice.randrange(12), dice.randrange(200)))
        told = program.run(path, part * ROUNDS + number, lines, dice.random() * 0.005)
        check_recovered(told, known=any(versions.values()))
        fills |= check(path, told, fills, versions)
        crossed += check_stops(path, told, held)
        traded = max(traded, len(fills))
    assert traded > 100 and crossed > 0


def check_recovered(told: list[str], *, known: bool) -> None:
    """Every bot that was stored says once that it was watched again after the crash, before any price."""
    if not known or "open" not in told:
        return
    alerts = [line.split()[2] for line in told[: told.index("open")] if line.startswith("a recovered ")]
    assert sorted(alerts) == [bot.id for bot in BOTS]
    assert not any(line.startswith("a recovered ") for line in told[told.index("open") :])


def check_stops(path: Path, told: list[str], held: dict[tuple[str, str], BotPosition]) -> int:
    """What was `held` before and met its stop at the first price was sold there; how often. Then `held` is
    what is held now."""
    if not path.exists():
        return 0
    store = open_store("", path.parent)
    records, trades = store.bots(), store.bot_trades(limit=10**6)
    store.close()
    now = {(r.state.bot_id, position.key): position for r in records for position in r.state.positions}
    ended = {(trade.bot_id, trade.key, trade.opened_at): trade for trade in trades}
    first = {words[1]: float(words[2]) for words in map(str.split, told) if words[0] == "q"}
    crossed = 0
    for (bot_id, key), position in held.items():
        stop, name = enforced_stop(position)
        assert stop is not None
        beyond = first.get(key, float(stop)) - float(stop)
        if (beyond > 0) is (position.quantity > 0) or beyond == 0:
            continue
        trade = ended.get((bot_id, key, position.opened_at))
        if trade is None:  # killed before that step was stored: nothing of it happened
            assert now[bot_id, key] == position
            continue
        crossed += 1
        assert trade.reason == name
        assert abs(float(trade.exit_price) / first[key] - 1.0) < 0.001
    held.clear()
    held.update(now)
    return crossed


def check(path: Path, told: list[str], before: set[str], versions: dict[str, int]) -> set[str]:
    """Hold what was told against what is stored; `versions` are those before, and then those now."""
    if not path.exists():
        assert not any(line.startswith(("f", "v")) for line in told)
        return set()
    store = open_store("", path.parent)
    records, fills, trades = store.bots(), store.bot_fills(limit=10**6), store.bot_trades(limit=10**6)
    store.close()
    stored = {fill.fill_id for fill in fills}
    assert len(stored) == len(fills) and before <= stored
    assert {line[2:] for line in told if line.startswith("f ")} <= stored
    for record in records:
        bot_id = record.state.bot_id
        seen = [line.split() for line in told if line.startswith(f"v {bot_id} ")]
        numbers = [int(words[2]) for words in seen]
        assert numbers == list(range(versions[bot_id] + 1, versions[bot_id] + 1 + len(numbers)))
        # At most the one step that was stored when the kill came was not told any more.
        assert record.state.version - (numbers[-1] if numbers else versions[bot_id]) in (0, 1)
        versions[bot_id] = record.state.version
        assert record.state.status in ("running", "in_position")
        assert all(position.stop is not None for position in record.state.positions)
        assert (record.state.status == "in_position") is bool(record.state.positions)
        mine = [fill for fill in fills if fill.bot_id == bot_id]
        cash = D(1_000_000) - sum((f.quantity * f.price * (1 if f.side == "BUY" else -1) for f in mine), D(0))
        assert record.cash == cash - sum((fill.fee for fill in mine), D(0))
        ended = [trade for trade in trades if trade.bot_id == bot_id]
        assert len(mine) == 2 * len(ended) + len(record.state.positions)
        cost = sum((p.quantity * p.entry_price + p.fees for p in record.state.positions), D(0))
        assert record.cash == D(1_000_000) + sum((trade.pnl for trade in ended), D(0)) - cost
    return stored
