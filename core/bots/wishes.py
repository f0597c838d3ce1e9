"""The commands about bots, from whoever may send them."""

from __future__ import annotations

from collections.abc import Callable

from core.bots.bot import Bot
from core.bots.journal import waits_for_store
from core.bots.model import BotStatus
from core.bots.roster import Roster
from core.bots.surroundings import Surroundings
from core.bots.warm_up import prepare
from core.commands import BotHistory, RequestBotHistory, RunBotCycle, StartBot, StopAllBots, StopBot
from core.errors import InputError, StorageError
from core.i18n import tr
from core.model import Notice

Wish = StartBot | StopBot | StopAllBots


class Wishes:
    """Carries out commands. What comes while the store cannot be written waits until it can.

    `touched` is called with each bot that may have changed.
    """

    def __init__(
        self, roster: Roster, around: Surroundings, touched: Callable[[Bot], None],
        run_cycle: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._roster = roster
        self._around = around
        self._touched = touched
        self._run_cycle = run_cycle
        self._waiting: list[Wish] = []

    def execute(self, command: object, *, blocked: bool) -> None:
        """Carry out `command`; `blocked`: nothing can be stored. Raises `InputError` or `StorageError`."""
        if isinstance(command, RequestBotHistory):
            self._publish_history(command)
        elif blocked:
            if isinstance(command, Wish):
                self._waiting.append(command)
            raise waits_for_store()
        elif isinstance(command, StartBot):
            self._start(self.find(command.bot_id))
        elif isinstance(command, StopBot):
            self._stop(self.find(command.bot_id), flatten=command.flatten)
        elif isinstance(command, StopAllBots):
            for bot in self._roster.all():
                self._stop(bot, flatten=command.flatten)
        elif isinstance(command, RunBotCycle):
            self._run_cycle(command.bot_id)

    def carry_out_late(self) -> bool:
        """The store can be written again: do what waited; whether there was anything."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._around.age()
        for command in waiting:
            try:
                self.execute(command, blocked=False)
            except (InputError, StorageError) as error:
                self._around.bus.publish(Notice("warning", "engine.text", {"text": str(error)}))
        return bool(waiting)

    def find(self, bot_id: str) -> Bot:
        """The bot. Raises `InputError` if there is none."""
        bot = self._roster.get(bot_id)
        if bot is None:
            raise InputError(tr("bots.unknown", bot=bot_id))
        return bot

    def _start(self, bot: Bot) -> None:
        if bot.retired:
            raise InputError(tr("bots.retired", name=bot.config.name))
        if bot.running:
            return
        try:
            self._roster.refresh_strategy(bot, self._around.clock.time())
            if bot.shape.error:
                raise InputError(bot.shape.error)
            reason = bot.day_is_over(self._around.clock.time())
            if reason:
                raise InputError(tr(f"bots.{reason}_reached", name=bot.config.name))
            prepare(bot, self._around)
            bot.start()
        finally:
            self._touched(bot)

    def _stop(self, bot: Bot, *, flatten: bool) -> None:
        if bot.mode is not BotStatus.STOPPED or bot.last_error or (flatten and bot.trader.account.positions):
            bot.stop(self._around.clock.time(), flatten=flatten)
            self._touched(bot)

    def _publish_history(self, command: RequestBotHistory) -> None:
        store, bot_id, since = self._around.store, command.bot_id, command.since
        self._around.bus.publish(BotHistory(
            bot_id=bot_id, trades=store.bot_trades(bot_id, since, command.limit),
            fills=store.bot_fills(bot_id, since, command.limit), days=store.bot_days(bot_id, since),
        ))  # fmt: skip
