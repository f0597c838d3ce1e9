"""From a text with one or several symbols to instruments."""

from __future__ import annotations

import re
from typing import NamedTuple

from core.errors import InputError
from core.instruments import parse_instrument
from core.model import Instrument
from core.symbol_catalog import CatalogEntry, name_of, search

_SEPARATORS = re.compile(r"[\s,;|\u2028\u2029]+")


class Parsed(NamedTuple):
    """What a text names, each once, and a sentence for each part that names nothing."""

    instruments: tuple[Instrument, ...]
    problems: tuple[str, ...]


def parse_symbols(text: str, default_exchange: str) -> Parsed:
    """Read "ASELS, GARAN NASDAQ:AAPL"; symbols without an exchange are on `default_exchange`."""
    found: dict[Instrument, None] = {}
    problems = []
    for part in filter(None, _SEPARATORS.split(text)):
        try:
            found[parse_instrument(part, default_exchange)] = None
        except InputError as error:
            problems.append(str(error))
    return Parsed(tuple(found), tuple(problems))


def suggestions(text: str, exchange: str, limit: int = 12) -> list[CatalogEntry]:
    """What `text` may mean, `exchange` before the others."""
    if not text.strip():
        return []
    first = search(text, exchange, limit) if ":" not in text else []
    rest = [entry for entry in search(text, None, limit) if entry not in first]
    return (first + rest)[:limit]


def is_doubtful(text: str, exchange: str) -> bool:
    """Whether `text` is rather a company's name, or another exchange's symbol, than a symbol itself."""
    parsed = parse_symbols(text, exchange)
    known = not parsed.problems and all(name_of(each.key) for each in parsed.instruments)
    return not known and bool(suggestions(text, exchange, 1))
