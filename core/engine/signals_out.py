"""A batch's signals on their way out: first into the store, then to everybody."""

from __future__ import annotations

from core.engine.journal import SignalJournal
from core.events import EventBus
from core.model import Notice, Signal
from core.storage.base import Store


class SignalsOut:
    """Belongs to the engine's thread. What hinders the store is told once, and once that it is over."""

    def __init__(self, store: Store, bus: EventBus) -> None:
        self._journal = SignalJournal(store)
        self._bus = bus
        self._error = ""
        self.waiting: list[Signal] = []
        """Those of the batch that is under way."""
        self.count = 0
        """How many were published since it was last set to 0."""

    def publish(self) -> None:
        """Store what is waiting in one transaction, then publish it, be it stored or not."""
        signals, self.waiting = self.waiting, []
        self.count += len(signals)
        self._tell(self._journal.add(signals))
        for signal in signals:
            self._bus.publish(signal)

    def retry(self) -> None:
        """Try again to store what could not be stored."""
        if self._error:
            self._tell(self._journal.flush())

    def close(self) -> None:
        """The store is about to be closed; what cannot be written by now is lost, and the log says so."""
        self.publish()
        self._journal.abandon()

    def change_store(self, store: Store) -> None:
        """After `close`: go on with another store."""
        self._journal = SignalJournal(store)
        self._error = ""

    def _tell(self, error: str) -> None:
        if error and error != self._error:
            self._bus.publish(Notice("error", "engine.not_stored", {"error": error}))
        elif self._error and not error:
            self._bus.publish(Notice("info", "engine.stored_again"))
        self._error = error
