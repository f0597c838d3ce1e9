"""The Live Prices band: what it shows, and what it never claims."""

from __future__ import annotations

import logging
import math
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PyQt5.QtCore import QEvent, QModelIndex, QPointF, Qt, QTimer
from PyQt5.QtGui import QColor, QMouseEvent
from PyQt5.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QToolButton

from core.clock import FakeClock
from core.i18n import set_language
from core.market_calendar import MarketCalendar
from core.model import FeedStatus, Freshness, FreshnessChange, Instrument, SourceConflict, Tick
from gui import theme
from gui.models.tick_model import KEY_ROLE, SortKey
from gui.models.tick_row import RowState
from gui.models.tick_text import state_text
from gui.widgets.price_ticker import FRAME_MS, LivePriceTicker
from gui.widgets.sort_header import next_order

NOW = 1_795_000_000.0  # Wednesday 18 November 2026, 14:06:40 in Istanbul
LIVE, DELAYED, STALE = Freshness.LIVE, Freshness.DELAYED, Freshness.STALE
CLOSED, SIMULATED = Freshness.CLOSED, Freshness.SIMULATED


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def ticker(qtbot, clock):
    widget = LivePriceTicker(clock=clock)
    qtbot.addWidget(widget)
    widget.resize(320, 500)
    widget.show()
    return widget


def tick(
    key="BIST:ASELS", price=45.32, change=2.15, freshness=LIVE, *, delay=None, ago=0.0, basis="previous_close"
):  # fmt: skip
    return Tick(
        key, price, change, NOW - ago, NOW - ago, "tvdatafeed", freshness is SIMULATED, freshness, delay,
        basis, 44.37 if basis == "previous_close" else None, 44.0, 46.0, 43.5, 1e6,
    )  # fmt: skip


def instruments(*keys):
    return [Instrument.from_key(key) for key in keys]


def spoken(ticker, key):
    """The row as a screen reader tells it; it goes through the same words as the painted row."""
    index = ticker.model().index_of(key)
    return index.data(Qt.AccessibleTextRole)


def tip(ticker, key):
    return ticker.model().index_of(key).data(Qt.ToolTipRole)


def state(ticker, key):
    return ticker.model().row_of(key).state(ticker.model().link)


def header(ticker, text):
    return next(b for b in ticker.findChildren(QToolButton) if b.text().startswith(text))


# The contract


def test_a_price_shows_symbol_price_arrow_change(ticker):
    ticker.set_connection_status(True)
    ticker.update_price("ASELS", 45.32, 2.15)
    assert ticker.model().keys() == ("BIST:ASELS",)
    assert "ASELS, BIST, 45.32\N{NO-BREAK SPACE}₺, up 2.15%" in spoken(ticker, "BIST:ASELS")
    _paint(ticker)
    cells = ticker.model().row_of("BIST:ASELS").cells
    assert (cells.arrow, cells.change, cells.change_tint) == ("↑", "+2.15%", "up")


@pytest.mark.parametrize(
    ("change", "arrow", "text", "tint"),
    [(-1.454, "↓", "−1.45%", "down"), (0.0, "→", "0.00%", "text"), (-0.004, "→", "0.00%", "text"),
     (0.005, "↑", "+0.01%", "up")],
)  # fmt: skip
def test_direction_is_told_by_arrow_sign_and_colour(ticker, change, arrow, text, tint):
    ticker.update_price("ASELS", 45.32, change)
    _paint(ticker)
    cells = ticker.model().row_of("BIST:ASELS").cells
    assert (cells.arrow, cells.change, cells.change_tint) == (arrow, text, tint)


def test_the_newest_price_wins(ticker):
    for price in (45.0, 46.0, 47.5):
        ticker.update_price("ASELS", price, 1.0)
    assert ticker.model().rowCount() == 1
    assert "47.50" in spoken(ticker, "BIST:ASELS")


@pytest.mark.parametrize("price", [0, -1.5, math.nan, math.inf, -math.inf, None, "dear"])
def test_what_cannot_be_a_price_is_refused_and_logged_once(ticker, caplog, price):
    with caplog.at_level(logging.WARNING):
        ticker.update_price("ASELS", price, 1.0)
        ticker.update_price("ASELS", price, 1.0)
    assert ticker.model().rowCount() == 0
    assert len(caplog.records) == 1


@pytest.mark.parametrize("change", [math.nan, math.inf, None])
def test_a_change_that_is_no_number_is_refused(ticker, caplog, change):
    ticker.update_price("ASELS", 45.0, 1.0)
    ticker.update_price("ASELS", 46.0, change)
    assert "45.00" in spoken(ticker, "BIST:ASELS")


