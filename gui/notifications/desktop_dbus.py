"""Desktop notifications on Linux, by the Desktop Notifications Specification 1.2 over D-Bus.

QtDBus does its own input and output, so a plain thread may call and wait; the GUI thread is not touched.
"""

from __future__ import annotations

import html
import itertools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DeliveryError
from core.i18n import tr

if TYPE_CHECKING:
    from PyQt5.QtDBus import QDBusConnection, QDBusMessage

SERVICE = INTERFACE = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
_LONGEST_CALL = 1.5  # a call cannot be broken off, and closing the program may not wait longer
_SHOWN_MS = 8000
_ABSENT = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
_SILENT = ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout")
_numbers = itertools.count(1)


def session_address() -> str:
    """Where the session's bus listens, "" if there is none: left to itself Qt would start a new one."""
    given = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    usual = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent")) / "bus"
    return given or (f"unix:path={usual}" if usual.exists() else "")


class DBusService:
    """The session's notification service."""

    label = "D-Bus"

    def __init__(self) -> None:
        self._name = f"swing-hunter-notifications-{next(_numbers)}"
        self._connection: QDBusConnection | None = None
        self._connecting: threading.Thread | None = None
        self._markup = False
        self._cancelled = False

    def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
        """See `DesktopService.show`."""
        from PyQt5.QtCore import QMetaType, QVariant
        from PyQt5.QtDBus import QDBusArgument

        self.probe(timeout)
        nothing_replaced = QVariant(0)
        nothing_replaced.convert(QVariant.UInt)
        no_actions = QDBusArgument([], QMetaType.QStringList)
        text = html.escape(body, quote=False) if self._markup else body
        urgency = QVariant(0)
        urgency.convert(QVariant.Type(QMetaType.UChar))  # the specification wants a byte
        hints = {"urgency": urgency, "suppress-sound": True} if quiet else {}
        note = ["Swing Hunter", nothing_replaced, "", title, text, no_actions, hints, _SHOWN_MS]
        self._call("Notify", note, timeout)

    def probe(self, timeout: float) -> None:
        """See `DesktopService.probe`; also learns whether the service reads the body as markup."""
        if self._connection is None:
            self._connection = self._connect(timeout)
        capabilities = self._call("GetCapabilities", [], timeout).arguments()
        self._markup = bool(capabilities) and "body-markup" in (capabilities[0] or ())

    def cancel(self) -> None:
        """See `DesktopService.cancel`."""
        self._cancelled = True

    def close(self) -> None:
        """See `DesktopService.close`."""
        if self._connection is not None:
            from PyQt5.QtDBus import QDBusConnection

            self._connection = None
            QDBusConnection.disconnectFromBus(self._name)

    def _connect(self, timeout: float) -> QDBusConnection:
        """A connection to the session's bus.

        A bus that says nothing blocks its caller for ever, so it is called in a thread that may be left
        behind; while that one hangs, no other is started.
        """
        address = session_address()
        if not address:
            raise DeliveryError(tr("notify.dbus_no_session"), permanent=True)
        if self._connecting is not None and self._connecting.is_alive():
            raise DeliveryError(tr("notify.dbus_silent"))
        found: list[QDBusConnection] = []
        self._connecting = threading.Thread(
            target=self._open, args=(address, found), name="notify-dbus", daemon=True
        )
        self._connecting.start()
        self._connecting.join(min(timeout, _LONGEST_CALL))
        if self._connecting.is_alive():
            raise DeliveryError(tr("notify.dbus_silent"))
        if not found or not found[0].isConnected():
            raise DeliveryError(tr("notify.dbus_no_session"), permanent=True)
        return found[0]

    def _open(self, address: str, found: list[QDBusConnection]) -> None:
        from PyQt5.QtDBus import QDBusConnection

        found.append(QDBusConnection.connectToBus(address, self._name))

    def _call(self, method: str, arguments: list[Any], timeout: float) -> QDBusMessage:
        from PyQt5.QtDBus import QDBus, QDBusMessage

        if self._cancelled or self._connection is None:
            raise DeliveryError(tr("notify.closed"))
        call = QDBusMessage.createMethodCall(SERVICE, PATH, INTERFACE, method)
        call.setArguments(arguments)
        reply = self._connection.call(call, QDBus.Block, int(1000 * min(timeout, _LONGEST_CALL)))
        if reply.type() == QDBusMessage.ReplyMessage:
            return reply
        name = reply.errorName()
        if name in _ABSENT:
            raise DeliveryError(tr("notify.dbus_no_service"), permanent=True)
        if name in _SILENT:
            raise DeliveryError(tr("notify.dbus_silent"))
        self.close()  # the bus may have gone; the next try connects anew
        raise DeliveryError(tr("notify.dbus_failed", text=name.rpartition(".")[2]))
