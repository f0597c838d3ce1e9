"""What the panes of one chart share: the bars, the stretch in sight, and what is drawn on top."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from core.i18n import language
from gui.chart.groups import group_size, take
from gui.chart.live import LiveBar, live_bar
from gui.chart.scale import TIME_ROOM, time_ticks
from gui.chart.series import BarSeries

LEAST_BARS = 12.0
MOST_BARS = 20_000.0
FIRST_BARS = 130.0
RIGHT_BARS = 4.0
"""Bars of room to the right of the last one."""


class Marker(msgspec.Struct, frozen=True):
    """An arrow at a moment: a signal, or (`trade`) something that was bought or sold. `text` explains it."""

    stamp: float
    buys: bool
    trade: bool
    text: str


@dataclass
class ViewState:
    """`low` and `high` are bars, with fractions; bar number n takes the room from n - 0.5 to n + 0.5.

    `mark` is the colour, by role, of a last bar whose price is no live one. `touched` rises with every
    change of what closed bars look like.
    """

    series: BarSeries | None = None
    low: float = 0.0
    high: float = FIRST_BARS
    width: float = 800.0
    ema: bool = True
    mark: str | None = None
    markers: dict[int, list[Marker]] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    touched: int = 0
    _live: tuple[object, LiveBar] | None = None
    _times: tuple[object, list[tuple[int, str]]] | None = None

    @property
    def count(self) -> int:
        """The number of bars."""
        return 0 if self.series is None else len(self.series)

    @property
    def size(self) -> int:
        """How many bars are drawn as one."""
        return group_size(self.high - self.low, self.width)

    @property
    def spacing(self) -> float:
        """Pixels from one bar to the next."""
        return self.width / max(1e-9, self.high - self.low)

    @property
    def follows(self) -> bool:
        """Whether the last bar is in sight, so that the view moves on with it."""
        return self.high >= self.count - 1

    def live_bar(self) -> LiveBar:
        """The last candle and where its lines begin; all panes need it."""
        assert self.series is not None
        size = self.size
        key = (id(self.series), self.series.revision, size)
        if self._live is None or self._live[0] != key:
            start = (self.count - 1) // size * size
            self._live = (key, live_bar(take(self.series, start - size, self.count - 1, size)))
        return self._live[1]

    def time_ticks(self) -> list[tuple[int, str]]:
        """(bar, label) of the times in sight that have a label and a line; the axis and all panes ask."""
        if self.series is None:
            return []
        key = (id(self.series), self.series.version, self.low, self.high, self.width, language())
        if self._times is None or self._times[0] != key:
            self._times = (key, time_ticks(self.series, self.low, self.high, self.width / TIME_ROOM))
        return self._times[1]

    def show(self, low: float, bars: float) -> None:
        """Move to the stretch of `bars` that begins at `low`, as far as there is anything to see."""
        bars = min(max(bars, LEAST_BARS), max(FIRST_BARS, self.count * 1.04), MOST_BARS)
        least, most = -bars * 0.2, self.count - min(bars * 0.3, self.count * 0.5)
        self.low = min(max(low, least), max(least, most))
        self.high = self.low + bars

    def show_newest(self, bars: float | None = None) -> None:
        """Go to the last bar."""
        bars = self.high - self.low if bars is None else bars
        room = min(RIGHT_BARS, bars * 0.05) if bars > FIRST_BARS * 2 else RIGHT_BARS
        self.show(self.count - 0.5 + room - bars, bars)

    def zoom(self, factor: float, around: float) -> None:
        """Show `factor` as many bars and leave the bar `around` where it stands."""
        bars = self.high - self.low
        share = (around - self.low) / bars
        wanted = min(max(bars * factor, LEAST_BARS), max(FIRST_BARS, self.count * 1.04), MOST_BARS)
        self.show(around - share * wanted, wanted)
