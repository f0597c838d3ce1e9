"""One editor per kind of setting. Each gives its value, takes one, and tells when it changed.

`value()` raises `InputError` with a sentence where what was typed is no value of that kind at all; whether
the value is admitted is judged by the file's own rules, not here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Protocol

from PyQt5.QtCore import QDate, pyqtBoundSignal, pyqtSignal
from PyQt5.QtGui import QWheelEvent
from PyQt5.QtWidgets import (
    QAction,
    QCheckBox,
    QComboBox,
    QDateEdit,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.config_check import Rule
from core.errors import InputError
from core.exchanges import EXCHANGES
from core.i18n import tr
from gui.dialogs.numbers import edit_text, parse_decimal
from gui.icons import icon

CLOSURES = "extra_closures"
LINES_SHOWN = {"symbols": 7, "real_time.email.recipients": 3, CLOSURES: 4}
ADDRESSES = frozenset(("storage.url", "server.redis_url"))
HAS_PASSWORD = re.compile(r"//[^/@]*:[^/]*@")
NUMBER_WIDTH = 120


class Editor(Protocol):
    """What the page needs of an editor, which is also a `QWidget`."""

    edited: pyqtBoundSignal

    def value(self) -> Any:
        """What is entered. Raises `InputError`."""
        ...

    def set_value(self, value: Any) -> None:
        """Show `value`."""
        ...

    def retranslate(self) -> None:
        """Speak the language in use."""
        ...


class BoolEditor(QCheckBox):
    """Yes or no; its text is the setting's name, in the catalogue's `domain`."""

    edited = pyqtSignal()

    def __init__(self, path: str, domain: str = "settings") -> None:
        super().__init__()
        self._path = path
        self._domain = domain
        self.toggled.connect(lambda _on: self.edited.emit())

    def value(self) -> bool:
        """See `Editor`."""
        return self.isChecked()

    def set_value(self, value: bool) -> None:
        """See `Editor`."""
        self.setChecked(value)

    def retranslate(self) -> None:
        """See `Editor`."""
        self.setText(tr(f"{self._domain}.{self._path}"))


class NumberEditor(QLineEdit):
    """A number as people type it in their language."""

    edited = pyqtSignal()

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self._whole = whole
        self._last: float | None = None
        self.setMaximumWidth(NUMBER_WIDTH)
        self.textChanged.connect(self._remember)

    def value(self) -> int | float:
        """See `Editor`."""
        if not self.text().strip():
            raise InputError(tr("positions.needed"))
        number = parse_decimal(self.text())
        if not self._whole:
            return float(number)
        if number != number.to_integral_value():
            raise InputError(tr("settings.whole_number"))
        return int(number)

    def set_value(self, value: float) -> None:
        """See `Editor`."""
        number = Decimal(repr(value))
        whole = number == number.to_integral_value()
        self.setText(edit_text(number.to_integral_value() if whole else number))

    def retranslate(self) -> None:
        """The decimal sign follows the language; what was typed in the old one keeps its value."""
        if self._last is not None:
            self.set_value(self._last)

    def _remember(self) -> None:
        try:
            self._last = self.value()
        except InputError:
            self._last = None
        self.edited.emit()


class TextEditor(QLineEdit):
    """A line of text without blanks around it; a secret one is hidden until it is revealed."""

    edited = pyqtSignal()

    def __init__(self, *, secret: bool = False) -> None:
        super().__init__()
        self._secret = secret
        self._reveal: QAction | None = None
        if secret:
            self.conceal()
        self.textChanged.connect(lambda _text: self.edited.emit())

    def value(self) -> str:
        """See `Editor`."""
        return self.text() if self._secret else self.text().strip()

    def set_value(self, value: str) -> None:
        """See `Editor`."""
        self.setText(value)
        self.setCursorPosition(0)

    def retranslate(self) -> None:
        """See `Editor`."""
        if self._reveal is not None:
            hidden = self.echoMode() == QLineEdit.Password
            self._reveal.setText(tr("settings.reveal" if hidden else "settings.conceal"))
            self._reveal.setToolTip(self._reveal.text())
            self._reveal.setIcon(icon("eye" if hidden else "eye-off", "secondary"))

    def conceal(self) -> None:
        """Hide what is entered until the user wants to see it."""
        self.setEchoMode(QLineEdit.Password)
        if self._reveal is None:
            self._reveal = self.addAction(icon("eye", "secondary"), QLineEdit.TrailingPosition)
            self._reveal.triggered.connect(self._toggle)
        self.retranslate()

    def _toggle(self) -> None:
        hidden = self.echoMode() == QLineEdit.Password
        self.setEchoMode(QLineEdit.Normal if hidden else QLineEdit.Password)
        self.retranslate()


class AddressEditor(TextEditor):
    """The address of a database or a Redis: hidden while there is a password in it."""

    def set_value(self, value: str) -> None:
        """See `Editor`."""
        super().set_value(value)
        if HAS_PASSWORD.search(value):
            self.conceal()


class ChoiceEditor(QComboBox):
    """One of the admitted words, shown in the interface's language by the catalogue's `domain`."""

    edited = pyqtSignal()

    def __init__(self, path: str, choices: tuple[str, ...], domain: str = "settings") -> None:
        super().__init__()
        self._path = path
        self._domain = domain
        for choice in choices:
            self.addItem(choice, choice)
        self.currentIndexChanged.connect(lambda _index: self.edited.emit())
        self.setSizeAdjustPolicy(QComboBox.AdjustToContents)

    def value(self) -> str:
        """See `Editor`."""
        return str(self.currentData())

    def set_value(self, value: str) -> None:
        """See `Editor`."""
        self.setCurrentIndex(max(0, self.findData(value)))

    def retranslate(self) -> None:
        """See `Editor`."""
        for index in range(self.count()):
            choice = self.itemData(index)
            try:
                self.setItemText(index, tr(f"{self._domain}.{self._path}.{choice}"))
            except KeyError:  # a name that is the same in all languages, such as an exchange's
                self.setItemText(index, choice)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolling the page must not change a setting on the way."""
        event.ignore()


