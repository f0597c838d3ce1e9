"""The strategies that come with the program; each is imported when somebody asks for it by name."""

from __future__ import annotations

from collections.abc import Callable

from core.bots.strategy import Strategy


def _threshold() -> Strategy:
    from core.bots.strategies.threshold import Threshold

    return Threshold()


def _ema_cross() -> Strategy:
    from core.bots.strategies.ema_cross import EmaCross

    return EmaCross()


def _rsi_pullback() -> Strategy:
    from core.bots.strategies.rsi_pullback import RsiPullback

    return RsiPullback()


BUILT_IN: dict[str, Callable[[], Strategy]] = {
    "threshold": _threshold,
    "ema_cross": _ema_cross,
    "rsi_pullback": _rsi_pullback,
}
