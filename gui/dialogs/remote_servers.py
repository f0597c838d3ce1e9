"""The list of servers elsewhere whose bots are shown, and how each of them is."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.config import RemoteServerConfig
from core.i18n import tr

SIZE = QSize(560, 340)
ServerRow = tuple[RemoteServerConfig, str, bool]
"""A server, how it is in a sentence, and whether it is live."""


class RemoteServersDialog(QDialog):
    """Shows what its owner gives to `set_rows`; what a person wants comes out by signals."""

    add_requested = pyqtSignal()
    edit_requested = pyqtSignal(str)
    remove_requested = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("remote.servers_title"))
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self.resize(SIZE)
        about = QLabel(tr("remote.servers_about"), self)
        about.setWordWrap(True)
        about.setProperty("role", "secondary")
        self.list = QListWidget(self)
        self.list.setWordWrap(True)
        self.list.setAccessibleName(tr("remote.servers_title"))
        self.list.itemActivated.connect(lambda _item: self._edit())
        self.list.currentRowChanged.connect(lambda _row: self._enable())
        self.add_button = QPushButton(tr("remote.add_server"), self)
        self.edit_button = QPushButton(tr("remote.edit_server"), self)
        self.remove_button = QPushButton(tr("remote.remove_server"), self)
        self.add_button.clicked.connect(self.add_requested)
        self.edit_button.clicked.connect(self._edit)
        self.remove_button.clicked.connect(self._remove)
        close = QDialogButtonBox(QDialogButtonBox.Close, self)
        close.button(QDialogButtonBox.Close).setText(tr("remote.close"))
        close.rejected.connect(self.reject)
        row = QHBoxLayout()
        for button in (self.add_button, self.edit_button, self.remove_button):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(12)
        column.addWidget(about)
        column.addWidget(self.list, 1)
        column.addLayout(row)
        self.set_rows(())

    def set_rows(self, rows: Sequence[ServerRow]) -> None:
        """Show these servers; the choice stays."""
        while self.list.count() > len(rows):
            self.list.takeItem(self.list.count() - 1)
        for number, (server, sentence, live) in enumerate(rows):
            item = self.list.item(number)
            if item is None:
                item = QListWidgetItem(self.list)
            item.setData(Qt.UserRole, server.name)
            item.setText(f"{'●' if live else '○'} {sentence}\n{server.url}")
        self._enable()

    def current(self) -> str:
        """The chosen server's name, "" if there is none."""
        item = self.list.currentItem()
        return "" if item is None else str(item.data(Qt.UserRole))

    def _enable(self) -> None:
        for button in (self.edit_button, self.remove_button):
            button.setEnabled(bool(self.current()))

    def _edit(self) -> None:
        if self.current():
            self.edit_requested.emit(self.current())

    def _remove(self) -> None:
        if self.current():
            self.remove_requested.emit(self.current())