@pytest.mark.allow_log("refused a price")
def test_a_tick_that_cannot_be_a_price_is_refused_too(ticker):
    ticker.apply_ticks([tick(price=45.0), tick(price=math.nan), tick(price=0.0)])
    assert "45.00" in spoken(ticker, "BIST:ASELS")


def test_plain_symbols_mean_the_row_that_is_there_else_the_default_exchange(ticker):
    ticker.set_instruments(instruments("NASDAQ:AAPL", "BIST:GARAN", "NASDAQ:GARAN"))
    ticker.update_price("AAPL", 182.5, 0.5)
    ticker.update_price("GARAN", 35.87, -1.45)
    ticker.update_price("asels", 45.0, 1.0)
    ticker.update_price("NYSE:IBM", 250.0, 0.1)
    ticker.update_price("nasdaq:garan", 3.0, 0.1)
    shown = ticker.model().keys()
    priced = {key for key in shown if ticker.model().row_of(key).price}
    assert priced == {"NASDAQ:AAPL", "BIST:GARAN", "NASDAQ:GARAN", "BIST:ASELS", "NYSE:IBM"}
    assert "$" in spoken(ticker, "NASDAQ:AAPL")
    assert "₺" in spoken(ticker, "BIST:GARAN")


def test_another_default_exchange(qtbot):
    widget = LivePriceTicker(default_exchange="NASDAQ")
    qtbot.addWidget(widget)
    widget.update_price("AAPL", 182.5, 0.5)
    assert widget.model().keys() == ("NASDAQ:AAPL",)


def test_clear_prices_leaves_the_watched_rows_as_skeletons(ticker):
    ticker.set_instruments(instruments("BIST:ASELS"))
    ticker.apply_ticks([tick()])
    ticker.update_price("GARAN", 35.0, 1.0)
    ticker.clear_prices()
    assert ticker.model().keys() == ("BIST:ASELS",)
    assert state(ticker, "BIST:ASELS") is RowState.EMPTY
    assert "45" not in spoken(ticker, "BIST:ASELS")


def test_a_row_without_a_price_is_never_a_zero(ticker):
    ticker.set_instruments(instruments("BIST:ASELS"))
    assert spoken(ticker, "BIST:ASELS") == "ASELS, BIST, No price yet"
    assert "Start Scan" in tip(ticker, "BIST:ASELS")
    ticker.set_feed_status(FeedStatus(state="connecting"))
    assert spoken(ticker, "BIST:ASELS") == "ASELS, BIST, Waiting for a price"
    _paint(ticker)


# Nothing looks live that is not


def test_a_bare_price_is_not_called_live(ticker):
    ticker.set_connection_status(True)
    ticker.update_price("ASELS", 45.32, 2.15)
    assert state(ticker, "BIST:ASELS") is RowState.UNTIMED
    assert spoken(ticker, "BIST:ASELS").endswith("Age unknown")
    assert "without its time" in tip(ticker, "BIST:ASELS")


def test_a_bare_price_does_not_make_a_known_one_older_or_younger(ticker):
    ticker.apply_ticks([tick(price=45.0, freshness=DELAYED, delay=900)])
    ticker.update_price("ASELS", 45.0, 2.15)
    assert state(ticker, "BIST:ASELS") is RowState.DELAYED
    ticker.update_price("ASELS", 46.0, 2.15)
    assert state(ticker, "BIST:ASELS") is RowState.UNTIMED


@pytest.mark.parametrize("freshness", list(Freshness))
@pytest.mark.parametrize("bare", [False, True])
def test_without_a_connection_nothing_looks_live(ticker, freshness, bare):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(freshness=freshness)])
    if bare:
        ticker.update_price("ASELS", 50.0, 1.0)
    ticker.set_connection_status(False)
    assert state(ticker, "BIST:ASELS") not in (RowState.LIVE, RowState.DELAYED, RowState.UNTIMED)
    assert "Live" not in spoken(ticker, "BIST:ASELS")


def test_a_price_that_comes_without_a_connection_is_not_live_either(ticker):
    ticker.set_connection_status(False)
    ticker.apply_ticks([tick()])
    assert state(ticker, "BIST:ASELS") is RowState.LOST


def test_coming_back_makes_no_old_price_live(ticker):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick("BIST:ASELS"), tick("BIST:GARAN")])
    ticker.set_connection_status(False)
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick("BIST:GARAN", 36.0)])
    assert state(ticker, "BIST:ASELS") is RowState.LOST
    assert state(ticker, "BIST:GARAN") is RowState.LIVE


