"""Everything that a provider may do wrong."""

from __future__ import annotations

from enum import Enum, auto


class Fault(Enum):
    """How a loopback server misbehaves from now on, until it is told otherwise."""

    REFUSE = auto()
    """Nobody listens."""
    HTTP_403 = auto()
    HTTP_429 = auto()
    """With a Retry-After of `RETRY_AFTER` seconds."""
    HTTP_500 = auto()
    HTML = auto()
    """A web page with status 200."""
    SILENCE = auto()
    """The connection stands, nothing comes."""
    DRIBBLE = auto()
    """One byte a second."""
    GARBAGE = auto()
    HALF_FRAME = auto()
    """A complete transmission of half an answer."""
    DROP_MID = auto()
    """The connection breaks in the middle of the answer."""
    CLOSE = auto()
    """A polite goodbye instead of an answer; the line stays open."""
    PROTOCOL_ERROR = auto()
    """The provider's own words for: I do not understand you."""
    EMPTY = auto()
    """A well-formed answer without data."""
    WRONG_SYMBOL = auto()
    """Another instrument's price, under that one's name."""
    NAN = auto()
    ZERO = auto()
    NEGATIVE = auto()
    HUGE = auto()
    """A price that does not fit a float."""
    NULL_CLOSE = auto()
    """No price in the newest place."""
    PAST = auto()
    """True prices, an hour old: honest, but not live."""
    EPOCH = auto()
    """Stamped 1970."""
    FUTURE = auto()
    """Stamped an hour ahead."""
    OUT_OF_ORDER_BARS = auto()
    REORDERED_KEYS = auto()
    """The same JSON with its keys in another order."""
    SYMBOL_ERROR_THEN_SILENCE = auto()
    SYMBOL_ERROR_THEN_HEARTBEATS = auto()


RETRY_AFTER = 37
WRONG_PRICE = 987.65
"""The price that `WRONG_SYMBOL` sends: it must never appear under the asked name."""
HTML_PAGE = b"<!doctype html><html><head><title>Sorry</title></head><body>Will be right back</body></html>"
GARBAGE = bytes(range(128, 256)) * 4
