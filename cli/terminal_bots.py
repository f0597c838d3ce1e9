"""The bots on the terminal's screen, and one line for what one of them did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.terminal_words import (
    DOWN,
    FAINT,
    NOTHING,
    SIMULATED,
    UP,
    WARNING,
    amount,
    clock_of,
    percent,
    sign_style,
)
from core.bots.model import BotAlert, BotAlertKind, BotState, BotStatus
from core.i18n import tr
from core.price_rules import format_price

_STATUS_STYLES = {
    BotStatus.RUNNING: UP, BotStatus.IN_POSITION: f"bold {UP}", BotStatus.STOPPED: FAINT,
    BotStatus.MARKET_CLOSED: FAINT, BotStatus.ERROR: f"bold {DOWN}",
}  # fmt: skip
_ALERT_STYLES = {
    BotAlertKind.STOP: WARNING, BotAlertKind.LIMIT: WARNING, BotAlertKind.ERROR: f"bold {DOWN}",
    BotAlertKind.RECOVERED: WARNING,
}  # fmt: skip
_NAME_WIDTH = 18
_COLUMNS = ("bot", "state", "symbol", ">open_pnl", ">percent", ">day", ">stop")


def bots_table(states: Sequence[BotState], most: int | None) -> RenderableType | None:
    """The bots with their P&L and what is wrong with them; None without bots."""
    if not states:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in _COLUMNS:
        right = name.startswith(">")
        table.add_column(
            tr(f"terminal.{name.lstrip('>')}"), justify="right" if right else "left", no_wrap=True
        )
    for state in states[:most]:
        table.add_row(*_cells(state))
    parts: list[RenderableType] = [table]
    hidden = len(states) - len(states[:most])
    if hidden:
        parts.append(Text(tr("terminal.more", count=hidden), FAINT))
    parts += [_error_line(state) for state in states[:most] if state.last_error]
    return Group(*parts)


def alert_line(alert: BotAlert, now: float) -> Text:
    """What a bot did, in one line."""
    from core.notifications.bot_texts import bot_message

    exchange = alert.key.partition(":")[0]
    line = Text(f"{clock_of(alert.at, exchange)}  ")
    return line.append(bot_message(alert, now=now).title, _ALERT_STYLES.get(alert.kind, ""))


def alert_lines(alerts: Sequence[BotAlert], now: float) -> list[Text]:
    """What bots did, each in one line of the screen."""
    lines = [alert_line(alert, now) for alert in alerts]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _cells(state: BotState) -> list[Text]:
    held = state.position is not None
    name = state.name if len(state.name) <= _NAME_WIDTH else state.name[: _NAME_WIDTH - 1] + "…"
    stop = state.trailing_stop_price
    others = len(state.positions) - 1
    return [
        Text(name, SIMULATED if state.simulated else ""),
        Text(tr(f"terminal.bot_{state.status.value}"), _STATUS_STYLES[state.status]),
        Text(f"{state.symbol} +{others}" if others > 0 else state.symbol),
        Text(amount(state.open_pnl) if held else NOTHING, sign_style(state.open_pnl)),
        Text(percent(state.open_pnl_pct) if held else NOTHING, sign_style(state.open_pnl_pct)),
        Text(f"{amount(state.daily_pnl)} {state.exchange.currency}", sign_style(state.daily_pnl)),
        Text(NOTHING if stop is None else format_price(state.key, stop)),
    ]


def _error_line(state: BotState) -> Text:
    line = Text(f"{state.name}: {state.last_error}", f"{DOWN}")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