def test_a_lost_price_tells_its_age(ticker, clock):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick()])
    ticker.set_connection_status(False)
    clock.advance(250)
    assert spoken(ticker, "BIST:ASELS").endswith("Not live, 4 min old")
    assert "last price that was received" in tip(ticker, "BIST:ASELS")


@pytest.mark.parametrize("state_name", ["stopped", "connecting", "offline", "simulated"])
def test_a_feed_without_real_prices_shows_none_as_live(ticker, state_name):
    ticker.set_feed_status(FeedStatus(state="running", active="tvdatafeed"))
    ticker.apply_ticks([tick()])
    ticker.set_feed_status(FeedStatus(state=state_name))
    assert state(ticker, "BIST:ASELS") is RowState.LOST


def test_the_two_ways_of_telling_the_connection_agree(ticker):
    ticker.set_instruments(instruments("BIST:ASELS"))
    ticker.set_feed_status(FeedStatus(state="simulated"))
    ticker.set_connection_status(False)
    assert ticker.model().link.simulated
    assert state(ticker, "BIST:ASELS") is RowState.WAITING


# Freshness in words


@pytest.mark.parametrize(
    ("freshness", "delay", "words"),
    [(LIVE, 0.2, "Live"), (DELAYED, 900, "15 min delayed"), (DELAYED, 40, "40 s delayed"),
     (DELAYED, None, "Delayed"), (CLOSED, None, "Market closed"), (SIMULATED, None, "Simulated")],
)  # fmt: skip
def test_freshness_is_told_by_a_word(ticker, freshness, delay, words):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(freshness=freshness, delay=delay)])
    assert spoken(ticker, "BIST:ASELS").endswith(f", {words}")


def test_a_stale_price_tells_since_when(ticker, clock):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick()])
    clock.advance(60)
    ticker.apply_freshness([FreshnessChange("BIST:ASELS", STALE, NOW, 60.0)])
    assert spoken(ticker, "BIST:ASELS").endswith("No new price for 1 min")
    clock.advance(190)
    assert spoken(ticker, "BIST:ASELS").endswith("No new price for 4 min")
    clock.advance(7200)
    assert spoken(ticker, "BIST:ASELS").endswith("No new price for 2 h")
    ticker.apply_ticks([tick(price=46.0)])
    assert state(ticker, "BIST:ASELS") is RowState.LIVE


def test_a_price_that_arrives_stale_counts_from_its_own_time(ticker):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(freshness=STALE, ago=3 * 86_400)])
    assert spoken(ticker, "BIST:ASELS").endswith("No new price for 3 days")


def test_news_of_age_for_strangers_and_skeletons_is_harmless(ticker):
    ticker.set_instruments(instruments("BIST:ASELS"))
    ticker.apply_freshness(
        [FreshnessChange("BIST:ASELS", STALE, NOW, None), FreshnessChange("X:Y", LIVE, NOW, None)]
    )
    assert state(ticker, "BIST:ASELS") is RowState.EMPTY


def test_a_change_against_the_first_price_says_so(ticker):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(basis="session_open")])
    assert spoken(ticker, "BIST:ASELS").endswith("Live · from first price")
    assert "first price" in tip(ticker, "BIST:ASELS")


def test_the_tooltip_has_times_source_and_basis(ticker):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(ago=7)])
    text = tip(ticker, "BIST:ASELS")
    for part in ("ASELS · BIST", "+2.15% against the previous close (44.37", "14:06:33 (BIST time)",
                 "tvdatafeed", "High 46.00"):  # fmt: skip
        assert part in text, text


def test_the_tooltip_dates_an_older_price(ticker):
    ticker.apply_ticks([tick(freshness=CLOSED, ago=86_400)])
    assert "Tuesday 17/11/2026 14:06:40" in tip(ticker, "BIST:ASELS")
    set_language("tr")
    assert "17.11.2026 Salı 14:06:40 (BIST saati)" in tip(ticker, "BIST:ASELS")


def test_the_tooltip_of_a_closed_market_tells_when_it_opens(ticker, clock):
    clock.set_time(NOW + 3 * 86_400)  # a Saturday
    ticker.set_calendar(MarketCalendar())
    ticker.apply_ticks([tick(freshness=CLOSED)])
    assert "Opens Monday 23/11/2026 10:00:00" in tip(ticker, "BIST:ASELS")


def test_an_unknown_symbol_says_what_to_do(ticker):
    ticker.set_instruments(instruments("BIST:XQQQ"))
    ticker.mark_unknown("BIST:XQQQ")
    assert spoken(ticker, "BIST:XQQQ").endswith("Unknown to the provider")
    assert "Check the symbol" in tip(ticker, "BIST:XQQQ")
    ticker.mark_unknown("BIST:NONE")
    ticker.apply_ticks([tick("BIST:XQQQ")])
    assert state(ticker, "BIST:XQQQ") is not RowState.UNKNOWN


