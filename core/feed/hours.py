"""What the market's hours mean for the feed: whose closing price is known, and who tells only old prices.

An instrument whose market is closed need not be asked for again once a price of the session's end has come
after the closing auction (and after the delay that its provider admits): that is its last one until the next
opening. If its last trade was earlier, each source is asked once, as one of them may be behind. And a source
that answers with old prices, while a market of its instruments is open, works only by appearance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from core.clock import Clock
from core.market_calendar import MarketState
from core.model import Instrument, Quote

MarketOf = Callable[[str], MarketState | None]
"""The state of an exchange now; None where nobody knows, which counts as open."""
SETTLING = 900.0
"""Seconds after the close in which auctions and late prints still move the closing price."""
LAST_TRADES = 600.0
"""Seconds before the close in which a trade is taken for the session's last."""
LATEST = 1200.0
"""A price further behind than this is old, however steadily its source moves on."""
EVERYBODY = "*"
LOOK_EVERY = 60.0
"""Seconds after which an exchange's state is looked up anew in any case: the user may close a day."""


class _Hours:
    """An exchange's session, as it holds until `until` (Unix seconds)."""

    __slots__ = ("close", "is_open", "open", "until")

    def __init__(self) -> None:
        self.is_open = True
        self.open = self.close = self.until = -math.inf


class _Price:
    """One instrument: its exchange's hours, and who has told the final price of which session's close."""

    __slots__ = ("final", "hours", "tellers")

    def __init__(self, hours: _Hours) -> None:
        self.hours = hours
        self.final = math.nan
        self.tellers: set[str] = set()

    def told(self, source: str, quote: Quote) -> None:
        """A quote that came while the market is closed."""
        close = self.hours.close
        if quote.received - (quote.declared_delay or 0.0) < close + SETTLING:
            return
        if self.final != close:
            self.final = close
            self.tellers.clear()
        self.tellers.add(EVERYBODY if quote.stamp + quote.span >= close - LAST_TRADES else source)

    def rests(self, source: str) -> bool:
        """Whether `source` need not be asked."""
        hours = self.hours
        if hours.is_open or self.final != hours.close:
            return False
        return EVERYBODY in self.tellers or source in self.tellers


class _Told:
    """What one source told of open markets: its newest price, and when (monotonic) one was fresh."""

    __slots__ = ("fresh_at", "judged_at", "moves", "newest")

    def __init__(self) -> None:
        self.newest = -math.inf
        self.moves = 0
        self.judged_at = self.fresh_at = -math.inf


class FeedHours:
    """Belongs to the feed's board, which guards it by its lock."""

    def __init__(self, market_of: MarketOf, clock: Clock, grace: float) -> None:
        """`grace`: seconds for which a price counts as fresh."""
        self._market_of = market_of
        self._clock = clock
        self._grace = max(grace, 0.0)
        self._exchanges: dict[str, _Hours] = {}
        self._prices: dict[str, _Price] = {}
        self._told: dict[str, _Told] = {}

    def note(self, source: str, quotes: Sequence[Quote]) -> None:
        """A real source has told these."""
        self._look()
        told = self._told.get(source)
        if told is None:
            told = self._told[source] = _Told()
        newest: Quote | None = None
        for quote in quotes:
            price = self._prices.get(quote.key)
            if price is None:
                price = self._price(quote.key)
            if not price.hours.is_open:
                price.told(source, quote)
            elif newest is None or quote.stamp > newest.stamp:
                newest = quote
        if newest is not None:
            self._judge(told, newest)

    def awake(self, source: str, instruments: Iterable[Instrument]) -> list[Instrument]:
        """Those for which `source` may have another price than is known."""
        self._look()
        known = ((instrument, self._prices.get(instrument.key)) for instrument in instruments)
        return [instrument for instrument, price in known if price is None or not price.rests(source)]

    def any_open(self, exchanges: Iterable[str]) -> bool:
        """Whether one of these exchanges is open now, or may be."""
        states = map(self._market_of, exchanges)
        return any(state is None or state.is_open for state in states)

    def newest_if_old(self, source: str, *, push: bool) -> float | None:
        """The Unix time of the newest price that `source` told, if it tells only old ones of open markets.

        A source that pushes is judged by its silence, one that is asked by its answers.
        """
        told = self._told.get(source)
        if told is None or told.judged_at == -math.inf:
            return None
        self._look()
        now = self._clock.time()
        if not any(hours.is_open and now - hours.open > self._grace for hours in self._exchanges.values()):
            return None
        until = self._clock.monotonic() if push else told.judged_at
        return told.newest if until - told.fresh_at > self._grace else None

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget all instruments but these."""
        wanted = set(keys)
        self._prices = {key: price for key, price in self._prices.items() if key in wanted}
        exchanges = {key.partition(":")[0] for key in self._prices}
        self._exchanges = {code: hours for code, hours in self._exchanges.items() if code in exchanges}

    def _judge(self, told: _Told, quote: Quote) -> None:
        """Hold the newest of the prices that came together against the time."""
        told.judged_at = self._clock.monotonic()
        vouched = min(quote.stamp + quote.span, quote.received)
        lag = self._clock.time() - vouched
        moved = vouched > told.newest
        if moved:
            told.newest = vouched
            told.moves += 1
        # Stamps that move on, only late, are those of a delayed feed that does not say so.
        if lag < (quote.declared_delay or 0.0) + self._grace or (moved and told.moves > 1 and lag <= LATEST):
            told.fresh_at = told.judged_at

    def _price(self, key: str) -> _Price:
        exchange = key.partition(":")[0]
        hours = self._exchanges.get(exchange)
        if hours is None:
            hours = self._exchanges[exchange] = _Hours()
            self._look()
        price = self._prices[key] = _Price(hours)
        return price

    def _look(self) -> None:
        """Look up the exchanges whose session may have begun or ended."""
        now = self._clock.time()
        for exchange, hours in self._exchanges.items():
            if not hours.until - LOOK_EVERY <= now < hours.until:
                self._look_up(exchange, hours, now)

    def _look_up(self, exchange: str, hours: _Hours, now: float) -> None:
        state = self._market_of(exchange)
        hours.until = now + LOOK_EVERY
        if state is not None:
            hours.is_open, hours.open, hours.close = state.is_open, state.session_open, state.session_close
            change = state.closes_at if state.is_open else state.opens_at
            hours.until = min(hours.until, change) if change is not None else hours.until
