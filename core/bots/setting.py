"""What a bot works in: what its strategy wants, and what all bots of a world share."""

from __future__ import annotations

import msgspec

from core.bars.sessions import Sessions
from core.bots.strategy import Wake


class Shape(msgspec.Struct, frozen=True):
    """What a bot's strategy wants; `error` says why there is none."""

    wake: Wake = Wake.TICK
    seconds: int = 0
    lookback: int = 0
    error: str = ""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions, the exchange of plain symbols, the signal rule's figures, and whether made-up prices are
    what is traded on here."""

    sessions: Sessions
    exchange: str = "BIST"
    threshold_pct: float = 2.0
    cooldown_sec: float = 5.0
    noise: tuple[str, int] = ("none", 5)
    trade_simulation: bool = False


class Blind(msgspec.Struct, frozen=True):
    """Since when nobody watched a position, and whether a crash was the reason."""

    since: float
    crashed: bool
