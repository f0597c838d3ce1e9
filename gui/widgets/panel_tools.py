"""The small parts that the desk's panels share: actions in a bar, totals, labels in a role's colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt5.QtCore import QEvent, QSize, Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import (
    QAction,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from core.i18n import tr
from gui import theme
from gui.icons import icon

ICON = QSize(16, 16)
COMBO_FRAME = 44
COMBO_HEIGHT = 28


class PanelAction(QAction):
    """An action whose text and tooltip (with its key) follow the language.

    `keys` are only told in the tooltip: who handles them is the table, or the window's menu.
    """

    def __init__(
        self, owner: QWidget, name: str, key: str, run: Callable[[], object], keys: str = ""
    ) -> None:
        super().__init__(icon(name), "", owner)
        self._key = key
        self._keys = keys
        self.triggered.connect(lambda _checked=False: run())
        self.retranslate()

    def retranslate(self) -> None:
        """Speak the language in use."""
        text = tr(self._key)
        self.setText(text)
        keys = QKeySequence(self._keys).toString(QKeySequence.NativeText)
        self.setToolTip(f"{text.rstrip('…')} ({keys})" if keys else text.rstrip("…"))


class ActionBar(QWidget):
    """A row of buttons for actions; further widgets go to the right of them."""

    def __init__(self, actions: Sequence[PanelAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = tuple(actions)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(6, 4, 6, 4)
        self.row.setSpacing(4)
        for action in self._actions:
            self.row.addWidget(action_button(action, self))
        self.row.addStretch(1)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            for action in self._actions:
                action.retranslate()


def action_button(action: QAction, parent: QWidget) -> QToolButton:
    """A flat button with the action's icon and text, reachable by Tab."""
    button = QToolButton(parent)
    button.setDefaultAction(action)
    button.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
    button.setIconSize(ICON)
    button.setFocusPolicy(Qt.TabFocus)
    return button


class TotalsBar(QLabel):
    """The line at the foot of a table; rich text in the theme's colours, rewritten only when it differs.

    `set_lines` takes one list of parts per line; a part is (label, value, role, note).
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[list[tuple[str, str, str, str]]] = []
        self._html = ""
        self.setTextFormat(Qt.RichText)
        self.setWordWrap(True)
        self.setContentsMargins(10, 5, 10, 5)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Minimum)
        theme.theme_signals().changed.connect(self._render)

    def set_lines(self, lines: list[list[tuple[str, str, str, str]]]) -> None:
        """Show these totals."""
        if lines != self._lines:
            self._lines = lines
            self._render()

    def plain(self) -> str:
        """What is shown, without colours."""
        parts = (" ".join(filter(None, part[:2] + part[3:])) for line in self._lines for part in line)
        return "   ".join(parts)

    def _render(self) -> None:
        colours = theme.colors()
        html = "<br>".join(
            "&nbsp;&nbsp; ".join(_part_html(part, colours) for part in line) for line in self._lines
        )
        if html != self._html:
            self._html = html
            self.setText(html)
            self.setAccessibleDescription(self.plain())
        self.setVisible(bool(self._lines))


def _part_html(part: tuple[str, str, str, str], colours: theme.Colors) -> str:
    from html import escape  # here, as it brings a table of two thousand names

    label, value, role, note = (text.replace(" ", "\N{NO-BREAK SPACE}") for text in part)
    pieces = []
    if label:
        pieces.append(f'<span style="color:{colours.secondary}">{escape(label)}</span>')
    if value:
        pieces.append(f'<span style="color:{getattr(colours, role)};font-weight:600">{escape(value)}</span>')
    if note:
        pieces.append(f'<span style="color:{getattr(colours, role)}">{escape(note)}</span>')
    return "&nbsp;".join(pieces)


def set_role(widget: QWidget, role: str) -> None:
    """Give `widget` a role of the style sheet and have it painted anew."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def fill_combo(combo: QComboBox, name: str, items: Sequence[str]) -> None:
    """Fill or translate a fixed choice; `items` are keys, or names in the domain of `name`."""
    domain = name.partition(".")[0]
    combo.setAccessibleName(tr(name))
    combo.setToolTip(tr(name))
    combo.setSizeAdjustPolicy(QComboBox.AdjustToContents)
    texts = [tr(item if "." in item else f"{domain}.{item}") for item in items]
    widest = max(map(combo.fontMetrics().horizontalAdvance, texts))
    combo.setMinimumWidth(widest + COMBO_FRAME)
    combo.setFixedHeight(COMBO_HEIGHT)
    blocked = combo.blockSignals(True)
    if combo.count() != len(texts):
        combo.clear()
        combo.addItems(texts)
    for index, text in enumerate(texts):
        combo.setItemText(index, text)
    combo.blockSignals(blocked)


def ask_save_name(parent: QWidget, name: str) -> Path | None:
    """Ask where a CSV file is to go; None if the person thinks better of it."""
    chosen, _ = QFileDialog.getSaveFileName(
        parent, tr("positions.export_title"), name, tr("positions.import_filter")
    )
    return Path(chosen) if chosen else None


def tell(parent: QWidget, text: str, *, level: str = "info") -> QMessageBox:
    """Show one sentence in a window of its own that blocks nobody."""
    icons = {"info": QMessageBox.Information, "warning": QMessageBox.Warning, "error": QMessageBox.Critical}
    box = QMessageBox(icons[level], parent.window().windowTitle(), text, QMessageBox.Ok, parent)
    box.setAttribute(Qt.WA_DeleteOnClose)
    box.open()
    return box