# Simulated prices


def band(ticker):
    label = next(each for each in ticker.findChildren(QLabel) if each.property("role") == "simulated")
    return label.text() if label.isVisible() else ""


def test_simulated_prices_put_a_band_across_the_top(ticker, qtbot):
    ticker.set_feed_status(FeedStatus(state="simulated"))
    ticker.apply_ticks([tick(freshness=SIMULATED)])
    qtbot.waitUntil(lambda: band(ticker) == "Simulated: no real prices")
    ticker.set_feed_status(FeedStatus(state="running", active="tvdatafeed"))
    ticker.apply_ticks([tick(), tick("BIST:GARAN", freshness=SIMULATED)])
    qtbot.waitUntil(lambda: band(ticker) == "1 of 2 prices are simulated")
    ticker.apply_ticks([tick("BIST:GARAN")])
    qtbot.waitUntil(lambda: band(ticker) == "")


def test_a_simulated_price_stays_marked_when_it_ages_or_comes_bare(ticker):
    ticker.set_feed_status(FeedStatus(state="simulated"))
    ticker.apply_ticks([tick(freshness=SIMULATED)])
    ticker.update_price("ASELS", 99.0, 1.0)
    ticker.update_price("GARAN", 99.0, 1.0)
    assert state(ticker, "BIST:ASELS") is state(ticker, "BIST:GARAN") is RowState.SIMULATED
    ticker.apply_freshness([FreshnessChange("BIST:ASELS", STALE, NOW, None)])
    assert state(ticker, "BIST:ASELS") is RowState.SIMULATED
    assert "Do not trade" in tip(ticker, "BIST:ASELS")


def test_a_running_simulator_by_choice_is_marked_as_well(ticker, qtbot):
    ticker.set_feed_status(FeedStatus(state="running", active="simulation"))
    ticker.apply_ticks([tick(freshness=SIMULATED)])
    qtbot.waitUntil(lambda: band(ticker) == "Simulated: no real prices")


# Sorting and filtering


def order(ticker):
    keys = ticker.model().keys()
    return [key.partition(":")[2] for key in keys]


@pytest.fixture
def market(ticker):
    ticker.set_connection_status(True)
    ticker.set_instruments(instruments("BIST:GARAN", "BIST:AKBNK", "BIST:ASELS", "BIST:THYAO", "BIST:NEW"))
    ticker.apply_ticks([
        tick("BIST:GARAN", 9.5, 2.0), tick("BIST:AKBNK", 100.0, -3.0, STALE, ago=60),
        tick("BIST:ASELS", 20.0, 10.0), tick("BIST:THYAO", 20.0, 2.0, DELAYED, delay=900),
    ])  # fmt: skip
    return ticker


@pytest.mark.parametrize(
    ("key", "descending", "expected"),
    [
        (SortKey.LIST, False, "GARAN AKBNK ASELS THYAO NEW"),
        (SortKey.SYMBOL, False, "AKBNK ASELS GARAN NEW THYAO"),
        (SortKey.SYMBOL, True, "THYAO NEW GARAN ASELS AKBNK"),
        (SortKey.PRICE, False, "GARAN ASELS THYAO AKBNK NEW"),
        (SortKey.PRICE, True, "AKBNK ASELS THYAO GARAN NEW"),
        (SortKey.CHANGE, False, "AKBNK GARAN THYAO ASELS NEW"),
        (SortKey.CHANGE, True, "ASELS GARAN THYAO AKBNK NEW"),
        (SortKey.STATE, False, "ASELS GARAN THYAO AKBNK NEW"),
    ],
)
def test_sorting_is_numeric_and_stable_with_priceless_rows_last(market, key, descending, expected):
    market.set_sort(key, descending)
    assert order(market) == expected.split()


def test_sorted_by_symbol_from_the_start(ticker):
    for symbol in ("THYAO", "AKBNK", "GARAN"):
        ticker.update_price(symbol, 10.0, 0.0)
    assert order(ticker) == ["AKBNK", "GARAN", "THYAO"]


def test_clicks_on_the_header_sort(market, qtbot):
    qtbot.mouseClick(header(market, "Change"), Qt.LeftButton)
    assert order(market)[0] == "ASELS"
    qtbot.mouseClick(header(market, "Change"), Qt.LeftButton)
    assert order(market)[0] == "AKBNK"
    qtbot.mouseClick(header(market, "Change"), Qt.LeftButton)
    assert order(market)[0] == "GARAN"
    assert all(button.accessibleName() for button in market.findChildren(QToolButton) if button.text())


