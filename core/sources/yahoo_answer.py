"""From Yahoo's batched quote to vetted `Quote` values.

`exchangeDataDelayedBy` is in minutes. Where it is missing, BIST counts as 15 minutes late and the delay of
the others is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from core.errors import BadDataError
from core.i18n import tr
from core.model import Instrument, Quote
from core.sources.checks import BIST_DELAY, BadDataTally, finite, positive, stamp_fault


class QuoteBatch(msgspec.Struct, frozen=True):
    """What one answer is worth: its believable quotes, and how many were `refused`.

    `absent` are the instruments that Yahoo left out; that they are unknown may only be said when `complete`:
    then Yahoo answered about something else that was asked, and about nothing that was not.
    """

    quotes: tuple[Quote, ...]
    absent: frozenset[str]
    complete: bool
    refused: int


def yahoo_symbol(instrument: Instrument) -> str:
    """Yahoo's name: BIST `.IS`, crypto `-USD`, share classes with a dash ("BRK.B" -> "BRK-B")."""
    if instrument.exchange == "BIST":
        return f"{instrument.symbol}.IS"
    if instrument.exchange == "CRYPTO":
        return instrument.symbol.removesuffix("-USD") + "-USD"
    return instrument.symbol.replace(".", "-")


def read_quotes(
    answer: Any, wanted: Mapping[str, Instrument], canary: str, now: float, source: str, tally: BadDataTally
) -> QuoteBatch:
    """The quotes for `wanted` (by Yahoo's names) in the answer received at `now`.

    `canary` was asked for as well, to tell an answer that leaves out a symbol from one that has nothing.
    Raises `BadDataError` for what is no quote answer.
    """
    response = answer.get("quoteResponse") if isinstance(answer, dict) else None
    result = response.get("result") if isinstance(response, dict) else None
    if not isinstance(result, list) or not isinstance(response, dict) or response.get("error"):
        tally.count("garbled answer")
        raise BadDataError(tr("sources.garbled", source=source, kind="JSON"))
    quotes: dict[str, Quote] = {}
    answered: set[str] = set()
    foreign = refused = 0
    for item in result:
        name = str(item.get("symbol")) if isinstance(item, dict) else ""
        if name not in wanted and name != canary:
            tally.count("wrong symbol", name)
            foreign += 1
            continue
        answered.add(name)
        if name not in wanted:
            continue
        instrument = wanted[name]
        quote = _read_quote(item, instrument, now, source, tally)
        if quote is None:
            refused += 1
        else:
            quotes.setdefault(instrument.key, quote)
    absent = frozenset(instrument.key for name, instrument in wanted.items() if name not in answered)
    return QuoteBatch(tuple(quotes.values()), absent, bool(answered) and not foreign, refused + foreign)


def _read_quote(
    item: dict[str, Any], instrument: Instrument, now: float, source: str, tally: BadDataTally
) -> Quote | None:
    price = positive(item.get("regularMarketPrice"))
    stamp = finite(item.get("regularMarketTime"))
    if price is None or stamp is None:
        tally.count("no usable price", instrument.key)
        return None
    fault = stamp_fault(stamp, now)
    if fault:
        tally.count(f"time in the {fault}", f"{instrument.key} {stamp}")
        return None
    low, high = positive(item.get("regularMarketDayLow")), positive(item.get("regularMarketDayHigh"))
    if low is not None and high is not None and low > high:
        tally.count("low above high", instrument.key)
        low = high = None
    volume = finite(item.get("regularMarketVolume"))
    return Quote(
        key=instrument.key, price=price, stamp=stamp, received=now, source=source,
        previous_close=positive(item.get("regularMarketPreviousClose")),
        open=positive(item.get("regularMarketOpen")), high=high, low=low,
        volume=volume if volume is not None and volume >= 0 else None,
        declared_delay=declared_delay(item.get("exchangeDataDelayedBy"), instrument),
    )  # fmt: skip


def declared_delay(minutes: Any, instrument: Instrument) -> float | None:
    """The delay in seconds that Yahoo admits for this instrument."""
    number = finite(minutes)
    if number is not None and number >= 0:
        return number * 60.0
    return BIST_DELAY if instrument.exchange == "BIST" else None
