"""From what the program knows (signals, risks, errors) to messages in the interface's language."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from msgspec.structs import replace

from core.errors import InputError, SwingHunterError
from core.exchanges import EXCHANGES
from core.i18n import format_number, format_percent, tr
from core.notifications.message import Kind, Message, signal_id
from core.price_rules import format_price
from core.secrets import redactor

log = logging.getLogger(__name__)
ARROWS = {"BUY": "↑", "SELL": "↓"}
RISK_LEVELS = ("low", "medium", "high", "critical")
SHOWN_NAMES = 5
SHOWN_TITLES = 3
_WHITE = re.compile(r"[ \t\r\n\f\v\x85\u2028\u2029]+")  # not the no-break spaces, which are there on purpose
_KEPT = "\n\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_WITHOUT_KEPT = dict.fromkeys(map(ord, _KEPT))
LATE_AFTER = 120.0
"""Seconds after which a message must not look as if it were new."""
_TITLE_LENGTH = 150
_BODY_LENGTH = 1500
_BIGGEST_RISK = 1e12


def clean(text: Any, limit: int = _BODY_LENGTH, *, one_line: bool = False) -> str:
    """`text` without secrets and control characters, of at most `limit` characters."""
    masked = redactor.mask(str(text))
    if one_line:
        masked = _WHITE.sub(" ", masked)
    kept = masked.strip()
    if not kept.translate(_WITHOUT_KEPT).isprintable():
        kept = "".join(char for char in masked if char.isprintable() or char in _KEPT).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def make_message(kind: Kind, title: str, body: str, *, simulated: bool = False, **fields: Any) -> Message:
    """A message whose title says so if it is about simulated prices, cleaned and not too long."""
    if simulated:
        title = tr("notify.simulated_title", title=title)
    title = clean(title, _TITLE_LENGTH, one_line=True)
    return Message(kind=kind, title=title, body=clean(body), simulated=simulated, **fields)


def signal_message(payload: Any, *, now: float, exchange: str = "BIST") -> Message:
    """The message for a signal payload (SPEC section 6); `exchange` counts where the payload names none.

    Raises `InputError` if it lacks what makes a signal, a symbol and BUY or SELL. Other fields that are
    missing or unreadable are left out; the latter are logged.
    """
    if not isinstance(payload, Mapping):
        raise InputError(tr("notify.bad_signal", problem=type(payload).__name__))
    symbol, side = payload.get("symbol"), payload.get("type")
    if not isinstance(symbol, str) or not symbol.strip():
        raise InputError(tr("notify.bad_signal", problem="symbol"))
    if not isinstance(side, str) or side.upper() not in ARROWS:
        raise InputError(tr("notify.bad_signal", problem="type"))
    symbol, side = clean(symbol, 40, one_line=True), side.upper()
    named = payload.get("exchange")
    exchange = named if isinstance(named, str) and named in EXCHANGES else exchange
    reader = _Reader(payload, f"{exchange}:{symbol}")
    price, stamp = reader.number("price"), payload.get("timestamp")
    name = signal_id(reader.key, side, stamp or price)
    fields = {"arrow": ARROWS[side], "side": tr(f"notify.{side.lower()}"), "symbol": symbol}
    if price is None or price <= 0:
        title = tr("notify.signal_title_bare", **fields)
    else:
        title = tr("notify.signal_title", price=format_price(reader.key, price, currency=True), **fields)
    return make_message(
        Kind.SIGNAL, title, _signal_body(reader), created=now, simulated=bool(payload.get("simulated")),
        symbol=symbol, side=side, dedup_key=name, id=name, exchange=exchange,
    )  # fmt: skip


def dated(message: Message, now: float, after: float = LATE_AFTER) -> Message:
    """`message`, or, if it arose over `after` seconds before the Unix time `now`, the same saying when."""
    if message.late or now - message.created <= after:
        return message
    zone = EXCHANGES[message.exchange].zone if message.exchange in EXCHANGES else None
    title = tr("notify.late_title", time=moment_text(message.created, now, zone), title=message.title)
    lines = tuple(
        f"{moment_text(at, now, zone)}: {line}" if at else line
        for line, at in zip(message.lines, message.moments, strict=True)
    ) if message.moments else message.lines  # fmt: skip
    title = clean(title, _TITLE_LENGTH + 40, one_line=True)
    return replace(message, title=title, lines=lines, late=True)


def moment_text(
    at: float, now: float, zone: tzinfo | None = None, *, today: str = "%H:%M",
    other_day: str = "notify.late_format",
) -> str:  # fmt: skip
    """The time of day, and the date if it is not today's, in `zone` or by this computer's clock.

    `today` is its format for today, `other_day` names the text that is the one for other days.
    """
    moment = datetime.fromtimestamp(at, zone)
    same_day = moment.date() == datetime.fromtimestamp(now, zone).date()
    return moment.strftime(today if same_day else tr(other_day))


class _Reader:
    """Reads a payload's optional fields; what is of the wrong kind counts as missing and is logged."""

    def __init__(self, payload: Mapping[str, Any], key: str) -> None:
        self._payload = payload
        self.key = key

    def number(self, name: str) -> float | None:
        value = self._payload.get(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
        self._bad(name)
        return None

    def text(self, name: str) -> str:
        value = self._payload.get(name)
        if value is None or isinstance(value, str):
            return clean(value or "", 300)
        self._bad(name)
        return ""

    def time(self, name: str) -> str:
        """The time of day of an ISO 8601 stamp, in its own zone."""
        value = self._payload.get(name)
        if value is None:
            return ""
        try:
            return datetime.fromisoformat(value).strftime("%H:%M:%S")
        except (TypeError, ValueError):
            self._bad(name)
            return ""

    def _bad(self, name: str) -> None:
        log.warning("the signal of %s has an unreadable %s", clean(self.key, one_line=True), name)


def _signal_body(reader: _Reader) -> str:
    reason = reader.text("reason")
    change = reader.number("change_pct")
    if not reason and change is not None:
        reason = format_percent(change)
    confidence = reader.number("confidence")
    parts = []
    if confidence is not None:
        share = format_percent(100 * min(1.0, max(0.0, confidence)), 0, sign=False)
        parts.append(tr("notify.confidence", share=share))
    parts += [reader.text("source"), reader.time("timestamp")]
    return "\n".join(line for line in (reason, ", ".join(part for part in parts if part)) if line)


def risk_message(risk: Any, *, now: float) -> Message:
    """The message for a risk level: a word ("high"), a number, or a mapping with `level` and `message`."""
    level, text = risk, ""
    if isinstance(risk, Mapping):
        level = risk.get("level", risk.get("risk_level", ""))
        text = clean(risk.get("message") or risk.get("reason") or "")
    shown = _risk_level(level)
    title = tr("notify.risk_title", level=shown) if shown else tr("notify.risk_title_bare")
    return make_message(
        Kind.RISK, title, text or tr("notify.risk_body"), created=now, dedup_key=f"risk:{shown}:{text}"
    )


def _risk_level(level: Any) -> str:
    if isinstance(level, int | float) and not isinstance(level, bool) and abs(level) < _BIGGEST_RISK:
        return format_number(float(level), 0 if float(level).is_integer() else 2)
    word = clean(level if level is not None else "", 40, one_line=True)
    return tr(f"notify.risk_{word.lower()}") if word.lower() in RISK_LEVELS else word


def error_message(error: Any, *, now: float) -> Message:
    """The message for an error: a sentence, or an exception (one of the program's own is a sentence too)."""
    text = clean(error)
    if isinstance(error, BaseException) and not isinstance(error, SwingHunterError):
        text = tr("notify.error_ours", name=type(error).__name__, text=text or "-")
    return make_message(
        Kind.ERROR,
        tr("notify.error_title"),
        text or tr("notify.error_unknown"),
        created=now,
        dedup_key=f"error:{text}",
    )


def trial_message(channel: str, *, now: float) -> Message:
    """The message behind the "send a test" button of `channel`."""
    body = tr("notify.test_body", channel=channel_name(channel))
    return make_message(Kind.TEST, tr("notify.test_title"), body, created=now)


def channel_name(channel: str) -> str:
    """What a person calls the channel."""
    known = ("toast", "desktop", "telegram", "email", "all")
    return tr(f"notify.channel_{channel}") if channel in known else channel


def summary_title(kind: Kind | None, count: int, buys: int, sells: int, *, simulated: bool) -> str:
    """Such as "37 signals: 20 BUY, 17 SELL"; without a `kind` it tells of several."""
    title = tr(f"notify.summary_{kind.value if kind else 'mixed'}", count=count)
    sides = [f"{n} {tr(f'notify.{side}')}" for side, n in (("buy", buys), ("sell", sells)) if n]
    if sides:
        title += ": " + ", ".join(sides)
    return tr("notify.simulated_title", title=title) if simulated else title


def summary_body(symbols: Sequence[str], titles: Sequence[str], count: int) -> str:
    """The first symbols, or where there are none the first titles, and how many more there are."""
    if symbols:
        shown = symbols[:SHOWN_NAMES]
        text, more = ", ".join(shown), len(symbols) - len(shown)
    else:
        first = titles[:SHOWN_TITLES]
        text, more = "\n".join(first), count - len(first)
    return tr("notify.and_more", text=text, count=more) if more > 0 else text
