"""The channel that shows toasts in the window."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5 import sip
from PyQt5.QtWidgets import QApplication, QWidget

from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.message import Message
from gui.notifications.gui_call import GuiCaller
from gui.notifications.toast import ToastStack


class Toasts:
    """The toast stack of the window that is there: the given one, else the active or first visible one.

    Belongs to the GUI thread.
    """

    def __init__(self, host: QWidget | None = None) -> None:
        self._wanted = host
        self._stack: ToastStack | None = None

    @property
    def stack(self) -> ToastStack | None:
        """The stack in use, if its window still exists."""
        return None if self._stack is None or sip.isdeleted(self._stack) else self._stack

    def attach(self, host: QWidget) -> None:
        """Show toasts in `host` from now on."""
        self._wanted = host

    def show(self, message: Message) -> None:
        """Show `message`. Raises a permanent `DeliveryError` where there is no window."""
        host = self._host()
        if host is None:
            raise DeliveryError(tr("notify.toast_no_window"), permanent=True)
        stack = self.stack
        if stack is None or stack.host is not host:
            self.clear()
            stack = self._stack = ToastStack(host)
        stack.show_message(message)

    def clear(self) -> None:
        """Take all toasts away."""
        if self.stack is not None:
            self.stack.clear()

    def _host(self) -> QWidget | None:
        if self._wanted is not None and not sip.isdeleted(self._wanted):
            return self._wanted
        active = QApplication.activeWindow()
        if active is not None:
            return active
        windows = (widget for widget in QApplication.topLevelWidgets() if widget.isVisible())
        return next((widget for widget in windows if widget.isWindow()), None)


class ToastChannel:
    """Shows each message as a toast; `show` runs in the GUI thread."""

    name = "toast"
    external = False

    def __init__(self, caller: GuiCaller, show: Callable[[Message], None]) -> None:
        self._caller = caller
        self._show = show

    def deliver(self, message: Message, timeout: float) -> str:
        """See `Channel.deliver`. A silent message stands in the notification log, where this is noted."""
        if message.silent:
            return tr("notify.toast_silent")
        self._caller.call(lambda: self._show(message), timeout)
        return ""

    def check(self, timeout: float) -> str:
        """See `Channel.check`."""
        return tr("notify.toast_ok")

    def cancel(self) -> None:
        """See `Channel.cancel`."""
        self._caller.cancel()
