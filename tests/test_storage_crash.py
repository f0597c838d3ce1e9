"""Killed at any instant: nothing acknowledged is lost, nothing is there twice, the file opens."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from core.storage import open_store
from core.storage.memory_store import MemoryStore
from core.storage.schema import HEAD
from tests.bot_helpers import bot_work, check_books
from tests.line_process import LineProcess
from tests.storage_helpers import build_old, contents, query, schema_of
from tests.storage_writer import work

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is only on POSIX")

ROUNDS = 20
BOT_ROUNDS = 200


class Writer(LineProcess):
    """The process of `tests.storage_writer`, or of another module that takes orders as it does."""

    def __init__(self, module: str = "tests.storage_writer") -> None:
        super().__init__(module)

    def order(self, what: str, path: Path | str, number: int | str) -> int:
        """Begin to carry out an order; returns the pid of the process that does it."""
        self._say(what, path, number)
        self._acknowledged: list[int] = []
        return int(self.read().split()[1])

    def read(self) -> str:
        """The next line that is no acknowledgement of a step; those are only counted until `wait_for`."""
        while True:
            line = self._line()
            if not line.isdigit():
                return line
            self._acknowledged.append(int(line))

    def wait_for(self, steps: int) -> None:
        """Wait until so many steps are acknowledged."""
        while len(self._acknowledged) < steps:
            self._acknowledged.append(int(self._line()))

    def end(self) -> tuple[int, int]:
        """Wait for the end of the order; the exit code and the number of acknowledged steps."""
        code = int(self.read().removeprefix("end "))
        assert self._acknowledged == list(range(1, len(self._acknowledged) + 1))
        return code, len(self._acknowledged)


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.close()


def test_killed_at_any_moment_the_ledger_holds_exactly_what_was_acknowledged(
    writer: Writer, data_dir: Path
) -> None:
    path = data_dir / "swing_hunter.db"
    model = MemoryStore()
    dice = random.Random()
    for number in range(ROUNDS):
        pid = writer.order("work", path, number)
        writer.wait_for(dice.randrange(1, 30))
        moment = time.perf_counter() + dice.random() * 0.004
        while time.perf_counter() < moment:
            pass
        os.kill(pid, signal.SIGKILL)
        code, acknowledged = writer.end()
        assert code == -signal.SIGKILL
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        assert query(path, "PRAGMA foreign_key_check") == []
        replay(model, number, acknowledged, path)
    assert len(model.trades()) > 10


def replay(model: MemoryStore, seed: int, acknowledged: int, path: Path) -> None:
    """Do the same work in `model`; the file must hold that, or that and the one step that was under way."""
    steps = work(model, seed)
    store = open_store("", path.parent)
    found = contents(store)
    store.close()
    for _ in range(acknowledged):
        next(steps)
    if contents(model) != found:
        next(steps)
    assert contents(model) == found
    journal = query(path, "SELECT position_id, quantity FROM position_events ORDER BY id")
    still_open = {number: quantity for number, quantity in dict(journal).items() if quantity != "0"}
    assert still_open == {p.id: str(p.quantity) for p in model.positions()}


@pytest.mark.timeout(240)
def test_killed_200_times_bots_lose_no_fill_and_double_none(writer: Writer, data_dir: Path) -> None:
    path = data_dir / "swing_hunter.db"
    model = MemoryStore()
    dice = random.Random()
    for number in range(BOT_ROUNDS):
        pid = writer.order("bots", path, number)
        writer.wait_for(dice.randrange(4))
        moment = time.perf_counter() + dice.random() * 0.01
        while time.perf_counter() < moment:
            pass
        os.kill(pid, signal.SIGKILL)
        code, acknowledged = writer.end()
        assert code == -signal.SIGKILL
        follow_bots(model, number, acknowledged, path)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA foreign_key_check") == []
    assert len(model.bot_trades()) > 50


def follow_bots(model: MemoryStore, seed: int, acknowledged: int, path: Path) -> None:
    """As `replay`, for bots; now and then all of their books must agree with each other, too."""
    steps = bot_work(model, seed)
    for _ in range(acknowledged):
        next(steps)
    most = 10**6 if seed % 25 == 0 or seed == BOT_ROUNDS - 1 else 40
    store = open_store("", path.parent)
    records, fills, trades = store.bots(), store.bot_fills(limit=most), store.bot_trades(limit=most)
    store.close()
    if model.bots() != records:
        next(steps)
    assert model.bots() == records
    assert model.bot_fills(limit=most) == fills
    assert model.bot_trades(limit=most) == trades
    if most > 40:
        check_books(records, fills, trades)
        assert query(path, "SELECT count(*) FROM bot_fills, outbox") == [(len(fills) ** 2,)]


@pytest.mark.parametrize("old", [True, False], ids=["migrated", "new"])
def test_killed_while_the_schema_is_made_it_is_made_at_the_next_start(
    writer: Writer, data_dir: Path, tmp_path: Path, old: bool
) -> None:
    template, path = tmp_path / "template.db", data_dir / "swing_hunter.db"
    build_old(template)
    for step in count(1):
        shutil.rmtree(data_dir)
        data_dir.mkdir()
        if old:
            shutil.copy(template, path)
        writer.order("open", path, step)
        code, _ = writer.end()
        store = open_store("", data_dir)
        assert len(store.positions()) == old
        store.close()
        assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert step > 10
    open_store("", data_dir, name="whole").close()
    assert schema_of(path) == schema_of(data_dir / "whole.db")
