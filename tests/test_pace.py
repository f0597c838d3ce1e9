"""Bursts are worked off a few milliseconds at a time, in order, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from PyQt5.QtCore import QCoreApplication

from gui.main_window.pace import SLICE, Pace


class Worker:
    """Takes items, each of which costs a third of a slice by its own clock."""

    def __init__(self) -> None:
        self.time = 0.0
        self.taken: list[int] = []

    def take(self, item: int) -> None:
        self.time += SLICE / 3
        if item < 0:
            raise ValueError("a bad one")
        self.taken.append(item)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def pace(qapp: Any, worker: Worker) -> Pace:
    return Pace(worker.take, now=lambda: worker.time)


def test_what_comes_alone_is_done_at_once(pace: Pace, worker: Worker) -> None:
    pace.put(1)
    assert worker.taken == [1]


def test_a_burst_is_spread_over_turns_of_the_event_loop(pace: Pace, worker: Worker, qtbot: Any) -> None:
    for number in range(20):
        pace.put(number)
    at_once = len(worker.taken)
    assert 3 <= at_once <= 4
    QCoreApplication.processEvents()
    assert at_once < len(worker.taken) <= at_once + 4
    qtbot.waitUntil(lambda: worker.taken == list(range(20)))
    qtbot.waitUntil(lambda: not pace._turn.isActive())


def test_it_can_be_done_all_at_once(pace: Pace, worker: Worker) -> None:
    for number in range(20):
        pace.put(number)
    pace.flush()
    assert worker.taken == list(range(20))


def test_a_bad_one_stops_no_other(pace: Pace, worker: Worker, qtbot: Any) -> None:
    with pytest.raises(ValueError, match="bad"):
        pace.put(-1)
    for number in range(5):
        pace.put(number)
    qtbot.waitUntil(lambda: worker.taken == [0, 1, 2, 3, 4])
