"""What the terminal shows: the latest of everything, put in by the engine's thread, taken by the screen's."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from core.bots.model import BotAlert, BotState
from core.model import (
    FeedStatus,
    Freshness,
    FreshnessChange,
    Notice,
    PortfolioSnapshot,
    Signal,
    SourceConflict,
    Tick,
)

MOST_SIGNALS = 100
MOST_NOTICES = 3
MOST_NEWS = 1000
"""Lines that wait to be printed; more than this are dropped, oldest first."""

News = Signal | Notice | FeedStatus | SourceConflict | BotAlert


class PriceRow(msgspec.Struct, frozen=True):
    """A price and what it is worth now; `new_at` is the Unix time from which its age counts."""

    tick: Tick
    freshness: Freshness
    delay: float | None
    new_at: float

    @property
    def simulated(self) -> bool:
        """Whether the price is made up, however old it is."""
        return self.tick.simulated or self.freshness is Freshness.SIMULATED


class TimedNotice(msgspec.Struct, frozen=True):
    """A notice and when it came (Unix seconds)."""

    notice: Notice
    at: float


class Shown(msgspec.Struct, frozen=True):
    """Everything at one moment; signals, notices and alerts newest first, `disputed` are keys."""

    prices: dict[str, PriceRow]
    signals: tuple[Signal, ...]
    notices: tuple[TimedNotice, ...]
    portfolio: PortfolioSnapshot | None
    feed: FeedStatus
    disputed: frozenset[str] = frozenset()
    bots: tuple[BotState, ...] = ()
    alerts: tuple[BotAlert, ...] = ()


class TerminalState:
    """Safe to use from several threads; every method returns at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prices: dict[str, PriceRow] = {}
        self._signals: deque[Signal] = deque(maxlen=MOST_SIGNALS)
        self._notices: deque[TimedNotice] = deque(maxlen=MOST_NOTICES)
        self._portfolio: PortfolioSnapshot | None = None
        self._feed = FeedStatus(state="stopped")
        self._disputed: frozenset[str] = frozenset()
        self._bots: dict[str, BotState] = {}
        self._alerts: deque[BotAlert] = deque(maxlen=MOST_NOTICES)
        self._news: deque[News] = deque(maxlen=MOST_NEWS)

    def put_tick(self, tick: Tick) -> None:
        """A price."""
        old = tick.freshness in (Freshness.STALE, Freshness.CLOSED)
        row = PriceRow(tick, tick.freshness, tick.delay, tick.stamp if old else tick.received)
        with self._lock:
            self._prices[tick.key] = row

    def put_freshness(self, change: FreshnessChange) -> None:
        """A price that aged."""
        with self._lock:
            row = self._prices.get(change.key)
            if row is not None:
                self._prices[change.key] = PriceRow(row.tick, change.freshness, change.delay, change.since)

    def put_conflict(self, conflict: SourceConflict) -> None:
        """Two sources disagree, or agree again; other prices of the same quarrel are no news."""
        key = frozenset((conflict.key,))
        with self._lock:
            if (conflict.key in self._disputed) is conflict.over:
                self._news.append(conflict)
            self._disputed = self._disputed - key if conflict.over else self._disputed | key

    def put_bots(self, states: tuple[BotState, ...]) -> None:
        """All bots there are, in their order."""
        with self._lock:
            self._bots = {state.bot_id: state for state in states}

    def put_bot(self, state: BotState) -> None:
        """A bot that has changed."""
        with self._lock:
            if state.bot_id in self._bots:
                self._bots[state.bot_id] = state

    def put_alert(self, alert: BotAlert) -> None:
        """Something that a bot has to tell."""
        with self._lock:
            self._alerts.appendleft(alert)
            self._news.append(alert)

    def put_signal(self, signal: Signal) -> None:
        """A signal."""
        with self._lock:
            self._signals.appendleft(signal)
            self._news.append(signal)

    def put_notice(self, notice: Notice, now: float) -> None:
        """A sentence for the user."""
        with self._lock:
            self._notices.appendleft(TimedNotice(notice, now))
            self._news.append(notice)

    def put_portfolio(self, snapshot: PortfolioSnapshot) -> None:
        """The positions and totals."""
        with self._lock:
            self._portfolio = snapshot

    def put_feed(self, status: FeedStatus) -> None:
        """What the feed is doing; it is news only if it does something else, or by another source."""
        with self._lock:
            if (status.state, status.active) != (self._feed.state, self._feed.active):
                self._news.append(status)
            self._feed = status

    def shown(self) -> Shown:
        """Everything as it is now."""
        with self._lock:
            return Shown(
                dict(self._prices), tuple(self._signals), tuple(self._notices), self._portfolio, self._feed,
                self._disputed, tuple(self._bots.values()), tuple(self._alerts),
            )  # fmt: skip

    def take_news(self) -> list[News]:
        """What happened since the last call, oldest first."""
        with self._lock:
            news = list(self._news)
            self._news.clear()
        return news
