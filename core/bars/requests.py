"""When a provider is asked for bars of the past: at once for whoever looks, at leisure for what is missing.

Requests are rationed. A series that was just asked for is asked for again after a pause only, and never while
an answer is due; what is missing meanwhile is remembered. How often it is worth while, `Holes` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from core.bars.book import Hole
from core.clock import Clock

ASK_AGAIN = 300.0
"""Seconds between two requests for what is missing of a series."""
TRIES = 6
"""After so many answers in a row that tell nothing newer a hole is given up: no data are as late as that."""

Ask = Callable[[str, int, int], None]


class HistoryRequests:
    """What is asked for, by (key, seconds). Belongs to the engine's thread."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asked: dict[tuple[str, int], float] = {}
        self._due: dict[tuple[str, int], int] = {}
        self._wanted: dict[tuple[str, int], int] = {}
        self.next_due = math.inf
        """When `carry_out` has something to do, by the monotonic clock."""

    def ask(self, key: str, seconds: int, count: int) -> None:
        """Ask for the last `count` bars now."""
        place = (key, seconds)
        self._asked[place] = self._clock.monotonic()
        self._due[place] = max(count, self._due.get(place, 0))
        self._wanted.pop(place, None)
        self._ask(key, seconds, count)
        self._reckon()

    def want(self, key: str, seconds: int, count: int) -> None:
        """Ask for them as soon as that is due: perhaps now, or not at all if the answer to come has them."""
        place = (key, seconds)
        if place in self._due:
            if count > self._due[place]:
                self.ask(key, seconds, count)
            return
        self._wanted[place] = max(count, self._wanted.get(place, 0))
        self._reckon()
        self.carry_out()

    def told(self, key: str, seconds: int) -> None:
        """The answer has come."""
        self._due.pop((key, seconds), None)
        self._wanted.pop((key, seconds), None)
        self._reckon()

    def drop(self, key: str, seconds: int) -> None:
        """Nobody wants them any more; an answer that is due will not come."""
        if self._due.pop((key, seconds), None) is not None:
            self._asked.pop((key, seconds), None)
        self._wanted.pop((key, seconds), None)
        self._reckon()

    def carry_out(self) -> None:
        """Ask for what is wanted and due."""
        now = self._clock.monotonic()
        if now >= self.next_due:
            for (key, seconds), count in list(self._wanted.items()):
                if now >= self._when(key, seconds):
                    self.ask(key, seconds, count)

    def _when(self, key: str, seconds: int) -> float:
        return self._asked.get((key, seconds), -math.inf) + ASK_AGAIN

    def _reckon(self) -> None:
        self.next_due = min((self._when(*place) for place in self._wanted), default=math.inf)


class Holes:
    """Up to where the provider has told an instrument's minutes: what is missing before was not traded in."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._in_vain: dict[str, int] = {}

    def told(self, key: str) -> float:
        """Where the holes begin that a provider may still fill."""
        return self._told.get(key, -math.inf)

    def judge(self, key: str, told: float, find: Callable[[float], Hole | None]) -> Hole | None:
        """The hole that is worth asking for again, now that the provider has told the minutes up to `told`;
        `find` looks for one after a moment."""
        in_vain = 0
        if told > self.told(key):
            self._told[key] = told
        else:
            in_vain = self._in_vain.get(key, 0) + 1
        hole = find(self.told(key))
        if hole is not None and in_vain >= TRIES:
            self._told[key] = hole.end
            hole = None
        self._in_vain[key] = in_vain if hole is not None else 0
        return hole
