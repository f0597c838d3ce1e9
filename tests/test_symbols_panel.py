"""The Symbols tab: adding, removing, moving, files, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QApplication, QComboBox, QFileDialog, QLabel, QMessageBox, QToolButton

from core.config import BIST30
from core.exchanges import EXCHANGES
from core.i18n import set_language
from core.model import Instrument
from gui import theme
from gui.models.symbol_input import parse_symbols, suggestions
from gui.models.symbols_model import ABOUT_ROLE, TINT_ROLE
from gui.widgets.symbol_search import SymbolSearch
from gui.widgets.symbols_panel import SymbolsPanel


@pytest.fixture
def panel(qtbot):
    widget = SymbolsPanel()
    qtbot.addWidget(widget)
    widget.resize(310, 500)
    widget.set_limit(30)
    widget.show()
    return widget


def keys(panel):
    return [each.key for each in panel.instruments()]


def type_in(panel, qtbot, text):
    field = panel.findChild(SymbolSearch)
    field.setFocus()
    field.clear()
    if text.isascii():
        qtbot.keyClicks(field, text)
    else:
        field.setText(text)  # QTest types ASCII only
    qtbot.keyClick(field, Qt.Key_Return)
    qtbot.waitUntil(lambda: not field._later.isActive())
    return field


def tool(panel, name):
    return next(b for b in panel.findChildren(QToolButton) if b.accessibleName().startswith(name))


def about(panel, row):
    return panel.model().index(row).data(ABOUT_ROLE)


def select(panel, *rows):
    panel._select_rows(rows)


# Adding


def test_enter_adds_a_symbol(panel, qtbot):
    with qtbot.waitSignal(panel.instruments_changed) as changed:
        field = type_in(panel, qtbot, "asels")
    assert changed.args == [(Instrument("BIST", "ASELS"),)]
    assert field.text() == ""
    assert panel.message() == "Added BIST:ASELS."
    assert about(panel, 0) == "Aselsan"


def test_several_at_once_each_with_its_exchange(panel):
    new = panel.add_text("ASELS, garan;NASDAQ:AAPL\n nyse:brk.b\tASELS")
    assert keys(panel) == ["BIST:ASELS", "BIST:GARAN", "NASDAQ:AAPL", "NYSE:BRK.B"]
    assert len(new) == 4
    assert panel.message() == "Added 4 symbols."


def test_the_chosen_exchange_is_that_of_bare_symbols(panel, qtbot):
    panel.findChild(QComboBox).setCurrentText("NASDAQ")
    type_in(panel, qtbot, "AAPL")
    assert keys(panel) == ["NASDAQ:AAPL"]
    combo = panel.findChild(QComboBox)
    assert [combo.itemText(index) for index in range(combo.count())] == list(EXCHANGES)


def test_what_is_there_already_is_said_and_not_doubled(panel, qtbot):
    panel.set_instruments([Instrument("BIST", "ASELS")])
    with qtbot.assertNotEmitted(panel.instruments_changed):
        panel.add_text("ASELS")
    assert panel.message() == "BIST:ASELS is in the list already."
    panel.add_text("ASELS GARAN")
    assert panel.message() == "Added BIST:GARAN. BIST:ASELS is in the list already."


def test_what_cannot_be_a_symbol_is_said_with_what_was_meant(panel):
    panel.add_text("GARAN ŞİŞE a€b LSE:VOD")
    assert keys(panel) == ["BIST:GARAN"]
    assert "SISE" in panel.message()
    assert "2 more" in panel.message()


@pytest.mark.parametrize("text", ["", "  ", ",;\n"])
def test_an_empty_paste_says_so(panel, text):
    QApplication.clipboard().setText(text)
    panel.paste()
    assert keys(panel) == []
    assert panel.message() == "There is no symbol in it."


def test_paste_by_key(panel, qtbot):
    panel.set_instruments([Instrument("BIST", "ASELS")])
    QApplication.clipboard().setText("GARAN\nTHYAO")
    panel._view.setFocus()
    qtbot.keyClick(panel._view, Qt.Key_V, Qt.ControlModifier)
    assert keys(panel) == ["BIST:ASELS", "BIST:GARAN", "BIST:THYAO"]


def test_a_company_name_is_not_taken_for_a_symbol_until_confirmed(panel, qtbot):
    field = type_in(panel, qtbot, "aselsan")
    assert keys(panel) == []
    assert "press Enter again" in panel.message()
    assert [entry.key for entry in field.offered()] == ["BIST:ASELS"]
    qtbot.keyClick(field, Qt.Key_Return)
    qtbot.waitUntil(lambda: keys(panel) == ["BIST:ASELSAN"])


def test_a_symbol_of_another_exchange_is_offered_there(panel, qtbot):
    field = type_in(panel, qtbot, "AAPL")
    assert keys(panel) == []
    assert "NASDAQ:AAPL" in [entry.key for entry in field.offered()]


def test_a_suggestion_is_chosen_with_the_arrows(panel, qtbot):
    field = panel.findChild(SymbolSearch)
    field.setFocus()
    field.setText("türk hava")
    field.show_suggestions()
    popup = field.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    qtbot.keyClick(popup, Qt.Key_Down)
    qtbot.keyClick(popup, Qt.Key_Return)
    qtbot.waitUntil(lambda: keys(panel) == ["BIST:THYAO"])
    assert field.text() == ""
    assert not popup.isVisible()


def test_a_suggestion_is_chosen_with_the_mouse(panel, qtbot):
    field = panel.findChild(SymbolSearch)
    field.setFocus()
    qtbot.keyClicks(field, "gara")
    popup = field.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    place = popup.visualRect(popup.model().index(0, 0)).center()
    qtbot.mouseClick(popup.viewport(), Qt.LeftButton, pos=place)
    qtbot.waitUntil(lambda: keys(panel) == ["BIST:GARAN"])
    assert field.text() == ""


def test_the_own_exchange_comes_first_among_suggestions():
    found = suggestions("a", "NASDAQ")
    assert found[0].exchange == "NASDAQ"
    assert len({entry.key for entry in found}) == len(found)
    assert suggestions("  ", "BIST") == []


@given(st.text(max_size=60))
def test_any_text_becomes_symbols_or_sentences(text):
    parsed = parse_symbols(text, "BIST")
    assert len(set(parsed.instruments)) == len(parsed.instruments)
    for each in parsed.instruments:
        assert each.symbol.isascii()
        assert each.symbol == each.symbol.upper()
        assert each.exchange in EXCHANGES
    assert all(parsed.problems)


# Removing and moving


def test_delete_asks_once_and_removes(panel, qtbot):
    panel.set_instruments([Instrument("BIST", s) for s in ("ASELS", "GARAN", "THYAO")])
    select(panel, 0, 2)
    panel._view.setFocus()
    qtbot.keyClick(panel._view, Qt.Key_Delete)
    box = panel.findChild(QMessageBox)
    assert box.text().startswith("Remove 2 symbols")
    with qtbot.waitSignal(panel.instruments_changed) as changed:
        next(b for b in box.buttons() if b.text() == "Remove").click()
    assert changed.args == [(Instrument("BIST", "GARAN"),)]
    assert panel.selected_rows() == [0]


def test_delete_can_be_declined(panel, qtbot):
    panel.set_instruments([Instrument("BIST", "ASELS")])
    assert panel.ask_remove() is None
    select(panel, 0)
    box = panel.ask_remove()
    assert "BIST:ASELS" in box.text()
    with qtbot.assertNotEmitted(panel.instruments_changed):
        next(b for b in box.buttons() if b.text() == "Keep").click()
    assert keys(panel) == ["BIST:ASELS"]


def test_symbols_are_moved_as_a_block(panel, qtbot):
    panel.set_instruments([Instrument("BIST", s) for s in "ABCD"])
    select(panel, 2, 3)
    panel._view.setFocus()
    with qtbot.waitSignal(panel.instruments_changed):
        qtbot.keyClick(panel._view, Qt.Key_Up, Qt.AltModifier)
    assert [each.symbol for each in panel.instruments()] == ["A", "C", "D", "B"]
    assert panel.selected_rows() == [1, 2]
    tool(panel, "Move down").click()
    assert [each.symbol for each in panel.instruments()] == ["A", "B", "C", "D"]
    with qtbot.assertNotEmitted(panel.instruments_changed):
        tool(panel, "Move down").click()


def test_all_can_be_selected(panel):
    panel.set_instruments([Instrument("BIST", s) for s in "ABCD"])
    tool(panel, "Select all").click()
    assert panel.selected_rows() == [0, 1, 2, 3]


def test_tools_without_a_use_are_off(panel):
    assert not tool(panel, "Remove").isEnabled()
    assert not tool(panel, "Export").isEnabled()
    panel.set_instruments([Instrument("BIST", "ASELS")])
    assert tool(panel, "Export").isEnabled()
    assert not tool(panel, "Remove").isEnabled()
    select(panel, 0)
    assert tool(panel, "Remove").isEnabled()


# Limit, unknown symbols, empty list


def counted(panel):
    return panel._count.text()


def test_the_count_is_held_against_the_limit(panel):
    panel.set_instruments([Instrument("BIST", s) for s in BIST30])
    assert counted(panel) == "30 of 30 live symbols"
    panel.add_text("NASDAQ:AAPL NYSE:IBM")
    assert counted(panel).startswith("32 symbols, but only the first 30 get live prices. Remove 2")
    assert about(panel, 29) == "Yapı Kredi"
    assert about(panel, 30) == "No live price"
    assert "Move it up" in panel.model().index(30).data(Qt.ToolTipRole)
    panel.set_limit(50)
    assert counted(panel) == "32 of 50 live symbols"
    assert about(panel, 30) != "No live price"


def test_where_prices_are_pushed_no_symbol_is_over_the_limit(panel):
    panel.set_instruments([Instrument("BIST", s) for s in BIST30])
    panel.add_text("NASDAQ:AAPL NYSE:IBM")
    panel.set_limit(30, all_live=True)
    assert counted(panel) == "32 of 32 live symbols"
    assert about(panel, 30) != "No live price"
    assert "Move it up" not in panel.model().index(30).data(Qt.ToolTipRole)
    panel.set_limit(30)
    assert about(panel, 30) == "No live price"


def test_a_symbol_unknown_to_the_provider_is_marked_with_a_sentence(panel):
    panel.set_instruments([Instrument("BIST", "XQQQ"), Instrument("BIST", "ASELS")])
    panel.mark_unknown("BIST:XQQQ")
    panel.mark_unknown("BIST:GONE")
    index = panel.model().index(0)
    assert about(panel, 0) == "Unknown to the provider"
    assert index.data(TINT_ROLE) == "warning"
    assert "Check the spelling" in index.data(Qt.ToolTipRole)
    assert index.data(Qt.AccessibleTextRole) == "XQQQ, BIST, Unknown to the provider"
    panel.remove([Instrument("BIST", "XQQQ")])
    panel.add_text("XQQQ")
    assert about(panel, 1) == ""


def test_an_empty_list_says_what_to_do(panel):
    empty = next(label for label in panel.findChildren(QLabel) if "No symbols yet" in label.text())
    assert empty.isVisible()
    assert "press Enter" in empty.text()
    panel.add_text("ASELS")
    assert not empty.isVisible()
    assert panel._view.isVisible()


def test_the_program_sets_instruments_without_an_echo(panel, qtbot):
    with qtbot.assertNotEmitted(panel.instruments_changed):
        panel.set_instruments([Instrument("BIST", "ASELS"), Instrument("BIST", "ASELS")])
        panel.set_instruments([Instrument("BIST", "ASELS")])
    assert keys(panel) == ["BIST:ASELS"]


# Files


def test_symbols_go_out_to_a_file_and_come_back(panel, tmp_path, monkeypatch):
    path = tmp_path / "list.csv"
    chosen = (str(path), "")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *args: chosen))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *args: chosen))
    panel.add_text("ASELS NASDAQ:AAPL")
    tool(panel, "Export").click()
    assert panel.message() == "Saved 2 symbols to list.csv."
    panel.remove(panel.instruments())
    tool(panel, "Import").click()
    assert keys(panel) == ["BIST:ASELS", "NASDAQ:AAPL"]


def test_a_dialog_that_is_left_changes_nothing(panel, monkeypatch):
    panel.add_text("ASELS")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *args: ("", "")))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *args: ("", "")))
    tool(panel, "Export").click()
    tool(panel, "Import").click()
    assert keys(panel) == ["BIST:ASELS"]


def test_a_file_with_faults_gives_what_can_be_read_and_says_the_rest(panel, tmp_path):
    path = tmp_path / "broker.csv"
    path.write_bytes("Sembol;Borsa\nASELS;BIST\nŞİŞE;BIST\nAAPL;NASDAQ\n".encode("cp1254"))
    panel.import_file(path)
    assert keys(panel) == ["BIST:ASELS", "NASDAQ:AAPL"]
    assert panel.message().startswith("Added 2 symbols.")
    assert "SISE" in panel.message()


def test_a_file_that_cannot_be_read_or_written_is_said(panel, tmp_path):
    panel.import_file(tmp_path / "none.csv")
    assert panel.message()
    panel.add_text("ASELS")
    panel.export_file(tmp_path)
    assert "Saved" not in panel.message()
    assert panel.message()


def test_an_empty_file_is_said(panel, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    panel.import_file(path)
    assert panel.message()
    assert keys(panel) == []


# Look and language


def test_everything_is_said_in_turkish(panel):
    panel.set_instruments([Instrument("BIST", s) for s in BIST30])
    set_language("tr")
    QApplication.sendEvent(panel, QEvent(QEvent.LanguageChange))
    assert counted(panel) == "Canlı sembol: 30 / 30"
    assert tool(panel, "Tümünü seç").toolTip() == "Tümünü seç (Ctrl+A)"


@pytest.mark.parametrize("name", ["dark", "light"])
def test_it_is_painted_in_both_themes(panel, qapp, name):
    theme.apply_theme(qapp, name)
    panel.set_instruments([Instrument("BIST", "ASELS"), Instrument("NASDAQ", "A" * 20)])
    panel.mark_unknown("BIST:ASELS")
    select(panel, 0)
    image = panel._view.grab().toImage()
    found = {image.pixel(x, y) for x in range(image.width()) for y in range(0, 56)}
    assert theme.colors().selection.rgb() in found
    assert all(button.accessibleName() and button.toolTip() for button in panel._buttons.values())
