"""Well-known tickers with their companies' names, for the search in the Symbols tab.

It is a help for typing, not a limit: any symbol of a known exchange may be watched.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec

from core.instruments import fold

_FILE = Path(__file__).parent / "symbol_catalog.json"


class CatalogEntry(msgspec.Struct, frozen=True):
    """A ticker on an exchange, and whose it is."""

    exchange: str
    symbol: str
    name: str

    @property
    def key(self) -> str:
        """The instrument's key, "BIST:ASELS"."""
        return f"{self.exchange}:{self.symbol}"


@cache
def _entries() -> tuple[tuple[CatalogEntry, str, str], ...]:
    """Each entry with its symbol and its name as they are searched."""
    raw: dict[str, dict[str, str]] = json.loads(_FILE.read_text("utf-8"))
    return tuple(
        (CatalogEntry(exchange, symbol, name), fold(symbol), fold(name))
        for exchange, names in raw.items()
        for symbol, name in names.items()
    )


@cache
def _names() -> dict[str, str]:
    return {entry.key: entry.name for entry, _, _ in _entries()}


def name_of(key: str) -> str:
    """The company of the instrument `key`, "" if it isn't in the catalogue."""
    return _names().get(key, "")


def search(text: str, exchange: str | None = None, limit: int = 50) -> list[CatalogEntry]:
    """The entries that `text` may mean, best first, on `exchange` or on all.

    The ticker itself comes before tickers that begin with `text`, then names of which a word begins with it,
    then whatever contains it. Case and Turkish letters make no difference; "NASDAQ:AA" searches one exchange.
    Empty text gives everything in the catalogue's order.
    """
    head, colon, tail = text.strip().rpartition(":")
    wanted = fold(exchange or head.strip()) if exchange or colon else ""
    sought = fold(tail.strip())
    found = [
        (rank, index, entry)
        for index, (entry, symbol, name) in enumerate(_entries())
        if wanted in ("", fold(entry.exchange)) and (rank := _rank(sought, symbol, name)) is not None
    ]
    return [entry for _, _, entry in sorted(found, key=lambda each: each[:2])[:limit]]


def _rank(sought: str, symbol: str, name: str) -> int | None:
    """How well an entry fits, 0 best; None if it doesn't."""
    if symbol == sought:
        return 0
    if symbol.startswith(sought):
        return 1
    if name.startswith(sought):
        return 2
    if f" {sought}" in name or f"({sought}" in name:
        return 3
    return 4 if sought in symbol or sought in name else None
