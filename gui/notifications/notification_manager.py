"""The desktop's notifications: one object that the window and the workers tell what happened."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from PyQt5.QtCore import QObject, Qt, pyqtSignal, pyqtSlot
from PyQt5.QtWidgets import QWidget

from core.bots.model import BotAlert
from core.clock import Clock
from core.commands import AcceptMessage
from core.config import Config
from core.config_file import as_config
from core.model import Delivery, OutboxLine
from core.notifications.batch import Limits
from core.notifications.channels.base import Channel
from core.notifications.message import Message
from core.notifications.notifier import Notifier
from gui.notifications.desktop import DesktopChannel, DesktopService, services
from gui.notifications.gui_call import GuiCaller
from gui.notifications.toast_channel import ToastChannel, Toasts


class NotificationManager(QObject):
    """Sends signals, risks and errors to the toast, desktop, Telegram and e-mail channels.

    `config` is a `Config` or a mapping in the shape of `swing_config.json`, of which only some keys may be
    there (raises `ConfigError` for bad ones). Toasts appear in `window`, or else in the active window. The
    `send_...` methods may be called from any thread, return at once and never raise, whatever they are given.
    `deliveries_changed` tells what became of messages, in the GUI thread. With `outbox`, what was not
    delivered at the end waits there for the next start, and `accepted` hands over the errors and risks that
    are to be put there. Call `stop` at the end.
    """

    deliveries_changed = pyqtSignal(object)
    """A tuple of `core.model.Delivery`, oldest first: all that a burst tells."""
    accepted = pyqtSignal(object)
    """An `AcceptMessage` for the engine; comes before the message's first delivery."""
    _arrived = pyqtSignal()

    def __init__(
        self,
        config: Config | Mapping[str, Any] | None = None,
        *,
        parent: QObject | None = None,
        window: QWidget | None = None,
        clock: Clock | None = None,
        demo: bool = False,
        limits: Mapping[str, Limits] | None = None,
        desktop_services: Sequence[DesktopService] | None = None,
        outbox: bool = False,
    ) -> None:
        super().__init__(parent)
        self._waiting: deque[Delivery | AcceptMessage] = deque()
        self._announced = threading.Event()
        self._arrived.connect(self._hand_on, Qt.QueuedConnection)  # type: ignore[call-arg]  # the stubs lack it
        self._toasts = Toasts(window or (parent.window() if isinstance(parent, QWidget) else None))
        # Each channel has a caller of its own: they are cancelled one by one.
        desktop_caller = GuiCaller(self)
        candidates = services(desktop_caller) if desktop_services is None else desktop_services
        self._desktop = DesktopChannel(candidates)
        self._notifier = Notifier(
            as_config(config), (ToastChannel(GuiCaller(self), self._toasts.show), self._desktop),
            on_delivery=self._take, clock=clock, demo=demo, limits=limits,
            on_accept=self._accept if outbox else None,
        )  # fmt: skip

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels, on or off. Their `check` may take seconds: not in the GUI thread."""
        return self._notifier.channels

    @property
    def toasts(self) -> Toasts:
        """The toasts on the screen."""
        return self._toasts

    def attach_window(self, window: QWidget) -> None:
        """Show toasts in `window` from now on."""
        self._toasts.attach(window)

    def send_signal_notification(self, signal: dict[str, Any]) -> None:
        """Tell of a signal, given as its payload (SPEC section 6)."""
        self._notifier.send_signal(signal)

    def send_risk_alert(self, risk_level: Any) -> None:
        """Tell of a risk level: a word such as "high", a number, or a dict with `level` and `message`."""
        self._notifier.send_risk(risk_level)

    def send_error_notification(self, error: Any) -> None:
        """Tell of an error: a sentence or an exception."""
        self._notifier.send_error(error)

    def send_bot_alert(self, alert: BotAlert) -> None:
        """Tell of what a bot did, or of what befell it, as loud as the configuration says."""
        self._notifier.send_bot_alert(alert)

    def resend(self, lines: Sequence[OutboxLine]) -> None:
        """Deliver what is left of an earlier run, with its real time, unless it is too old."""
        self._notifier.resend(lines)

    def send_test(self, channel: str) -> None:
        """Send a test message through "toast", "desktop", "telegram" or "email", also if it is turned off."""
        self._notifier.send_trial(channel)

    def apply_config(self, config: Config | Mapping[str, Any]) -> None:
        """Work by `config` from now on. Raises `ConfigError` for a bad mapping."""
        self._notifier.apply_config(as_config(config))

    def stop(self, timeout: float = 2.0) -> None:
        """End all threads within `timeout` seconds, take toasts away; what waits has failed. Idempotent."""
        self._notifier.stop(timeout)
        self._hand_on()
        self._toasts.clear()
        self._desktop.close()

    def _accept(self, message: Message, channels: Sequence[str]) -> None:
        self._take(AcceptMessage(message=message, channels=tuple(channels)))

    def _take(self, told: Delivery | AcceptMessage) -> None:
        """From any thread: one wake-up of the GUI thread serves all that a burst tells."""
        self._waiting.append(told)
        if not self._announced.is_set():
            self._announced.set()
            self._arrived.emit()

    @pyqtSlot()
    def _hand_on(self) -> None:
        self._announced.clear()
        deliveries = []
        while self._waiting:
            told = self._waiting.popleft()
            if isinstance(told, Delivery):
                deliveries.append(told)
            else:
                self.accepted.emit(told)
        if deliveries:
            self.deliveries_changed.emit(tuple(deliveries))
