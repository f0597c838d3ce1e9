"""The one seam through which the program reads time and waits, so that tests need not sleep."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamps, monotonic time for intervals, and a wait that an event can end."""

    def time(self) -> float:
        """Unix seconds; may jump when the computer's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; goes on while the computer sleeps where the system allows it."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` have passed; True if it was set."""
        ...


class SystemClock:
    """The computer's clocks."""

    def time(self) -> float:
        """See `Clock.time`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return event.wait(max(0.0, seconds))


class FakeClock:
    """A clock that moves only when told, or when somebody waits on it."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self._now = now
        self._monotonic = 1_000.0
        self._lock = threading.Lock()

    def time(self) -> float:
        """See `Clock.time`."""
        return self._now

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._monotonic

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return at once; the clock jumps ahead by `seconds` unless `event` is set already.

        Whoever waits for a rest too small for a float to tell gets a microsecond, or would wait for ever.
        """
        if event.is_set():
            return True
        self.advance(max(seconds, 1e-6) if seconds > 0 else 0.0)
        return False

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def set_time(self, now: float) -> None:
        """Set the wall clock alone, as a user or a time server would."""
        self._now = now
