"""What the chart draws beside bars: arrows for signals and trades, lines for positions and the last close."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from core.bots.model import BotPosition, BotTrade
from core.i18n import format_number, format_percent, tr
from core.model import ClosedTrade, Position, Side, Signal
from core.price_rules import format_price
from gui.chart.overlays import Level
from gui.chart.view_state import Marker


class BotTraces(msgspec.Struct, frozen=True):
    """What bots hold, with the bots' names, and what they have traded; `names` are by the bots' ids."""

    held: tuple[tuple[str, BotPosition], ...] = ()
    trades: tuple[BotTrade, ...] = ()
    names: Mapping[str, str] = {}


def signal_markers(signals: Iterable[Signal], key: str) -> Iterator[Marker]:
    """An arrow per signal of `key`."""
    for signal in signals:
        if signal.key == key:
            buys = signal.side is Side.BUY
            text = tr(
                "chart.mark_signal", side=tr("chart.buy" if buys else "chart.sell"),
                price=format_price(key, signal.price), change=format_percent(signal.change_pct),
            )  # fmt: skip
            if signal.simulated:
                text = f"{text} ({tr('chart.simulated')})"
            yield Marker(signal.timestamp, buys, False, text)


def position_markers(positions: Iterable[Position], key: str) -> Iterator[Marker]:
    """An arrow where each open position of `key` was entered."""
    for position in positions:
        if position.key == key:
            yield _trade_marker(
                position.opened_at, position.quantity > 0, key, float(position.entry_price), position.quantity
            )


def trade_markers(trades: Iterable[ClosedTrade], key: str) -> Iterator[Marker]:
    """Two arrows per closed trade of `key`: in and out."""
    for trade in trades:
        if f"{trade.exchange}:{trade.symbol}" == key:
            bought = trade.quantity > 0
            yield _trade_marker(trade.opened_at, bought, key, float(trade.entry_price), trade.quantity)
            yield _trade_marker(trade.closed_at, not bought, key, float(trade.exit_price), trade.quantity)


def bot_markers(traces: BotTraces, key: str) -> Iterator[Marker]:
    """An arrow per entry and exit of bots in `key`."""
    for name, position in traces.held:
        if position.key == key:
            entry, bought = float(position.entry_price), position.quantity > 0
            yield _trade_marker(position.opened_at, bought, key, entry, position.quantity, name)
    for trade in traces.trades:
        if trade.key == key:
            bought, name = trade.quantity > 0, traces.names.get(trade.bot_id, trade.bot_id)
            entry, left = float(trade.entry_price), float(trade.exit_price)
            yield _trade_marker(trade.opened_at, bought, key, entry, trade.quantity, name)
            yield _trade_marker(trade.closed_at, not bought, key, left, trade.quantity, name)


def bot_levels(traces: BotTraces, key: str) -> Iterator[Level]:
    """The lines of bots' positions in `key`: entry, stop, trailing stop and target, as they are enforced."""
    for name, position in traces.held:
        if position.key != key:
            continue
        yield Level(float(position.entry_price), "accent_text", tr("chart.bot_entry", bot=name))
        for price, role, word in (
            (position.stop, "down", "chart.bot_stop"),
            (position.trailing_stop, "warning", "chart.bot_trailing"),
            (position.target, "up", "chart.bot_target"),
        ):  # fmt: skip
            if price is not None:
                yield Level(float(price), role, tr(word, bot=name))


def _trade_marker(
    stamp: float, buys: bool, key: str, price: float, quantity: object, bot: str = ""
) -> Marker:
    """The arrow of a fill, by the bot of that name if one did it."""
    text = tr(
        "chart.mark_bought" if buys else "chart.mark_sold",
        quantity=_amount(quantity),
        price=format_price(key, price),
    )
    return Marker(stamp, buys, True, tr("chart.mark_bot", bot=bot, text=text) if bot else text)


def position_levels(positions: Iterable[Position], key: str) -> Iterator[Level]:
    """The lines of the open positions of `key`."""
    for position in positions:
        if position.key != key:
            continue
        side = "chart.entry_long" if position.quantity > 0 else "chart.entry_short"
        label = tr(side, quantity=_amount(position.quantity))
        yield Level(float(position.entry_price), "accent_text", label)
        if position.stop is not None:
            yield Level(float(position.stop), "down", tr("chart.stop"))
        if position.target is not None:
            yield Level(float(position.target), "up", tr("chart.target"))


def _amount(quantity: object) -> str:
    value = abs(float(str(quantity)))
    return format_number(value, 0 if value == int(value) else 4)
