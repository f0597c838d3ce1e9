"""What this program is, its licence, and what its prices are worth."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from PyQt5.QtCore import PYQT_VERSION_STR, QT_VERSION_STR, Qt
from PyQt5.QtWidgets import QDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from core.i18n import tr
from gui.icons import icon

WIDTH = 420
PICTURE = 40


class AboutDialog(QDialog):
    """Name, version, licence and the warning about the data."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("settings.about_title"))
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 18)
        column.setSpacing(10)
        picture = QLabel(self)
        picture.setPixmap(icon("chart", "accent_text").pixmap(PICTURE, PICTURE))
        column.addWidget(picture)
        for text, role in self._lines():
            label = QLabel(text, self)
            label.setWordWrap(True)
            label.setProperty("role", role)
            label.setTextInteractionFlags(Qt.TextSelectableByMouse)
            column.addWidget(label)
        self.close_button = QPushButton(tr("settings.close"), self)
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.accept)
        column.addWidget(self.close_button, 0, Qt.AlignRight)
        self.setFixedWidth(WIDTH)

    @staticmethod
    def _lines() -> list[tuple[str, str]]:
        parts = tr(
            "settings.about_parts", python=platform.python_version(), qt=QT_VERSION_STR, pyqt=PYQT_VERSION_STR
        )
        return [
            ("Swing Hunter", "title"),
            (tr("settings.about_version", version=program_version()), "secondary"),
            (tr("settings.about_what"), ""),
            (tr("settings.about_data"), "warning"),
            (tr("settings.about_licence"), ""),
            (parts, "secondary"),
        ]


def program_version() -> str:
    """The installed version, or that of the source tree."""
    try:
        return version("swing-hunter")
    except PackageNotFoundError:
        return _source_version()


def _source_version() -> str:
    import tomllib
    from pathlib import Path

    file = Path(__file__).parents[2] / "pyproject.toml"
    try:
        return str(tomllib.loads(file.read_text("utf-8"))["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "?"
