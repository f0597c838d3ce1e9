"""The recording format: one JSON object per line, plain (`.jsonl`) or gzip (`.jsonl.gz`), UTF-8.

The first line is a `Header`. Then comes what entered the engine, in its order. `at` and `mono` are the wall
and the monotonic clock by which the engine judged it; quotes with the same two belong to one batch. A number
that JSON cannot hold (NaN, infinity) is written as null and read as NaN, which the engine refuses just the
same.
"""

from __future__ import annotations

import math

import msgspec

from core.feed.messages import SourceLost
from core.model import FeedStatus, Quote
from core.sources.base import DailyCloses

FORMAT = "swing-hunter-recording"
VERSION = 1


class Header(msgspec.Struct, frozen=True, tag="header", tag_field="type"):
    """The first line; `started` is in Unix seconds."""

    started: float
    format: str = ""
    version: int = 0


class _Timed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all records but the header."""

    at: float
    mono: float


class QuoteRecord(_Timed, frozen=True, kw_only=True, tag="quote"):
    """A quote, before it was vetted."""

    quote: Quote


class DailyRecord(_Timed, frozen=True, kw_only=True, tag="daily"):
    """The closes of finished sessions."""

    daily: DailyCloses


class StatusRecord(_Timed, frozen=True, kw_only=True, tag="status"):
    """How the feed fared."""

    status: FeedStatus


class LostRecord(_Timed, frozen=True, kw_only=True, tag="lost"):
    """A push connection broke."""

    lost: SourceLost


class MarkRecord(_Timed, frozen=True, kw_only=True, tag="mark"):
    """The engine looked for prices that have aged (once a second)."""


class FrameRecord(_Timed, frozen=True, kw_only=True, tag="frame"):
    """A raw message as `source` received it, so that a fault can be replayed; the engine passes it over."""

    source: str
    data: str


Record = QuoteRecord | DailyRecord | StatusRecord | LostRecord | MarkRecord | FrameRecord


class _WireQuote(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`Quote` as it is written: short, and with null for what is no number."""

    key: str
    price: float | None
    stamp: float | None
    received: float | None
    source: str
    previous_close: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    declared_delay: float | None = None
    span: float | None = 0.0
    simulated: bool = False


class _WireQuoteRecord(_Timed, frozen=True, kw_only=True, tag="quote"):
    quote: _WireQuote


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(
    Header | _WireQuoteRecord | DailyRecord | StatusRecord | LostRecord | MarkRecord | FrameRecord
)
_FIELDS = tuple(_WireQuote.__struct_fields__)
_NEEDED = ("price", "stamp", "received", "span")


def encode(record: Record | Header) -> bytes:
    """One line, with its end."""
    if isinstance(record, QuoteRecord):
        wire = _WireQuote(**{name: getattr(record.quote, name) for name in _FIELDS})
        return _encoder.encode(_WireQuoteRecord(at=record.at, mono=record.mono, quote=wire)) + b"\n"
    return _encoder.encode(record) + b"\n"


def decode(line: bytes) -> Record | Header:
    """The record on a line. Raises `msgspec.MsgspecError` or UnicodeDecodeError for anything else."""
    found: Record | Header | _WireQuoteRecord = _decoder.decode(line)
    if not isinstance(found, _WireQuoteRecord):
        return found
    fields = {name: getattr(found.quote, name) for name in _FIELDS}
    for name in _NEEDED:
        if fields[name] is None:
            fields[name] = math.nan
    return QuoteRecord(at=found.at, mono=found.mono, quote=Quote(**fields))
