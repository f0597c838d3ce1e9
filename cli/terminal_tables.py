"""The parts of the terminal's screen. None is wider than the 80 columns that every terminal has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.align import Align
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.terminal_state import PriceRow, Shown, TimedNotice
from cli.terminal_words import (
    FAINT,
    NOTHING,
    SIMULATED,
    STATE_STYLES,
    UP,
    WARNING,
    amount,
    arrow,
    clock_of,
    direction,
    length,
    notice_line,
    percent,
    sign_style,
    signal_line,
    state_word,
)
from core.feed_text import feed_sentence
from core.i18n import format_number, tr
from core.model import CurrencyTotal, FeedStatus, Instrument, PositionPnl, Signal
from core.price_rules import format_price

PRICE_WIDTH = 76
"""Columns that one list of prices takes, so that two stand side by side on a wide screen."""
_NOTICE_SECONDS = {"info": 30.0}
_LONGEST_NOTICE = 600.0
_FEED_STYLES = {
    "running": UP,
    "simulated": SIMULATED,
    "offline": "bold red",
    "connecting": WARNING,
    "old": WARNING,
}


def band(
    shown: Shown, instruments: Sequence[Instrument], *, chosen: bool, replayed: str = ""
) -> RenderableType | None:
    """The loud line that tells of prices that are not live; `chosen` if the user asked for the simulator,
    `replayed` says what is replayed."""
    rows = [shown.prices[i.key] for i in instruments if i.key in shown.prices]
    count = sum(row.simulated for row in rows)
    if not (count or chosen or replayed or shown.feed.state == "simulated"):
        return None
    if replayed:
        text = replayed
    elif 0 < count < len(rows) and not chosen:
        text = tr("terminal.band_some", count=count, total=len(rows))
    else:
        text = tr("terminal.band")
    return Align.center(Text(f" {text} ", f"bold white on {SIMULATED}"), style=f"on {SIMULATED}")


def status_line(feed: FeedStatus, now: float) -> Text:
    """What the feed is doing, its requests, and the time."""
    line = Text().append("● " if feed.connected else "○ ", _FEED_STYLES.get(feed.state, FAINT))
    line.append(feed_sentence(feed, now), _FEED_STYLES.get(feed.state, ""))
    if feed.budget:
        line.append("  " + tr("feed.requests", used=feed.used, budget=feed.budget), FAINT)
    line.append("  " + clock_of(now), FAINT)
    return line


def notices(shown: Sequence[TimedNotice], now: float) -> list[Text]:
    """What the user was told lately."""
    return [
        notice_line(timed.notice, timed.at)
        for timed in shown
        if now - timed.at <= _NOTICE_SECONDS.get(timed.notice.level, _LONGEST_NOTICE)
    ]


def price_lists(
    shown: Shown, instruments: Sequence[Instrument], now: float, *, rows: int | None, lists: int
) -> RenderableType:
    """All prices, or what `rows` lines of `lists` tables side by side hold, saying how many are left out."""
    if not instruments:
        return Text(tr("terminal.no_symbols"), FAINT)
    room = len(instruments) if rows is None else max(1, rows * lists)
    left_out = len(instruments) - room
    if left_out > 0:
        room = max(1, (max(1, rows or 0) - 1) * lists)
        left_out = len(instruments) - room
    visible = instruments[:room]
    per_list = -(-len(visible) // lists)
    several = len({instrument.exchange for instrument in instruments}) > 1
    tables = [
        _price_table(visible[start : start + per_list], shown, now, full_names=several)
        for start in range(0, len(visible), per_list)
    ]
    parts: list[RenderableType] = [_side_by_side(tables)]
    if left_out > 0:
        parts.append(Text(tr("terminal.more", count=left_out), FAINT))
    if any(i.key in shown.prices and shown.prices[i.key].tick.basis == "session_open" for i in visible):
        parts.append(Text(tr("terminal.since_open"), FAINT))
    return Group(*parts)


def positions_table(rows: Sequence[PositionPnl], most: int | None) -> RenderableType | None:
    """The positions with their P&L; None without positions."""
    if not rows:
        return None
    table = _table("symbol", ">quantity", ">entry", ">price", ">open_pnl", ">percent", ">day")
    for row in rows[:most]:
        table.add_row(*_position_cells(row))
    hidden = len(rows) - len(rows[:most])
    return Group(table, Text(tr("terminal.more", count=hidden), FAINT)) if hidden else table


def total_line(total: CurrencyTotal) -> Text:
    """The day's and the open P&L in one currency, and how many prices it rests on are old."""
    line = Text().append(tr("terminal.day") + " ", "bold")
    line.append(f"{amount(total.daily_pnl)} {total.currency}", f"bold {sign_style(total.daily_pnl)}".strip())
    line.append(f" ({percent(total.daily_pnl_pct)})  {tr('terminal.open_pnl')} ")
    line.append(f"{amount(total.open_pnl)} {total.currency}", sign_style(total.open_pnl))
    line.append(f" ({percent(total.open_pnl_pct)})")
    if total.stale_positions:
        text = tr("terminal.stale_of", stale=total.stale_positions, total=total.positions)
        line.append(f"\n{text}", WARNING)
    return line


