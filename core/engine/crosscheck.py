"""Two sources that quote one instrument check each other.

They disagree when their prices of one time lie further apart than `tolerance` percent, or when they name
previous closes of the same session that do: after a split one source may be adjusted and the other not, and
the difference would look like a crash.

Prices at most `COMPARABLE` apart are held against each other directly; the tolerance grows with the time
between them, by once its size per minute. A price that is older than that, of a source that is late, is held
against what the other source said at that time (`core.engine.recent`). So a fall that the late source cannot
know of yet is no disagreement, and a price that the other never had is one. A provider that admits a delay
but stamps its prices with the present is allowed all prices within that delay.

Before a late source has told a price of the session, its last one of the session before stands for the
previous close. The closes of daily bars take part too. A disagreement lasts until the same two sources agree
again, or until one of them has been silent about it for `FORGET_AFTER`. Simulated prices take no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from core.engine.recent import RecentPrices
from core.exchanges import has_hours
from core.market_calendar import MarketCalendar
from core.model import Quote, SourceConflict

COMPARABLE = 120.0
"""Seconds between the provider's times of two prices up to which they are compared directly."""
SLACK = 60.0
"""Seconds around the time of a late price within which the other's prices count as those of that time."""
FORGET_AFTER = 600.0
"""Seconds after which what a source said counts no more."""
NIGHT = 6 * 3600.0
"""Prices this far apart may belong to two sessions."""
CLOSING = 300.0
"""A price of the last so many seconds of a session, or from after it, is taken for its close."""
_INFINITE = math.inf


class Voice(RecentPrices):
    """What one source says of one instrument: its last price, those of the last hour, and a daily close."""

    __slots__ = ("at", "close", "closes_agree", "daily", "daily_session", "quote", "source")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.quote: Quote | None = None
        self.at = -math.inf
        """Up to when the provider vouches for the last price."""
        self.close: float | None = None
        """The previous close that the last price named."""
        self.closes_agree = False
        """Whether nobody contradicted the closes, and none has changed since."""
        self.daily: float | None = None
        """The previous close by daily bars, for the session that opened at `daily_session`."""
        self.daily_session = math.nan


