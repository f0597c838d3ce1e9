"""A clock that shows the time of a recording while one is replayed, and the computer's time otherwise."""

from __future__ import annotations

import threading

from core.clock import Clock


class ReplayClock:
    """Wraps `base`. While it is held, time stands still between two `hold`s, whatever the replay's speed, so
    that everything that is judged by it comes out the same. Waiting is always done in real time."""

    def __init__(self, base: Clock) -> None:
        self.base = base
        self._held: tuple[float, float] | None = None

    def time(self) -> float:
        """See `Clock.time`."""
        held = self._held
        return self.base.time() if held is None else held[0]

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        held = self._held
        return self.base.monotonic() if held is None else held[1]

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`; `seconds` are real ones."""
        return self.base.wait(event, seconds)

    def hold(self, at: float, mono: float) -> None:
        """Show the recorded wall time `at` and monotonic time `mono` until told otherwise."""
        self._held = (at, mono)

    def release(self) -> None:
        """Show the computer's time again."""
        self._held = None


def replay_clock(clock: Clock) -> ReplayClock:
    """`clock` itself if it can be held, else one around it."""
    return clock if isinstance(clock, ReplayClock) else ReplayClock(clock)


def real_clock(clock: Clock) -> Clock:
    """The computer's clock behind `clock`, for pauses that have nothing to do with the replayed time."""
    return clock.base if isinstance(clock, ReplayClock) else clock
