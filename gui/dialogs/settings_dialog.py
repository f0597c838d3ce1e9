"""Every setting of the program, judged while typing by the rules of the file."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QEvent, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QShortcut,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.config import Config
from core.i18n import tr
from gui.dialogs.bot_alerts_page import BotAlertsPage
from gui.dialogs.setting_rules import LINKED, candidate, pages, sentences_between
from gui.dialogs.settings_page import SettingsPage
from gui.dialogs.threshold_preview import ThresholdPreview
from gui.icons import icon
from gui.widgets.panel_tools import set_role

SIZE = QSize(780, 580)
LIST_WIDTH = 175
LINE = 34
PICTURES = {
    "general": "settings", "prices": "chart", "signals": "signal", "notifications": "bell",
    "bot_alerts": "bell", "telegram": "send", "email": "mail", "push": "plug", "storage": "save",
}  # fmt: skip


class SettingsDialog(QDialog):
    """Edits a `Config`; `config_applied` carries the new one at Apply and at OK, if anything changed.

    `test_requested(channel)` asks for a test message; what is not applied yet is applied before it. Whoever
    cannot save an applied configuration may say so with `show_failure`.
    """

    config_applied = pyqtSignal(object)
    test_requested = pyqtSignal(str)
    preview_requested = pyqtSignal(object)
    """How often would this `Config` have given signals? The answer goes to `preview`."""

    def __init__(self, config: Config, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self._config = config
        self._candidate: Config | None = config
        self._values: dict[str, Any] = {}
        self._between: dict[str, str] = {}
        self._linking = self._refused = False
        self.pages = {name: _page(name, paths, self) for name, paths in pages().items()}
        self._page_of = {path: page for page in self.pages.values() for path in page.fields}
        self.preview = ThresholdPreview()
        self.pages["signals"].add_below(self.preview)
        self.preview.requested.connect(self._ask_preview)
        self._make_buttons()
        self._lay_out()
        self._load(config)
        for page in self.pages.values():
            page.edited.connect(self._on_edited)
            page.test_pressed.connect(self._test)
        self._judge_all()
        self.retranslate()
        self.resize(SIZE)

    # Building

    def _make_buttons(self) -> None:
        self.reset_button, self.ok_button, self.cancel_button, self.apply_button = (
            QPushButton(self) for _ in range(4)
        )
        self.ok_button.setProperty("role", "primary")
        self.ok_button.setDefault(True)
        for button in (self.reset_button, self.cancel_button, self.apply_button):
            button.setAutoDefault(False)
        self.ok_button.clicked.connect(self.accept)
        self.cancel_button.clicked.connect(self.reject)
        self.apply_button.clicked.connect(self.apply)
        self.reset_button.clicked.connect(self.reset_page)

    def _lay_out(self) -> None:
        self.list = QListWidget(self)
        self.list.setFixedWidth(LIST_WIDTH)
        self.list.setIconSize(QSize(16, 16))
        self.stack = QStackedWidget(self)
        for name, page in self.pages.items():
            item = QListWidgetItem(icon(PICTURES.get(name, "settings"), "secondary"), "", self.list)
            item.setSizeHint(QSize(0, LINE))
            self.stack.addWidget(page)
        self.list.currentRowChanged.connect(self.stack.setCurrentIndex)
        self.list.setCurrentRow(0)
        for keys, step in (("Ctrl+PgDown", 1), ("Ctrl+PgUp", -1)):
            QShortcut(QKeySequence(keys), self).activated.connect(lambda step=step: self._turn(step))
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.list)
        middle.addWidget(self.stack, 1)
        self.status = QLabel(self)
        self.status.setWordWrap(True)
        foot = QHBoxLayout()
        foot.setContentsMargins(12, 8, 12, 12)
        foot.addWidget(self.reset_button)
        foot.addWidget(self.status, 1)
        for button in (self.ok_button, self.cancel_button, self.apply_button):
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(middle, 1)
        column.addLayout(foot)

    def _load(self, config: Config) -> None:
        for page in self.pages.values():
            page.set_config(config)

    # What is entered

    def config(self) -> Config | None:
        """The configuration as entered, None while something is wrong with it."""
        return None if self._problem_paths() else self._candidate

    @property
    def unapplied(self) -> bool:
        """Whether something was changed since the last Apply."""
        return self._candidate != self._config

    def _on_edited(self, path: str) -> None:
        self._judge(path)
        self._follow_link(path)
        self._judge_together()
        if path in self.pages["signals"].fields:
            self.preview.follow(self.config() is not None)

    def _follow_link(self, path: str) -> None:
        """Move the other one of two switches that belong together."""
        other = LINKED.get(path) or next((one for one, two in LINKED.items() if two == path), None)
        if other is None or self._linking:
            return
        self._linking = True
        try:
            self._page_of[other].editor(other).set_value(self._page_of[path].editor(path).value())
        finally:
            self._linking = False

    def _judge(self, path: str) -> None:
        value = self._page_of[path].value(path)
        if path in self._page_of[path].wrong:
            self._values.pop(path, None)
        else:
            self._values[path] = value

    def _judge_all(self) -> None:
        for path in self._page_of:
            self._judge(path)
        self._judge_together()

    def _judge_together(self) -> None:
        """What the fields make together: the rules between them, and what the buttons may do."""
        self._candidate = candidate(self._config, self._values)
        self._between = sentences_between(self._candidate)
        for page in self.pages.values():
            page.show_problems(self._between)
            page.set_unapplied(self.unapplied)
        self._show_state()

    def _problem_paths(self) -> list[str]:
        return [path for path, page in self._page_of.items() if path in page.wrong or path in self._between]

    def _show_state(self, said: str = "") -> None:
        """Mark the pages with problems and say below what is to be done."""
        paths = self._problem_paths()
        bad = {self._page_of[path].name for path in paths}
        for place, name in enumerate(self.pages):
            mark = " ⚠" if name in bad else ""
            item = self.list.item(place)
            if item is not None:
                item.setText(tr(f"settings.page_{name}") + mark)
        self.apply_button.setEnabled(not paths and self.unapplied)
        text, role = said, "secondary"
        if paths:
            page = self._page_of[paths[0]]
            name = "one_problem" if len(paths) == 1 else "problems"
            text = tr(
                f"settings.{name}", count=len(paths), page=tr(f"settings.page_{page.name}"),
                field=page.label_of(paths[0]),
            )  # fmt: skip
            role = "down"
        elif self.unapplied and not said:
            text = tr("settings.unapplied")
        self.status.setText(text)
        set_role(self.status, role)

    # What the buttons do

    def apply(self) -> bool:
        """Hand out the configuration as entered; False if something is wrong with it."""
        paths = self._problem_paths()
        if paths or self._candidate is None:
            self._go_to(paths[0])
            return False
        if self.unapplied:
            before, self._config, self._refused = self._config, self._candidate, False
            self.config_applied.emit(self._config)
            if self._refused:
                self._config = before
                return False
            self._judge_together()
            self._show_state(tr("settings.applied"))
        return True

    def accept(self) -> None:
        """Apply and close; with problems, go to the first one instead."""
        if self.apply():
            super().accept()

    def reset_page(self) -> None:
        """Put the defaults into the fields of the page in view."""
        page = self.stack.currentWidget()
        if isinstance(page, SettingsPage):
            page.set_defaults()

    def show_failure(self, sentence: str) -> None:
        """Say that the configuration just applied could not be saved, so that it still waits."""
        self._refused = True
        self.status.setText(sentence)
        set_role(self.status, "down")

    def _ask_preview(self) -> None:
        config = self.config()
        if config is not None:
            self.preview_requested.emit(config)

    def _test(self, channel: str) -> None:
        if self.apply():
            self.test_requested.emit(channel)
            self._show_state(tr("settings.test_sent", channel=tr(f"notify.channel_{channel}")))

    def _go_to(self, path: str) -> None:
        page = self._page_of[path]
        self.list.setCurrentRow(list(self.pages).index(page.name))
        page.ensureWidgetVisible(page.fields[path])
        page.editor(path).setFocus()

    def _turn(self, step: int) -> None:
        self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())

    # Language

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.setWindowTitle(tr("settings.title"))
        self.list.setAccessibleName(tr("settings.pages"))
        self.ok_button.setText(tr("settings.ok"))
        self.cancel_button.setText(tr("settings.cancel"))
        self.apply_button.setText(tr("settings.apply"))
        self.reset_button.setText(tr("settings.reset"))
        self.reset_button.setToolTip(tr("settings.reset_tip"))
        self.preview.retranslate()
        for page in self.pages.values():
            page.retranslate()
        self._judge_all()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange and hasattr(self, "pages"):
            self.retranslate()


def _page(name: str, paths: tuple[str, ...], parent: QWidget) -> SettingsPage:
    return (BotAlertsPage if name == "bot_alerts" else SettingsPage)(name, paths, parent)
