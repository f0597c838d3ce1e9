"""What a table shows while it has nothing to show: what will be here, and what to do next."""

from __future__ import annotations

from PyQt5.QtCore import QEvent, Qt, pyqtSignal
from PyQt5.QtGui import QShowEvent
from PyQt5.QtWidgets import QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from core.i18n import tr
from gui.icons import icon

SIZE = 36


class EmptyState(QWidget):
    """An icon, a title, a sentence and perhaps a button; the texts are catalogue keys."""

    pressed = pyqtSignal()

    def __init__(
        self, picture: str, title: str, text: str, button: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._keys = (title, text, button)
        self._picture = icon(picture, "secondary")
        self._image = QLabel(self)
        self._title = QLabel(self)
        self._title.setProperty("role", "title")
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self.button = QPushButton(self)
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self.pressed)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addStretch(2)
        for label in (self._image, self._title, self._text):
            label.setAlignment(Qt.AlignCenter)
            column.addWidget(label)
        column.addSpacing(4)
        column.addWidget(self.button, 0, Qt.AlignHCenter)
        column.addStretch(3)
        self.retranslate()

    def retranslate(self) -> None:
        """Speak the language in use."""
        title, text, button = self._keys
        self._title.setText(tr(title))
        self._text.setText(tr(text))
        self.button.setVisible(bool(button))
        if button:
            self.button.setText(tr(button))

    def set_keys(self, title: str, text: str, button: str = "") -> None:
        """Say something else, such as that a filter hides everything."""
        self._keys = (title, text, button)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:
        """Follow language and look."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        elif event.type() in (QEvent.PaletteChange, QEvent.StyleChange) and self.isVisible():
            self._paint_image()

    def showEvent(self, event: QShowEvent) -> None:
        """The picture is painted when it is first seen."""
        super().showEvent(event)
        self._paint_image()

    def _paint_image(self) -> None:
        self._image.setPixmap(self._picture.pixmap(SIZE, SIZE))


class TableOrEmpty(QStackedWidget):
    """A table, or the empty state in its place.

    Both are made with this as their parent, then `fill` it: Qt styles anew what gets another parent.
    """

    def fill(self, table: QWidget, empty: EmptyState) -> None:
        """Take both in; the empty state first, as Qt shows the first."""
        self.addWidget(empty)
        self.addWidget(table)

    def show_table(self, filled: bool) -> None:
        """Show the table if it is `filled`, else the empty state."""
        self.setCurrentIndex(1 if filled else 0)
