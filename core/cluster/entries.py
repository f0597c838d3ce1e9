"""What stands on the tape: every input of the bots' desk, as values for the desk of a worker."""

from __future__ import annotations

from typing import Any

import msgspec

from core.config import Config
from core.model import Bar, Freshness, Quote, Tick


class Priced(msgspec.Struct, frozen=True, tag="price", tag_field="kind"):
    """A vetted price and the quote it came from, with what the price book knows of it (see `PriceState`);
    `disputed` tells that sources contradict each other."""

    tick: Tick
    quote: Quote
    effective: float
    newest: float
    session: float
    gap: float = 0.0
    disputed: bool = False


class Aged(msgspec.Struct, frozen=True, tag="aged", tag_field="kind"):
    """An instrument's price has aged."""

    key: str
    freshness: Freshness
    since: float
    delay: float | None = None


class Disputed(msgspec.Struct, frozen=True, tag="disputed", tag_field="kind"):
    """Sources begin to contradict each other."""

    key: str


class Volatile(msgspec.Struct, frozen=True, tag="volatile", tag_field="kind"):
    """How volatile an instrument is by its daily closes."""

    key: str
    volatility_pct: float | None


class Looked(msgspec.Struct, frozen=True, tag="looked", tag_field="kind"):
    """An exchange has opened or closed: look at the calendar."""


class Told(msgspec.Struct, frozen=True, tag="told", tag_field="kind", kw_only=True):
    """Something for one bot alone.

    `action` is "configure" (by `settings`, which hold the bot or, if it is to go, none), "start", "stop",
    "flatten" (stop, and sell), "cycle", "history" or "recover". `command` is the engine's number of the
    command, 0 if it is none. `bars` (by instrument, of `seconds` each) and `rules` (what the signal rule
    remembers, by instrument) are what was there before the bot.
    """

    action: str
    command: int = 0
    settings: Config | None = None
    seconds: int = 0
    bars: dict[str, tuple[Bar, ...]] = {}
    rules: dict[str, list[Any] | None] = {}
    blind_since: float = 0.0
    crashed: bool = False


class Stamped(msgspec.Struct, frozen=True):
    """An entry with the time by the engine's clock (Unix seconds), by which it is judged."""

    at: float
    entry: Priced | Aged | Disputed | Volatile | Looked | Told


Entry = Priced | Aged | Disputed | Volatile | Looked | Told

CLOCK = "~"
"""The topic that all bots of an engine follow; no instrument is called so."""


def topic_of(bot_id: str) -> str:
    """The topic of a bot's own entries; no instrument is called so."""
    return f"@{bot_id}"
