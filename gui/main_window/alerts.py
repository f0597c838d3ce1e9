"""The window's alerts: hands signals and errors to the notification manager, once it is there.

The manager and its channels are made after the first paint; what comes before waits in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QObject, pyqtSignal
from PyQt5.QtWidgets import QWidget

from core.bots.model import BotAlert
from core.commands import OutboxDue
from core.config import Config

if TYPE_CHECKING:
    from gui.notifications.notification_manager import NotificationManager

MAX_WAITING = 1000
STOP_SECONDS = 0.5
"""A channel that hangs for longer than this at the end is left behind: the window must close within 3 s."""


class Alerts(QObject):
    """Belongs to the GUI thread; no call blocks."""

    delivered = pyqtSignal(object)
    """A tuple of `Delivery`, oldest first: what became of messages."""
    accepted = pyqtSignal(object)
    """An `AcceptMessage` for the engine."""

    def __init__(self, config: Config, window: QWidget, *, demo: bool = False, outbox: bool = False) -> None:
        """`outbox` is as in `NotificationManager`."""
        super().__init__(window)
        self._outbox = outbox
        self._config = config
        self._window = window
        self._demo = demo
        self._manager: NotificationManager | None = None
        self._waiting: deque[Callable[[NotificationManager], object]] = deque(maxlen=MAX_WAITING)

    def start(self) -> None:
        """Make the manager; idempotent."""
        from gui.notifications.notification_manager import NotificationManager

        if self._manager is not None:
            return
        self._manager = NotificationManager(
            self._config, parent=self, window=self._window, demo=self._demo, outbox=self._outbox
        )
        self._manager.deliveries_changed.connect(self.delivered)
        self._manager.accepted.connect(self.accepted)
        while self._waiting:
            self._waiting.popleft()(self._manager)

    def stop(self) -> None:
        """End the channels' threads; idempotent."""
        if self._manager is not None:
            self._manager.stop(STOP_SECONDS)

    def signal(self, payload: dict[str, Any]) -> None:
        """Alert a BUY or SELL, unless notifications are off."""
        if self._config.real_time.enable_notifications:
            self._tell(lambda manager: manager.send_signal_notification(payload))

    def error(self, sentence: str) -> None:
        """Alert an error, unless notifications are off."""
        if self._config.real_time.enable_notifications:
            self._tell(lambda manager: manager.send_error_notification(sentence))

    def bot(self, alert: BotAlert) -> None:
        """Alert what a bot did, unless notifications are off."""
        if self._config.real_time.enable_notifications:
            self._tell(lambda manager: manager.send_bot_alert(alert))

    def left_over(self, due: OutboxDue) -> None:
        """Send what an earlier run could not, with its real time, unless it is too old or not wanted now."""
        self._tell(lambda manager: manager.resend(due.lines))

    def test(self, channel: str) -> None:
        """Send a test through one channel, whatever is switched off."""
        self._tell(lambda manager: manager.send_test(channel))

    def apply_config(self, config: Config) -> None:
        """Work by another configuration."""
        self._config = config
        if self._manager is not None:
            self._manager.apply_config(config)

    def _tell(self, call: Callable[[NotificationManager], object]) -> None:
        if self._manager is None:
            self._waiting.append(call)
        else:
            call(self._manager)
