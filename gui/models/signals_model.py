"""The BUY and SELL signals as rows, newest first and bounded."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from PyQt5.QtCore import QObject

from core.i18n import format_number, format_percent, tr
from core.instruments import fold
from core.model import Side, Signal
from core.price_rules import format_price
from core.signal_text import reason
from gui.formatting import duration, exact_time
from gui.models.cells import DOWN, UP, ago_text, local_time, short_time
from gui.models.rows import Cell, Column, RowModel

MAX_SIGNALS = 5000
DAY = 86_400.0


class Line(NamedTuple):
    """A signal and the number that names its row."""

    number: int
    signal: Signal


class SignalFilter(NamedTuple):
    """Which signals are shown: those that contain `text` (case and accents aside), of `side`, of today."""

    text: str = ""
    side: Side | None = None
    today: bool = False

    def accepts(self, signal: Signal, now: float) -> bool:
        """Whether `signal` is to be shown; its day is that of its exchange."""
        if self.side is not None and signal.side is not self.side:
            return False
        if self.today and not _same_day(signal, now):
            return False
        return not self.text or fold(self.text) in fold(f"{signal.key} {reason(signal)} {signal.source}")


def _same_day(signal: Signal, now: float) -> bool:
    return local_time(signal.timestamp, signal.exchange).date() == local_time(now, signal.exchange).date()


class SignalsModel(RowModel):
    """The last 5000 signals."""

    def __init__(self, now: Callable[[], float] = time.time, parent: QObject | None = None) -> None:
        self._now = now
        self._numbers = itertools.count()
        self._wants = SignalFilter()
        super().__init__(self._make_columns(), lambda line: line.number, parent)

    @property
    def in_given_order(self) -> bool:
        """Whether newest is on top, which makes adding cheap."""
        return self._sort_column < 0

    def set_signals(self, signals: Iterable[Signal]) -> None:
        """Show these signals and no others, newest on top."""
        newest = sorted(signals, key=lambda signal: (signal.timestamp, signal.id), reverse=True)
        self.set_rows([Line(next(self._numbers), signal) for signal in newest[:MAX_SIGNALS]])

    def add_signals(self, signals: Sequence[Signal]) -> None:
        """Add signals in the order in which they came."""
        fresh = sorted((Line(next(self._numbers), s) for s in signals), key=_moment, reverse=True)[
            :MAX_SIGNALS
        ]
        late = bool(self._all) and bool(fresh) and _moment(fresh[-1]) < _moment(self._all[0])
        self._all[0:0] = fresh
        if late:
            self._all.sort(key=_moment, reverse=True)
        gone = set(self._all[MAX_SIGNALS:])
        del self._all[MAX_SIGNALS:]
        if late or not self.in_given_order:
            self._rearrange()
            return
        shown = [line for line in fresh if self._filter is None or self._filter(line)]
        if shown:
            self.insert_run(0, shown)
        self._drop_last(gone)

    def _drop_last(self, gone: set[Line]) -> None:
        keep = len(self._shown)
        while keep and self._shown[keep - 1] in gone:
            keep -= 1
        if keep < len(self._shown):
            self._remove(keep, len(self._shown) - 1)

    def set_wanted(self, wanted: SignalFilter) -> None:
        """Show only what `wanted` accepts."""
        self._wants = wanted
        if wanted == SignalFilter():
            self.set_filter(None)
        else:
            self.set_filter(lambda line: wanted.accepts(line.signal, self._now()))

    def signals(self) -> list[Signal]:
        """The shown signals in the shown order."""
        return [line.signal for line in self._shown]

    def _make_columns(self) -> list[Column]:
        def column(name: str, cell: Callable[[Signal], Cell], order: Callable[[Signal], object], sample: str,
                   **more: Any) -> Column:  # fmt: skip
            return Column(
                name, f"signals_view.{name}", lambda line: cell(line.signal), lambda line: order(line.signal),
                sample, **more,
            )  # fmt: skip

        return [
            column("time", self._time, lambda s: s.timestamp, "14:30:45  12 min ago", timed=True),
            column("symbol", lambda s: Cell(s.symbol, second=s.exchange), lambda s: s.key, "ASELS  BIST"),
            column("side", _side, lambda s: s.side.value, "↑ BUY"),
            column("price", _price, lambda s: s.price, "1,234.50 ₺", figures=True),
            column("confidence", _confidence, lambda s: s.confidence, "Confidence", figures=True),
            column("source", _source, lambda s: (s.simulated, s.source), "tvdatafeed"),
            column("reason", _reason, lambda s: s.change_pct, "Price rose +2.15%", elide=True),
        ]

    def _time(self, signal: Signal) -> Cell:
        now = self._now()
        age = max(0.0, now - signal.timestamp)
        return Cell(
            short_time(signal.timestamp, signal.exchange, now), second=ago_text(age) if age < DAY else "",
            tip=exact_time(signal.timestamp, signal.exchange, now),
        )  # fmt: skip


def _moment(line: Line) -> tuple[float, int]:
    return line.signal.timestamp, line.number


def _side(signal: Signal) -> Cell:
    buy = signal.side is Side.BUY
    word = tr("signals_view.buy" if buy else "signals_view.sell")
    return Cell(f"{UP if buy else DOWN} {word}", "up" if buy else "down")


def _price(signal: Signal) -> Cell:
    before = format_price(signal.key, signal.reference_price, currency=True)
    tip = tr("signals_view.price_tip", reference=before, change=format_percent(signal.change_pct))
    hatch = "simulated" if signal.simulated else ""
    return Cell(format_price(signal.key, signal.price, currency=True), hatch or "text", hatch=hatch, tip=tip)


def _confidence(signal: Signal) -> Cell:
    tip = tr("signals_view.confidence_tip", value=format_number(signal.confidence, 2))
    return Cell(
        format_percent(signal.confidence * 100, 0, sign=False), "accent_text", bar=signal.confidence, tip=tip
    )


def _source(signal: Signal) -> Cell:
    if signal.source == "replay":
        return Cell(f"◇ {tr('replay.mark')}", "simulated", tip=tr("replay.signal_tip"))
    if signal.simulated:
        return Cell(f"◇ {tr('signals_view.simulated')}", "simulated", tip=tr("signals_view.simulated_tip"))
    return Cell(signal.source, "secondary")


def _reason(signal: Signal) -> Cell:
    text = reason(signal)
    if not signal.gap:
        return Cell(text, tip=text)
    gap = duration(signal.gap)
    tip = f"{text}\n{tr('signals_view.gap_tip', duration=gap)}"
    return Cell(text, "warning", tip=tip)
