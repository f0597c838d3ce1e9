"""The settings dialog judges by the file's rules and hands out a whole configuration; its two small kin."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QDate, QEvent, Qt
from PyQt5.QtWidgets import QApplication, QLabel, QLineEdit

from core.config import BotConfig, Config, ServerConfig, StorageConfig
from core.config_check import all_paths, get_value
from core.config_file import parse_config
from core.errors import ConfigError
from core.i18n import set_language, tr
from gui.dialogs.about import AboutDialog
from gui.dialogs.config_problems import ConfigProblemsDialog
from gui.dialogs.setting_rules import KEPT_AS_THEY_STAND, PAGES, pages
from gui.dialogs.settings_dialog import SettingsDialog

THRESHOLD = "real_time.signal_threshold_pct"


@pytest.fixture
def dialog(qtbot):
    return make(qtbot)


def make(qtbot, config=None):
    widget = SettingsDialog(config or Config())
    widget.applied = []
    widget.config_applied.connect(widget.applied.append)
    qtbot.addWidget(widget)
    widget.show()
    return widget


def editor(dialog, path):
    return dialog._page_of[path].editor(path)


def note(dialog, path):
    return dialog._page_of[path].fields[path].problem


def test_every_setting_has_its_place_its_name_and_its_help():
    placed = [path for paths in PAGES.values() for path in paths]
    assert sorted(placed) == sorted(set(all_paths()) - KEPT_AS_THEY_STAND)
    assert pages() == PAGES
    for language in ("en", "tr"):
        set_language(language)
        for path in placed:
            if path not in PAGES["bot_alerts"]:
                assert tr(f"settings.{path}")
                tr(f"settings.{path}.help")


def test_it_shows_the_configuration_and_gives_it_back(dialog):
    assert dialog.config() == Config()
    assert not dialog.unapplied
    assert not dialog.apply_button.isEnabled()


def test_ok_without_a_change_applies_nothing(dialog, qtbot):
    qtbot.mouseClick(dialog.ok_button, Qt.LeftButton)
    assert not dialog.isVisible()
    assert dialog.applied == []


def test_apply_hands_out_the_new_configuration_once(dialog, qtbot):
    editor(dialog, THRESHOLD).setText("3.5")
    editor(dialog, "theme").set_value("dark")
    assert dialog.apply_button.isEnabled()
    qtbot.mouseClick(dialog.apply_button, Qt.LeftButton)
    assert dialog.isVisible()
    assert not dialog.apply_button.isEnabled()
    qtbot.mouseClick(dialog.ok_button, Qt.LeftButton)
    assert len(dialog.applied) == 1
    assert dialog.applied[0].real_time.signal_threshold_pct == 3.5
    assert dialog.applied[0].theme == "dark"


def test_cancel_applies_nothing(dialog, qtbot):
    editor(dialog, THRESHOLD).setText("3.5")
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert not dialog.isVisible()
    assert dialog.applied == []


@pytest.mark.parametrize(("path", "typed", "sentence"), [
    (THRESHOLD, "abc", "not a number"),
    (THRESHOLD, "", "fill this in"),
    (THRESHOLD, "0", "above 0, at most 100"),
    ("real_time.poll_interval_sec", "2", "from 3 to 3600"),
    ("real_time.max_live_symbols", "2.5", "whole number"),
    ("websocket.endpoint", "http://x", "wss://"),
    ("real_time.telegram.bot_token", "a b", "spaces"),
    ("real_time.email.sender", "nobody", "e-mail address"),
    ("symbols", "ASELS\nŞİŞE", "Line 2: “ŞİŞE”"),
    ("symbols", "ASELS\nasels", "Line 2: "),
    ("extra_closures", "BIST:2026-12-31\nsoon", "Line 2: “soon”"),
    ("storage.url", "nonsense", "database address"),
])  # fmt: skip
def test_what_the_file_would_refuse_is_said_beside_the_field(dialog, qtbot, path, typed, sentence):
    field = editor(dialog, path)
    (field.setText if isinstance(field, QLineEdit) else lambda text: field.set_value(text.split("\n")))(typed)
    assert sentence in note(dialog, path)
    assert not dialog.apply_button.isEnabled()
    dialog.list.setCurrentRow(3)
    qtbot.mouseClick(dialog.ok_button, Qt.LeftButton)
    assert dialog.isVisible()
    page = dialog._page_of[path]
    assert dialog.stack.currentWidget() is page
    assert page.label_of(path) in dialog.status.text()
    assert dialog.applied == []
    page.set_defaults()
    assert note(dialog, path) == ""
    assert dialog.status.text() == ""


def test_rules_between_fields_count_too(dialog):
    editor(dialog, "real_time.poll_interval_sec").setText("90")
    assert "90 s" in note(dialog, "real_time.stale_after_sec")
    editor(dialog, "real_time.stale_after_sec").setText("120")
    assert dialog.config().real_time.stale_after_sec == 120


def test_telegram_needs_a_chat_and_both_switches_move_together(dialog):
    editor(dialog, "real_time.notification_channels.telegram").setChecked(True)
    assert editor(dialog, "real_time.telegram.enabled").isChecked()
    assert note(dialog, "real_time.telegram.chat_id")
    editor(dialog, "real_time.telegram.chat_id").setText("42")
    config = dialog.config()
    assert config.real_time.telegram.enabled
    assert config.real_time.notification_channels.telegram
    editor(dialog, "real_time.telegram.enabled").setChecked(False)
    assert not editor(dialog, "real_time.notification_channels.telegram").isChecked()


def test_what_has_no_field_is_kept(qtbot):
    bots = (BotConfig(id="x", name="x", symbols=("ASELS",)),)
    config = Config(bots=bots, server=ServerConfig(enabled=True), bot_executor="local")
    dialog = make(qtbot, config)
    editor(dialog, "theme").set_value("light")
    dialog.accept()
    assert dialog.applied == [msgspec.structs.replace(config, theme="light")]


def test_a_page_goes_back_to_its_defaults_alone(qtbot):
    live = msgspec.structs.replace(Config().real_time, signal_threshold_pct=9.0, signal_cooldown_sec=9.0)
    dialog = make(qtbot, Config(theme="light", real_time=live))
    dialog.list.setCurrentRow(list(dialog.pages).index("signals"))
    qtbot.mouseClick(dialog.reset_button, Qt.LeftButton)
    assert dialog.config() == Config(theme="light")
    assert dialog.applied == []


def test_secrets_are_hidden_until_revealed(qtbot):
    live = Config().real_time
    telegram = msgspec.structs.replace(live.telegram, bot_token="123456:very-secret")
    dialog = make(qtbot, Config(real_time=msgspec.structs.replace(live, telegram=telegram)))
    field = editor(dialog, "real_time.telegram.bot_token")
    assert field.echoMode() == QLineEdit.Password
    field.actions()[0].trigger()
    assert field.echoMode() == QLineEdit.Normal
    assert field.actions()[0].toolTip() == "Hide"
    field.actions()[0].trigger()
    assert field.echoMode() == QLineEdit.Password


def test_an_address_is_hidden_while_there_is_a_password_in_it(qtbot):
    storage = StorageConfig(url="postgresql://swing:hunter2@10.0.0.6/swing")
    dialog = make(qtbot, Config(storage=storage, server=ServerConfig(redis_url="redis://10.0.0.5:6379/0")))
    field = editor(dialog, "storage.url")
    assert field.echoMode() == QLineEdit.Password
    field.actions()[0].trigger()
    assert field.echoMode() == QLineEdit.Normal
    assert editor(dialog, "server.redis_url").echoMode() == QLineEdit.Normal


def test_a_secret_of_the_environment_is_noted(qtbot, monkeypatch):
    monkeypatch.setenv("SWING_TELEGRAM_BOT_TOKEN", "123456:x")
    fields = make(qtbot).pages["telegram"].fields
    assert "SWING_TELEGRAM_BOT_TOKEN" in fields["real_time.telegram.bot_token"].note.text()
    assert "keyring" in make(qtbot).pages["email"].fields["real_time.email.password"].note.text()


def test_a_test_applies_first(dialog, qtbot):
    asked = []
    dialog.test_requested.connect(lambda channel: asked.append((channel, len(dialog.applied))))
    editor(dialog, THRESHOLD).setText("4")
    page = dialog.pages["telegram"]
    dialog.list.setCurrentRow(list(dialog.pages).index("telegram"))
    assert page._tests["telegram"].text() == "Apply and send a test: Telegram"
    qtbot.mouseClick(page._tests["telegram"], Qt.LeftButton)
    assert asked == [("telegram", 1)]
    assert page._tests["telegram"].text() == "Send a test: Telegram"
    editor(dialog, THRESHOLD).setText("x")
    qtbot.mouseClick(page._tests["telegram"], Qt.LeftButton)
    assert len(asked) == 1


def test_a_closed_day_is_added_from_the_calendar(dialog, qtbot):
    closures = editor(dialog, "extra_closures")
    closures.day.setDate(QDate(2026, 12, 31))
    for _ in range(2):
        qtbot.mouseClick(closures.add_button, Qt.LeftButton)
    assert dialog.config().extra_closures == ("BIST:2026-12-31",)


def test_another_language_at_once_and_numbers_keep_their_value(dialog):
    editor(dialog, THRESHOLD).setText("1.234")
    set_language("tr")
    QApplication.sendEvent(dialog, QEvent(QEvent.LanguageChange))
    assert dialog.windowTitle() == "Ayarlar"
    assert editor(dialog, THRESHOLD).text() == "1,234"
    assert dialog.config().real_time.signal_threshold_pct == 1.234
    assert editor(dialog, "theme").itemText(1) == "Koyu"
    assert dialog.pages["signals"].fields[THRESHOLD].editor.accessibleName() == "Eşik"


def test_pages_turn_by_keyboard(dialog, qtbot):
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    qtbot.keyClick(dialog, Qt.Key_PageDown, Qt.ControlModifier)
    assert dialog.stack.currentWidget() is dialog.pages["prices"]
    for _ in range(2):
        qtbot.keyClick(dialog, Qt.Key_PageUp, Qt.ControlModifier)
    assert dialog.stack.currentWidget() is dialog.pages["storage"]


def test_it_fits_a_small_screen(dialog):
    assert dialog.minimumSizeHint().height() < 600
    assert dialog.width() <= 1366
    assert dialog.height() <= 700


def test_a_failed_save_can_be_said(dialog):
    dialog.show_failure("The disk is full.")
    assert dialog.status.text() == "The disk is full."


@given(st.data())
def test_what_it_hands_out_the_file_accepts(qapp, data):
    """Whatever is typed into a text field, an admitted configuration is one that the file admits."""
    path = data.draw(st.sampled_from(sorted(set(all_paths()) - KEPT_AS_THEY_STAND)))
    dialog = _SHARED.get("dialog") or _SHARED.setdefault("dialog", SettingsDialog(Config()))
    field = editor(dialog, path)
    if isinstance(field, QLineEdit):
        field.setText(data.draw(st.one_of(st.text(max_size=12), st.floats(0, 9999).map(str))))
    config = dialog.config()
    if config is not None:
        assert parse_config(msgspec.to_builtins(config)) == config
        assert get_value(config, path) == editor(dialog, path).value()
    dialog._page_of[path].set_defaults()


_SHARED: dict[str, SettingsDialog] = {}


@pytest.fixture(autouse=True)
def _no_shared_dialog():
    yield
    shared = _SHARED.pop("dialog", None)
    if shared is not None:
        shared.deleteLater()
        QApplication.sendPostedEvents(shared, QEvent.DeferredDelete)


# A broken file


def test_all_problems_of_a_broken_file_are_listed_and_copied(qtbot):
    with pytest.raises(ConfigError) as caught:
        parse_config({"exchnge": "BIST", "theme": "drk", "real_time": {"poll_interval_sec": 1}})
    path = Path("somewhere") / "swing_config.json"
    dialog = ConfigProblemsDialog(caught.value, path)
    qtbot.addWidget(dialog)
    shown = dialog.view.toPlainText()
    for part in (
        "exchnge",
        "theme",
        '"drk"',
        "Did you mean",
        "real_time.poll_interval_sec",
        "from 3 to 3600",
    ):
        assert part in shown
    qtbot.mouseClick(dialog.copy_button, Qt.LeftButton)
    copied = QApplication.clipboard().text()
    assert copied.splitlines()[0] == str(path)
    assert len(copied.splitlines()) == 4


def test_a_broken_value_is_text_not_markup(qtbot):
    with pytest.raises(ConfigError) as caught:
        parse_config({"theme": "<b>x</b>"})
    dialog = ConfigProblemsDialog(caught.value)
    qtbot.addWidget(dialog)
    assert "<b>x</b>" in dialog.view.toPlainText()


def test_about_tells_the_version_and_warns_of_the_data(qtbot):
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    shown = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert re.search(r"Version \d+\.\d+", shown)
    assert "unofficial" in shown
