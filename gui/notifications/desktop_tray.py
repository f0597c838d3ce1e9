"""Desktop notifications through the system tray, which Qt knows on every system."""

from __future__ import annotations

from PyQt5.QtWidgets import QApplication, QStyle, QSystemTrayIcon

from core.errors import DeliveryError
from core.i18n import tr
from gui.notifications.gui_call import GuiCaller

_SHOWN_MS = 8000


class TrayService:
    """A tray icon that appears with the first message. Qt is only touched in the GUI thread."""

    label = "QSystemTrayIcon"

    def __init__(self, caller: GuiCaller) -> None:
        self._caller = caller
        self._icon: QSystemTrayIcon | None = None

    def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
        """See `DesktopService.show`; a quiet one has no sign beside it and goes sooner."""
        self._caller.call(lambda: self._show(title, body, quiet=quiet), timeout)

    def probe(self, timeout: float) -> None:
        """See `DesktopService.probe`."""
        self._caller.call(self._require_tray, timeout)

    def cancel(self) -> None:
        """See `DesktopService.cancel`."""
        self._caller.cancel()

    def close(self) -> None:
        """See `DesktopService.close`."""
        if self._icon is not None:
            self._icon.hide()
            self._icon.deleteLater()
            self._icon = None

    def _show(self, title: str, body: str, *, quiet: bool) -> None:
        self._require_tray()
        if self._icon is None:
            picture = QApplication.windowIcon()
            if picture.isNull():
                picture = QApplication.style().standardIcon(QStyle.SP_MessageBoxInformation)
            self._icon = QSystemTrayIcon(picture, self._caller)
            self._icon.setToolTip(QApplication.applicationDisplayName())
            self._icon.show()
        sign = QSystemTrayIcon.NoIcon if quiet else QSystemTrayIcon.Information
        self._icon.showMessage(title, body, sign, _SHOWN_MS // 2 if quiet else _SHOWN_MS)

    def _require_tray(self) -> None:
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            raise DeliveryError(tr("notify.tray_none"), permanent=True)
