"""From the servers of the settings to their bots in the panel, and from the panel back to the servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from PyQt5.QtCore import QObject, Qt
from PyQt5.QtWidgets import QDialog, QMessageBox

from core.bots.remote import RemoteHealth, token_name
from core.config import Config, RemoteServerConfig
from core.i18n import tr
from core.secrets import environment_name
from gui.models.bot_card import BotCard, state_of
from gui.widgets.bot_status_panel import BotStatusPanel

if TYPE_CHECKING:
    from gui.dialogs.remote_servers import RemoteServersDialog, ServerRow
    from gui.main_window.main_window import MainWindow
    from gui.main_window.settings_flow import SettingsFlow
    from gui.workers.remote_bots import RemoteBots
    from gui.workers.remote_transport import Transport

CLOSE_SECONDS = 1.0


class RemoteFlow(QObject):
    """Follows every server of the settings while the window lives. Belongs to the GUI thread."""

    def __init__(self, panel: BotStatusPanel, settings: SettingsFlow, window: MainWindow) -> None:
        super().__init__(window)
        self._panel = panel
        self._settings = settings
        self._window = window
        self._transport: Transport | None = None
        self._servers: dict[str, RemoteBots] = {}
        self._new_tokens: dict[str, str] = {}
        """Tokens that were just entered, for servers that are about to be followed."""
        self._dialog: RemoteServersDialog | None = None
        self._closed = False
        panel.servers_requested.connect(self.open)
        settings.applied.connect(self.apply)
        window.first_painted.connect(lambda: self.apply(settings.config))
        window.closing.connect(self.close)

    # --- following ---

    def apply(self, config: Config) -> None:
        """Follow exactly the servers of `config`."""
        wanted = {server.name: server for server in config.remote_servers}
        for name in [name for name, bots in self._servers.items() if bots.config != wanted.get(name)]:
            self._end(name)
        for name, server in wanted.items():
            token = self._new_tokens.pop(name, "")
            if name not in self._servers and not self._closed:
                self._begin(server, token)
            elif token and not self._closed:
                self._servers[name].start(token)
        self._show_rows()

    def command(self, card: BotCard, what: str, *, flatten: bool = False) -> None:
        """Have the server of `card` start or stop its bot."""
        bots = self._servers.get(card.server)
        if bots is not None:
            bots.command(card.state.bot_id, what, flatten=flatten)

    def close(self) -> None:
        """End everything; the window goes. Idempotent."""
        self._closed = True
        for name in list(self._servers):
            self._end(name)
        if self._transport is not None:
            self._transport.close(CLOSE_SECONDS)

    def _begin(self, server: RemoteServerConfig, token: str) -> None:
        from gui.workers.remote_bots import RemoteBots
        from gui.workers.remote_transport import Transport

        if self._transport is None:
            self._transport = Transport(self)
        bots = self._servers[server.name] = RemoteBots(server, self._transport, self)
        bots.loaded.connect(self._on_loaded)
        bots.changed.connect(lambda name, payload: self._panel.update_bot(payload, name))
        bots.gone.connect(self._on_gone)
        bots.alive.connect(self._panel.beat)
        bots.health_changed.connect(self._on_health)
        bots.command_done.connect(self._on_command_done)
        bots.role_known.connect(self._panel.set_may_command)
        bots.token_kept.connect(self._on_token_kept)
        bots.start(token)
        if token:
            bots.keep_token(token)

    def _end(self, name: str) -> None:
        bots = self._servers.pop(name)
        bots.stop()
        bots.deleteLater()
        self._panel.remove_server(name)

    def _on_loaded(self, name: str, payloads: tuple[dict[str, object], ...]) -> None:
        states = [state for state in map(state_of, payloads) if state is not None]
        self._panel.set_bots(states, name)

    def _on_gone(self, name: str, bot_id: str) -> None:
        cards = self._panel.model().cards()
        self._panel.set_bots(
            [card.state for card in cards if card.server == name and card.state.bot_id != bot_id], name
        )

    def _on_health(self, name: str, health: RemoteHealth) -> None:
        bots = self._servers.get(name)
        if bots is None:
            return
        if not health.live:
            self._panel.set_silent(name, bots.heard_at)
        self._panel.set_server_note(name, "" if health.live else bots.sentence())
        self._show_rows()

    def _on_command_done(self, _name: str, _bot_id: str, error: str) -> None:
        if error:
            self._window.notice_bar.say("error", error)

    def _on_token_kept(self, name: str, kept: bool) -> None:
        if not kept:
            variable = environment_name(token_name(name))
            self._window.notice_bar.say("warning", tr("remote.not_kept", server=name, variable=variable))

    # --- the list of servers ---

    def open(self) -> None:
        """Show the servers; blocks nobody."""
        from gui.dialogs.remote_servers import RemoteServersDialog

        dialog = self._dialog = RemoteServersDialog(self._window)
        dialog.add_requested.connect(self._add)
        dialog.edit_requested.connect(self._edit)
        dialog.remove_requested.connect(self._remove)
        self._show(dialog, lambda: None)
        dialog.finished.connect(self._forget_dialog)
        self._show_rows()
        if not self._servers:
            self._add()

    def _rows(self) -> list[ServerRow]:
        return [(bots.config, bots.sentence(), bots.health.live) for bots in self._servers.values()]

    def _show_rows(self) -> None:
        if self._dialog is not None:
            self._dialog.set_rows(self._rows())

    def _forget_dialog(self) -> None:
        self._dialog = None

    def _add(self) -> None:
        from gui.dialogs.remote_server import RemoteServerDialog

        dialog = RemoteServerDialog(self._dialog, taken=list(self._servers))
        self._show(dialog, lambda: self._save(dialog.server(), dialog.token()))

    def _edit(self, name: str) -> None:
        from gui.dialogs.remote_server import RemoteServerDialog

        bots = self._servers.get(name)
        if bots is not None:
            dialog = RemoteServerDialog(self._dialog, server=bots.config)
            self._show(dialog, lambda: self._save(dialog.server(), dialog.token()))

    def _remove(self, name: str) -> None:
        title, text = tr("remote.remove_title", server=name), tr("remote.remove_text")
        box = QMessageBox(QMessageBox.Question, title, text, QMessageBox.Cancel, self._dialog)
        remove = box.addButton(tr("remote.remove_server"), QMessageBox.AcceptRole)
        box.setDefaultButton(QMessageBox.Cancel)
        box.button(QMessageBox.Cancel).setText(tr("positions.cancel"))
        box.buttonClicked.connect(lambda button: self._really_remove(name) if button is remove else None)
        self._show(box, lambda: None)

    def _really_remove(self, name: str) -> None:
        bots = self._servers.get(name)
        if bots is not None:
            bots.keep_token("")
            self._change([each for each in self._known() if each.name != name])

    def _save(self, server: RemoteServerConfig, token: str) -> None:
        others = self._known()
        places = [number for number, each in enumerate(others) if each.name == server.name]
        if token:
            self._new_tokens[server.name] = token
        if places:
            others[places[0]] = server
        else:
            others.append(server)
        self._change(others)

    def _known(self) -> list[RemoteServerConfig]:
        return list(self._settings.config.remote_servers)

    def _change(self, servers: list[RemoteServerConfig]) -> None:
        self._settings.apply(msgspec.structs.replace(self._settings.config, remote_servers=tuple(servers)))

    @staticmethod
    def _show(dialog: QDialog, accepted: Callable[[], object]) -> None:
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.accepted.connect(accepted)
        dialog.open()
