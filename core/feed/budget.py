"""The spacing promise: one budget per provider, shared by everybody who asks that provider for anything.

At least `spacing` seconds lie between any two requests to a provider, whoever makes them and however often
the feed is stopped and started.
"""

from __future__ import annotations

import threading
from collections import deque

from core.clock import Clock, SystemClock
from core.errors import CancelledError

WINDOW = 60.0
"""Seconds over which used requests are counted for the display."""
MARGIN = 0.05
"""Seconds added to the spacing: one request may take a little longer to leave than the next, and the promise
is to hold at the provider's door."""


class RequestBudget:
    """One provider's budget. Thread-safe."""

    def __init__(self, provider: str, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._spacing = 0.0
        self._last: float | None = None
        self._made: deque[float] = deque()

    @property
    def spacing(self) -> float:
        """Seconds between two requests."""
        return self._spacing

    def set_spacing(self, seconds: float) -> None:
        """Use another spacing from the next request on."""
        with self._lock:
            self._spacing = seconds

    def wait_for_slot(self, stop: threading.Event) -> None:
        """Wait for the next free slot and take it. Raises `CancelledError` when `stop` is set first."""
        while True:
            with self._lock:
                now = self._clock.monotonic()
                pause = self._pause(now)
                if pause <= 0.0:
                    if stop.is_set():
                        raise CancelledError("the feed stops")
                    self._last = now
                    self._made.append(now)
                    return
            if self._clock.wait(stop, pause):
                raise CancelledError("the feed stops")

    def used(self) -> int:
        """Requests made within the last minute."""
        with self._lock:
            oldest = self._clock.monotonic() - WINDOW
            while self._made and self._made[0] <= oldest:
                self._made.popleft()
            return len(self._made)

    def per_minute(self) -> int:
        """How many requests a minute the spacing allows."""
        return round(WINDOW / self._spacing) if self._spacing > 0 else 0

    def next_free(self) -> float:
        """Seconds until a request may leave, 0 if now."""
        with self._lock:
            return self._pause(self._clock.monotonic())

    def _pause(self, now: float) -> float:
        if self._last is None or self._spacing <= 0.0:
            return 0.0
        return max(0.0, self._last + self._spacing + MARGIN - now)


class BudgetRegistry:
    """All providers' budgets. The program has one, so that a restarted scan cannot ask too soon."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._budgets: dict[str, RequestBudget] = {}

    def of(self, provider: str) -> RequestBudget:
        """The one budget of `provider`."""
        with self._lock:
            if provider not in self._budgets:
                self._budgets[provider] = RequestBudget(provider, self._clock)
            return self._budgets[provider]


PROCESS_BUDGETS = BudgetRegistry(SystemClock())
"""The budgets of this process: the promise holds across every feed in it."""
