"""All bots that there are: read from the store, matched with the configuration, found by instrument."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from core.bots.bot import Bot
from core.bots.cycles import Cycles, shape_of
from core.bots.folder import refresh
from core.bots.model import BotRecord
from core.bots.setting import World
from core.bots.spot import Spot
from core.config import BotConfig
from core.errors import InputError
from core.i18n import tr

log = logging.getLogger(__name__)

Watchers = tuple[tuple[Bot, Spot], ...]
EARLIER = "earlier"
"""Beside the counters of a bot's ids: how many of its trades an earlier bot of the same id has made."""


def trades_before(record: BotRecord) -> int:
    """How many trades under the bot's id were made before it began with its deposit."""
    number = record.memory.get("ids", {}).get(EARLIER, 0)
    return number if isinstance(number, int) else 0


class Roster:
    """The bots by id and by instrument. Those that were removed while flat only sleep: should one come back,
    its numbers go on. Belongs to the engine's thread."""

    def __init__(self, world: World, cycles: Cycles) -> None:
        self.world = world
        self._cycles = cycles
        self._bots: dict[str, Bot] = {}
        self._asleep: dict[str, BotRecord] = {}
        self._configs: dict[str, BotConfig] = {}
        self.by_key: dict[str, Watchers] = {}
        """Who has to hear of an instrument's price; the dictionary is always the same one."""

    def load(self, records: Iterable[BotRecord]) -> list[Bot]:
        """Take in what was stored; the bots that are awake."""
        records = tuple(records)
        if records:
            refresh()
        for record in records:
            if record.retired and not record.state.positions and not record.orders:
                self._asleep[record.state.bot_id] = record
            else:
                self._recall(record)
        self._index()
        return list(self._bots.values())

    def clear(self) -> None:
        """Forget everything."""
        for bot_id in self._bots:
            self._cycles.dismiss(bot_id)
        self._bots, self._asleep = {}, {}
        self._index()

    def reconcile(self, configs: Sequence[BotConfig], now: float, prepare: Callable[[Bot], None]) -> None:
        """Make the bots those of the configuration. A removed one that holds something stays, retired.

        `prepare` is called with each bot that is new or works by another configuration.
        """
        self._configs = {config.id: config for config in configs}
        if configs:
            refresh()
        for config in configs:
            bot = self._bots.get(config.id)
            if bot is None:
                bot = self._hire(config, now)
                prepare(bot)
            elif bot.retired or not bot.follows(config):
                strategy, shape = shape_of(config)
                if bot.reconfigure(config, shape, now):
                    self._cycles.employ(bot, strategy)
                    prepare(bot)
        for bot_id, bot in self._bots.items():
            if bot_id not in self._configs and not bot.retired:
                bot.retire(now)
        self._index()

    def set_world(self, world: World) -> None:
        """Other figures of the signal rule, or another calendar."""
        self.world = world
        for bot in self._bots.values():
            bot.set_world(world)

    def refresh_strategy(self, bot: Bot, now: float) -> None:
        """Look the bot's strategy up again: its file may have been corrected, or an edit had to wait.

        Raises `InputError` if it still must.
        """
        refresh()
        config = self._configs.get(bot.config.id, bot.config)
        strategy, shape = shape_of(config)
        if shape != bot.shape or not bot.follows(config):
            if not bot.reconfigure(config, shape, now):
                raise InputError(bot.refusal(config))
            self._index()
        self._cycles.employ(bot, strategy)

    def let_go(self) -> bool:
        """Put the retired bots that have become flat to sleep; whether there were any."""
        gone = [bot_id for bot_id, bot in self._bots.items() if bot.retired and bot.flat and not bot.dirty]
        for bot_id in gone:
            bot = self._bots.pop(bot_id)
            self._cycles.dismiss(bot_id)
            self._asleep[bot_id] = BotRecord(
                config=bot.config, state=bot.state(0.0), cash=bot.trader.account.cash, retired=True,
                memory={"ids": dict(bot.numbers)},
            )  # fmt: skip
        if gone:
            self._index()
        return bool(gone)

    def get(self, bot_id: str) -> Bot | None:
        """The bot, unless there is none or it sleeps."""
        return self._bots.get(bot_id)

    def all(self) -> list[Bot]:
        """All that are awake: in the order of the configuration, then the retired ones."""
        first = [self._bots[bot_id] for bot_id in self._configs if bot_id in self._bots]
        return first + [bot for bot_id, bot in self._bots.items() if bot_id not in self._configs]

    def keys(self) -> tuple[str, ...]:
        """The instruments that bots need priced, most needed first: those held, then those of bots that
        trade, then the others."""
        bots = self.all()
        held = [key for bot in bots for key in bot.trader.account.positions]
        traded = [key for bot in bots if bot.running for key in bot.spots]
        return tuple(dict.fromkeys((*held, *traded, *(key for bot in bots for key in bot.spots))))

    def _hire(self, config: BotConfig, now: float) -> Bot:
        record = self._asleep.pop(config.id, None)
        bot = self._employ(config, record)
        if record is not None:
            bot.numbers[EARLIER] = bot.numbers.get("t", 0)
            bot.start_over(config, bot.shape)
        if bot.shape.error:
            bot.fail(bot.shape.error, now)
        elif config.autostart:
            bot.start()
        return bot

    def _recall(self, record: BotRecord) -> None:
        """Bring a stored bot back. Should its memory be unreadable, its money and its positions, with their
        stops, are not."""
        try:
            self._employ(record.config, record)
        except Exception as bug:
            log.exception("the memory of the bot %s cannot be read", record.state.bot_id)
            bare = {"ids": record.memory.get("ids", {})}
            self._employ(record.config, replace(record, memory=bare, series={}))
            error = f"{type(bug).__name__}: {bug}"
            bot = self._bots[record.state.bot_id]
            bot.fail(tr("engine.internal", error=error), record.state.updated_at)

    def _employ(self, config: BotConfig, record: BotRecord | None) -> Bot:
        strategy, shape = shape_of(config)
        bot = self._bots[config.id] = Bot(config, shape, self.world, record)
        self._cycles.employ(bot, strategy)
        return bot

    def _index(self) -> None:
        found: dict[str, list[tuple[Bot, Spot]]] = {}
        for bot in self._bots.values():
            for key, spot in bot.spots.items():
                found.setdefault(key, []).append((bot, spot))
        self.by_key.clear()
        self.by_key.update((key, tuple(watchers)) for key, watchers in found.items())

    def index(self) -> None:
        """Find the bots by instrument anew, after one's instruments have changed."""
        self._index()
