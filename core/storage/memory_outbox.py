"""The part of the store without a file that holds what was signalled and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from core.model import SETTLED, Delivery, OutboxLine, Signal
from core.storage.base import LinesOf

T = TypeVar("T")


class MemoryOutbox:
    """Signals, deliveries and the outbox of `core.storage.base.Store`; `MemoryStore` says if it is open."""

    shared = False

    def __init__(self) -> None:
        self._signals: list[Signal] = []
        self._signals_ever = 0
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._outbox: dict[tuple[str, str], OutboxLine] = {}
        self._accepted_ever = 0
        self._settled: dict[tuple[str, str], OutboxLine] = {}
        self._summaries: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._lines_of: LinesOf = lambda fact: ()

    def _check(self) -> None:
        raise NotImplementedError

    def route(self, lines_of: LinesOf) -> None:
        """See `Store.route`."""
        self._lines_of = lines_of

    def add_signals(self, signals: Sequence[Signal]) -> tuple[Signal, ...]:
        """See `Store.add_signals`."""
        self._check()
        lines = [line for signal in signals for line in self._lines_of(signal)]
        stored = tuple(replace(one, id=self._signals_ever + n) for n, one in enumerate(signals, 1))
        self._signals_ever += len(stored)
        self._signals.extend(stored)
        self._accept(lines)
        return stored

    def signals(self, since: float = 0.0, limit: int = 1000) -> tuple[Signal, ...]:
        """See `Store.signals`."""
        self._check()
        found = [signal for signal in self._signals if signal.timestamp >= since]
        found.sort(key=lambda signal: (signal.timestamp, signal.id), reverse=True)
        return tuple(found[:limit])

    def record_deliveries(self, deliveries: Sequence[Delivery], accepted: Sequence[OutboxLine] = ()) -> None:
        """See `Store.record_deliveries`."""
        self._check()
        self._accept(accepted)
        for line in deliveries:
            name = (line.message_id, line.channel)
            self._deliveries[name] = replace(line, into="")
            if line.into and name in self._outbox:
                self._summaries.setdefault((line.into, line.channel), []).append(name)
            if line.status in SETTLED:
                self._settle((name, *self._summaries.pop(name, ())))

    def deliveries(self, limit: int = 500) -> tuple[Delivery, ...]:
        """See `Store.deliveries`."""
        self._check()
        lines = sorted(self._deliveries.values(), key=lambda line: (line.message_id, line.channel))
        lines.sort(key=lambda line: (line.created, line.updated), reverse=True)
        return tuple(lines[:limit])

    def claim_outbox(
        self, holder: str, now: float, until: float, channels: Sequence[str], limit: int = 500
    ) -> tuple[OutboxLine, ...]:
        """See `Store.claim_outbox`."""
        self._check()
        free = [
            name for name, line in self._outbox.items()
            if line.held_by != holder and line.channel in channels
        ][:limit]  # fmt: skip
        for name in free:
            self._outbox[name] = replace(self._outbox[name], held_by=holder, held_until=until)
        return tuple(self._outbox[name] for name in free)

    def prune(self, before: float, keep: int, limit: int = 500) -> bool:
        """See `Store.prune`."""
        self._check()
        signals = _too_old(self._signals, lambda one: one.timestamp, before, keep)[:limit]
        lines = _too_old(self._deliveries.values(), lambda one: one.created, before, keep)[:limit]
        settled = _too_old(self._settled.values(), lambda one: one.created, before, keep)[:limit]
        unwanted = [name for name, line in self._outbox.items() if line.created < before][:limit]
        for name in unwanted:
            del self._outbox[name]
        gone = {signal.id for signal in signals}
        self._signals = [signal for signal in self._signals if signal.id not in gone]
        for line in lines:
            del self._deliveries[line.message_id, line.channel]
        for one in settled:
            del self._settled[one.message_id, one.channel]
        return max(len(signals), len(lines), len(settled), len(unwanted)) >= limit

    def _accept(self, lines: Iterable[OutboxLine]) -> None:
        for line in lines:
            name = (line.message_id, line.channel)
            if name not in self._outbox and name not in self._settled:
                self._accepted_ever += 1
                self._outbox[name] = replace(line, id=self._accepted_ever)

    def _settle(self, names: Iterable[tuple[str, str]]) -> None:
        for name in names:
            line = self._outbox.pop(name, None)
            if line is not None:
                self._settled[name] = line


def _too_old(values: Iterable[T], moment: Callable[[T], float], before: float, keep: int) -> list[T]:
    """The values from before a moment, and all but the newest `keep`, oldest first."""
    ordered = sorted(values, key=moment)
    until = max(before, moment(ordered[-keep])) if 0 < keep <= len(ordered) else before
    return [value for value in ordered if moment(value) < until]
