"""The fields of a bot, in pages, each with what is wrong with it; judged by the file's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QGridLayout, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from core.bots.params import Parameter
from core.config import BotConfig
from core.config_check import Rule, check_field, field_rule
from core.errors import InputError
from core.i18n import tr
from gui.dialogs.fields import FormField, add_row
from gui.dialogs.setting_editors import BoolEditor, ChoiceEditor, Editor, make_editor
from gui.dialogs.symbols_editor import SymbolsEditor

PAGES = {
    "what": ("name", "symbols", "strategy", "direction", "autostart"),
    "money": ("cash", "size", "quantity", "max_open_positions", "fee_pct", "fee_min", "slippage_pct"),
    "risk": ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "trailing_stop_atr", "max_daily_loss",
             "daily_target", "cooldown_after_loss_sec"),
    "running": ("check_interval_sec", "time_limit_sec", "owner", "id"),
}  # fmt: skip
"""The fields by page; the strategy's own parameters follow the first page's."""
HELPED = frozenset((
    "symbols", "cash", "size", "quantity", "slippage_pct", "stop_loss_pct", "take_profit_pct",
    "trailing_stop_pct", "trailing_stop_atr", "max_daily_loss", "daily_target",
    "check_interval_sec", "owner", "id",
))  # fmt: skip
"""The fields that need more than their name."""
DOMAIN = "bot_form"


class BotForm(QTabWidget):
    """Editors for every field of a `BotConfig`; `edited(name)` tells which was changed.

    `strategies` are the names there are; symbols that name no exchange are on `exchange`. A strategy's
    parameters are shown by `show_params`.
    """

    edited = pyqtSignal(str)

    def __init__(
        self, strategies: tuple[str, ...], parent: QWidget | None = None, *, exchange: str = "BIST"
    ) -> None:
        super().__init__(parent)
        self._exchange = exchange
        self.fields: dict[str, FormField] = {}
        self.params: dict[str, FormField] = {}
        self._page_of: dict[str, int] = {}
        self._labels: list[QLabel] = []
        for number, (page, names) in enumerate(PAGES.items()):
            grid = self._add_page(page)
            for name in names:
                self._add_field(grid, name, strategies)
                self._page_of[name] = number
        self._grid = self._first_grid

    def _add_page(self, page: str) -> QGridLayout:
        content = QWidget()
        column = QVBoxLayout(content)
        grid = QGridLayout()
        column.addLayout(grid)
        column.addStretch(1)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        area.setWidget(content)
        self.addTab(area, tr(f"{DOMAIN}.page_{page}"))
        if page == "what":
            self._first_grid = grid
        return grid

    def _add_field(self, grid: QGridLayout, name: str, strategies: tuple[str, ...]) -> None:
        rule = field_rule(BotConfig, name)
        editor = self._make_editor(name, rule, strategies)
        cast(Editor, editor).retranslate()
        self.fields[name] = self._place(grid, editor, tr(f"{DOMAIN}.{name}"), _help(name))
        cast(Editor, editor).edited.connect(lambda: self.edited.emit(name))

    def _make_editor(self, name: str, rule: Rule, strategies: tuple[str, ...]) -> QWidget:
        if name == "strategy":
            return ChoiceEditor(name, strategies, DOMAIN)
        return SymbolsEditor(self._exchange) if name == "symbols" else make_editor(rule, DOMAIN)

    def _place(self, grid: QGridLayout, editor: QWidget, label: str, help_text: str) -> FormField:
        field = FormField(editor, label, help_text)
        if isinstance(editor, BoolEditor):
            grid.addWidget(field, grid.rowCount(), 1)
        else:
            add_row(grid, label, field)
        return field

    # --- the strategy's own parameters --------------------------------------------------------------

    def show_params(self, parameters: tuple[Parameter, ...], values: Mapping[str, Any]) -> None:
        """Show the parameters of the chosen strategy with `values`, their defaults where there are none."""
        for field in self.params.values():
            self._remove(field)
        self.params = {}
        for parameter in parameters:
            editor = _param_editor(parameter)
            cast(Editor, editor).set_value(values.get(parameter.name, parameter.default))
            field = self._place(self._grid, editor, parameter.label, parameter.accepted)
            self.params[parameter.name] = field
            cast(Editor, editor).edited.connect(lambda: self.edited.emit("params"))

    def _remove(self, field: FormField) -> None:
        grid = self._grid
        row = grid.getItemPosition(grid.indexOf(field))[0]
        for column in (0, 1):
            item = grid.itemAtPosition(row, column)
            widget = None if item is None else item.widget()
            if widget is not None:
                grid.removeWidget(widget)
                widget.setParent(None)  # type: ignore[call-overload]  # the stubs know no None
                widget.deleteLater()

    # --- values and problems ------------------------------------------------------------------------

    def set_value(self, name: str, value: Any) -> None:
        """Show `value` for the field `name`."""
        cast(Editor, self.fields[name].editor).set_value(value)

    def value(self, name: str) -> Any:
        """What is entered for `name`. Raises `InputError` with a sentence if that cannot be used."""
        value = cast(Editor, self.fields[name].editor).value()
        problem = check_field(BotConfig, name, value)
        if problem is not None:
            raise InputError(tr("bot_form.accepted", accepted=problem.accepted))
        return value

    def param_values(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The parameters that are entered, and what is wrong with the others."""
        values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, field in self.params.items():
            try:
                values[name] = cast(Editor, field.editor).value()
            except InputError as error:
                wrong[name] = str(error)
        return values, wrong

    def show_problems(self, problems: Mapping[str, str], params: Mapping[str, str]) -> None:
        """Write next to each field what is wrong with it, and mark the pages where anything is."""
        for name, field in self.fields.items():
            field.set_problem(problems.get(name, ""))
        for name, field in self.params.items():
            field.set_problem(params.get(name, ""))
        bad = {self._page_of[name] for name in problems} | ({0} if params else set())
        for number, page in enumerate(PAGES):
            title = tr(f"{DOMAIN}.page_{page}")
            self.setTabText(number, f"⚠ {title}" if number in bad else title)

    def go_to(self, name: str) -> None:
        """Show the page of the field `name` and put the keyboard there."""
        self.setCurrentIndex(self._page_of.get(name, 0))
        field = self.fields.get(name)
        if field is not None:
            field.editor.setFocus(Qt.OtherFocusReason)


def _help(name: str) -> str:
    return tr(f"{DOMAIN}.{name}.help") if name in HELPED else ""


def _param_editor(parameter: Parameter) -> QWidget:
    kind = parameter.kind
    choices = tuple(map(str, parameter.choices))
    if choices:
        return _NumberChoice(parameter.name, parameter.choices)
    rule = Rule(path=parameter.name, kind=kind, default=parameter.default, accepted=parameter.accepted)
    editor = make_editor(rule, "bot_form")
    if isinstance(editor, BoolEditor):
        editor.setText(parameter.label)
    return editor


class _NumberChoice(ChoiceEditor):
    """One of a few values, which keep their type."""

    def __init__(self, name: str, values: tuple[Any, ...]) -> None:
        super().__init__(name, tuple(map(str, values)), DOMAIN)
        self._values = values

    def value(self) -> Any:
        """See `Editor`."""
        return self._values[max(0, self.currentIndex())]

    def set_value(self, value: Any) -> None:
        """See `Editor`."""
        self.setCurrentIndex(self._values.index(value) if value in self._values else 0)
