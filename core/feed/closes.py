"""Who still has to be asked for daily closes. It outlives a stop and start of the feed. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from core.model import Instrument

SessionKey = Callable[[str], object]
"""Names the current session of an exchange, so that daily closes are asked for once per session."""
TRIES = 2
"""So often per session a request for daily closes may fail before it is given up."""


class CloseMemory:
    """Remembers, per session, whose previous close is known and for whom daily bars were asked."""

    def __init__(self, session_of: SessionKey) -> None:
        self._session_of = session_of
        self._lock = threading.Lock()
        self._told: dict[str, object] = {}
        self._asked: dict[str, tuple[object, int]] = {}

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget the instruments that are not watched any more, as the engine does."""
        wanted = set(keys)
        with self._lock:
            self._told = {key: session for key, session in self._told.items() if key in wanted}
            self._asked = {key: entry for key, entry in self._asked.items() if key in wanted}

    def tell(self, keys: Iterable[str]) -> None:
        """Quotes or daily bars have told the previous closes of `keys`."""
        sessions: dict[str, object] = {}
        told: dict[str, object] = {}
        for key in keys:
            exchange = key.partition(":")[0]
            if exchange not in sessions:
                sessions[exchange] = self._session_of(exchange)
            told[key] = sessions[exchange]
        with self._lock:
            self._told.update(told)

    def is_told(self, instrument: Instrument) -> bool:
        """Whether a quote or daily bars have told the previous close in this session."""
        session = self._session_of(instrument.exchange)
        with self._lock:
            return self._told.get(instrument.key) == session

    def may_ask(self, instrument: Instrument) -> bool:
        """Whether the daily bars have neither come in this session nor failed too often."""
        session = self._session_of(instrument.exchange)
        with self._lock:
            asked, tries = self._asked.get(instrument.key, (None, 0))
            return asked != session or tries < TRIES

    def begin(self, instrument: Instrument) -> None:
        """Somebody asks now: one more try."""
        session = self._session_of(instrument.exchange)
        with self._lock:
            asked, tries = self._asked.get(instrument.key, (None, 0))
            self._asked[instrument.key] = (session, tries + 1 if asked == session else 1)

    def undo(self, instrument: Instrument) -> None:
        """The try was cut off by ourselves: it does not count."""
        with self._lock:
            asked, tries = self._asked[instrument.key]
            self._asked[instrument.key] = (asked, tries - 1)

    def done(self, instrument: Instrument) -> None:
        """The provider has answered, with closes or without: do not ask again in this session."""
        session = self._session_of(instrument.exchange)
        with self._lock:
            self._asked[instrument.key] = (session, TRIES)
