"""One page of the settings dialog: its fields, made from the configuration's own rules."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, cast

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from core.config import Config
from core.config_check import get_value, rule_of
from core.errors import InputError
from core.i18n import tr
from core.secrets import SECRET_PATHS, environment_name
from gui.dialogs.fields import FormField, add_row
from gui.dialogs.setting_editors import BoolEditor, Editor, make_editor
from gui.dialogs.setting_rules import TESTS, sentence_for
from gui.icons import icon

NAME_WIDTH = 190


class SettingsPage(QScrollArea):
    """The fields of one page; `edited(path)` at each change, `test_pressed(channel)` for a test message."""

    edited = pyqtSignal(str)
    test_pressed = pyqtSignal(str)

    def __init__(self, name: str, paths: Iterable[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.fields: dict[str, FormField] = {}
        self.wrong: dict[str, str] = {}
        self._names: dict[str, QLabel] = {}
        self._tests: dict[str, QPushButton] = {}
        self._tests_label = QLabel()
        self._unapplied = False
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(20, 14, 20, 14)
        self._title = QLabel()
        self._title.setProperty("role", "title")
        column.addWidget(self._title)
        column.addSpacing(8)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(10)
        self._grid.setColumnMinimumWidth(0, NAME_WIDTH)
        self._grid.setColumnStretch(1, 1)
        column.addLayout(self._grid)
        self._prepare()
        for path in paths:
            self._add(path)
        column.addSpacing(6)
        self._column = column
        column.addLayout(self._make_tests())
        column.addStretch(1)
        self._finish()
        self.setWidget(body)
        self.retranslate()

    def add_below(self, widget: QWidget) -> None:
        """Put `widget` under the fields."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def _prepare(self) -> None:
        """Before the fields are made."""

    def _finish(self) -> None:
        """After everything was laid out."""

    def _add(self, path: str) -> None:
        editor = make_editor(rule_of(path))
        field = FormField(editor, path, parent=self)
        cast(Editor, editor).edited.connect(lambda: self.edited.emit(path))
        self.fields[path] = field
        if isinstance(editor, BoolEditor):
            self._grid.addWidget(field, self._grid.rowCount(), 1)
        else:
            self._names[path] = add_row(self._grid, path, field)

    def _make_tests(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        channels = TESTS.get(self.name, ())
        self._tests_label.setVisible(len(channels) > 1)
        row.addWidget(self._tests_label)
        row.addStretch(1)
        for channel in channels:
            button = QPushButton(icon("send"), "")
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked, name=channel: self.test_pressed.emit(name))
            self._tests[channel] = button
            row.addWidget(button)
        return row

    def editor(self, path: str) -> Any:
        """The editor of a setting."""
        return self.fields[path].editor

    def label_of(self, path: str) -> str:
        """The name of a setting in the interface's language."""
        return tr(f"settings.{path}")

    def help_of(self, path: str) -> str:
        """What is said below a setting."""
        return _help(path)

    def set_config(self, config: Config) -> None:
        """Show the values of `config`."""
        for path in self.fields:
            self.editor(path).set_value(get_value(config, path))

    def set_defaults(self) -> None:
        """Put the defaults into all fields."""
        for path in self.fields:
            self.editor(path).set_value(rule_of(path).default)

    def value(self, path: str) -> Any:
        """What is entered for `path`, None (and an entry in `wrong`) if that cannot be used."""
        self.wrong.pop(path, None)
        try:
            value = self.editor(path).value()
        except InputError as error:
            self.wrong[path] = str(error)
            return None
        sentence = sentence_for(path, value)
        if sentence:
            self.wrong[path] = sentence
            return None
        return value

    def show_problems(self, between: dict[str, str]) -> None:
        """Write next to each field what is wrong with it; `between` are the problems with other fields."""
        for path, field in self.fields.items():
            sentence = self.wrong.get(path) or between.get(path, "")
            if sentence != field.problem:
                field.set_problem(sentence)

    def set_unapplied(self, unapplied: bool) -> None:
        """Whether a test has to apply first."""
        self._unapplied = unapplied
        self._tests_label.setText(tr("settings.apply_tests" if unapplied else "settings.tests"))
        for channel, button in self._tests.items():
            name = tr(f"notify.channel_{channel}")
            short = len(self._tests) > 1
            sentence = tr("settings.apply_test" if unapplied else "settings.test", channel=name)
            button.setText(name if short else sentence)
            button.setToolTip(sentence)
            button.setAccessibleName(sentence)

    def retranslate(self) -> None:
        """Speak the language in use."""
        self._title.setText(tr(f"settings.page_{self.name}"))
        for path, field in self.fields.items():
            field.set_label(self.label_of(path), self.help_of(path))
            self.editor(path).retranslate()
            if path in self._names:
                self._names[path].setText(self.label_of(path))
        self.set_unapplied(self._unapplied)


def _help(path: str) -> str:
    sentences = [tr(f"settings.{path}.help")]
    if path in SECRET_PATHS:
        name = SECRET_PATHS[path]
        variable = environment_name(name)
        source = "environment" if os.environ.get(variable) else "keyring"
        sentences.append(tr(f"settings.secret_{source}", variable=variable, name=name))
    return " ".join(filter(None, sentences))