class LinesEditor(QPlainTextEdit):
    """A list of texts, one on each line; empty lines do not count."""

    edited = pyqtSignal()

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setFixedHeight(self.fontMetrics().lineSpacing() * lines + 16)
        self.textChanged.connect(self.edited)

    def value(self) -> tuple[str, ...]:
        """See `Editor`."""
        return tuple(filter(None, map(str.strip, self.toPlainText().splitlines())))

    def set_value(self, value: tuple[str, ...]) -> None:
        """See `Editor`."""
        self.setPlainText("\n".join(value))

    def retranslate(self) -> None:
        """See `Editor`."""


class ClosuresEditor(QWidget):
    """The extra closed days: lines to edit freely, and a calendar to add one."""

    edited = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.lines = LinesEditor(LINES_SHOWN[CLOSURES])
        self.lines.edited.connect(self.edited)
        self.exchange = QComboBox()
        self.exchange.addItems([code for code, each in EXCHANGES.items() if each.open_minute is not None])
        self.day = QDateEdit(QDate.currentDate())
        self.day.setCalendarPopup(True)
        self.add_button = QPushButton()
        self.add_button.setAutoDefault(False)
        self.add_button.clicked.connect(self._add)
        row = QHBoxLayout()
        for widget in (self.exchange, self.day, self.add_button):
            row.addWidget(widget)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.lines)
        column.addLayout(row)
        self.setFocusProxy(self.lines)

    def _add(self) -> None:
        text = f"{self.exchange.currentText()}:{self.day.date().toString('yyyy-MM-dd')}"
        if text not in self.value():
            self.set_value((*self.value(), text))

    def value(self) -> tuple[str, ...]:
        """See `Editor`."""
        return self.lines.value()

    def set_value(self, value: tuple[str, ...]) -> None:
        """See `Editor`."""
        self.lines.set_value(value)

    def retranslate(self) -> None:
        """See `Editor`."""
        self.exchange.setAccessibleName(tr("settings.day_exchange"))
        self.day.setAccessibleName(tr("settings.day"))
        self.day.setDisplayFormat(tr("settings.date_format"))
        self.add_button.setText(tr("settings.add_day"))
        self.lines.setAccessibleName(tr(f"settings.{CLOSURES}"))


def make_editor(rule: Rule, domain: str = "settings") -> QWidget:
    """The editor for a setting of this rule; it is an `Editor`. Its words are in the catalogue's `domain`."""
    if rule.path == CLOSURES:
        return ClosuresEditor()
    match rule.kind:
        case "bool":
            return BoolEditor(rule.path, domain)
        case "int" | "float":
            return NumberEditor(rule.kind == "int")
        case "choice":
            return ChoiceEditor(rule.path, rule.choices, domain)
        case "texts":
            return LinesEditor(LINES_SHOWN.get(rule.path, 4))
        case "text":
            return AddressEditor() if rule.path in ADDRESSES else TextEditor(secret=rule.secret)
    raise ValueError(f"there is no editor for {rule.path} ({rule.kind})")
