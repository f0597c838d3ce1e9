"""The channel that shows messages through the desktop: the best of the services that work here."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Protocol

from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.message import Message
from gui.notifications.gui_call import GuiCaller

log = logging.getLogger(__name__)


class DesktopService(Protocol):
    """One way to show a message on the desktop. Called from the channel's thread."""

    label: str
    """Its name as a person knows it."""

    def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
        """Show it within `timeout` seconds, if `quiet` as unobtrusively as can be. Raises `DeliveryError`."""
        ...

    def probe(self, timeout: float) -> None:
        """Raises `DeliveryError` if it would not work."""
        ...

    def cancel(self) -> None:
        """From any thread: end what is under way within a second, refuse all later calls."""
        ...

    def close(self) -> None:
        """From the GUI thread, after `cancel`: free what is held. Idempotent."""
        ...


def services(caller: GuiCaller, platform: str = sys.platform) -> tuple[DesktopService, ...]:
    """The services to try on this system, best first."""
    from gui.notifications.desktop_tray import TrayService

    tray = TrayService(caller)
    if platform == "win32":
        from gui.notifications.desktop_windows import WindowsService

        return WindowsService(), tray
    if platform == "darwin":
        return (tray,)
    from gui.notifications.desktop_dbus import DBusService

    return DBusService(), tray


class DesktopChannel:
    """Shows each message through the first of `candidates` that takes it."""

    name = "desktop"
    external = False

    def __init__(self, candidates: Sequence[DesktopService]) -> None:
        self._candidates = tuple(candidates)

    def deliver(self, message: Message, timeout: float) -> str:
        """See `Channel.deliver`; the remark names the service."""
        failures = []
        for service in self._candidates:
            try:
                service.show(message.title, message.body, timeout, quiet=message.silent)
            except DeliveryError as error:
                log.info("no desktop notification through %s: %s", service.label, error)
                failures.append(error)
            else:
                return service.label
        raise _no_service(failures)

    def check(self, timeout: float) -> str:
        """See `Channel.check`."""
        failures = []
        for service in self._candidates:
            try:
                service.probe(timeout)
            except DeliveryError as error:
                failures.append(error)
            else:
                return tr("notify.desktop_ok", service=service.label)
        raise _no_service(failures)

    def cancel(self) -> None:
        """See `Channel.cancel`."""
        for service in self._candidates:
            service.cancel()

    def close(self) -> None:
        """Free what the services hold; from the GUI thread, after `cancel`."""
        for service in self._candidates:
            service.close()


def _no_service(failures: Sequence[DeliveryError]) -> DeliveryError:
    reasons = ", ".join(str(failure).rstrip(".") for failure in failures)
    permanent = all(failure.permanent for failure in failures)
    return DeliveryError(tr("notify.desktop_none", reasons=reasons), permanent=permanent)
