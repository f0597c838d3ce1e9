"""What the feed tells the engine besides quotes and its status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.feed.history import BarHistory, HistoryFailed
from core.model import FeedStatus, Quote
from core.sources.base import DailyCloses


class InstrumentUnknown(msgspec.Struct, frozen=True):
    """No source knows the instrument `key`; said once per start of the feed and instrument."""

    key: str


class SourceLost(msgspec.Struct, frozen=True):
    """The push connection of `source` broke: its prices are not live until they are told again."""

    source: str


class FeedSink(Protocol):
    """Where the feed's threads put what they learn; every method returns at once."""

    def put_quotes(self, quotes: Sequence[Quote]) -> None:
        """Quotes as they arrived, oldest first."""
        ...

    def put(
        self,
        message: FeedStatus | DailyCloses | InstrumentUnknown | SourceLost | BarHistory | HistoryFailed,
    ) -> None:
        """Anything else."""
        ...