def test_a_header_goes_round_three_orders():
    assert next_order(SortKey.SYMBOL, SortKey.CHANGE, True) == (SortKey.SYMBOL, False)
    assert next_order(SortKey.SYMBOL, SortKey.SYMBOL, False) == (SortKey.SYMBOL, True)
    assert next_order(SortKey.SYMBOL, SortKey.SYMBOL, True) == (SortKey.LIST, False)


def test_new_prices_bring_rows_into_order_and_the_selection_goes_along(market, qtbot):
    market.set_sort(SortKey.CHANGE, True)
    market.select("BIST:AKBNK")
    market.apply_ticks([tick("BIST:AKBNK", 120.0, 15.0)])
    qtbot.waitUntil(lambda: order(market)[0] == "AKBNK")
    assert market.view().currentIndex().data(KEY_ROLE) == "BIST:AKBNK"
    assert [index.row() for index in market.view().selectedIndexes()] == [0]


def test_rows_do_not_jump_under_the_mouse(market, qtbot, monkeypatch):
    market.set_sort(SortKey.CHANGE, True)
    monkeypatch.setattr(type(market.view()), "busy", property(lambda view: True))
    market.apply_ticks([tick("BIST:AKBNK", 120.0, 15.0)])
    frames = []
    monkeypatch.setattr(market, "_show_band", lambda: frames.append(1))
    market._sorted = -math.inf
    qtbot.waitUntil(lambda: len(frames) > 1)
    assert order(market)[0] == "ASELS"
    monkeypatch.setattr(type(market.view()), "busy", property(lambda view: False))
    qtbot.waitUntil(lambda: order(market)[0] == "AKBNK")


def test_the_filter_finds_parts_of_symbols_and_exchanges(market, qtbot):
    market.set_instruments(
        [*instruments("NASDAQ:AAPL"), *(Instrument("BIST", s) for s in ("ASELS", "AKBNK"))]
    )
    field = market.findChild(QLineEdit)
    market.focus_filter()
    qtbot.keyClicks(field, "as")
    assert order(market) == ["AAPL", "ASELS"]  # NASdaq, ASels
    field.setText("as bıst")  # QTest cannot type a dotless i
    assert order(market) == ["ASELS"]
    field.setText("zz")
    assert order(market) == []
    assert "zz" in market.view().empty_text
    qtbot.keyClick(field, Qt.Key_Escape)
    assert order(market) == ["AAPL", "AKBNK", "ASELS"]


def test_prices_go_on_while_filtered_out(market, qtbot):
    qtbot.keyClicks(market.findChild(QLineEdit), "thy")
    market.apply_ticks([tick("BIST:ASELS", 21.5)])
    market.update_price("NEWER", 1.0, 0.0)
    assert order(market) == ["THYAO"]
    market.findChild(QLineEdit).clear()
    assert "21.50" in spoken(market, "BIST:ASELS")
    assert "NEWER" in order(market)


def test_ctrl_f_leads_to_the_filter(market, qtbot):
    market.activateWindow()
    market.view().setFocus()
    qtbot.keyClick(market.view(), Qt.Key_F, Qt.ControlModifier)
    qtbot.waitUntil(lambda: market.findChild(QLineEdit).hasFocus())
    qtbot.keyClick(market.findChild(QLineEdit), Qt.Key_Down)
    assert market.view().hasFocus()


# Instruments


def test_the_same_ticker_on_two_exchanges_stays_apart(ticker):
    ticker.set_connection_status(True)
    ticker.set_instruments(instruments("BIST:ABC", "NASDAQ:ABC"))
    ticker.apply_ticks([tick("BIST:ABC", 10.0), tick("NASDAQ:ABC", 20.0, 1.0, CLOSED)])
    assert "10.00" in spoken(ticker, "BIST:ABC")
    assert "20.00" in spoken(ticker, "NASDAQ:ABC")
    assert ticker.model().several_exchanges
    _paint(ticker)


def test_another_choice_of_instruments_keeps_known_prices_and_drops_late_ones(ticker):
    ticker.set_connection_status(True)
    ticker.set_instruments(instruments("BIST:ASELS", "BIST:GARAN"))
    ticker.apply_ticks([tick("BIST:ASELS"), tick("BIST:GARAN")])
    ticker.select("BIST:ASELS")
    ticker.set_instruments(instruments("BIST:ASELS", "BIST:AKBNK", "BIST:ASELS"))
    ticker.apply_ticks([tick("BIST:GARAN")])
    assert set(ticker.model().keys()) == {"BIST:ASELS", "BIST:AKBNK"}
    assert state(ticker, "BIST:ASELS") is RowState.LIVE
    assert ticker.view().currentIndex().data(KEY_ROLE) == "BIST:ASELS"


