"""The engine's inbox: quotes from the feed's threads, commands from everybody else. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from core.feed.messages import SourceLost
from core.model import Quote

MAX_QUOTES = 50_000
"""More waiting quotes than this are conflated to each instrument's newest; nothing else is dropped."""


class EarlierQuotes(msgspec.Struct, frozen=True):
    """Quotes that must be taken before the message that follows them."""

    quotes: list[Quote]


class Inbox:
    """A queue that hands over everything at once, so that the lock is taken once per batch."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._quotes: list[Quote] = []
        self._messages: list[Any] = []
        self._woken = False
        self.conflated = 0

    def put_quotes(self, quotes: Sequence[Quote]) -> None:
        """Queue quotes, oldest first."""
        with self._ready:
            self._quotes.extend(quotes)
            if len(self._quotes) > MAX_QUOTES:
                self._conflate()
            self._ready.notify()

    def put(self, message: Any) -> None:
        """Queue a command or a message of the feed.

        A message passes the quotes that wait, but for the end of a connection: what that has told before
        would look live again after it.
        """
        with self._ready:
            if isinstance(message, SourceLost) and self._quotes:
                self._messages.append(EarlierQuotes(self._quotes))
                self._quotes = []
            self._messages.append(message)
            self._ready.notify()

    def drop_quotes(self) -> None:
        """Forget the quotes that wait; messages stay."""
        with self._ready:
            self._quotes = []
            self._messages = [m for m in self._messages if not isinstance(m, EarlierQuotes)]

    def wake(self) -> None:
        """Make a `take` that is waiting return."""
        with self._ready:
            self._woken = True
            self._ready.notify()

    def take(self, timeout: float) -> tuple[list[Any], list[Quote]]:
        """Wait up to `timeout` seconds for anything; all messages and all quotes, possibly none."""
        with self._ready:
            if not (self._messages or self._quotes or self._woken):
                self._ready.wait(timeout)
            self._woken = False
            messages, self._messages = self._messages, []
            quotes, self._quotes = self._quotes, []
        return messages, quotes

    def _conflate(self) -> None:
        latest = {quote.key: quote for quote in self._quotes}
        self.conflated += len(self._quotes) - len(latest)
        self._quotes = list(latest.values())
