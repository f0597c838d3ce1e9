"""What holds for a bot's step in every store."""

from __future__ import annotations

import math

from core.bots.model import BotChange
from core.errors import StaleBotError
from core.i18n import tr

_FIGURES = ("open_pnl", "open_pnl_pct", "daily_pnl", "realised_pnl", "equity", "updated_at")


def check_change(change: BotChange) -> None:
    """Raise `ValueError` for a step that could not be read again; only a bug makes one."""
    state = change.state
    figures = [getattr(state, name) for name in _FIGURES]
    figures += [price for price in (state.last_price, state.trailing_stop_price) if price is not None]
    if not all(map(math.isfinite, figures)) or not change.cash.is_finite():
        raise ValueError(f"the bot {state.bot_id} has a figure that is no number")
    if state.version < 1 or (state.version == 1 and change.config is None):
        raise ValueError(f"the bot {state.bot_id} is new at version {state.version} without a configuration")


def stale(bot_id: str) -> StaleBotError:
    """The error for a bot that somebody else has moved."""
    return StaleBotError(tr("storage.stale_bot", bot=bot_id))
