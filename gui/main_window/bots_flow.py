"""From the bots' panel to the settings and to the engine: new, edit, clone, delete, start, stop, panic.

A bot's definition has one way: into the settings file, and from there to the engine, which reconciles. What a
bot shall do now is a command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QDialog

from core.bots.model import BotState
from core.commands import BotsLoaded, BotsRemembered, ScanInterrupted, StartBot, StopAllBots, StopBot
from core.config import BotConfig, Config
from core.engine.loop import LONGEST_WAIT
from core.i18n import tr
from core.model import FeedStatus
from gui.main_window.engine_link import EngineLink
from gui.main_window.remote_flow import RemoteFlow
from gui.models.bot_card import LIVELY, BotCard
from gui.widgets.bot_status_panel import SILENT_AFTER, BotStatusPanel
from gui.workers.mailbox import Frame

if TYPE_CHECKING:
    from gui.main_window.main_window import MainWindow
    from gui.main_window.settings_flow import SettingsFlow

assert LONGEST_WAIT < SILENT_AFTER, "an engine that rests must not look dead"


class BotsFlow(QObject):
    """Carries out what the panel asks for. Belongs to the GUI thread."""

    def __init__(
        self, panel: BotStatusPanel, link: EngineLink, settings: SettingsFlow, window: MainWindow
    ) -> None:
        super().__init__(window)
        self._panel = panel
        self._link = link
        self._settings = settings
        self._window = window
        self._configs: tuple[BotConfig, ...] = ()
        self._ids: set[str] = set()
        self._remembered: set[str] = set()
        link.frame.connect(self._on_frame)
        link.on(BotsLoaded, self._on_loaded)
        link.on(BotsRemembered, self._on_remembered)
        link.on(ScanInterrupted, lambda _: self._resume_scan())
        link.on(FeedStatus, lambda status: panel.set_unpriced(status.state == "stopped"))
        panel.set_unpriced(True)
        link.worker.alive.connect(panel.beat)
        link.engine_ended.connect(lambda: panel.set_silent(""))
        self.remotes = RemoteFlow(panel, settings, window)
        panel.start_requested.connect(self.start)
        panel.stop_requested.connect(self.stop)
        panel.sell_requested.connect(self.sell)
        panel.stop_all_requested.connect(self.stop_all)
        panel.new_requested.connect(self.new)
        panel.edit_requested.connect(self.edit)
        panel.clone_requested.connect(lambda key: self.edit(key, clone=True))
        panel.delete_requested.connect(self.delete)

    @property
    def _config(self) -> Config:
        return self._settings.config

    def _on_frame(self, frame: Frame) -> None:
        # A frame may come after the news that a bot is gone, and must not bring it back.
        states = [state for state in frame.bots if state.bot_id in self._ids]
        if states:
            self._panel.update_states(states)

    def _on_loaded(self, event: BotsLoaded) -> None:
        self._configs = event.configs
        self._remembered |= {each.id for each in event.configs}
        self._ids = {state.bot_id for state in event.states}
        self._panel.set_bots(event.states)

    def _on_remembered(self, event: BotsRemembered) -> None:
        self._remembered = {each.id for each in event.configs}

    def _resume_scan(self) -> None:
        """The last run crashed while it scanned: bots that trade or hold something get prices at once."""
        own = [card.state for card in self._panel.model().cards() if not card.server]
        if any(state.positions or state.status in LIVELY for state in own):
            self._window.notice_bar.say("warning", tr("bots.scan_resumed"))
            self._window.start_scan()

    @property
    def need_prices(self) -> bool:
        """Whether there are bots, which trade on instruments of their own."""
        return bool(self._ids)

    # --- what a bot is ------------------------------------------------------------------------------

    def new(self) -> None:
        """Ask what a new bot shall be."""
        self._ask(None, clone=False)

    def edit(self, key: str, *, clone: bool = False) -> None:
        """Change a bot, or make another one like it."""
        bot = self._find(key)
        if bot is not None:
            self._ask(bot, clone=clone)

    def delete(self, key: str) -> None:
        """Remove a bot from the settings, after a question."""
        state = self._state(key)
        if state is None or self._is_elsewhere(key):
            return
        from gui.dialogs.bot_questions import DeleteBotDialog

        dialog = DeleteBotDialog(state, self._window)
        self._open(dialog, lambda: self._remove(key, sell=dialog.sell))

    def _ask(self, bot: BotConfig | None, *, clone: bool) -> None:
        from gui.dialogs.bot_dialog import BotDialog

        config = self._config
        ids = self._remembered.union(each.id for each in self._known())
        taken = [each for each in ids if clone or bot is None or each != bot.id]
        old = "" if bot is None or clone else bot.id
        dialog = BotDialog(
            self._window, bot=bot, clone=clone, taken=taken, exchange=config.exchange, symbols=config.symbols,
            save=lambda made: self._save(made, old),
        )  # fmt: skip
        self._settings.failed.connect(dialog.show_failure)
        self._open(dialog, lambda: None)

    def _save(self, bot: BotConfig, old: str) -> bool:
        bots = list(self._config.bots)
        place = next((n for n, each in enumerate(bots) if each.id == old), None) if old else None
        if place is None:
            bots.append(bot)
        else:
            bots[place] = bot
        return self._apply(bots)

    def _remove(self, key: str, *, sell: bool) -> None:
        if sell:
            self._link.post(StopBot(bot_id=key, flatten=True))
        self._apply([each for each in self._config.bots if each.id != key])

    def _apply(self, bots: Sequence[BotConfig]) -> bool:
        return self._settings.apply(msgspec.structs.replace(self._config, bots=tuple(bots)))

    def _known(self) -> tuple[BotConfig, ...]:
        """The bots of the settings, and those that the engine has besides (retired, or of the demo)."""
        own = {each.id: each for each in self._configs} | {each.id: each for each in self._config.bots}
        return tuple(own.values())

    def _find(self, key: str) -> BotConfig | None:
        return next((each for each in self._known() if each.id == key), None)

    # --- what it shall do ---------------------------------------------------------------------------

    def start(self, key: str) -> None:
        """Start a bot, here or on its server."""
        card = self._panel.card(key)
        if card is not None and card.server:
            self.remotes.command(card, "start")
        else:
            self._link.post(StartBot(bot_id=key))

    def stop(self, key: str) -> None:
        """Stop a bot; where it holds something, ask what becomes of that."""
        state = self._state(key)
        if state is None or not state.positions:
            self._stop(key, sell=False)
            return
        from gui.dialogs.bot_questions import StopBotDialog

        dialog = StopBotDialog(state, self._window)
        self._open(dialog, lambda: self._stop(key, sell=dialog.sell))

    def _stop(self, key: str, *, sell: bool) -> None:
        card = self._panel.card(key)
        if card is not None and card.server:
            self.remotes.command(card, "stop", flatten=sell)
        else:
            self._link.post(StopBot(bot_id=key, flatten=sell))

    def _is_elsewhere(self, key: str) -> bool:
        card = self._panel.card(key)
        return card is not None and bool(card.server)

    def sell(self, key: str) -> None:
        """Sell what a bot holds that was stopped, or that failed, after a question."""
        state = self._state(key)
        if state is None or not state.positions:
            return
        from gui.dialogs.bot_questions import SellDialog

        self._open(SellDialog(state, self._window), lambda: self._stop(key, sell=True))

    def stop_all(self) -> None:
        """The panic button: it means every bot in the panel, wherever that runs."""
        from gui.dialogs.bot_questions import StopAllDialog

        cards = self._commanded()
        if not cards:
            return
        elsewhere = [card.server for card in cards if card.server]
        dialog = StopAllDialog(
            [card.state for card in cards], self._window, remote=len(elsewhere),
            servers=sorted(set(elsewhere)),
        )  # fmt: skip
        self._open(dialog, lambda: self._stop_all(sell=dialog.sell))

    def _stop_all(self, *, sell: bool) -> None:
        self._link.post(StopAllBots(flatten=sell))
        for card in self._commanded():
            if card.server:  # whatever it looked like when its server was last heard
                self.remotes.command(card, "stop", flatten=sell)

    def _commanded(self) -> list[BotCard]:
        """Every bot but those that this user may only look at."""
        model = self._panel.model()
        return [card for card in model.cards() if model.commands(card)]

    def _state(self, key: str) -> BotState | None:
        card = self._panel.card(key)
        return None if card is None else card.state

    @staticmethod
    def _open(dialog: QDialog, accepted: Callable[[], object]) -> None:
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.accepted.connect(accepted)
        dialog.open()
