"""The parts of a form: an editor with its help and, right below it, what is wrong with its content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QShowEvent
from PyQt5.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import InputError
from core.i18n import tr
from gui.dialogs.numbers import parse_decimal

LINE_HEIGHT = 36


class FormField(QWidget):
    """An editor in a form. `set_problem` shows a sentence below it and tells screen readers."""

    def __init__(
        self, editor: QWidget, label: str, help_text: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.editor = editor
        self.problem = ""
        self._label_text = label
        self._help_text = help_text
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setTextInteractionFlags(Qt.NoTextInteraction)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(editor)
        column.addWidget(self.note)
        self.setFocusProxy(editor)
        self.set_label(label, help_text)

    def set_label(self, label: str, help_text: str = "") -> None:
        """Name the field in the interface's language."""
        self._label_text, self._help_text = label, help_text
        self.editor.setAccessibleName(label)
        self.set_problem(self.problem)

    @property
    def label_text(self) -> str:
        """The field's name."""
        return self._label_text

    def set_problem(self, sentence: str, level: str = "down") -> None:
        """Say what is wrong ("" = nothing, the help comes back); `level` "warning" lets the value stand."""
        self.problem = sentence if level == "down" else ""
        shown = sentence or self._help_text
        self.note.setText(f"⚠ {sentence}" if sentence else self._help_text)
        self.note.setVisible(bool(shown))
        _set_property(self.note, "role", level if sentence else "secondary")
        _set_property(self.editor, "invalid", "true" if self.problem else "")
        self.editor.setAccessibleDescription(shown)


def add_row(grid: QGridLayout, label: str, field: FormField) -> QLabel:
    """Put the field into the grid's next row, its name level with the editor (not with the help below it)."""
    name = QLabel(label, field.parentWidget())
    name.setBuddy(field.editor)
    name.setFixedHeight(min(field.editor.sizeHint().height(), LINE_HEIGHT))
    row = grid.rowCount()
    grid.addWidget(name, row, 0, Qt.AlignTop)
    grid.addWidget(field, row, 1)
    return name


def _set_property(widget: QWidget, name: str, value: str) -> None:
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def decimal_in(editor: QLineEdit, check: Callable[[Decimal], str] = lambda value: "") -> Decimal | None:
    """The number in `editor`, None if it is empty. Raises `InputError` with the sentence of `check`."""
    text = editor.text().strip()
    if not text:
        return None
    value = parse_decimal(text)
    sentence = check(value)
    if sentence:
        raise InputError(sentence)
    return value


def positive(value: Decimal) -> str:
    """The sentence for a price that is none."""
    return "" if value > 0 else tr("positions.price_positive")


class FormDialog(QDialog):
    """A dialog of fields with one accept button, which is enabled when nothing is wrong.

    A field that has not been touched is not blamed for being empty until the person presses the button.
    """

    def __init__(self, parent: QWidget | None, title: str, accept_text: str, *, danger: bool = False) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self.fields: list[FormField] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(20, 16, 20, 16)
        self._column.setSpacing(12)
        self.form = QGridLayout()
        self.form.setHorizontalSpacing(14)
        self.form.setVerticalSpacing(9)
        self.form.setColumnStretch(1, 1)
        self._column.addLayout(self.form)
        self.buttons = QDialogButtonBox(self)
        self.accept_button = QPushButton(accept_text, self)
        self.accept_button.setProperty("role", "danger" if danger else "primary")
        self.accept_button.setDefault(True)
        self.cancel_button = QPushButton(tr("positions.cancel"), self)
        self.cancel_button.setAutoDefault(False)
        self.buttons.addButton(self.accept_button, QDialogButtonBox.AcceptRole)
        self.buttons.addButton(self.cancel_button, QDialogButtonBox.RejectRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    def add_field(self, label: str, editor: QWidget, help_text: str = "") -> FormField:
        """Add a row; its label's Alt key and its accessible name come along."""
        field = FormField(editor, label, help_text, self)
        add_row(self.form, label, field)
        self.fields.append(field)
        return field

    def finish(self, *extra: QWidget) -> None:
        """Put `extra` widgets and the buttons below the fields."""
        for widget in extra:
            self._column.addWidget(widget)
        self._column.addStretch(1)
        self._column.addWidget(self.buttons)

    def first_problem(self) -> FormField | None:
        """The first field that something is wrong with."""
        return next((field for field in self.fields if field.problem), None)

    def show_problems(self, found: Iterable[tuple[FormField, str]]) -> None:
        """Show these sentences and clear the other fields."""
        sentences = dict(found)
        for field in self.fields:
            field.set_problem(sentences.get(field, ""))
        self.make_room()

    def showEvent(self, event: QShowEvent) -> None:
        """Wrapped lines are only known now."""
        super().showEvent(event)
        self.make_room()

    def make_room(self) -> None:
        """Grow if what is shown needs more height than there is."""
        layout = self.layout()
        layout.activate()
        needed = (
            layout.totalHeightForWidth(self.width())
            if layout.hasHeightForWidth()
            else layout.sizeHint().height()
        )
        if self.isVisible() and needed > self.height():
            self.resize(self.width(), needed)
