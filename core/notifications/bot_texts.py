"""From a bot's alert to a message in the interface's language.

Of an alert's `fields` these are told, as far as they are there: `side` ("BUY" or "SELL", of the order that
was filled), `quantity`, `price`, `pnl` (net; of a "limit" the day's), `stop` (the price at which an entry is
protected), `reason` (an order's, see `BotOrder`), `error` (a sentence), `positions` (how many are open) and
`blind_sec`: for how many seconds nobody had watched, because there was no price or, where there is a field
`crashed`, because the program did not run. Numbers may be JSON numbers or decimals as text.
"""

from __future__ import annotations

import math

from core.bots.model import BotAlert, BotAlertKind
from core.exchanges import EXCHANGES
from core.i18n import format_number, tr
from core.notifications.message import Kind, Message
from core.notifications.texts import clean, make_message, moment_text
from core.price_rules import format_price

REASONS = ("signal", "stop", "trailing_stop", "target", "daily_loss", "daily_target", "flatten")
_NAME_LENGTH = 60
_ERROR_LENGTH = 600
_MINUTE, _HOUR = 60.0, 3600.0
LONGEST_PAUSE = 60.0
"""Seconds without a price that are told of."""


def bot_message(alert: BotAlert, *, now: float) -> Message:
    """The message for `alert`, which arose at the Unix time `now`; its text tells when the thing happened."""
    facts = _Facts(alert)
    name = clean(alert.name or alert.bot_id, _NAME_LENGTH, one_line=True)
    title = tr("notify_bots.title", name=name, what=_what(alert.kind, facts))
    body = "\n".join(filter(None, (*_body(alert.kind, facts), facts.place(now))))
    return make_message(
        Kind.BOT, title, body, simulated=alert.simulated, created=now, id=alert.alert_id,
        dedup_key=f"bot:{alert.alert_id}", exchange=alert.key.partition(":")[0],
        tone=_tone(alert.kind, facts.number("pnl")),
    )  # fmt: skip


class _Facts:
    """An alert's fields as words; "" where there is none or it cannot be read."""

    def __init__(self, alert: BotAlert) -> None:
        self._alert = alert
        self._fields = alert.fields
        code, _, symbol = alert.key.partition(":")
        self._exchange = EXCHANGES.get(code)
        self.symbol = clean(symbol, 40, one_line=True)

    def number(self, name: str) -> float | None:
        value = self._fields.get(name)
        try:
            number = math.nan if value is None or isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None

    def text(self, name: str, limit: int = 80) -> str:
        value = self._fields.get(name)
        return clean(value, limit) if isinstance(value, str) else ""

    def price(self, name: str = "price") -> str:
        number = self.number(name)
        if number is None or self._exchange is None:
            return ""
        return format_price(self._alert.key, number, currency=True)

    def money(self, name: str) -> str:
        number = self.number(name)
        if number is None or self._exchange is None:
            return ""
        return f"{format_number(number, 2, sign=True)}\N{NO-BREAK SPACE}{self._exchange.currency}"

    def quantity(self) -> str:
        number = self.number("quantity")
        if number is None:
            return ""
        whole = float(number).is_integer()
        text = format_number(abs(number), 0 if whole else 8)
        return text if whole else text.rstrip("0")

    def reason(self) -> str:
        reason = self.text("reason")
        return tr(f"notify_bots.reason_{reason}") if reason in REASONS else reason

    @property
    def rested(self) -> bool:
        """Whether the program did not run."""
        return "crashed" in self._fields

    def blind(self) -> str:
        """For how long nobody watched, rounded up; a pause between two prices is not worth a word."""
        seconds = self.number("blind_sec")
        least = 0.0 if self.rested else LONGEST_PAUSE
        return duration(seconds) if seconds is not None and seconds > least else ""

    def place(self, now: float) -> str:
        """Where and when it happened, by the exchange's clock."""
        zone = None if self._exchange is None else self._exchange.zone
        time = moment_text(self._alert.at, now, zone, today="%H:%M:%S", other_day="notify_bots.date_format")
        return ", ".join(filter(None, (clean(self._alert.key, 60, one_line=True), time)))


def duration(seconds: float) -> str:
    """A length of time in its largest unit, rounded up: what happened in it is at most so long ago."""
    if seconds <= 90:
        return tr("notify_bots.seconds", count=max(1, math.ceil(seconds)))
    if seconds <= 90 * _MINUTE:
        return tr("notify_bots.minutes", count=math.ceil(seconds / _MINUTE))
    return tr("notify_bots.hours", count=math.ceil(seconds / _HOUR))


def _tone(kind: BotAlertKind, pnl: float | None) -> str:
    if kind is BotAlertKind.ERROR:
        return "down"
    if kind in (BotAlertKind.LIMIT, BotAlertKind.RECOVERED):
        return "warning"
    if kind is BotAlertKind.ENTRY or not pnl:
        return ""
    return "up" if pnl > 0 else "down"


def _what(kind: BotAlertKind, facts: _Facts) -> str:
    """What happened, in half a sentence."""
    if kind is BotAlertKind.LIMIT:
        reason = facts.text("reason")
        return tr(f"notify_bots.limit_{reason}" if reason.startswith("daily_") else "notify_bots.limit")
    if kind is BotAlertKind.ERROR:
        return tr("notify_bots.error")
    if kind is BotAlertKind.RECOVERED:
        blind = facts.blind()
        return tr("notify_bots.recovered", time=blind) if blind else tr("notify_bots.recovered_bare")
    quantity, price = facts.quantity(), facts.price()
    if not quantity or not price:
        return tr(f"notify_bots.{kind.value}_bare", symbol=facts.symbol)
    way = "buy" if facts.text("side").upper() == "BUY" else "sell"
    what = tr(f"notify_bots.{kind.value}_{way}", quantity=quantity, symbol=facts.symbol, price=price)
    pnl = facts.money("pnl")
    return tr("notify_bots.with_result", what=what, pnl=pnl) if pnl else what


def _body(kind: BotAlertKind, facts: _Facts) -> list[str]:
    lines = []
    if kind is BotAlertKind.ERROR:
        lines += [facts.text("error", _ERROR_LENGTH), tr("notify_bots.error_rest")]
    elif kind is BotAlertKind.LIMIT:
        pnl = facts.money("pnl")
        lines.append(tr("notify_bots.today", pnl=pnl) if pnl else "")
    elif kind is BotAlertKind.RECOVERED:
        lines.append(tr("notify_bots.recovered_rest"))
        stop, count = facts.price("stop"), facts.number("positions")
        if count:
            lines.append(tr("notify_bots.open_positions", count=round(count)))
            lines.append(tr("notify_bots.stop_of", symbol=facts.symbol, price=stop) if stop else "")
    else:
        reason, stop = facts.reason(), facts.price("stop")
        lines.append(tr("notify_bots.reason", reason=reason) if reason else "")
        if kind is BotAlertKind.ENTRY and stop:
            lines.append(tr("notify_bots.stop_at", price=stop))
        lines.append(_blind(kind, facts))
    return lines


def _blind(kind: BotAlertKind, facts: _Facts) -> str:
    blind, price = facts.blind(), facts.price()
    if not blind:
        return ""
    why = "rested" if facts.rested else "silent"
    if kind is BotAlertKind.STOP and price:
        way = "buy" if facts.text("side").upper() == "BUY" else "sell"
        crossed = tr(f"notify_bots.blind_stop_{way}", time=blind, price=price)
        return f"{tr(f'notify_bots.{why}')} {crossed}"
    return tr(f"notify_bots.{why}_for", time=blind)
