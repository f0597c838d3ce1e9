"""Numbers, times and states as the terminal writes them, and one line for each piece of news."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from cli.terminal_state import News, PriceRow
from core.bots.model import BotAlert
from core.exchanges import exchange_of
from core.feed_text import feed_sentence, source_lines
from core.i18n import format_number, format_percent, tr
from core.model import Freshness, Notice, Side, Signal, SourceConflict
from core.price_rules import format_price
from core.signal_text import reason

UP, DOWN, WARNING, SIMULATED, FAINT = "green", "red", "yellow", "magenta", "bright_black"
STATE_STYLES = {
    Freshness.LIVE: UP, Freshness.DELAYED: WARNING, Freshness.STALE: FAINT, Freshness.CLOSED: FAINT,
    Freshness.SIMULATED: SIMULATED,
}  # fmt: skip
NOTICE_STYLES = {"info": "", "warning": WARNING, "error": f"bold {DOWN}"}
NOTHING = "\N{EM DASH}"
_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def direction(value: float | None) -> int:
    """1, 0 or -1, by the value as it is shown, with two decimals."""
    shown = round(value or 0.0, 2)
    return (shown > 0) - (shown < 0)


def sign_style(value: float | None) -> str:
    """The colour of a gain or a loss."""
    return {1: UP, -1: DOWN, 0: ""}[direction(value)]


def arrow(value: float) -> str:
    """The arrow of a change."""
    return {1: "↑", -1: "↓", 0: "→"}[direction(value)]


def amount(value: float | None, *, sign: bool = True) -> str:
    """Money without its currency."""
    return NOTHING if value is None else format_number(value, 2, sign=sign)


def percent(value: float | None) -> str:
    """A signed percentage."""
    return NOTHING if value is None else format_percent(value)


def length(seconds: float) -> str:
    """A length of time in whole units, such as "15 min"."""
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s), _UNITS[-1])
    return tr(f"terminal.{unit}", count=max(0, int(seconds // size)))


def state_word(row: PriceRow) -> str:
    """What the price is worth, in a word or two."""
    if row.simulated:
        return _made_up(row.tick.source)
    if row.freshness is Freshness.DELAYED and row.delay:
        return tr("terminal.delayed_by", length=length(row.delay))
    return tr(f"terminal.{row.freshness.value}")


def _made_up(source: str) -> str:
    return tr("terminal.replayed" if source == "replay" else "terminal.simulated")


def clock_of(moment: float, exchange: str | None = None) -> str:
    """The time of day on the exchange's clock, or on this computer's."""
    zone = exchange_of(exchange).zone if exchange else None
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(zone):%H:%M:%S}"


def signal_line(signal: Signal) -> Text:
    """A signal in one line."""
    buy = signal.side is Side.BUY
    line = Text(clock_of(signal.timestamp, signal.exchange) + "  ")
    line.append(
        f"{'↑' if buy else '↓'} {tr(f'terminal.{signal.side.value.lower()}')}", f"bold {UP if buy else DOWN}"
    )
    line.append(f"  {signal.key}  ", "bold")
    if signal.simulated:
        line.append(f"{_made_up(signal.source)}  ", SIMULATED)
    line.append(f"{format_price(signal.key, signal.price, currency=True)}  {reason(signal)}")
    line.append(f"  {signal.source}", FAINT)
    return line


def notice_line(notice: Notice, at: float) -> Text:
    """A notice in one line, in its colour."""
    return Text(f"{clock_of(at)}  {tr(notice.key, **notice.params)}", NOTICE_STYLES.get(notice.level, ""))


def conflict_line(conflict: SourceConflict, now: float) -> Text:
    """That two sources disagree, or agree again, in one line."""
    if conflict.over:
        return Text(f"{clock_of(now)}  {tr('terminal.agree_again', key=conflict.key)}")
    prices = (format_price(conflict.key, price) for price in conflict.prices)
    told = ", ".join(f"{source} {price}" for source, price in zip(conflict.sources, prices, strict=True))
    return Text(f"{clock_of(now)}  {tr('terminal.disagree', key=conflict.key, told=told)}", WARNING)


def news_line(news: News, now: float) -> Text:
    """Whatever happened, in one line."""
    if isinstance(news, Signal):
        return signal_line(news)
    if isinstance(news, Notice):
        return notice_line(news, now)
    if isinstance(news, SourceConflict):
        return conflict_line(news, now)
    if isinstance(news, BotAlert):
        from cli.terminal_bots import alert_line

        return alert_line(news, now)
    failing = [source.last_error for source in news.sources if source.last_error]
    why = f" ({'; '.join(source_lines(news))})" if failing else ""
    return Text(f"{clock_of(now)}  {feed_sentence(news, now)}{why}")
