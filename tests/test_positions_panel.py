"""Positions and closed trades: the table, its totals, and the dialogs around them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QApplication, QDialog, QFileDialog

from core.csv_io import read_positions
from core.errors import InputError
from core.i18n import set_language
from core.model import ClosedTrade, CurrencyTotal, Freshness, PortfolioSnapshot, Position, PositionPnl
from gui.dialogs.close_position import ClosePositionDialog
from gui.dialogs.import_positions import ImportPositionsDialog
from gui.dialogs.numbers import edit_text, parse_decimal
from gui.dialogs.position_dialog import PositionDialog
from gui.models.positions_model import PositionsModel
from gui.widgets.positions_panel import PositionsPanel, total_lines
from gui.widgets.trades_panel import TradesPanel

NOW = 1_795_000_000.0  # 18 November 2026, 14:06:40 in Istanbul
D = Decimal


def position(number=1, symbol="ASELS", exchange="BIST", quantity="100", entry="44.00", **more):
    return Position(
        id=number, symbol=symbol, exchange=exchange, quantity=D(quantity), entry_price=D(entry),
        opened_at=NOW - 86_400, **more,
    )  # fmt: skip


def valued(held, price, freshness=Freshness.LIVE, age=2.0):
    if price is None:
        return PositionPnl(
            position=held, price=None, value=None, open_pnl=None, open_pnl_pct=None, daily_pnl=None,
            daily_pnl_pct=None, freshness=None,
        )  # fmt: skip
    pnl = (price - float(held.entry_price)) * float(held.quantity)
    return PositionPnl(
        position=held, price=price, value=price * float(held.quantity), open_pnl=pnl, open_pnl_pct=pnl / 44,
        daily_pnl=pnl / 2, daily_pnl_pct=0.5, freshness=freshness, stamp=NOW - age,
    )  # fmt: skip


def total(currency="₺", stale=0, count=1):
    return CurrencyTotal(
        currency=currency, total_value=4500.0, open_pnl=132.0, open_pnl_pct=3.0, daily_pnl=66.0,
        daily_pnl_pct=1.5, realised_today=0.0, positions=count, stale_positions=stale,
    )  # fmt: skip


def snapshot(*rows, totals=None, updated=NOW):
    return PortfolioSnapshot(rows=rows, totals=(total(),) if totals is None else totals, updated=updated)


@pytest.fixture
def panel(qtbot):
    widget = PositionsPanel(now=lambda: NOW)
    qtbot.addWidget(widget)
    widget.resize(900, 300)
    widget.show()
    return widget


def column(model, name):
    return next(n for n, each in enumerate(model.columns) if each.name == name)


def text(panel, row, name):
    return panel.model.index(row, column(panel.model, name)).data()


def texts(panel, name):
    return [text(panel, row, name) for row in range(panel.model.rowCount())]


def open_dialog(qtbot, panel, kind):
    dialogs = []
    qtbot.waitUntil(lambda: bool(dialogs := panel.findChildren(kind)) and dialogs[0].isVisible())
    dialogs = panel.findChildren(kind)
    return dialogs[-1]


# The table


def test_a_position_shows_every_figure_with_sign_and_arrow(panel):
    panel.set_snapshot(snapshot(valued(position(stop=D("43.10"), target=D("52")), 45.32)))
    assert text(panel, 0, "symbol") == "ASELS"
    assert text(panel, 0, "quantity") == "100"
    assert text(panel, 0, "entry") == "44.00"
    assert text(panel, 0, "price") == "45.32"
    assert text(panel, 0, "pnl") == "↑ +132.00"
    assert text(panel, 0, "pnl_pct") == "+3.00%"
    assert text(panel, 0, "day") == "↑ +66.00"
    assert text(panel, 0, "stop") == "43.10  −4.9%"
    assert text(panel, 0, "target") == "52.00"
    assert text(panel, 0, "state") == "● Live"
    assert panel.model.headerData(column(panel.model, "pnl"), Qt.Horizontal) == "P&L ₺"


def test_the_exchange_is_marked_only_where_there_are_several(panel):
    asels, apple = valued(position(), 45.0), valued(position(2, "AAPL", "NASDAQ", entry="190"), 201.0)
    panel.set_snapshot(snapshot(asels))
    assert texts(panel, "symbol") == ["ASELS"]
    panel.set_snapshot(snapshot(asels, apple))
    assert texts(panel, "symbol") == ["ASELS  BIST", "AAPL  NASDAQ"]
    assert texts(panel, "pnl") == ["↑ +100.00\N{NO-BREAK SPACE}₺", "↑ +1,100.00\N{NO-BREAK SPACE}$"]


def test_a_short_position_has_its_own_signs(panel):
    held = position(quantity="-100", entry="44", stop=D("46"))
    panel.set_snapshot(snapshot(valued(held, 45.0)))
    assert text(panel, 0, "quantity") == "−100"
    assert text(panel, 0, "pnl") == "↓ −100.00"
    assert text(panel, 0, "stop") == "46.00  +2.2%"


@pytest.mark.parametrize(("quantity", "stop", "price", "hit"), [
    ("100", "43", 43.0, True), ("100", "43", 43.01, False), ("-100", "46", 46.5, True),
    ("-100", "46", 45.9, False),
])  # fmt: skip
def test_a_reached_stop_is_said(panel, quantity, stop, price, hit):
    panel.set_snapshot(snapshot(valued(position(quantity=quantity, stop=D(stop)), price)))
    assert text(panel, 0, "stop").endswith("hit") is hit


def test_no_price_yet_is_no_zero(panel):
    panel.set_snapshot(snapshot(valued(position(), None), totals=()))
    assert text(panel, 0, "price") == "…"
    assert text(panel, 0, "pnl") == "–"
    assert text(panel, 0, "state") == "No price"


@pytest.mark.parametrize(("freshness", "age", "shown"), [
    (Freshness.STALE, 260, "▨ 4 min old"), (Freshness.DELAYED, 905, "◷ 15 min delayed"),
    (Freshness.CLOSED, 9999, "○ Closed"),
    (Freshness.SIMULATED, 1, "◇ Simulated"),
])  # fmt: skip
def test_what_a_price_is_worth_is_a_word(panel, freshness, age, shown):
    panel.set_snapshot(snapshot(valued(position(), 45.0, freshness, age)))
    assert text(panel, 0, "state") == shown
    hatch = panel.model.cell(0, column(panel.model, "pnl")).hatch
    assert hatch == {"stale": "stale", "simulated": "simulated"}.get(freshness.value, "")


def test_tooltips_tell_the_rest(panel):
    held = position(stop=D("43.10"), target=D("52"), note="breakout")
    panel.set_snapshot(snapshot(valued(held, 45.32, Freshness.STALE, 260)))

    def tip(name):
        return panel.model.index(0, column(panel.model, name)).data(Qt.ToolTipRole) or ""

    assert "BIST:ASELS" in tip("symbol")
    assert "breakout" in tip("symbol")
    assert "4,532.00" in tip("pnl")
    assert "−4.9%" in tip("stop")
    assert "−90.00\N{NO-BREAK SPACE}₺" in tip("stop")
    assert "+14.7%" in tip("target")
    assert "4 min old" in tip("price")
    assert "14:02:20" in tip("state")
    panel.set_snapshot(snapshot(valued(position(quantity="-1", stop=D("40")), 45.32, Freshness.SIMULATED)))
    assert "gains when the price falls" in tip("quantity")
    assert "not a real" in tip("day")
    assert "reached the stop" in tip("stop")


def test_updates_are_in_place_and_keep_the_selection(panel, qtbot):
    held = [position(n, f"S{n}") for n in range(1, 6)]
    panel.set_snapshot(snapshot(*(valued(p, 45.0) for p in held)))
    panel.table.selectRow(2)
    resets, changed = [], []
    panel.model.modelReset.connect(lambda: resets.append(1))
    panel.model.layoutChanged.connect(lambda: resets.append(1))
    panel.model.dataChanged.connect(lambda first, last: changed.append((first.row(), first.column())))
    panel.set_snapshot(snapshot(*(valued(p, 46.0 if p.id == 2 else 45.0) for p in held)))
    assert resets == []
    assert {row for row, _ in changed} == {1}
    assert panel.table.selected_row().position.symbol == "S3"
    del held[0]
    panel.set_snapshot(snapshot(*(valued(p, 46.0) for p in held)))
    assert panel.table.selected_row().position.symbol == "S3"
    assert resets == []


def test_the_same_snapshot_paints_nothing(panel):
    rows = [valued(position(n, f"S{n}"), 45.0) for n in range(1, 6)]
    panel.set_snapshot(snapshot(*rows))
    changed = []
    panel.model.dataChanged.connect(lambda first, last: changed.append(first))
    panel.set_snapshot(snapshot(*rows))
    assert changed == []


def test_figures_sort_as_numbers_and_the_unknown_comes_last(panel):
    prices = {"A": 99.0, "B": 100.0, "C": 9.0, "D": None}
    rows = [valued(position(n, name), prices[name]) for n, name in enumerate("ABCD", 1)]
    panel.set_snapshot(snapshot(*rows))
    panel.table.sortByColumn(column(panel.model, "price"), Qt.AscendingOrder)
    assert texts(panel, "symbol") == ["C", "A", "B", "D"]
    panel.table.sortByColumn(column(panel.model, "price"), Qt.DescendingOrder)
    assert texts(panel, "symbol") == ["B", "A", "C", "D"]


def test_sorted_by_a_live_figure_lines_change_places_once_a_second(panel):
    one, two = position(1, "A"), position(2, "B")
    panel.set_snapshot(snapshot(valued(one, 10.0), valued(two, 20.0)))
    panel.table.sortByColumn(column(panel.model, "price"), Qt.DescendingOrder)
    panel.set_snapshot(snapshot(valued(one, 10.0), valued(two, 20.0), updated=NOW + 1))
    panel.set_snapshot(snapshot(valued(one, 30.0), valued(two, 20.0), updated=NOW + 1.1))
    assert texts(panel, "symbol") == ["B", "A"]
    assert texts(panel, "price") == ["20.00", "30.00"]
    panel.set_snapshot(snapshot(valued(one, 30.0), valued(two, 20.0), updated=NOW + 2.1))
    assert texts(panel, "symbol") == ["A", "B"]


@given(st.lists(st.lists(st.integers(1, 12), unique=True, max_size=12), max_size=6))
def test_the_model_always_ends_with_what_it_was_given(steps):
    model = PositionsModel(now=lambda: NOW)
    for numbers in steps:
        model.set_snapshot(snapshot(*(valued(position(n, f"S{n}"), float(n)) for n in numbers)))
        assert [row.position.id for row in model.rows()] == numbers
        assert [model.index(n, 0).data() for n in range(model.rowCount())] == [f"S{n}" for n in numbers]


def test_another_price_moves_no_row_and_lays_nothing_out_anew(panel):
    held = [position(n, f"S{n}") for n in range(1, 61)]
    panel.set_snapshot(snapshot(*(valued(p, 45.0) for p in held)))
    model, changes = panel.model, []
    for change in (
        model.rowsInserted,
        model.rowsRemoved,
        model.rowsMoved,
        model.modelReset,
        model.layoutChanged,
    ):
        change.connect(lambda *_: changes.append(1))
    for frame in range(30):
        panel.set_snapshot(
            snapshot(*(valued(p, 45.0 + frame * 0.01) for p in held), updated=NOW + frame / 30)
        )
        QApplication.processEvents()
    assert changes == []


# The totals


def test_totals_say_how_many_prices_are_stale(panel):
    rows = [
        valued(position(n, f"S{n}"), 45.0, Freshness.STALE if n == 1 else Freshness.LIVE)
        for n in range(1, 10)
    ]
    panel.set_snapshot(snapshot(*rows, totals=(total(stale=1, count=9),)))
    assert "1 of 9 prices stale" in panel.totals.plain()
    assert "Day ↑ +66.00\N{NO-BREAK SPACE}₺ (+1.50%)" in panel.totals.plain()


def test_totals_are_per_currency_and_tell_simulation(panel):
    rows = valued(position(), 45.0), valued(position(2, "AAPL", "NASDAQ"), 45.0, Freshness.SIMULATED)
    lines = total_lines(snapshot(*rows, totals=(total("₺"), total("$"))))
    assert len(lines) == 2
    assert "Simulated: no real prices" in [part[1] for part in lines[1]]


def test_without_positions_there_is_a_button_to_add_one(panel, qtbot):
    assert panel.empty.isVisible()
    assert panel.empty.button.text() == "Add your first position"
    qtbot.mouseClick(panel.empty.button, Qt.LeftButton)
    open_dialog(qtbot, panel, PositionDialog).reject()
    panel.set_snapshot(snapshot(valued(position(), 45.0)))
    assert panel.table.isVisible()


# Entering a position


@pytest.fixture
def form(qtbot):
    def make(**options):
        dialog = PositionDialog(now=lambda: NOW, **options)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return make


def fill(dialog, **values):
    for name, value in values.items():
        getattr(dialog, name).setText(value)


def test_a_position_is_entered_exactly(form):
    dialog = form()
    fill(
        dialog, symbol="asels", quantity="1,250.5", entry="44.3700000001", stop="40", target="50", note=" x "
    )
    entered = dialog.position()
    assert entered == Position(
        symbol="ASELS", exchange="BIST", quantity=D("1250.5"), entry_price=D("44.3700000001"),
        opened_at=NOW, stop=D("40"), target=D("50"), note="x",
    )  # fmt: skip


def test_turkish_numbers_are_read_in_turkish(form):
    set_language("tr")
    dialog = form()
    fill(dialog, symbol="ASELS", quantity="1.250", entry="1.234,56")
    assert (dialog.position().quantity, dialog.position().entry_price) == (D("1250"), D("1234.56"))


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("symbol", "şişe", "SISE"), ("quantity", "0", "cannot be zero"), ("quantity", "abc", "not a number"),
    ("entry", "-1", "greater than zero"), ("stop", "0", "greater than zero"),
    ("target", "1..2", "not a number"),
    ("stop", "60", "below its target"), ("note", "x" * 300, "At most 200"),
    ("entry", "1" * 30, "too many digits"),
])  # fmt: skip
def test_a_wrong_field_says_so_beside_it(form, name, value, sentence):
    dialog = form()
    fill(dialog, symbol="ASELS", quantity="100", entry="44", target="50")
    assert dialog.first_problem() is None
    fill(dialog, **{name: value})
    field = getattr(dialog, f"f_{name}")
    assert sentence in field.note.text()
    assert field.note.isVisible()
    with pytest.raises(ValueError, match="not complete"):
        dialog.position()


def test_a_short_position_has_its_stop_above_the_target(form):
    dialog = form()
    fill(dialog, symbol="ASELS", quantity="-100", entry="44", stop="40", target="50")
    assert "above its target" in dialog.f_stop.note.text()
    fill(dialog, stop="50", target="40")
    assert dialog.position().quantity == D("-100")
    assert "Short" in dialog.summary.text()


def test_an_empty_form_is_blamed_only_when_the_button_is_pressed(form, qtbot):
    dialog = form()
    assert dialog.first_problem() is None
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    assert dialog.isVisible()
    assert dialog.f_symbol.problem
    assert dialog.f_entry.problem
    assert dialog.f_stop.problem == ""


def test_a_future_opening_is_refused(form):
    dialog = form()
    fill(dialog, symbol="ASELS", quantity="1", entry="44")
    dialog.opened.setDateTime(dialog.opened.dateTime().addDays(2))
    assert "future" in dialog.f_opened.problem


def test_the_time_is_that_of_the_exchange(form):
    dialog = form()
    assert dialog.opened.time().toString("HH:mm") == "14:06"
    dialog.exchange.setCurrentText("NASDAQ")
    assert dialog.opened.time().toString("HH:mm") == "06:06"
    fill(dialog, symbol="AAPL", quantity="1", entry="200")
    assert dialog.position().opened_at == NOW
    dialog.opened.setDateTime(dialog.opened.dateTime().addSecs(-3600))
    assert dialog.position().opened_at == pytest.approx(NOW - 3600, abs=60)


def test_editing_keeps_what_was_not_touched(form):
    before = position(7, stop=D("40.10"), note="first")
    dialog = form(position=before)
    assert dialog.position() == before
    fill(dialog, stop="")
    assert dialog.position() == position(7, note="first")


def test_a_company_name_finds_its_ticker(form, qtbot):
    dialog = form()
    qtbot.keyClicks(dialog.symbol, "apple")
    found = dialog.symbol.completer().model().stringList()
    assert found[0].startswith("AAPL · NASDAQ · ")
    dialog.symbol.completer().activated[str].emit(found[0])
    assert (dialog.symbol.text(), dialog.exchange.currentText()) == ("AAPL", "NASDAQ")
    dialog.symbol.completer().popup().hide()


@given(
    st.decimals(min_value=D("-99999999"), max_value=D("99999999"), places=6), st.sampled_from(("en", "tr"))
)
def test_what_is_shown_for_editing_reads_back_exactly(value, language):
    set_language(language)
    assert parse_decimal(edit_text(value)) == value


@pytest.mark.parametrize(("language", "typed", "value"), [
    ("en", "1,234.56", "1234.56"), ("en", "1.234,56", "1234.56"), ("tr", "1.234,56", "1234.56"),
    ("tr", "1,234.56", "1234.56"), ("en", "1,234", "1234"), ("tr", "1.234", "1234"), ("en", "1.234", "1.234"),
    ("tr", "1,234", "1.234"), ("tr", "45.32", "45.32"), ("tr", "0.125", "0.125"), ("en", "−5", "-5"),
    ("tr", "1.234.567", "1234567"), ("en", "₺ 12 500", "12500"),
])  # fmt: skip
def test_numbers_as_people_type_them(language, typed, value):
    set_language(language)
    assert parse_decimal(typed) == D(value)


@pytest.mark.parametrize("typed", ["", "abc", "1,2,3", "1..2", "--5", "1.23.456,7", "NaN", "1e5", "٣"])
def test_what_is_no_number_is_refused(typed):
    with pytest.raises(InputError):
        parse_decimal(typed)


# Keyboard and wishes


def test_enter_edits_and_only_a_change_is_a_wish(panel, qtbot):
    held = position()
    panel.set_snapshot(snapshot(valued(held, 45.0)))
    panel.table.selectRow(0)
    wishes = []
    panel.edit_requested.connect(wishes.append)
    qtbot.keyClick(panel.table, Qt.Key_Return)
    open_dialog(qtbot, panel, PositionDialog).accept()
    assert wishes == []
    dialog = panel.edit_position()
    dialog.stop.setText("40")
    dialog.accept()
    assert wishes == [position(stop=D("40"))]


def test_ctrl_n_enters_a_new_position(panel, qtbot):
    wishes = []
    panel.open_requested.connect(wishes.append)
    panel.set_default_exchange("NASDAQ")
    qtbot.keyClick(panel, Qt.Key_N, Qt.ControlModifier)
    dialog = open_dialog(qtbot, panel, PositionDialog)
    fill(dialog, symbol="AAPL", quantity="5", entry="200")
    dialog.accept()
    assert [wish.key for wish in wishes] == ["NASDAQ:AAPL"]


def test_delete_asks_first(panel, qtbot):
    panel.set_snapshot(snapshot(valued(position(9), 45.0)))
    panel.table.selectRow(0)
    wishes = []
    panel.delete_requested.connect(wishes.append)
    qtbot.keyClick(panel.table, Qt.Key_Delete)
    dialog = open_dialog(qtbot, panel, QDialog)
    assert dialog.cancel_button.isDefault()
    dialog.reject()
    assert wishes == []
    panel.delete_position().accept()
    assert wishes == [9]


def test_delete_can_turn_into_closing(panel, qtbot):
    panel.set_snapshot(snapshot(valued(position(9), 45.0)))
    panel.table.selectRow(0)
    dialog = panel.delete_position()
    qtbot.mouseClick(dialog.instead_button, Qt.LeftButton)
    open_dialog(qtbot, panel, ClosePositionDialog).reject()


def test_without_a_selection_nothing_can_be_done_to_it(panel):
    assert panel.edit_position() is None
    assert panel.close_position() is None
    assert panel.delete_position() is None
    assert not panel.close_action.isEnabled()


# Closing


@pytest.fixture
def closing(qtbot):
    def make(row, **options):
        dialog = ClosePositionDialog(row, **options)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return make


def test_closing_proposes_the_last_price_and_shows_what_is_booked(closing):
    dialog = closing(valued(position(), 45.32))
    assert dialog.price() == D("45.32")
    assert dialog.quantity_or_all() is None
    assert "↑ +132.00\N{NO-BREAK SPACE}₺ (+3.00%)" in dialog.result_label.text()
    assert not dialog.warning.isVisible()


def test_a_part_can_be_closed(closing):
    dialog = closing(valued(position(quantity="-100"), 45.32))
    dialog.quantity_edit.setText("40")
    dialog.price_edit.setText("43.5")
    assert (dialog.price(), dialog.quantity_or_all()) == (D("43.5"), D("40"))
    assert "+20.00" in dialog.result_label.text()
    assert "60 stay open" in dialog.result_label.text()


@pytest.mark.parametrize(
    ("quantity", "sentence"), [("101", "only 100"), ("0", "greater"), ("", "fill this in")]
)
def test_a_wrong_quantity_cannot_be_closed(closing, quantity, sentence):
    dialog = closing(valued(position(), 45.32))
    dialog.quantity_edit.setText(quantity)
    assert sentence in dialog.f_quantity.note.text()
    assert not dialog.accept_button.isEnabled()


@pytest.mark.parametrize(("freshness", "word"), [(Freshness.STALE, "old"), (Freshness.DELAYED, "delayed")])
def test_an_old_price_is_warned_of(closing, freshness, word):
    dialog = closing(valued(position(), 45.0, freshness))
    assert word in dialog.warning.text()
    assert dialog.price() == D("45.00")


def test_a_simulated_price_is_not_proposed_unless_the_simulator_was_chosen(closing):
    row = valued(position(), 45.0, Freshness.SIMULATED)
    dialog = closing(row)
    assert dialog.price_edit.text() == ""
    assert "not real" in dialog.warning.text()
    assert not dialog.accept_button.isEnabled()
    assert closing(row, simulation_chosen=True).price() == D("45.00")


def test_the_panel_asks_to_close(panel):
    panel.set_snapshot(snapshot(valued(position(3), 45.0)))
    panel.table.selectRow(0)
    wishes = []
    panel.close_requested.connect(lambda *wish: wishes.append(wish))
    dialog = panel.close_position()
    dialog.quantity_edit.setText("25")
    dialog.accept()
    assert wishes == [(3, D("45.00"), D("25"))]


# Import


CSV = "Sembol;Adet;Maliyet\nASELS;100;44\nGARAN;1.200;36,40\nTHYAO;abc;300\n".encode("cp1254")


def test_import_shows_good_and_bad_lines_first(panel, tmp_path):
    path = tmp_path / "positions.csv"
    path.write_bytes(CSV)
    wishes = []
    panel.import_requested.connect(wishes.append)
    dialog = panel.preview_import(path)
    assert wishes == []
    assert "2 positions can be entered; 1 lines cannot" in dialog.verdict.text()
    assert dialog.model.index(0, 0).data() == "✗ line 4"
    dialog.accept()
    assert [(p.key, p.quantity, p.entry_price) for p in wishes[0]] == [
        ("BIST:ASELS", D("100"), D("44")), ("BIST:GARAN", D("1200"), D("36.40")),
    ]  # fmt: skip


def test_what_is_open_already_is_left_out(qtbot):
    result = read_positions(CSV, "BIST", now=NOW)
    dialog = ImportPositionsDialog("x.csv", result, [result.rows[0]])
    qtbot.addWidget(dialog)
    assert [p.symbol for p in dialog.positions()] == ["GARAN"]
    assert "1 are open already" in dialog.verdict.text()


def test_a_file_that_cannot_be_read_is_one_sentence(panel, tmp_path):
    path = tmp_path / "book.csv"
    path.write_bytes(b"PK\x03\x04")
    box = panel.preview_import(path)
    assert "cannot be read" in box.text()
    box.reject()


def test_nothing_chosen_imports_nothing(panel, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    panel.choose_import()
    assert panel.findChildren(QDialog) == []


# Trades


def trade(number, symbol="ASELS", exchange="BIST", quantity="100", entry="44", leave="46"):
    return ClosedTrade(
        id=number, position_id=number, symbol=symbol, exchange=exchange, quantity=D(quantity),
        entry_price=D(entry), exit_price=D(leave), opened_at=NOW - 86_400 * 3, closed_at=NOW + number,
        realised_pnl=(D(leave) - D(entry)) * D(quantity),
    )  # fmt: skip


@pytest.fixture
def trades(qtbot):
    widget = TradesPanel()
    qtbot.addWidget(widget)
    return widget


def test_trades_show_newest_first_and_total_per_currency(trades):
    trades.set_trades([trade(1), trade(2, "AAPL", "NASDAQ", "-10"), trade(3, "GARAN", leave="43")])
    assert texts(trades, "symbol") == ["GARAN  BIST", "AAPL  NASDAQ", "ASELS  BIST"]
    assert texts(trades, "side") == ["Long", "Short", "Long"]
    plain = trades.totals.plain()
    assert "↑ +100.00\N{NO-BREAK SPACE}₺   2 trades, 1 won" in plain
    assert "↓ −20.00\N{NO-BREAK SPACE}$   1 trade, 0 won" in plain


def test_trades_are_exported(trades, tmp_path, monkeypatch):
    path = tmp_path / "trades.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    trades.set_trades([trade(1)])
    trades.export()
    assert "ASELS" in path.read_text("utf-8-sig")
    trades.findChildren(QDialog)[0].reject()


# Language and layout


def test_another_language_names_everything_anew(panel):
    panel.set_snapshot(snapshot(valued(position(), 45.32)))
    set_language("tr")
    QApplication.sendEvent(panel, QEvent(QEvent.LanguageChange))
    assert text(panel, 0, "price") == "45,32"
    assert panel.model.headerData(column(panel.model, "entry"), Qt.Horizontal) == "Maliyet"
    assert "Günlük K/Z" in panel.totals.plain()
    assert panel.new_action.text() == "Yeni pozisyon"


def test_the_layout_outlives_an_upgrade(panel, qtbot):
    table = panel.table
    table.setColumnWidth(column(panel.model, "pnl"), 222)
    table.setColumnHidden(column(panel.model, "day"), True)
    table.sortByColumn(column(panel.model, "entry"), Qt.DescendingOrder)
    state = table.layout_state()
    other = PositionsPanel(now=lambda: NOW)
    qtbot.addWidget(other)
    state["widths"]["gone"] = 5
    state["order"] = ["gone", "price", *state["order"]]
    other.table.restore_layout_state(state)
    assert other.table.columnWidth(column(other.model, "pnl")) == 222
    assert other.table.isColumnHidden(column(other.model, "day"))
    assert other.table.horizontalHeader().visualIndex(column(other.model, "price")) in (0, 1, 3)
    assert other.table.layout_state()["sort"] == ["entry", True]
    other.table.restore_layout_state({"order": 5, "widths": ["x"], "hidden": {}, "sort": [1]})


def test_half_of_a_number_is_never_shown(panel, qtbot):
    number = column(panel.model, "pnl")
    panel.table.setColumnWidth(number, 40)
    panel.set_snapshot(snapshot(valued(position(quantity="1000000"), 45.32)))
    qtbot.waitUntil(lambda: panel.table.columnWidth(number) > 90)


def test_a_row_is_copied_as_text(panel, qtbot):
    panel.set_snapshot(snapshot(valued(position(), 45.32)))
    panel.table.selectRow(0)
    qtbot.keyClick(panel.table, Qt.Key_C, Qt.ControlModifier)
    assert QApplication.clipboard().text().startswith("ASELS\t100\t44.00\t45.32")
