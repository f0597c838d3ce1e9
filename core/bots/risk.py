"""At which prices a position is given up, and when a bot must rest.

The levels of a long position lie under it (stop) and over it (target), those of a short one the other way
round. A stop is rounded towards the market, a target away from it, so a rounded level never costs more and
never promises less than what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from core.bots.model import BotPosition
from core.bots.money import ZERO, add, exact, multiply, subtract, to_tick
from core.config import BotConfig
from core.model import Bar

ATR_PERIOD = 14
_HUNDREDTH = Decimal("0.01")
_HAIR = 1e-6
"""Slack in money, so that a limit that is exactly reached is not lost to binary fractions."""


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """The prices at which a position ends; None where there is no such rule."""

    stop: Decimal | None = None
    target: Decimal | None = None


def fixed_levels(config: BotConfig, position: BotPosition) -> Levels:
    """Stop loss and take profit, in percent of the entry price."""
    key, entry, long = position.key, position.entry_price, position.quantity > 0
    stop = target = None
    if config.stop_loss_pct > 0:
        stop = _level(key, entry, _part(entry, config.stop_loss_pct), below=long, up=long)
    if config.take_profit_pct > 0:
        target = _level(key, entry, _part(entry, config.take_profit_pct), below=not long, up=long)
    return Levels(stop=stop, target=target)


def trailing_level(config: BotConfig, position: BotPosition, atr: float | None) -> Decimal | None:
    """Where the trailing stop stands: so far behind the high-water mark, and never further than it stood.

    None without a trailing stop, or while the average true range is not known.
    """
    high, long = position.high_water, position.quantity > 0
    if high is None:
        return None
    if config.trailing_stop_atr > 0:
        if atr is None:
            return position.trailing_stop
        distance = multiply(exact(config.trailing_stop_atr), exact(atr))
    elif config.trailing_stop_pct > 0:
        distance = _part(high, config.trailing_stop_pct)
    else:
        return None
    level = _level(position.key, high, distance, below=long, up=long)
    before = position.trailing_stop
    if level is None or before is None:
        return level if level is not None else before
    return max(level, before) if long else min(level, before)


def enforced_stop(position: BotPosition) -> tuple[Decimal | None, str]:
    """The stop nearest to the market and its name: the one that is shown and the one that is enforced."""
    stop, trailing = position.stop, position.trailing_stop
    if trailing is None:
        return stop, "stop"
    if stop is None:
        return trailing, "trailing_stop"
    nearer = trailing > stop if position.quantity > 0 else trailing < stop
    return (trailing, "trailing_stop") if nearer else (stop, "stop")


def average_true_range(bars: Sequence[Bar], period: int = ATR_PERIOD) -> float | None:
    """The plain mean of the last `period` true ranges; None if there are too few bars.

    The true range is the greatest of high - low, |high - close before| and |low - close before|.
    """
    if len(bars) <= period:
        return None
    last = bars[-period - 1 :]
    total = 0.0
    for before, bar in pairwise(last):
        total += max(bar.high, before.close) - min(bar.low, before.close)
    return total / period


def day_is_over(config: BotConfig, daily_pnl: float) -> str:
    """Why a bot must stop for today: "daily_loss", "daily_target", or "" if it need not."""
    if config.max_daily_loss > 0 and daily_pnl <= -config.max_daily_loss + _HAIR:
        return "daily_loss"
    if config.daily_target > 0 and daily_pnl >= config.daily_target - _HAIR:
        return "daily_target"
    return ""


def _part(price: Decimal, percent: float) -> Decimal:
    return multiply(multiply(price, exact(percent)), _HUNDREDTH)


def _level(key: str, price: Decimal, distance: Decimal, *, below: bool, up: bool) -> Decimal | None:
    """The price so far from `price`, to the tick; None where no price can be."""
    level = subtract(price, distance) if below else add(price, distance)
    return to_tick(key, level, up=up) if level > ZERO else None
