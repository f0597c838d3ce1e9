"""The spacing promise: never two requests to one provider too close together, whoever asks."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FakeClock, SystemClock
from core.errors import CancelledError
from core.feed.budget import MARGIN, PROCESS_BUDGETS, WINDOW, BudgetRegistry, RequestBudget
from tests.patience import FOREVER, PATIENCE


def budget(spacing: float = 5.0, clock: FakeClock | None = None) -> tuple[RequestBudget, FakeClock]:
    clock = clock or FakeClock()
    made = RequestBudget("alpha", clock)
    made.set_spacing(spacing)
    return made, clock


def test_the_first_request_leaves_at_once_and_the_next_waits():
    made, clock = budget()
    start, stop = clock.monotonic(), threading.Event()
    for _ in range(3):
        made.wait_for_slot(stop)
    assert clock.monotonic() - start == pytest.approx(2 * (5.0 + MARGIN))


@given(st.lists(st.floats(0, 12), min_size=1, max_size=20), st.floats(0.5, 10))
def test_whatever_the_pauses_the_spacing_holds(pauses, spacing):
    made, clock = budget(spacing)
    stop, left = threading.Event(), []
    for pause in pauses:
        clock.advance(pause)
        made.wait_for_slot(stop)
        left.append(clock.monotonic())
    assert all(b - a >= spacing for a, b in pairwise(left))


def test_without_a_spacing_nobody_waits():
    made, clock = budget(0.0)
    start = clock.monotonic()
    for _ in range(10):
        made.wait_for_slot(threading.Event())
    assert clock.monotonic() == start and made.next_free() == 0.0 and made.per_minute() == 0


def test_who_is_stopped_takes_no_slot():
    made, _ = budget()
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        made.wait_for_slot(stop)
    assert made.used() == 0
    made.wait_for_slot(threading.Event())
    with pytest.raises(CancelledError):
        made.wait_for_slot(stop)
    assert made.used() == 1


def test_another_spacing_holds_from_the_next_request_on():
    made, clock = budget(100.0)
    made.wait_for_slot(threading.Event())
    made.set_spacing(3.0)
    assert made.spacing == 3.0
    assert made.next_free() == pytest.approx(3.0 + MARGIN)
    clock.advance(10.0)
    assert made.next_free() == 0.0


def test_the_display_counts_the_last_minute():
    made, clock = budget(6.0)
    assert (made.used(), made.per_minute(), made.next_free()) == (0, 10, 0.0)
    for _ in range(5):
        made.wait_for_slot(threading.Event())
    assert made.used() == 5
    clock.advance(WINDOW - 10.0)
    assert made.used() == 2
    clock.advance(10.1)
    assert made.used() == 0


def test_a_provider_has_one_budget_for_all_who_ask():
    registry = BudgetRegistry(FakeClock())
    assert registry.of("alpha") is registry.of("alpha")
    assert registry.of("alpha") is not registry.of("beta")
    assert isinstance(PROCESS_BUDGETS, BudgetRegistry)


def test_threads_keep_the_spacing_among_themselves():
    class ReadClock(SystemClock):
        """Remembers what each thread has read last: when its slot began, however late it goes on."""

        own = threading.local()

        def monotonic(self) -> float:
            self.own.moment = super().monotonic()
            return float(self.own.moment)

    clock = ReadClock()
    made = RequestBudget("alpha", clock)
    made.set_spacing(0.02)
    stop, left, lock = threading.Event(), [], threading.Lock()

    def ask() -> None:
        for _ in range(4):
            made.wait_for_slot(stop)
            with lock:
                left.append(clock.own.moment)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    left.sort()
    assert len(left) == 12
    assert min(b - a for a, b in pairwise(left)) >= 0.02


def test_a_stop_ends_the_wait_at_once():
    made = RequestBudget("alpha", SystemClock())
    made.set_spacing(FOREVER)
    stop = threading.Event()
    made.wait_for_slot(stop)
    ended: list[str] = []

    def ask() -> None:
        try:
            made.wait_for_slot(stop)
        except CancelledError:
            ended.append(threading.current_thread().name)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(ended) == 3
    assert made.used() == 1
