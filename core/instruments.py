"""From what a person types to an instrument: "asels", "NASDAQ:AAPL", "şişe".

Tickers are ASCII. They are upper-cased in ASCII only, because Turkish rules turn "i" into "İ", and a ticker
with other letters is refused with the one that was probably meant, never silently changed.
"""

from __future__ import annotations

import re
import unicodedata

from core.errors import InputError
from core.exchanges import EXCHANGES
from core.i18n import tr
from core.model import Instrument

_TICKER = re.compile(r"[A-Z0-9][A-Z0-9._&-]{0,19}")
_SUFFIXES = {"BIST": (".IS", ".E"), "CRYPTO": ("-USDT", "-USD", "USDT")}


def ascii_upper(text: str) -> str:
    """`text` with a-z, and nothing else, in capitals."""
    return "".join(char.upper() if "a" <= char <= "z" else char for char in text)


def fold(text: str) -> str:
    """`text` for searching: without case, accents or Turkish dots ("Şişe" and "SISE" agree)."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ı", "i").casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def parse_instrument(text: str, default_exchange: str) -> Instrument:
    """The instrument that `text` names: "ASELS" is on `default_exchange`, "NASDAQ:AAPL" says its exchange.

    Raises `InputError` with one sentence, and with the ticker that was probably meant where there is one.
    """
    typed = text.strip()
    head, colon, tail = typed.rpartition(":")
    code = ascii_upper(head.strip()) if colon else default_exchange
    if code not in EXCHANGES:
        raise InputError(tr("market.unknown_exchange", code=_quoted(head), known=", ".join(EXCHANGES)))
    symbol = ascii_upper(tail.strip())
    if not symbol:
        raise InputError(tr("market.empty_symbol"))
    suggestion = _suggestion(code, symbol)
    if suggestion:
        raise InputError(tr("market.symbol_hint", symbol=_quoted(tail), suggestion=suggestion))
    if not _TICKER.fullmatch(symbol):
        raise InputError(tr("market.bad_symbol", symbol=_quoted(tail)))
    return Instrument(code, symbol)


def symbol_name(instrument: Instrument, default_exchange: str) -> str:
    """How the settings name `instrument`: "ASELS" on `default_exchange`, else "NASDAQ:AAPL"."""
    return instrument.symbol if instrument.exchange == default_exchange else instrument.key


def _suggestion(code: str, symbol: str) -> str:
    """The ticker that was probably meant by `symbol`; "" if it may stand or nothing resembles it."""
    plain = ascii_upper(fold(symbol)).strip("$")
    for suffix in _SUFFIXES.get(code, ()):
        if len(plain) > len(suffix) + 1:
            plain = plain.removesuffix(suffix)
    if plain == symbol or not _TICKER.fullmatch(plain):
        return ""
    return plain


def _quoted(text: str) -> str:
    shown = text.strip()
    return shown if len(shown) <= 40 else shown[:40] + "…"
