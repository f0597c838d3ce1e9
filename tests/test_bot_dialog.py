"""The form of a bot: symbols by search, and nothing that was entered is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication

from core.config import BotConfig, Config
from core.config_file import load_config
from core.session import ConfigStore
from gui.dialogs.bot_dialog import BotDialog
from gui.dialogs.symbols_editor import SymbolsEditor
from gui.main_window.settings_flow import SettingsFlow
from tests.window_helpers import StubMarket, crypto_config, stub_window, wait


def open_dialog(qtbot: Any, **options: Any) -> BotDialog:
    dialog = BotDialog(exchange="BIST", **options)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    return dialog


def symbols_of(dialog: BotDialog) -> SymbolsEditor:
    editor = dialog.form.fields["symbols"].editor
    assert isinstance(editor, SymbolsEditor)
    return editor


def search(qtbot: Any, editor: SymbolsEditor, text: str) -> None:
    editor.search.setText("")
    qtbot.keyClicks(editor.search, text)
    editor.search.completer().popup().hide()
    qtbot.keyClick(editor.search, Qt.Key_Return)


def test_enter_in_the_search_adds_a_symbol_and_leaves_the_form_open(qtbot: Any) -> None:
    dialog = open_dialog(qtbot)
    dialog.form.set_value("name", "Trend")
    editor = symbols_of(dialog)
    search(qtbot, editor, "asels")
    wait(qtbot, lambda: editor.value() == ("ASELS",))
    search(qtbot, editor, "thyao, ASELS")
    wait(qtbot, lambda: editor.value() == ("ASELS", "THYAO"))
    assert editor.search.text() == ""
    assert dialog.isVisible()
    assert dialog.bot().symbols == ("ASELS", "THYAO")


def test_a_company_s_name_offers_symbols_and_what_is_none_is_blamed(qtbot: Any) -> None:
    dialog = open_dialog(qtbot)
    editor = symbols_of(dialog)
    search(qtbot, editor, "Aselsan")
    wait(qtbot, editor.search.completer().popup().isVisible)
    assert editor.value() == ()
    assert editor.search.offered()[0].symbol == "ASELS"
    search(qtbot, editor, "bad!")
    wait(qtbot, lambda: editor.value() == ("bad!",))
    assert dialog.form.fields["symbols"].problem


def test_a_symbol_of_another_exchange_keeps_its_exchange(qtbot: Any) -> None:
    dialog = open_dialog(qtbot)
    editor = symbols_of(dialog)
    search(qtbot, editor, "NASDAQ:AAPL")
    wait(qtbot, lambda: editor.value() == ("NASDAQ:AAPL",))


def test_enter_without_a_search_is_the_form_s(qtbot: Any) -> None:
    made: list[BotConfig] = []
    bot = BotConfig(id="trend", name="Trend", symbols=("ASELS",))
    dialog = open_dialog(qtbot, bot=bot, save=lambda each: made.append(each) or True)
    symbols_of(dialog).search.setFocus()
    qtbot.keyClick(symbols_of(dialog).search, Qt.Key_Return)
    assert not dialog.isVisible()
    assert made == [dialog.bot()]


@pytest.mark.allow_log("not.*saved|cannot be written")
def test_a_form_that_cannot_be_saved_stays_with_all_that_was_entered(qtbot: Any, tmp_path: Path) -> None:
    file = tmp_path / "swing_config.json"
    file.write_bytes(msgspec.json.encode(crypto_config()))
    market = StubMarket(BTC=100.0)
    window = stub_window(qtbot, market, load_config(file), config_store=ConfigStore(file, file))
    window.bots.new()
    dialog = next(w for w in QApplication.topLevelWidgets() if isinstance(w, BotDialog) and w.isVisible())
    dialog.form.set_value("name", "Trend")
    dialog.form.set_value("symbols", ("BTC",))
    kept = file.read_bytes()
    file.write_bytes(b"{")  # somebody edits it by hand and has not finished
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    assert dialog.isVisible()
    assert dialog.failure.isVisible()
    assert window.settings.config.bots == ()
    file.write_bytes(kept)
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    assert not dialog.isVisible()
    assert [bot.name for bot in load_config(file).bots] == ["Trend"]


def test_another_default_exchange_leaves_bots_their_symbols(qtbot: Any) -> None:
    bot = BotConfig(id="trend", name="Trend", symbols=("BTC", "BIST:ASELS"))
    window = stub_window(qtbot, StubMarket(BTC=100.0), crypto_config())
    flow = SettingsFlow(Config(exchange="CRYPTO", symbols=("BTC",), bots=(bot,)), None, window)
    flow._apply_entered(msgspec.structs.replace(flow.config, exchange="BIST"))
    assert flow.config.bots[0].symbols == ("CRYPTO:BTC", "ASELS")
