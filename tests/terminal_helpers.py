"""What the tests of the terminal's screen share: sample events, and a screen that can be read."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rich.console import Console

from cli.terminal_view import TerminalView
from core.clock import FakeClock
from core.config import Config
from core.model import (
    CurrencyTotal,
    FeedStatus,
    Freshness,
    Instrument,
    PortfolioSnapshot,
    Position,
    PositionPnl,
    Side,
    Signal,
    SourceStatus,
    Tick,
)

NOW = 1_795_000_000.0
ASELS, AAPL = Instrument("BIST", "ASELS"), Instrument("NASDAQ", "AAPL")
RUNNING = FeedStatus(
    state="running",
    active="yfinance",
    used=4,
    budget=12,
    sources=(SourceStatus(name="yfinance", state="ok", lag=0.2),),
)
OFFLINE = FeedStatus(
    state="offline", next_try=NOW + 12,
    sources=(SourceStatus(name="yfinance", state="failing", last_error="no answer", next_try=NOW + 12),),
)  # fmt: skip


class CountedClock(FakeClock):
    """Sets the event after so many waits, having called `each` before every one."""

    def __init__(self, waits: int, each: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(NOW)
        self._waits = waits
        self._each = each
        self._count = 0

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._count += 1
        self._each(self._count)
        if self._count > self._waits:
            event.set()
        return super().wait(event, seconds)


def tick(instrument: Instrument = ASELS, price: float = 45.32, change: float = 2.15, **fields: Any) -> Tick:
    named: dict[str, Any] = {
        "key": instrument.key, "price": price, "change_pct": change, "stamp": NOW - 3, "received": NOW - 2,
        "source": "yfinance", "simulated": False, "freshness": Freshness.LIVE, "delay": None,
        "basis": "previous_close", "previous_close": None, "open": None, "high": None, "low": None,
        "volume": None,
    }  # fmt: skip
    return Tick(**{**named, **fields})


def signal(**fields: Any) -> Signal:
    named: dict[str, Any] = {
        "key": "BIST:ASELS", "side": Side.BUY, "price": 45.32, "confidence": 0.95, "timestamp": NOW,
        "source": "yfinance", "simulated": False, "reference_price": 44.37, "change_pct": 2.15,
    }  # fmt: skip
    return Signal(**{**named, **fields})


def portfolio(count: int = 1, price: float | None = 45.32, stale: int = 0) -> PortfolioSnapshot:
    position = Position(
        symbol="ASELS",
        exchange="BIST",
        quantity=Decimal("-1234.5"),
        entry_price=Decimal("44.10"),
        opened_at=NOW,
    )
    row = PositionPnl(
        position=position, price=price, value=None, open_pnl=-1506.09 if price else None,
        open_pnl_pct=-2.77 if price else None, daily_pnl=312.4 if price else None, daily_pnl_pct=None,
        freshness=Freshness.LIVE if price else None,
    )  # fmt: skip
    total = CurrencyTotal(
        currency="₺", total_value=1.0, open_pnl=-1506.09, open_pnl_pct=-2.77, daily_pnl=1250.0,
        daily_pnl_pct=2.5, realised_today=0.0, positions=9, stale_positions=stale,
    )  # fmt: skip
    return PortfolioSnapshot(rows=(row,) * count, totals=(total,), updated=NOW)


def make_view(
    *instruments: Instrument, width: int = 80, height: int | None = None, config: Config | None = None,
    clock: FakeClock | None = None,
) -> TerminalView:  # fmt: skip
    console = Console(
        file=io.StringIO(), width=width, height=height or 25, force_terminal=height is not None,
        color_system=None, legacy_windows=False, highlight=False,
    )  # fmt: skip
    return TerminalView(instruments or (ASELS,), config or Config(), console, clock=clock or FakeClock(NOW))


def text_of(view: TerminalView) -> str:
    console = view._console
    with console.capture() as capture:
        console.print(view.render())
    return capture.get()


def output_of(view: TerminalView) -> str:
    return view._console.file.getvalue()


def line_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)
