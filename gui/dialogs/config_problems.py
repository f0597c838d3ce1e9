"""The one dialog that lists everything that is wrong with the settings file at the start."""

from __future__ import annotations

from html import escape
from pathlib import Path

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from core.config import Problem
from core.errors import ConfigError
from core.i18n import tr
from gui import theme
from gui.icons import icon

SIZE = (720, 460)


class ConfigProblemsDialog(QDialog):
    """All problems at once, each with its path, what was found and what is accepted; copies them as text."""

    def __init__(self, error: ConfigError, path: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("settings.broken_title"))
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self._text = "\n".join(([str(path)] if path else []) + [str(problem) for problem in error.problems])
        title = QLabel(tr("settings.broken_title"), self)
        title.setProperty("role", "title")
        intro = QLabel(tr("settings.broken_intro"), self)
        intro.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        for widget in (title, intro):
            column.addWidget(widget)
        if path is not None:
            where = QLabel(str(path), self)
            where.setTextFormat(Qt.PlainText)
            where.setWordWrap(True)
            where.setTextInteractionFlags(Qt.TextSelectableByMouse | Qt.TextSelectableByKeyboard)
            column.addWidget(where)
        self.view = QTextBrowser(self)
        self.view.setAccessibleName(tr("settings.broken_title"))
        self.view.setHtml(_html(error.problems))
        column.addWidget(self.view, 1)
        column.addLayout(self._make_buttons(len(error.problems)))
        self.resize(*SIZE)

    def _make_buttons(self, count: int) -> QHBoxLayout:
        name = "settings.broken_count_one" if count == 1 else "settings.broken_count"
        counted = QLabel(tr(name, count=count), self)
        counted.setProperty("role", "secondary")
        self.copy_button = QPushButton(icon("copy"), tr("settings.copy"), self)
        self.copy_button.setAutoDefault(False)
        self.copy_button.clicked.connect(self.copy)
        self.close_button = QPushButton(tr("settings.close"), self)
        self.close_button.setProperty("role", "primary")
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(counted)
        row.addStretch(1)
        row.addWidget(self.copy_button)
        row.addWidget(self.close_button)
        return row

    def copy(self) -> None:
        """Put all problems on the clipboard as plain text."""
        QApplication.clipboard().setText(self._text)
        self.copy_button.setText(tr("settings.copied"))


def _accepted(problem: Problem) -> str:
    text = escape(problem.accepted)
    if problem.accepted.endswith((".", "?", "!")):
        return text  # a sentence by itself
    label = escape(tr("settings.broken_accepted"))
    return f'<span style="color:{theme.colors().secondary}">{label}:</span> {text}'


def _html(problems: tuple[Problem, ...]) -> str:
    colours = theme.colors()
    blocks = []
    for problem in problems:
        hint = tr("settings.nearest", nearest=problem.nearest) if problem.nearest else ""
        blocks.append(
            f'<p style="margin:0 0 12px 0"><b>{escape(problem.path)}</b><br>'
            f'<span style="color:{colours.secondary}">{escape(tr("settings.broken_found"))}:</span> '
            f'<span style="color:{colours.down}">{escape(problem.found)}</span><br>'
            f"{_accepted(problem)}"
            + (f'<br><span style="color:{colours.warning}">{escape(hint)}</span>' if hint else "")
            + "</p>"
        )
    return "".join(blocks)
