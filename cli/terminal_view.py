"""The live screen of the terminal: prices, signals, positions and the feed's state, four times a second.

Where the output is no terminal (a file, a pipe, a service's log) each signal, notice and change of the feed
is one plain line, and everything is printed every ten seconds.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live

from cli import terminal_tables as tables
from cli.terminal_bots import alert_lines, bots_table
from cli.terminal_state import Shown, TerminalState
from cli.terminal_words import news_line
from core.bots.model import BotAlert, BotState
from core.clock import Clock, SystemClock
from core.commands import BotsLoaded
from core.config import Config
from core.feed_text import replay_sentence
from core.model import (
    FeedStatus,
    FreshnessChange,
    Instrument,
    Notice,
    PortfolioSnapshot,
    Signal,
    SourceConflict,
    Tick,
)
from core.replay.clock import real_clock

FRAME_SECONDS = 0.25
TABLE_SECONDS = 10.0
_MOST_SIGNALS = 8
_LISTED_SIGNALS = 10


class TerminalView:
    """Takes the engine's events from any thread and shows them in the one that calls `run`."""

    def __init__(
        self, instruments: Sequence[Instrument], config: Config, console: Console | None = None, *,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._instruments = tuple(instruments)
        self._chosen_simulation = config.real_time.live_data_source == "simulation"
        self._console = console or _standard_console()
        self._clock = clock or SystemClock()
        self._state = TerminalState()

    def on_tick(self, tick: Tick) -> None:
        """A price arrived."""
        self._state.put_tick(tick)

    def on_freshness(self, change: FreshnessChange) -> None:
        """A price aged."""
        self._state.put_freshness(change)

    def on_conflict(self, conflict: SourceConflict) -> None:
        """Two sources disagree, or agree again."""
        self._state.put_conflict(conflict)

    def on_signal(self, signal: Signal) -> None:
        """A signal came."""
        self._state.put_signal(signal)

    def on_bots(self, event: BotsLoaded) -> None:
        """All bots there are."""
        self._state.put_bots(event.states)

    def on_bot(self, state: BotState) -> None:
        """A bot has changed."""
        self._state.put_bot(state)

    def on_bot_alert(self, alert: BotAlert) -> None:
        """A bot has something to tell."""
        self._state.put_alert(alert)

    def on_portfolio(self, snapshot: PortfolioSnapshot) -> None:
        """The positions were valued."""
        self._state.put_portfolio(snapshot)

    def on_feed_status(self, status: FeedStatus) -> None:
        """The feed says what it is doing."""
        self._state.put_feed(status)

    def on_notice(self, notice: Notice) -> None:
        """The user is to be told something."""
        self._state.put_notice(notice, self._clock.time())

    def render(self) -> RenderableType:
        """Everything as it is now, as high as the terminal is (of any height where there is none)."""
        shown, now = self._state.shown(), self._clock.time()
        height = self._console.height if self._console.is_terminal else None
        top = self._top(shown, now)
        bottom = self._bottom(shown, height)
        rows = None if height is None else height - self._lines(Group(*top, *bottom)) - 2
        lists = 1 if height is None else max(1, self._console.width // tables.PRICE_WIDTH)
        prices = tables.price_lists(shown, self._instruments, now, rows=rows, lists=lists)
        return Group(*top, prices, *bottom)

    def run(self, stop: threading.Event) -> None:
        """Show everything until `stop` is set."""
        if self._console.is_terminal:
            self._run_screen(stop)
        else:
            self._run_plain(stop)

    def _run_screen(self, stop: threading.Event) -> None:
        with Live(console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(self.render(), refresh=True)
                if self._clock.wait(stop, FRAME_SECONDS):
                    return

    def _run_plain(self, stop: threading.Event) -> None:
        pace = real_clock(self._clock)
        next_table = pace.monotonic() + TABLE_SECONDS
        while not self._clock.wait(stop, FRAME_SECONDS):
            self._print_news()
            if pace.monotonic() >= next_table:
                next_table += TABLE_SECONDS
                self._console.print(self.render())
        self._print_news()
        self._console.print(self.render())

    def _print_news(self) -> None:
        now = self._clock.time()
        for news in self._state.take_news():
            self._console.print(news_line(news, now), soft_wrap=True)

    def _top(self, shown: Shown, now: float) -> list[RenderableType]:
        replayed = replay_sentence(shown.feed, now) if shown.feed.replay_speed else ""
        band = tables.band(shown, self._instruments, chosen=self._chosen_simulation, replayed=replayed)
        status = tables.status_line(shown.feed, now)
        return [*([band] if band else []), status, *tables.notices(shown.notices, now)]

    def _bottom(self, shown: Shown, height: int | None) -> list[RenderableType]:
        """Positions, totals and signals; on a small screen the prices keep at least half of it."""
        share = None if height is None else max(1, height // (8 if shown.bots else 6))
        parts: list[RenderableType] = []
        if shown.portfolio is not None:
            table = tables.positions_table(shown.portfolio.rows, share)
            parts += [tables.heading("positions"), table] if table else []
            parts += [tables.total_line(total) for total in shown.portfolio.totals]
        bots = bots_table(shown.bots, share)
        if bots is not None:
            parts += [tables.heading("bots"), bots]
            parts += alert_lines(shown.alerts[:share], self._clock.time())
        most = _LISTED_SIGNALS if share is None else min(share, _MOST_SIGNALS)
        return [*parts, tables.heading("signals"), tables.signal_list(shown.signals[:most])]

    def _lines(self, part: RenderableType) -> int:
        return len(self._console.render_lines(part, pad=False))


def _standard_console() -> Console:
    """Standard output; a character that it cannot write becomes a question mark instead of an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        with contextlib.suppress(ValueError, OSError):
            reconfigure(errors="replace")
    return Console(highlight=False)