def signal_list(signals: Iterable[Signal]) -> Group:
    """The latest signals, a line each."""
    lines = [signal_line(signal) for signal in signals]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*(lines or [Text(tr("terminal.no_signals"), FAINT)]))


def heading(name: str) -> Text:
    """The name of a part."""
    return Text(tr(f"terminal.{name}"), "bold underline")


def _price_table(part: Sequence[Instrument], shown: Shown, now: float, *, full_names: bool) -> Table:
    table = _table("symbol", ">price", "", ">change", "state", ">age")
    for instrument in part:
        name = instrument.key if full_names else instrument.symbol
        row = shown.prices.get(instrument.key)
        if row is None:
            table.add_row(name, NOTHING, "", NOTHING, Text(_waiting(shown), FAINT), "")
        else:
            table.add_row(name, *_price_cells(row, now, disputed=instrument.key in shown.disputed))
    return table


def _waiting(shown: Shown) -> str:
    return tr("terminal.no_price" if shown.feed.state == "stopped" else "terminal.waiting")


def _price_cells(row: PriceRow, now: float, *, disputed: bool) -> list[Text]:
    tick = row.tick
    old = row.freshness in ("stale", "closed") and not row.simulated
    colour = FAINT if old else sign_style(tick.change_pct)
    # A change that reads as zero goes nowhere, so it bears no sign either.
    change = percent(tick.change_pct if direction(tick.change_pct) else 0.0)
    mark = "*" if tick.basis == "session_open" else ""
    return [
        Text(format_price(tick.key, tick.price, currency=True), SIMULATED if row.simulated else colour),
        Text(arrow(tick.change_pct), colour),
        Text(change + mark, colour),
        _state_cell(row, disputed=disputed and not old),
        Text(length(now - row.new_at), FAINT),
    ]


def _state_cell(row: PriceRow, *, disputed: bool) -> Text:
    if row.simulated:
        return Text(state_word(row), SIMULATED)
    if disputed:
        return Text(tr("terminal.disputed"), WARNING)
    return Text(state_word(row), STATE_STYLES[row.freshness])


def _position_cells(row: PositionPnl) -> list[Text]:
    position = row.position
    key = position.key
    price = NOTHING if row.price is None else format_price(key, row.price, currency=True)
    old = row.freshness in ("stale", "closed")
    return [
        Text(position.symbol),
        Text(_quantity(float(position.quantity))),
        Text(format_price(key, float(position.entry_price))),
        Text(price, SIMULATED if row.freshness == "simulated" else FAINT if old else ""),
        Text(amount(row.open_pnl), sign_style(row.open_pnl)),
        Text(percent(row.open_pnl_pct), sign_style(row.open_pnl_pct)),
        Text(amount(row.daily_pnl), sign_style(row.daily_pnl)),
    ]


def _quantity(value: float) -> str:
    """Without decimals that say nothing."""
    decimals = next((d for d in range(8) if round(value, d) == round(value, 8)), 8)
    return format_number(value, decimals)


def _table(*columns: str) -> Table:
    """A table without lines; a column named ">x" is right-aligned."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in columns:
        title = tr(f"terminal.{name.lstrip('>')}") if name else ""
        table.add_column(title, justify="right" if name.startswith(">") else "left", no_wrap=True)
    return table


def _side_by_side(tables: Sequence[Table]) -> RenderableType:
    if len(tables) == 1:
        return tables[0]
    grid = Table.grid(padding=(0, 4, 0, 0))
    for _ in tables:
        grid.add_column()
    grid.add_row(*tables)
    return grid