def test_any_number_of_symbols(ticker):
    ticker.set_instruments([Instrument("BIST", f"S{number:04}") for number in range(5000)])
    ticker.apply_ticks(tick(f"BIST:S{number:04}", 1.0 + number) for number in range(5000))
    ticker.select("BIST:S4999")
    _paint(ticker)
    assert 4999 in ticker.view().visible_rows()
    assert len(ticker.view().visible_rows()) < 30


def test_nothing_to_show_says_what_to_do(ticker):
    assert "Symbols tab" in ticker.view().empty_text
    _paint(ticker)


# Choosing a row


def test_rows_are_chosen_by_keys_and_opened_by_enter_or_double_click(market, qtbot):
    view = market.view()
    view.setFocus()
    with qtbot.waitSignal(market.symbol_selected) as chosen:
        market.select("BIST:AKBNK")
    assert chosen.args == ["BIST:AKBNK"]
    with qtbot.waitSignal(market.symbol_selected) as chosen:
        qtbot.keyClick(view, Qt.Key_Down)
    assert chosen.args == ["BIST:ASELS"]
    with qtbot.waitSignal(market.symbol_activated) as opened:
        qtbot.keyClick(view, Qt.Key_Return)
    assert opened.args == ["BIST:ASELS"]
    with qtbot.waitSignal(market.symbol_activated) as opened:
        place = view.row_rect(0).center()
        qtbot.mouseClick(view.viewport(), Qt.LeftButton, pos=place)
        qtbot.mouseDClick(view.viewport(), Qt.LeftButton, pos=place)
    assert opened.args == ["BIST:AKBNK"]


def test_the_menu_sorts_opens_and_copies(market, qtbot):
    market._show_menu(market.view().row_rect(1).center())
    menu = market.findChild(QMenu)
    with qtbot.waitSignal(market.symbol_activated) as opened:
        menu.actions()[0].trigger()
    assert opened.args == ["BIST:ASELS"]
    menu.actions()[1].trigger()
    assert QApplication.clipboard().text() == "ASELS"
    next(action for action in menu.actions() if action.text() == "Sort by Price").trigger()
    assert order(market)[0] == "AKBNK"
    menu.close()
    qtbot.waitUntil(lambda: market.findChild(QMenu) is None)


# Painting


def test_a_burst_is_painted_in_few_frames_and_ends_on_the_latest_price(ticker, qtbot, monkeypatch):
    ticker.set_flash(False)
    ticker.set_instruments(instruments("BIST:ASELS"))
    _paint(ticker)
    painted = []
    paint_row = type(ticker.view().delegate).paint_row

    def spy(self, painter, rect, row, *rest):
        painted.append(row.price)
        paint_row(self, painter, rect, row, *rest)

    monkeypatch.setattr(type(ticker.view().delegate), "paint_row", spy)
    for number in range(1, 2001):
        ticker.apply_ticks([tick(price=float(number))])
    qtbot.waitUntil(lambda: bool(painted) and painted[-1] == 2000.0)
    assert len(painted) < 20


def test_nothing_runs_while_nothing_changes(ticker, qtbot):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(price=45.0)])
    ticker.apply_ticks([tick(price=46.0)])
    qtbot.waitUntil(lambda: not ticker._frame.isActive())
    running = [timer for timer in ticker.findChildren(QTimer) if timer.isActive()]
    assert [timer.interval() for timer in running] == [1000]
    ticker.hide()
    assert not any(timer.isActive() for timer in ticker.findChildren(QTimer))
    ticker.apply_ticks([tick(price=47.0)])
    assert not ticker._frame.isActive()


def test_a_changed_price_lights_up_and_fades_unless_switched_off(ticker, qtbot):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(price=45.0)])
    row = ticker.model().row_of("BIST:ASELS")
    qtbot.waitUntil(lambda: row.shown_price == 45.0)
    assert row.flash_from == 0.0
    ticker.apply_ticks([tick(price=46.0)])
    qtbot.waitUntil(lambda: row.flash_from > 0.0)
    qtbot.waitUntil(lambda: row.flash_from == 0.0)
    ticker.set_flash(False)
    ticker.apply_ticks([tick(price=47.0)])
    qtbot.waitUntil(lambda: row.shown_price == 47.0)
    assert row.flash_from == 0.0


def test_a_price_that_came_unseen_does_not_flash(ticker, qtbot):
    ticker.apply_ticks([tick(price=45.0)])
    ticker.hide()
    ticker.apply_ticks([tick(price=46.0)])
    ticker.show()
    row = ticker.model().row_of("BIST:ASELS")
    qtbot.waitUntil(lambda: not row.dirty)
    assert row.flash_from == 0.0


