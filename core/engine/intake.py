"""Where quotes enter the engine: in batches, recorded if something records, each isolated from the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from core.engine.bugs import BugTeller
from core.engine.recording import Recording
from core.model import Quote

if TYPE_CHECKING:
    from core.engine.engine import Engine
    from core.storage.base import Store


class _Feed(Protocol):
    @property
    def running(self) -> bool: ...


class Intake:
    """Belongs to the engine's thread."""

    def __init__(self, recording: Recording, bugs: BugTeller) -> None:
        self._recording = recording
        self._bugs = bugs
        self._on_quote: Callable[[Quote], None] = lambda quote: None
        self._world: Store | None = None

    def begin(self, world: Store, on_quote: Callable[[Quote], None]) -> None:
        """Quotes that come now are `world`'s, and are taken all the way by `on_quote`."""
        self._world = world
        self._on_quote = on_quote

    def batch(self, engine: Engine, feed: _Feed, quotes: Sequence[Quote]) -> None:
        """Take quotes that are judged by one time, unless their feed or their world has ended since."""
        if not feed.running or engine.store is not self._world:
            return
        engine.begin_batch()
        recorder = self._recording.recorder
        if recorder is not None and quotes:
            recorder.quotes(*engine.prices.judged_at, quotes)
        for quote in quotes:
            self.one(quote)

    def one(self, quote: Quote) -> None:
        """Take one quote; what fails is told."""
        try:
            self._on_quote(quote)
        except Exception as bug:  # noqa: BLE001 - told and logged; one bad quote stops no other
            self._bugs.tell(bug, f"a quote of {quote.key}")
