"""The price sources as rows of `SourceStatus`."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt5.QtCore import QObject

from core.feed_text import duration
from core.i18n import format_number, tr
from core.model import FeedStatus, SourceStatus
from gui.models.cells import NOTHING
from gui.models.rows import Cell, Column, RowModel

TINTS = {"ok": "up", "old": "warning", "failing": "down", "blocked": "warning", "connecting": "warning"}


class FeedModel(RowModel):
    """One line per source, with the last error that it told of."""

    def __init__(self, parent: QObject | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._errors: dict[str, str] = {}
        super().__init__(self._make_columns(), lambda status: status.name, parent)

    def set_status(self, status: FeedStatus) -> None:
        """Show how the feed fares now."""
        if status.state == "stopped":
            self.set_rows(())
            return
        for source in status.sources:
            if source.last_error:
                self._errors[source.name] = source.last_error
        self.set_rows(status.sources)

    def _make_columns(self) -> list[Column]:
        def figure(name: str, cell: Callable[[SourceStatus], Cell], order: Callable[[SourceStatus], object],
                   sample: str, *, timed: bool = False) -> Column:  # fmt: skip
            return Column(name, f"health.{name}", cell, order, sample, figures=True, timed=timed)

        return [
            Column("source", "health.source", lambda s: Cell(s.name), lambda s: s.name, "tradingview"),
            Column("state", "health.state", _state, lambda s: s.state, "connecting"),
            figure("since", self._since, lambda s: s.connected_since, "120 min", timed=True),
            figure("rate", _rate, lambda s: s.rate, "1,234.5"),
            figure("lag", _lag, lambda s: s.lag, "15 min"),
            figure("reconnects", _reconnects, lambda s: s.reconnects, "123"),
            figure("requests", lambda s: Cell(_requests(s)), lambda s: s.requests, "12 / 20"),
            Column(
                "error", "health.error", self._error, lambda s: self._errors.get(s.name), "x" * 12, elide=True
            ),
        ]

    def _since(self, status: SourceStatus) -> Cell:
        if status.connected_since is None:
            return Cell(NOTHING, "secondary")
        return Cell(duration(max(0.0, self._now() - status.connected_since)))

    def _error(self, status: SourceStatus) -> Cell:
        text = self._errors.get(status.name, "")
        return Cell(text, "text" if status.last_error else "secondary", tip=text)


def _state(status: SourceStatus) -> Cell:
    return Cell(tr(f"health.state_{status.state}"), TINTS.get(status.state, "secondary"))


def _rate(status: SourceStatus) -> Cell:
    return Cell(NOTHING, "secondary") if status.rate is None else Cell(format_number(status.rate, 1))


def _lag(status: SourceStatus) -> Cell:
    return Cell(NOTHING, "secondary") if status.lag is None else Cell(duration(status.lag))


def _reconnects(status: SourceStatus) -> Cell:
    return Cell(format_number(status.reconnects, 0)) if status.push else Cell(NOTHING, "secondary")


def _requests(source: SourceStatus) -> str:
    """How many requests were made in the last minute, of how many."""
    used = format_number(source.requests, 0)
    return f"{used} / {format_number(source.budget, 0)}" if source.budget else used
