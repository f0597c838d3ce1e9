"""The form in which a bot is made, changed or cloned."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from core.bots.registry import check_params, find_strategy, parameters, strategy_about, strategy_names
from core.config import BotConfig
from core.errors import InputError, StrategyError
from core.exchanges import exchange_of
from core.i18n import tr
from core.instruments import fold, parse_instrument
from gui.dialogs.bot_form import PAGES, BotForm

WIDTH, HEIGHT = 620, 560
_FIRST_ID = "bot"
_NOT_ID = re.compile(r"[^a-z0-9_-]+")


class BotDialog(QDialog):
    """A new bot, or the changes of `bot`; `bot()` is the result after `accepted`.

    `taken` are the ids of the other bots. With `clone` the form begins with `bot`'s values under a new id.
    `save` gets what was entered before the form closes; if it gives False, the form stays (`show_failure`).
    """

    def __init__(
        self, parent: QWidget | None = None, *, bot: BotConfig | None = None, clone: bool = False,
        taken: Collection[str] = (), exchange: str = "BIST", symbols: tuple[str, ...] = (),
        save: Callable[[BotConfig], bool] = lambda bot: True,
    ) -> None:  # fmt: skip
        """`symbols` are offered to a new bot."""
        super().__init__(parent)
        self._exchange = exchange
        self._taken = frozenset(taken)
        self._edits = bot is not None and not clone
        self._save = save
        self._blame_empty = False
        self._id_chosen = self._edits
        self._result: BotConfig | None = None
        name = "new" if bot is None else "clone" if clone else "edit"
        self.setWindowTitle(tr(f"bot_form.title_{name}", name="" if bot is None else bot.name))
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self.form = BotForm(self._strategies(bot), self, exchange=exchange)
        self._make_parts(tr("bot_form.save_edit" if self._edits else "bot_form.save_new"))
        self._fill(bot, clone=clone, symbols=symbols)
        self.form.edited.connect(self._on_edited)
        self._judge()
        self.resize(WIDTH, HEIGHT)

    def bot(self) -> BotConfig:
        """What was entered. Raises ValueError before the form is complete."""
        if self._result is None:
            raise ValueError("the form is not complete")
        return self._result

    # --- building -----------------------------------------------------------------------------------

    @staticmethod
    def _strategies(bot: BotConfig | None) -> tuple[str, ...]:
        names = strategy_names()
        return names if bot is None or bot.strategy in names else (*names, bot.strategy)

    def _make_parts(self, accept_text: str) -> None:
        self.about = QLabel(self)
        self.about.setWordWrap(True)
        self.about.setProperty("role", "secondary")
        self.failure = QLabel(self)
        self.failure.setWordWrap(True)
        self.failure.setTextFormat(Qt.PlainText)
        self.failure.setProperty("role", "down")
        self.failure.hide()
        self.accept_button = QPushButton(accept_text, self)
        self.accept_button.setProperty("role", "primary")
        self.accept_button.setDefault(True)
        self.cancel_button = QPushButton(tr("positions.cancel"), self)
        self.cancel_button.setAutoDefault(False)
        buttons = QDialogButtonBox(self)
        buttons.addButton(self.accept_button, QDialogButtonBox.AcceptRole)
        buttons.addButton(self.cancel_button, QDialogButtonBox.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        column.addWidget(self.form, 1)
        column.addWidget(self.about)
        column.addWidget(self.failure)
        column.addWidget(buttons)

    def _fill(self, bot: BotConfig | None, *, clone: bool, symbols: tuple[str, ...]) -> None:
        shown = BotConfig(id=self._free_id(_FIRST_ID), name="", symbols=symbols[:1]) if bot is None else bot
        if clone:
            name = tr("bot_form.copy_of", name=shown.name)
            shown = msgspec.structs.replace(shown, id=self._free_id(shown.id), name=name, autostart=False)
        for names in PAGES.values():
            for name in names:
                self.form.set_value(name, getattr(shown, name))
        self.form.fields["id"].editor.setEnabled(not self._edits)
        self._show_strategy(shown.strategy, shown.params)

    def _show_strategy(self, name: str, values: dict[str, Any]) -> None:
        try:
            known = parameters(find_strategy(name))
        except InputError as error:
            self.about.setText(str(error))
            self.form.show_params((), {})
            return
        self.about.setText(strategy_about(name))
        self.form.show_params(known, values)

    def _free_id(self, wish: str) -> str:
        if wish not in self._taken:
            return wish
        base = re.sub(r"-\d+$", "", wish)[:36]
        return next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in self._taken)

    def show_failure(self, sentence: str) -> None:
        """Say why what was entered could not be saved; nothing of it is lost."""
        self.failure.setText(sentence)
        self.failure.setVisible(bool(sentence))

    # --- judging ------------------------------------------------------------------------------------

    def _on_edited(self, name: str) -> None:
        if name == "strategy":
            self._show_strategy(self.form.fields["strategy"].editor.value(), {})  # type: ignore[attr-defined]
            self._judge()
            return
        if name == "id":
            self._id_chosen = True
        if name == "name" and not self._id_chosen:
            self._name_id()
        self._judge()

    def _name_id(self) -> None:
        """Let the id follow the name until the person writes one."""
        text = self.form.fields["name"].editor.value()  # type: ignore[attr-defined]  # it is an `Editor`
        wish = _NOT_ID.sub("-", fold(text)).strip("-_")[:36]
        blocked = self.form.blockSignals(True)
        self.form.set_value("id", self._free_id(wish or _FIRST_ID))
        self.form.blockSignals(blocked)

    def _judge(self) -> None:
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for names in PAGES.values():
            for name in names:
                try:
                    values[name] = self.form.value(name)
                except InputError as error:
                    problems[name] = str(error)
        problems |= self._beyond_types(values)
        params, wrong = self.form.param_values()
        wrong |= self._wrong_params(values.get("strategy", ""), params)
        self._result = None if problems or wrong else BotConfig(**values, params=params)
        self._all_problems = problems
        shown = problems
        if not self._blame_empty:
            shown = {name: text for name, text in problems.items() if not self._is_empty(name)}
        self.form.show_problems(shown, wrong)

    def _is_empty(self, name: str) -> bool:
        return name in ("name", "symbols") and not self.form.fields[name].editor.value()  # type: ignore[attr-defined]

    def _beyond_types(self, values: dict[str, Any]) -> dict[str, str]:
        """What the fields' types cannot say: real symbols of one currency, an id of its own, some size."""
        problems = {}
        if "symbols" in values:
            sentence = self._wrong_symbols(values["symbols"])
            if sentence:
                problems["symbols"] = sentence
        if values.get("id") in self._taken:
            problems["id"] = tr("bot_form.id_taken")
        if values.get("size") == 0 and values.get("quantity") == 0:
            problems["size"] = tr("bot_form.no_size")
        return problems

    def _wrong_symbols(self, symbols: tuple[str, ...]) -> str:
        if not symbols:
            return tr("positions.needed")
        try:
            found = [parse_instrument(text, self._exchange) for text in symbols]
        except InputError as error:
            return str(error)
        currencies = {exchange_of(each.exchange).currency for each in found}
        return tr("bot_form.one_currency") if len(currencies) > 1 else ""

    @staticmethod
    def _wrong_params(name: str, params: dict[str, Any]) -> dict[str, str]:
        try:
            found = check_params(find_strategy(name), params)
        except (InputError, StrategyError):
            return {}
        wrong = {}
        for problem in found:
            field = problem.path.partition(".")[2] or next(iter(params), "")
            wrong[field] = tr("bot_form.accepted", accepted=problem.accepted)
        return wrong

    def accept(self) -> None:
        """See Qt. Only a complete form is accepted; else the first problem is shown."""
        self._blame_empty = True
        self.show_failure("")
        self._judge()
        if self._result is not None:
            if self._save(self._result):
                super().accept()
        elif self._all_problems:
            self.form.go_to(next(iter(self._all_problems)))
        else:
            self.form.setCurrentIndex(0)
