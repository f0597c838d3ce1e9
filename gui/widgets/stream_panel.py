"""The base of panels that list what happens: a filtered table, its count, and how storms come into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt5.QtCore import QEvent, QTimer
from PyQt5.QtWidgets import QComboBox, QLabel, QWidget

from core.i18n import tr
from gui.models.rows import RowModel
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.table_tools import TableView


class StreamPanel(QWidget):
    """A subclass adds its filters and lays the parts out; `domain` is the catalogue's, `picture` the icon of
    the empty state. The first of a storm is shown at once, the rest in one go: each change of the table costs
    as much as many lines."""

    def __init__(
        self, model: RowModel, name: str, domain: str, picture: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._rows = model
        self._domain = domain
        self._stack = TableOrEmpty(self)
        self.table = TableView(model, name, self._stack)
        self.count = QLabel(self)
        self.count.setProperty("role", "secondary")
        self.empty = EmptyState(
            picture, f"{domain}.empty_title", f"{domain}.empty_text", parent=self._stack
        )  # fmt: skip
        self.empty.pressed.connect(self.clear_filter)
        self._stack.fill(self.table, self.empty)
        self._waiting: list[Any] = []
        self._gather = QTimer(self)
        self._gather.setSingleShot(True)
        self._gather.timeout.connect(self.flush)
        self.setFocusProxy(self.table)

    def _combo(self) -> QComboBox:
        """One of the filters."""
        combo = QComboBox(self)
        combo.currentIndexChanged.connect(self._apply_filter)
        return combo

    def _add(self, items: Sequence[Any], gather_ms: int, *, at_once: bool = True) -> None:
        """Show `items`: at once when it is quiet, those of the next `gather_ms` together."""
        self._waiting.extend(items)
        if self._gather.isActive():
            return
        if at_once:
            self.flush()
        self._gather.start(gather_ms)

    def flush(self) -> None:
        """Show what was gathered."""
        if self._waiting:
            fresh, self._waiting = self._waiting, []
            self._show(fresh)
            self._refresh_state()

    def _show(self, items: list[Any]) -> None:
        """Put `items` into the model."""
        raise NotImplementedError

    def clear_filter(self) -> None:
        """Show all lines."""
        raise NotImplementedError

    def _apply_filter(self) -> None:
        raise NotImplementedError

    def retranslate(self) -> None:
        """Speak the language in use."""
        raise NotImplementedError

    def _refresh_state(self) -> None:
        shown, count = self._rows.rowCount(), self._rows.count_all()
        name = "shown_some" if shown != count else "shown_one" if count == 1 else "shown_all"
        self.count.setText(tr(f"{self._domain}.{name}", shown=shown, count=count))
        if count and not shown:
            names = ("filtered_title", "filtered_text", "filtered_button")
            self.empty.set_keys(*(f"{self._domain}.{name}" for name in names))
        elif not count:
            self.empty.set_keys(f"{self._domain}.empty_title", f"{self._domain}.empty_text")
        self._stack.show_table(shown > 0)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