class CrossCheck:
    """What each source said lately, and where two of them disagree. Belongs to the engine's thread."""

    def __init__(self, tolerance: float, calendar: MarketCalendar | None = None) -> None:
        """`tolerance` in percent; 0 turns the check off."""
        self.tolerance = tolerance
        self.calendar = calendar or MarketCalendar()
        self._voices: dict[str, dict[str, Voice]] = {}
        self.held: dict[str, SourceConflict] = {}
        """The disagreements that last, by the instrument whose signals they hold."""

    def hear(self, quote: Quote) -> SourceConflict | None:
        """Take note of `quote`; a conflict that begins, changes its prices or ends (`over`), else None."""
        price = quote.price
        if not 0.0 < price < _INFINITE or quote.simulated or self.tolerance <= 0.0:
            return None
        try:
            voices = self._voices[quote.key]
            voice = voices[quote.source]
        except KeyError:
            voices, voice = self._first(quote.key, quote.source)
        at, received = quote.stamp + quote.span, quote.received
        at = at if at < received else received
        voice.quote = quote
        voice.at = at
        if quote.previous_close != voice.close:
            voice.close = quote.previous_close
            _doubt(voices)
        # As `RecentPrices.add`, without the call.
        if at >= voice.end:
            if at - voice.end > NIGHT:
                _doubt(voices)
            voice.add(at, price)
        elif at >= voice.start:
            if price > voice.high:
                voice.high = price
            elif price < voice.low:
                voice.low = price
            voice.last = price
        return None if len(voices) == 1 else self._weigh(quote.key, voice, voices, received)

    def hear_close(self, key: str, source: str, close: float, now: float) -> SourceConflict | None:
        """Take note of the previous close of the session at `now` that the daily bars of `source` tell."""
        if self.tolerance <= 0.0 or not 0.0 < close < math.inf:
            return None
        voices = self._voices.get(key)
        voice = None if voices is None else voices.get(source)
        if voices is None or voice is None:
            voices, voice = self._first(key, source)
        _doubt(voices)
        voice.daily = close
        voice.daily_session = self.calendar.state(key.partition(":")[0], now).session_open
        return self._weigh(key, voice, voices, now)

    def holds(self, key: str) -> bool:
        """Whether the signals of `key` are held because its sources disagree."""
        return key in self.held

    def conflicts(self) -> list[SourceConflict]:
        """All disagreements that last."""
        return list(self.held.values())

    def expire(self, now: float) -> list[SourceConflict]:
        """Once a second: the conflicts of which nobody has spoken for too long end."""
        return [
            self._end(conflict)
            for conflict in list(self.held.values())
            if now - self._heard(conflict) > FORGET_AFTER
        ]

    def start_over(self, tolerance: float) -> list[SourceConflict]:
        """Begin to compare anew, by another tolerance; the conflicts that end by that."""
        ended = [msgspec.structs.replace(conflict, over=True) for conflict in self.held.values()]
        self.tolerance = tolerance
        self._voices, self.held = {}, {}
        return ended

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget all instruments but these."""
        wanted = set(keys)
        self._voices = {key: voices for key, voices in self._voices.items() if key in wanted}
        self.held = {key: conflict for key, conflict in self.held.items() if key in wanted}

    def _heard(self, conflict: SourceConflict) -> float:
        """When the more silent of the two sources last told a price; daily bars are told but once."""
        voices = self._voices.get(conflict.key, {})
        quotes = [voices[name].quote for name in conflict.sources if name in voices]
        return min((quote.received for quote in quotes if quote is not None), default=-math.inf)

    def _first(self, key: str, source: str) -> tuple[dict[str, Voice], Voice]:
        voices = self._voices.setdefault(key, {})
        voice = voices[source] = Voice(source)
        return voices, voice

    def _weigh(self, key: str, speaker: Voice, voices: dict[str, Voice], now: float) -> SourceConflict | None:
        """Hold what was just said against every other source; one that contradicts outweighs those that
        agree."""
        known = self.held.get(key)
        settled, judged = False, True
        for other in voices.values():
            if other is speaker:
                continue
            closes = (
                None if speaker.closes_agree and known is None else self._closes(key, speaker, other, now)
            )
            if isinstance(closes, tuple):
                return self._begin(_conflict(key, speaker, other, closes, now, of_closes=True), known)
            judged = judged and closes is not False
            prices = self._prices(speaker, other, now)
            if isinstance(prices, tuple):
                return self._begin(_conflict(key, speaker, other, prices, now, of_closes=False), known)
            if known is not None and known.sources == _names(speaker, other):
                settled = bool(closes) if known.of_closes and closes is not None else bool(prices)
        speaker.closes_agree = judged
        return self._end(known) if known is not None and settled else None

    def _begin(self, found: SourceConflict, known: SourceConflict | None) -> SourceConflict | None:
        if known is not None and known.sources == found.sources:
            found = msgspec.structs.replace(found, since=known.since)
            if known.prices == found.prices and known.of_closes is found.of_closes:
                return None
        self.held[found.key] = found
        return found

    def _end(self, known: SourceConflict) -> SourceConflict:
        del self.held[known.key]
        return msgspec.structs.replace(known, over=True)

    # --- prices -------------------------------------------------------------------------------------

    def _prices(self, speaker: Voice, other: Voice, now: float) -> tuple[float, float] | bool | None:
        """The two prices that contradict each other, True if they agree, None if they cannot be compared."""
        one, two = speaker.quote, other.quote
        if one is None or two is None or now - two.received > FORGET_AFTER:
            return None
        apart = abs(speaker.at - other.at)
        if apart > COMPARABLE:
            # A newer price says nothing of an older one, which was judged when it came.
            return None if speaker.at > other.at else self._then(speaker, one, other)
        if _percent(one.price, two.price) <= self.tolerance * (1.0 + apart / 60.0):
            return True
        if self._admitted(speaker, one, other) or self._admitted(other, two, speaker):
            return None
        return one.price, two.price

    def _then(self, late: Voice, quote: Quote, other: Voice) -> tuple[float, float] | bool | None:
        """A late price against what the other source said at that time."""
        declared = quote.declared_delay or 0.0
        begin = min(late.at, quote.received - declared)
        found = other.between(begin - SLACK, late.at + SLACK)
        if found is None:
            return None
        nearest = min(max(quote.price, found[0]), found[1])
        return True if _percent(quote.price, nearest) <= self.tolerance else (quote.price, nearest)

    def _admitted(self, voice: Voice, quote: Quote, other: Voice) -> bool:
        """Whether the delay that a provider admits, but its stamps do not show, explains its price."""
        declared = quote.declared_delay or 0.0
        if quote.received - voice.at + SLACK >= declared or declared <= COMPARABLE:
            return False
        found = other.between(quote.received - declared - SLACK, voice.at + SLACK)
        if found is None:
            return True
        nearest = min(max(quote.price, found[0]), found[1])
        return _percent(quote.price, nearest) <= self.tolerance

    # --- previous closes ----------------------------------------------------------------------------

    def _closes(self, key: str, one: Voice, two: Voice, now: float) -> tuple[float, float] | bool | None:
        """The two previous closes that contradict each other, True if they agree, False if they differ but
        may be of two sessions, None if there is nothing to compare."""
        if not has_hours(key):
            return None  # where trading never ends, each provider has a previous close of its own making
        first, second = _close(one), _close(two)
        verdict: bool | None = None
        if first is not None and second is not None:
            verdict = _percent(first, second) <= self.tolerance
            if not verdict and self._in_session(key, one, now) and self._in_session(key, two, now):
                return first, second
        for voice, told, other in ((one, first, two), (two, second, one)):
            daily = other.daily
            if told is None or daily is None:
                continue
            verdict = _percent(told, daily) <= self.tolerance
            if not verdict and self._in_session(key, voice, now, other.daily_session):
                return (told, daily) if voice is one else (daily, told)
        if abs(one.at - two.at) > NIGHT:
            return self._over_night(key, one, two, first, second) or verdict
        return verdict

    def _in_session(self, key: str, voice: Voice, now: float, session: float | None = None) -> bool:
        """Whether the voice's last price is of the session that runs (and that opened at `session`)."""
        state = self.calendar.state(key.partition(":")[0], now)
        same = session is None or session == state.session_open
        return same and state.is_open and voice.at >= state.session_open

    def _over_night(
        self, key: str, one: Voice, two: Voice, first: float | None, second: float | None
    ) -> tuple[float, float] | None:
        """The last price of a session against what the other source calls the previous close of the next."""
        older, newer, close = (two, one, first) if two.at < one.at else (one, two, second)
        if close is None or older.quote is None:
            return None
        price, exchange = older.quote.price, key.partition(":")[0]
        if _percent(price, close) <= self.tolerance:
            return None
        state = self.calendar.state(exchange, newer.at)
        closed = self.calendar.previous_session_close(exchange, newer.at)
        if not state.is_open or not closed - CLOSING <= older.at < state.session_open:
            return None
        return (close, price) if newer is one else (price, close)


def _doubt(voices: dict[str, Voice]) -> None:
    """A close has changed: all of them have to be compared anew."""
    for voice in voices.values():
        voice.closes_agree = False


def _close(voice: Voice) -> float | None:
    close = voice.close
    return close if close is not None and 0.0 < close < math.inf else None


def _names(one: Voice, two: Voice) -> tuple[str, str]:
    return (one.source, two.source) if one.source < two.source else (two.source, one.source)


def _percent(one: float, two: float) -> float:
    return abs(one - two) / (one if one < two else two) * 100.0


def _conflict(
    key: str, one: Voice, two: Voice, figures: tuple[float, float], now: float, *, of_closes: bool
) -> SourceConflict:
    """The conflict with its sources in the order of their names, whoever spoke last."""
    ago = 0.0 if of_closes or abs(one.at - two.at) <= COMPARABLE else now - min(one.at, two.at)
    if one.source > two.source:
        figures = figures[::-1]
    return SourceConflict(key, _names(one, two), figures, now, of_closes=of_closes, ago=ago)