def test_ages_are_renewed_once_a_second(ticker, clock, qtbot):
    ticker.set_connection_status(True)
    ticker.apply_ticks([tick(freshness=STALE, ago=60)])
    row = ticker.model().row_of("BIST:ASELS")
    qtbot.waitUntil(lambda: not row.dirty)
    clock.advance(180)
    qtbot.waitUntil(lambda: row.cells.state_text == "No new price for 4 min")


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("width", [260, 320, 800])
def test_prices_are_painted_in_both_themes_and_any_width(qapp, ticker, width, name, qtbot):
    theme.apply_theme(qapp, name)
    ticker.resize(width, 400)
    ticker.set_connection_status(True)
    ticker.set_instruments(instruments("BIST:ASELS", "BIST:GARAN", "NASDAQ:AAPL", "BIST:XQQQ"))
    ticker.apply_ticks([tick("BIST:ASELS"), tick("BIST:GARAN", freshness=STALE, ago=300)])
    ticker.mark_unknown("BIST:XQQQ")
    ticker.select("BIST:GARAN")
    image = _paint(ticker).toImage()
    colors = theme.colors()
    found = {image.pixel(x, y) for x in range(0, image.width()) for y in range(60, 160)}
    for role in ("ground", "up", "selection"):
        assert getattr(colors, role).rgb() in found, role


def test_the_theme_is_followed_at_once(qapp, ticker):
    theme.apply_theme(qapp, "dark")
    ticker.apply_ticks([tick()])
    _paint(ticker)
    theme.apply_theme(qapp, "light")
    image = _paint(ticker).toImage()
    assert QColor(image.pixel(image.width() // 2, image.height() - 20)) == theme.colors().ground


def test_the_mouse_marks_the_row_beneath_it(market):
    view = market.view()
    place = QPointF(view.row_rect(1).center())
    moved = QMouseEvent(QEvent.MouseMove, place, Qt.NoButton, Qt.NoButton, Qt.NoModifier)
    QApplication.sendEvent(view.viewport(), moved)
    assert view._hovered == 1
    QApplication.sendEvent(view, QEvent(QEvent.Leave))
    assert view._hovered == -1


# Connection and language


@pytest.mark.parametrize(
    ("state_name", "word"),
    [("running", "Connected"), ("connecting", "Connecting"), ("simulated", "Simulated"),
     ("offline", "Offline"), ("stopped", "Stopped"), ("something new", "Not connected")],
)  # fmt: skip
def test_the_connection_is_told_by_a_word(ticker, state_name, word):
    ticker.set_feed_status(FeedStatus(state=state_name, active="tvdatafeed"))
    assert ticker._connection.text() == ticker._connection.accessibleName() == word
    assert ticker._connection.toolTip()


def test_the_bare_connection_status_shows_as_well(ticker):
    ticker.set_connection_status(True)
    assert ticker._connection.text() == "Connected"
    ticker.set_connection_status(False)
    assert ticker._connection.text() == "Not connected"


def test_everything_is_said_in_turkish(market):
    set_language("tr")
    QApplication.sendEvent(market, QEvent(QEvent.LanguageChange))
    assert spoken(market, "BIST:THYAO").endswith("%2,00 yukarıda, 15 dk gecikmeli")
    assert spoken(market, "BIST:AKBNK").endswith("1 dakikadır yeni fiyat yok")
    assert header(market, "Değişim").text() == "Değişim"
    assert market._connection.text() == "Bağlı"
    _paint(market)
    assert market.model().row_of("BIST:ASELS").cells.price == "20,00\N{NO-BREAK SPACE}₺"


def test_no_text_is_clipped_in_a_narrow_turkish_list(qapp, ticker):
    theme.apply_theme(qapp, "dark")
    set_language("tr")
    ticker.resize(300, 400)
    ticker.set_connection_status(True)
    ticker.set_instruments(instruments("BIST:A", "BIST:B", "BIST:C"))
    ticker.apply_ticks([tick("BIST:A", 12_345.6, -10.0, STALE, ago=59 * 60)])
    ticker.apply_ticks([tick("BIST:B", freshness=DELAYED, delay=900)])
    ticker.mark_unknown("BIST:C")
    _paint(ticker)
    assert not any("…" in ticker.model().row_of(f"BIST:{name}").cells.state_text for name in "ABC")
    ticker.retranslate()
    buttons = sorted((b for b in ticker.findChildren(QToolButton) if b.text()), key=lambda b: b.x())
    assert all(left.geometry().right() <= right.x() for left, right in pairwise(buttons))


# Whatever comes

KEYS = st.sampled_from(["ASELS", "BIST:ASELS", "GARAN", "NASDAQ:AAPL", "AAPL", "thyao", "CRYPTO:BTC"])
PRICES = st.one_of(st.floats(), st.floats(0.0001, 1e6), st.integers(-5, 5), st.none())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("price"), KEYS, PRICES, PRICES),
            st.tuples(st.just("link"), st.booleans()),
            st.tuples(st.just("clear")),
            st.tuples(st.just("sort"), st.sampled_from(list(SortKey)), st.booleans()),
            st.tuples(st.just("filter"), st.sampled_from(["", "a", "bist", "zz"])),
        ),
        max_size=25,
    )
)
@pytest.mark.allow_log("refused a price")
def test_whatever_comes_no_row_is_live_or_without_a_true_price(ticker, steps):
    run = {
        "price": ticker.update_price, "link": ticker.set_connection_status, "clear": ticker.clear_prices,
        "sort": ticker.set_sort, "filter": ticker.findChild(QLineEdit).setText,
    }  # fmt: skip
    for name, *values in steps:
        run[name](*values)
        ticker.view().refresh()
        model = ticker.model()
        keys = model.keys()
        assert len(set(keys)) == model.rowCount(QModelIndex())
        for key in keys:
            row = model.row_of(key)
            assert row.price is None or 0.0 < row.price < math.inf
            assert state(ticker, key) not in (RowState.LIVE, RowState.DELAYED)
    _paint(ticker)
    assert FRAME_MS <= 33


