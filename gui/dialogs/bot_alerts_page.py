"""The settings page on which each kind of a bot's messages is on, silent or off per channel."""

from __future__ import annotations

from typing import cast

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel

from core.config import Config
from core.config_check import rule_of
from core.i18n import tr
from core.notifications.routes import CHANNELS, reasons_off
from gui.dialogs.fields import FormField
from gui.dialogs.setting_editors import ChoiceEditor, Editor
from gui.dialogs.settings_page import SettingsPage
from gui.widgets.panel_tools import set_role

WORDS = "bot_loudness"
LABEL_WIDTH, EDITOR_WIDTH = 150, 88


class BotAlertsPage(SettingsPage):
    """A grid: a row per kind of message, a column per channel. A channel that is off says so."""

    def _prepare(self) -> None:
        self._kinds: dict[str, QLabel] = {}
        self._channels = {name: QLabel() for name in CHANNELS}
        self._off: frozenset[str] = frozenset()
        self._about = QLabel()
        self._about.setWordWrap(True)
        set_role(self._about, "secondary")
        self._grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        self._grid.setColumnStretch(0, 1)
        self._grid.setHorizontalSpacing(10)
        for column, label in enumerate(self._channels.values(), 1):
            self._grid.addWidget(label, 0, column, Qt.AlignBottom)
            self._grid.setColumnMinimumWidth(column, EDITOR_WIDTH)

    def _add(self, path: str) -> None:
        kind, channel = path.split(".")[-2:]
        editor = ChoiceEditor(WORDS, rule_of(path).choices)
        editor.setFixedWidth(EDITOR_WIDTH)
        field = FormField(editor, path, parent=self)
        cast(Editor, editor).edited.connect(lambda: self.edited.emit(path))
        self.fields[path] = field
        if kind not in self._kinds:
            self._kinds[kind] = QLabel()
            self._grid.addWidget(self._kinds[kind], len(self._kinds), 0)
        self._grid.addWidget(field, len(self._kinds), CHANNELS.index(channel) + 1)

    def _finish(self) -> None:
        self._column.insertWidget(self._column.count() - 1, self._about)

    def label_of(self, path: str) -> str:
        """See `SettingsPage`: such as "Stop hit, Telegram"."""
        kind, channel = path.split(".")[-2:]
        return f"{tr(f'settings.bot_alert_{kind}')}, {tr(f'notify.channel_{channel}')}"

    def help_of(self, path: str) -> str:
        """See `SettingsPage`: the rows' tooltips explain enough."""
        return ""

    def set_config(self, config: Config) -> None:
        """See `SettingsPage`."""
        super().set_config(config)
        self._off = frozenset(reasons_off(config.real_time))
        self._name_channels()

    def retranslate(self) -> None:
        """See `SettingsPage`."""
        super().retranslate()
        for kind, label in self._kinds.items():
            label.setText(tr(f"settings.bot_alert_{kind}"))
            label.setToolTip(tr(f"settings.bot_alert_{kind}.help"))
        self._about.setText(tr("settings.bot_alerts_about"))
        self._name_channels()

    def _name_channels(self) -> None:
        for name, label in self._channels.items():
            off = name in self._off
            text = tr(f"notify.channel_{name}")
            label.setText(tr("settings.channel_is_off", channel=text) if off else text)
            label.setWordWrap(True)
            label.setToolTip(tr("settings.channel_is_off.help") if off else "")
            label.setEnabled(not off)
