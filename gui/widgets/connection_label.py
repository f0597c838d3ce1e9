"""The connection's dot with its word."""

from __future__ import annotations

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PyQt5.QtWidgets import QSizePolicy, QWidget

from core.i18n import tr
from core.model import FeedStatus
from gui import theme

_DOT = 8
_GAP = 6
_ROLES = {
    "running": "up",
    "old": "warning",
    "connecting": "warning",
    "simulated": "simulated",
    "replay": "simulated",
    "offline": "down",
    "down": "down",
}


class ConnectionLabel(QWidget):
    """Says in one word, and at length in its tooltip, whether prices arrive."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = "stopped"
        self._source = ""
        self.setSizePolicy(QSizePolicy.Fixed, QSizePolicy.Preferred)
        self.retranslate()

    @property
    def state(self) -> str:
        """One of `FeedStatus.state`, or "down" where nothing more is known."""
        return self._state

    def set_connected(self, connected: bool) -> None:
        """Take the bare yes or no; a fuller word that says the same stays."""
        if connected != (self._state in ("running", "old", "replay")):
            self._set("running" if connected else "down", "")

    def set_status(self, status: FeedStatus) -> None:
        """Take what the feed says of itself."""
        if status.replay_speed and status.connected:
            self._set("replay", status.active)
            return
        self._set(status.state if f"link_{status.state}" in _KNOWN else "down", status.active)

    def _set(self, state: str, source: str) -> None:
        if (state, source) != (self._state, self._source):
            self._state, self._source = state, source
            self.retranslate()

    def retranslate(self) -> None:
        """Say everything again in the present language."""
        name = f"ticker.link_tip_{self._state}"
        if self._state == "running" and not self._source:
            name += "_bare"
        self.setToolTip(tr(name, source=self._source))
        self.setAccessibleName(self.text())
        self.setAccessibleDescription(self.toolTip())
        self.updateGeometry()
        self.update()

    def text(self) -> str:
        """The word beside the dot."""
        return tr(f"ticker.link_{self._state}")

    def sizeHint(self) -> QSize:
        """See Qt."""
        metrics = QFontMetricsF(theme.ui_font())
        return QSize(
            round(metrics.horizontalAdvance(self.text())) + _DOT + _GAP + 2, round(metrics.height()) + 4
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """See Qt."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        colors = theme.colors()
        color = getattr(colors, _ROLES.get(self._state, "secondary"))
        middle = self.height() / 2
        painter.setPen(color)
        if self._state != "stopped":
            painter.setBrush(color)
        painter.drawEllipse(1, round(middle - _DOT / 2), _DOT, _DOT)
        painter.setPen(colors.text if self._state == "running" else color)
        painter.setFont(theme.ui_font())
        painter.drawText(
            self.rect().adjusted(_DOT + _GAP, 0, 0, 0), int(Qt.AlignVCenter | Qt.AlignLeft), self.text()
        )


_KNOWN = frozenset(
    f"link_{state}" for state in ("running", "old", "connecting", "simulated", "offline", "stopped")
)
