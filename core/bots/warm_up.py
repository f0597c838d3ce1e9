"""What was there before a bot: bars of the past, and what the signal rule remembers."""

from __future__ import annotations

import logging

from core.bots.bot import Bot
from core.bots.spot import Spot
from core.bots.surroundings import Surroundings
from core.errors import StorageError

log = logging.getLogger(__name__)


def prepare(bot: Bot, around: Surroundings) -> None:
    """Give a bot that is about to work what it missed, and ask a provider for what nobody here knows."""
    for spot in bot.spots.values():
        warm(bot, spot, around)
        if lacks_bars(spot):
            request(spot, around, patient=True)
        if bot.rule is not None and (not bot.running or bot.rule.dump(spot.key) is None):
            bot.rule.load(spot.key, around.signal_memory(spot.key))


def warm(bot: Bot, spot: Spot, around: Surroundings) -> None:
    """Put the bars that are known where the bot has none yet."""
    series = spot.series
    if series is None:
        return
    try:
        known = around.bars.known(spot.key, series.seconds, series.most + 1)
    except StorageError as error:
        log.warning("the bars of %s cannot be read: %s", spot.key, error)
        return
    if series.fill(known, around.clock.time()):
        spot.filled = bot.dirty = True


def lacks_bars(spot: Spot) -> bool:
    """Whether its strategy would like to see more of the past."""
    return spot.series is not None and len(spot.series.bars) < spot.series.most


def request(spot: Spot, around: Surroundings, *, patient: bool) -> None:
    """Ask a provider for bars of the past; if `patient`, not too often."""
    if spot.series is not None:
        around.bars.request(spot.key, spot.series.seconds, patient=patient)