def _paint(ticker):
    ticker.view().refresh()
    return ticker.grab()


def test_a_delayed_price_tells_the_admitted_delay_and_the_measured_one(ticker):
    ticker.set_instruments([Instrument("BIST", "ASELS")])
    ticker.set_connection_status(True)

    def tip(stamp, delay, freshness=Freshness.DELAYED):
        told = replace(tick(freshness=freshness, delay=delay), stamp=stamp, received=NOW)
        ticker.apply_ticks([told])
        return ticker.model().data(ticker.model().index_of("BIST:ASELS"), Qt.ToolTipRole)

    admitted = tip(NOW - 22.0, 900.0)
    assert "15 min delayed" in admitted and "Measured: 22 s behind" in admitted
    assert "Measured: 15 min behind" in tip(NOW - 930.0, 930.0)
    assert "Measured" not in tip(NOW, 0.0, LIVE)


def test_a_price_that_sources_disagree_on_says_so(ticker):
    ticker.set_instruments([Instrument("BIST", "ASELS")])
    ticker.apply_ticks([tick(price=45.32)])
    ticker.set_connection_status(True)
    ticker.dispute(SourceConflict("BIST:ASELS", ("poll", "push"), (41.10, 45.32), 1.0))
    row = ticker.model().row_of("BIST:ASELS")
    assert row.state(ticker.model().link) is RowState.DISPUTED
    index = ticker.model().index_of("BIST:ASELS")
    tip = ticker.model().data(index, Qt.ToolTipRole)
    assert state_text(row, RowState.DISPUTED, NOW) == "Sources disagree: 41.10 / 45.32"
    assert "Sources disagree" in tip and "41.10" in tip and "poll says" in tip and "no signals" in tip
    set_language("tr")
    assert "Kaynaklar çelişiyor" in ticker.model().data(index, Qt.AccessibleTextRole)
    set_language("en")
    ticker.dispute(SourceConflict("BIST:ASELS", ("poll", "push"), (41.1, 45.3), 1.0, of_closes=True))
    assert "previous close was" in ticker.model().data(index, Qt.ToolTipRole)
    ticker.dispute(SourceConflict("BIST:ASELS", ("poll", "push"), (41.1, 45.3), 1.0, ago=900.0))
    assert "poll 15 min ago: 41.10" in ticker.model().data(index, Qt.ToolTipRole)
    ticker.apply_freshness([FreshnessChange("BIST:ASELS", Freshness.STALE, NOW, None)])
    assert row.state(ticker.model().link) is RowState.STALE, "an old price is old whoever tells it"
    assert "poll 15 min ago: 41.10" in ticker.model().data(index, Qt.ToolTipRole)
    ticker.apply_ticks([tick(price=45.32)])
    ticker.dispute(SourceConflict("BIST:ASELS", ("poll", "push"), (41.1, 45.3), 1.0, over=True))
    assert row.state(ticker.model().link) is not RowState.DISPUTED
    ticker.dispute(SourceConflict("BIST:NONE", ("poll", "push"), (41.1, 45.3), 1.0))
