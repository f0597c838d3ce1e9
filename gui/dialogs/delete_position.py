"""The question before a position is deleted."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QDialogButtonBox, QLabel, QPushButton, QWidget

from core.i18n import tr
from core.model import Position
from core.price_rules import format_price
from gui.dialogs.fields import FormDialog
from gui.models.cells import quantity_text

WIDTH = 420


class DeletePositionDialog(FormDialog):
    """Accepted if the position is really to go; offers to close it instead. Enter and Esc both keep it."""

    close_instead = pyqtSignal()

    def __init__(self, position: Position, parent: QWidget | None = None) -> None:
        super().__init__(parent, tr("positions.delete_title"), tr("positions.delete_button"), danger=True)
        text = tr(
            "positions.delete_text", quantity=quantity_text(position.quantity), symbol=position.symbol,
            entry=format_price(position.key, float(position.entry_price), currency=True),
        )  # fmt: skip
        labels = [QLabel(text, self), QLabel(tr("positions.delete_hint"), self)]
        labels[1].setProperty("role", "secondary")
        for label in labels:
            label.setWordWrap(True)
            label.setTextFormat(Qt.PlainText)
        self.instead_button = QPushButton(tr("positions.delete_close_instead"), self)
        self.instead_button.setAutoDefault(False)
        self.buttons.addButton(self.instead_button, QDialogButtonBox.ActionRole)
        self.instead_button.clicked.connect(self._close_instead)
        self.accept_button.setAutoDefault(False)
        self.accept_button.setDefault(False)
        self.cancel_button.setDefault(True)
        self.cancel_button.setFocus()
        self.finish(*labels)
        self.setMinimumWidth(WIDTH)

    def _close_instead(self) -> None:
        self.reject()
        self.close_instead.emit()
