"""The notification log as rows of `Delivery`, one per message and channel, newest message first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from PyQt5.QtCore import QObject

from core.i18n import tr
from core.model import Delivery
from gui.models.cells import ago_text
from gui.models.rows import Cell, Column, RowModel

CHANNELS = ("toast", "desktop", "telegram", "email")
MAX_LINES = 2000
DAY = 86_400.0
STATUSES = {
    "queued": ("…", "secondary"),
    "delivered": ("✓", "up"),
    "retrying": ("↻", "warning"),
    "throttled": ("◷", "warning"),
    "coalesced": ("≡", "secondary"),
    "failed": ("✗", "down"),
    "skipped": ("–", "secondary"),
    "kept": ("◷", "warning"),
    "expired": ("✗", "warning"),
}
NOT_DELIVERED = frozenset(("retrying", "throttled", "failed", "skipped", "kept", "expired"))


class DeliveryFilter(NamedTuple):
    """Which lines are shown: of `channel` ("" = any) and with one of `statuses` (None = any)."""

    channel: str = ""
    statuses: frozenset[str] | None = None

    def accepts(self, delivery: Delivery) -> bool:
        """Whether `delivery` is to be shown; what concerns all channels belongs to each."""
        if self.channel and delivery.channel not in (self.channel, "all"):
            return False
        return self.statuses is None or delivery.status in self.statuses


class DeliveriesModel(RowModel):
    """The last 2000 lines."""

    def __init__(self, now: Callable[[], float] = time.time, parent: QObject | None = None) -> None:
        self._now = now
        self._latest: dict[tuple[str, str], Delivery] = {}
        super().__init__(self._make_columns(), name_of, parent)

    def set_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Show these lines and no others; of several of one message and channel the latest counts."""
        self._latest.clear()
        self.add_deliveries(deliveries)

    def add_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Add lines, or bring those of the same message and channel up to date; a late word is ignored."""
        for delivery in deliveries:
            known = self._latest.get(name_of(delivery))
            if known is None or delivery.updated >= known.updated:
                self._latest[name_of(delivery)] = delivery
        newest = sorted(self._latest.values(), key=lambda d: d.created, reverse=True)
        for gone in newest[MAX_LINES:]:
            del self._latest[name_of(gone)]
        self.set_rows(newest[:MAX_LINES])

    def _make_columns(self) -> list[Column]:
        def column(
            name: str,
            cell: Callable[[Delivery], Cell],
            order: Callable[[Delivery], object],
            sample: str,
            **more: Any,
        ) -> Column:
            return Column(name, f"deliveries.{name}", cell, order, sample, **more)

        return [
            column("time", self._time, lambda d: d.updated, "14:30:45  12 min ago", timed=True),
            column("channel", _channel, lambda d: channel_name(d.channel), "Telegram"),
            column("title", _title, lambda d: d.title, "↑ BUY ASELS at 145.32 ₺ 00", elide=True),
            column("status", _status, _status_rank, "✓ Delivered"),
            column("attempt", _attempt, lambda d: d.attempt, "1", figures=True),
            column("detail", _detail, lambda d: d.detail, "detail", elide=True),
        ]

    def _time(self, delivery: Delivery) -> Cell:
        now = self._now()
        age = max(0.0, now - delivery.updated)
        moment, today = datetime.fromtimestamp(delivery.updated), datetime.fromtimestamp(now)
        same_day = moment.date() == today.date()
        text = f"{moment:%H:%M:%S}" if same_day else moment.strftime(tr("deliveries.date_format"))
        exact = tr("deliveries.exact_format")
        tip = tr(
            "deliveries.time_tip", created=datetime.fromtimestamp(delivery.created).strftime(exact),
            updated=moment.strftime(exact),
        )  # fmt: skip
        return Cell(text, second=ago_text(age) if age < DAY else "", tip=tip)


def name_of(delivery: Delivery) -> tuple[str, str]:
    """What names a line for good: its message and its channel."""
    return delivery.message_id, delivery.channel


def channel_name(channel: str) -> str:
    """A channel's name in the interface's language."""
    return tr(f"notify.channel_{channel}") if channel in (*CHANNELS, "all") else channel


def _channel(delivery: Delivery) -> Cell:
    return Cell(channel_name(delivery.channel))


def _title(delivery: Delivery) -> Cell:
    return Cell(delivery.title, tip=delivery.title)


def _attempt(delivery: Delivery) -> Cell:
    return Cell(str(delivery.attempt) if delivery.attempt else "")


def _detail(delivery: Delivery) -> Cell:
    return Cell(delivery.detail, "secondary", tip=delivery.detail)


def _status_rank(delivery: Delivery) -> int:
    return tuple(STATUSES).index(delivery.status) if delivery.status in STATUSES else -1


def _status(delivery: Delivery) -> Cell:
    glyph, tint = STATUSES.get(delivery.status, ("?", "secondary"))
    word = tr(f"notify.status_{delivery.status}") if delivery.status in STATUSES else delivery.status
    return Cell(f"{glyph} {word}", tint, tip=delivery.detail)
