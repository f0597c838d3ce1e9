"""What became of each notification, and a test button for each channel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from core.config import Config
from core.i18n import tr
from core.model import Delivery
from core.secrets import secret_exists
from gui.icons import icon
from gui.models.deliveries_model import (
    CHANNELS,
    NOT_DELIVERED,
    STATUSES,
    DeliveriesModel,
    DeliveryFilter,
    channel_name,
)
from gui.widgets.panel_tools import ICON, fill_combo
from gui.widgets.stream_panel import StreamPanel

GATHER_MS = 50
STATES = {"on": ("up", "●"), "off": ("secondary", "○"), "unconfigured": ("warning", "△")}


def channel_states(config: Config) -> dict[str, str]:
    """By channel "on", "off" or "unconfigured" (switched on, but it lacks what it needs to send).

    Asks nothing that could wait: a secret in the keyring is taken to be there.
    """
    from core.notifications.routes import reasons_off

    live = config.real_time
    off = reasons_off(live)
    states = {name: "off" if name in off else "on" for name in CHANNELS}
    telegram, email = live.telegram, live.email
    token = secret_exists("telegram_bot_token", telegram.bot_token, ask=False)
    if states["telegram"] == "on" and (not telegram.chat_id or token is False):
        states["telegram"] = "unconfigured"
    if states["email"] == "on" and not (email.host and email.sender and email.recipients):
        states["email"] = "unconfigured"
    return states


class NotificationLogPanel(StreamPanel):
    """One row per message and channel, updated in place; `test_requested(channel)` asks for a test."""

    test_requested = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        self.model = DeliveriesModel(now)
        super().__init__(self.model, "notifications", "deliveries", "bell", parent)
        self.model.setParent(self)
        self._states: dict[str, str] = {}
        self.channel, self.status = self._combo(), self._combo()
        self._lay_out()
        self.retranslate()
        self._refresh_state()

    def _lay_out(self) -> None:
        self.tests_label = QLabel(self)
        self.tests_label.setProperty("role", "secondary")
        self.test_buttons = {name: self._make_test_button(name) for name in CHANNELS}
        filters = _row(self.channel, self.status)
        filters.addWidget(self.count)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(_row(self.tests_label, *self.test_buttons.values()))
        column.addLayout(filters)
        column.addWidget(self._stack, 1)

    def _make_test_button(self, channel: str) -> QToolButton:
        button = QToolButton(self)
        button.setIconSize(ICON)
        button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        button.setFocusPolicy(Qt.TabFocus)
        button.clicked.connect(lambda: self.test_requested.emit(channel))
        return button

    # What the window tells

    def set_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Show these lines and no others."""
        self._waiting.clear()
        self.model.set_deliveries(deliveries)
        self._refresh_state()

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Add lines or bring them up to date, oldest first."""
        self._add(deliveries, GATHER_MS)

    def _show(self, items: list[Delivery]) -> None:
        self.model.add_deliveries(items)

    def set_channels(self, states: Mapping[str, str]) -> None:
        """Show each channel's state: "on", "off" or "unconfigured" (see `channel_states`)."""
        self._states = dict(states)
        self._name_buttons()

    def clear_filter(self) -> None:
        """Show all lines."""
        self.channel.setCurrentIndex(0)
        self.status.setCurrentIndex(0)

    # The rest

    def _apply_filter(self) -> None:
        channel = ("", *CHANNELS)[max(0, self.channel.currentIndex())]
        wanted: list[frozenset[str] | None] = [
            None,
            NOT_DELIVERED,
            *(frozenset((name,)) for name in STATUSES),
        ]
        chosen = DeliveryFilter(channel, wanted[max(0, self.status.currentIndex())])
        self.model.set_filter(None if chosen == DeliveryFilter() else chosen.accepts)
        self._refresh_state()

    def _name_buttons(self) -> None:
        for channel, button in self.test_buttons.items():
            state = self._states.get(channel, "")
            role, dot = STATES.get(state, ("secondary", ""))
            word = tr(f"deliveries.state_{state if state in STATES else 'unknown'}")
            name = channel_name(channel)
            button.setIcon(icon("send", role))
            button.setText(f"{name} {dot} {word}" if dot else name)
            button.setToolTip(tr("deliveries.test_tip", channel=name, state=word))
            button.setAccessibleName(button.toolTip())

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("deliveries.table_name"))
        self.tests_label.setText(tr("deliveries.tests"))
        channels = ("deliveries.channel_any", *(f"notify.channel_{name}" for name in CHANNELS))
        statuses = (
            "deliveries.status_any",
            "deliveries.status_trouble",
            *(f"notify.status_{name}" for name in STATUSES),
        )
        fill_combo(self.channel, "deliveries.channel_filter", channels)
        fill_combo(self.status, "deliveries.status_filter", statuses)
        self._name_buttons()
        self._refresh_state()


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(6, 3, 6, 3)
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return row
