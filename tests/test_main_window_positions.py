"""Positions through the real window: entered, changed, closed, there again after a restart, and what happens
when the disk does not play along.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PyQt5.QtCore import Qt

from core.clock import SystemClock
from core.errors import StorageError
from core.feed.budget import BudgetRegistry
from core.model import Position
from core.session import Session
from core.storage.base import Store
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from tests.window_helpers import StubMarket, crypto_config, keep, price_of, says, show, state_of, wait

D = Decimal


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=50.0)


def position(symbol: str = "BTC", quantity: str = "2", entry: str = "90", **fields: Any) -> Position:
    named: dict[str, Any] = {"exchange": "CRYPTO", "opened_at": 1_700_000_000.0} | fields
    return Position(symbol=symbol, quantity=D(quantity), entry_price=D(entry), **named)


def stored_window(qtbot: Any, market: StubMarket, data_dir: Path, **options: Any) -> MainWindow:
    """A window over the database in `data_dir`, as the program opens it."""
    session = Session(config=options.pop("config", crypto_config()), data_dir=data_dir)
    options.setdefault("open_store", session.open_store)
    return show(qtbot, MainWindow(
        session.config, source_factory=market.source, data_dir=data_dir,
        budgets=BudgetRegistry(SystemClock()), **options,
    ))  # fmt: skip


def held(window: MainWindow) -> list[Position]:
    """The positions that the window shows."""
    return [row.position for row in window.desk.positions._snapshot.rows]


def total(window: MainWindow) -> Any:
    return window.desk.positions._snapshot.total_for("$")


def pnl(window: MainWindow, place: int = 0) -> float | None:
    return window.desk.positions._snapshot.rows[place].open_pnl


def test_the_life_of_a_position(qtbot: Any, market: StubMarket, data_dir: Path) -> None:
    window = stored_window(qtbot, market, data_dir)
    panel = window.desk.positions
    panel.open_requested.emit(position())
    wait(qtbot, lambda: len(held(window)) == 1)
    window.start_scan()
    wait(qtbot, lambda: pnl(window) == pytest.approx(20.0))
    market.set("CRYPTO:BTC", 110.0)
    wait(qtbot, lambda: pnl(window) == pytest.approx(40.0))
    assert total(window).daily_pnl == pytest.approx(20.0)
    (opened,) = held(window)
    panel.edit_requested.emit(replace(opened, quantity=D(4), entry_price=D(100), stop=D(80)))
    wait(qtbot, lambda: held(window)[0].quantity == D(4))
    panel.close_requested.emit(opened.id, D("120"), D("1"))
    wait(qtbot, lambda: held(window)[0].quantity == D(3))
    assert total(window).realised_today == pytest.approx(20.0)
    assert total(window).daily_pnl == pytest.approx(30.0 + 20.0)
    trades = window.desk.trades
    wait(qtbot, lambda: trades.model.rowCount() == 1)
    panel.close_requested.emit(opened.id, D("90"), None)
    wait(qtbot, lambda: held(window) == [])
    wait(qtbot, lambda: trades.model.rowCount() == 2)
    assert total(window).realised_today == pytest.approx(20.0 - 30.0)
    panel.open_requested.emit(position("ETH"))
    wait(qtbot, lambda: len(held(window)) == 1)
    panel.delete_requested.emit(held(window)[0].id)
    wait(qtbot, lambda: held(window) == [])
    assert trades.model.rowCount() == 2
    assert window.notice_bar.sentence == ""


def test_everything_is_there_after_a_restart(qtbot: Any, market: StubMarket, data_dir: Path) -> None:
    window = stored_window(qtbot, market, data_dir)
    panel = window.desk.positions
    panel.import_requested.emit((position(), position("ETH", "-3", "55.50", note="kısa")))
    wait(qtbot, lambda: len(held(window)) == 2)
    panel.close_requested.emit(held(window)[0].id, D("101"), D("0.5"))
    wait(qtbot, lambda: window.desk.trades.model.rowCount() == 1)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    market.set("CRYPTO:BTC", 103.0)
    wait(qtbot, lambda: window.desk.signals.model.count_all() == 1)
    wait(qtbot, lambda: total(window).realised_today == pytest.approx(5.5))
    before, realised = held(window), total(window).realised_today
    window.close()

    again = stored_window(qtbot, market, data_dir)
    wait(qtbot, lambda: len(held(again)) == 2)
    assert held(again) == before
    assert held(again)[1].note == "kısa"
    wait(qtbot, lambda: total(again).realised_today == realised == pytest.approx(5.5))
    wait(qtbot, lambda: again.desk.trades.model.rowCount() == 1)
    wait(qtbot, lambda: [signal.price for signal in again.desk.signals.model.signals()] == [103.0])


def test_what_is_entered_in_the_last_moment_is_stored(qtbot: Any, market: StubMarket, data_dir: Path) -> None:
    window = stored_window(qtbot, market, data_dir)
    window.desk.positions.open_requested.emit(position(note="last"))
    window.close()
    again = stored_window(qtbot, market, data_dir)
    wait(qtbot, lambda: [p.note for p in held(again)] == ["last"])


def test_a_position_gets_a_price_though_its_symbol_is_not_listed(
    qtbot: Any, market: StubMarket, data_dir: Path
) -> None:
    market.set("CRYPTO:SOL", 20.0, 20.0)
    window = stored_window(qtbot, market, data_dir)
    window.start_scan()
    window.desk.positions.open_requested.emit(position("SOL", "1", "15"))
    wait(qtbot, lambda: bool(held(window)) and pnl(window) == pytest.approx(5.0))
    assert price_of(window, "CRYPTO:SOL") is None


def test_a_wish_that_cannot_be_is_refused_in_one_sentence(
    qtbot: Any, market: StubMarket, data_dir: Path, caplog: Any
) -> None:
    window = stored_window(qtbot, market, data_dir)
    window.desk.positions.close_requested.emit(77, D(1), None)
    wait(qtbot, says(window, "no open position with the number 77"))
    assert window.notice_bar.sentence.startswith("Not done: ")


class Moody:
    """A store that refuses to write while `error` is set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.error: StorageError | None = None

    def __getattr__(self, name: str) -> Any:
        if self.error is not None and name.startswith(
            ("add_", "replace_", "delete_", "close_position", "record_")
        ):
            raise self.error
        return getattr(self._store, name)


def test_a_full_disk_is_said_and_loses_nothing(
    qtbot: Any, market: StubMarket, data_dir: Path, caplog: Any
) -> None:
    stores: list[Moody] = []
    session = Session(config=crypto_config(), data_dir=data_dir)

    def open_store(config: Any) -> Any:
        stores.append(Moody(session.open_store(config)))
        return stores[-1]

    window = stored_window(qtbot, market, data_dir, open_store=open_store)
    window.desk.positions.open_requested.emit(position(note="first"))
    wait(qtbot, lambda: len(held(window)) == 1)
    stores[0].error = StorageError("The disk is full.")
    window.desk.positions.open_requested.emit(position("ETH", note="second"))
    wait(qtbot, lambda: window.notice_bar.sentence == "Not done: The disk is full.")
    assert [p.note for p in held(window)] == ["first"]
    window.notice_bar.dismiss()
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    market.set("CRYPTO:BTC", 104.0)
    wait(qtbot, says(window, "Signals cannot be saved"))
    wait(qtbot, lambda: window.desk.signals.model.count_all() == 1)
    stores[0].error = None
    wait(qtbot, lambda: window.notice_bar.sentence.endswith("again, nothing was lost."))
    window.close()
    again = stored_window(qtbot, market, data_dir)
    wait(qtbot, lambda: [p.note for p in held(again)] == ["first"])
    wait(qtbot, lambda: [signal.price for signal in again.desk.signals.model.signals()] == [104.0])


def test_a_database_that_cannot_be_opened_leaves_a_window_that_tries_again(
    qtbot: Any, market: StubMarket, data_dir: Path, caplog: Any
) -> None:
    session = Session(config=crypto_config(), data_dir=data_dir)
    broken = [StorageError("The file is write-protected.")]

    def open_store(config: Any) -> Any:
        if broken:
            raise broken[0]
        return session.open_store(config)

    window = MainWindow(
        session.config, source_factory=market.source, open_store=open_store,
        budgets=BudgetRegistry(SystemClock()),
    )  # fmt: skip
    keep(qtbot, window)
    window.show()
    wait(qtbot, says(window, "The file is write-protected. Until this is mended nothing is scanned or saved"))
    assert "Start Scan tries again" in window.notice_bar.sentence
    window.desk.positions.open_requested.emit(position(note="kept"))
    window.control_bar.scan_button.click()
    wait(qtbot, lambda: window.control_bar.scan_button.text() == "▶️ Start Scan")
    assert window.isVisible()
    broken.clear()
    qtbot.keyClick(window, Qt.Key_F5)
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
    wait(qtbot, lambda: [p.note for p in held(window)] == ["kept"])
    wait(qtbot, lambda: window.notice_bar.sentence == "")


def test_a_damaged_database_is_kept_and_said(
    qtbot: Any, market: StubMarket, data_dir: Path, caplog: Any
) -> None:
    garbage = b"this was a database once" * 500
    (data_dir / "swing_hunter.db").write_bytes(garbage)
    session = Session(config=crypto_config(), data_dir=data_dir)
    window = MainWindow(session.config, source_factory=market.source, open_store=session.open_store)
    keep(qtbot, window)
    window.show()
    wait(qtbot, says(window, "is damaged; it was kept untouched as"))
    assert [path.read_bytes() for path in data_dir.glob("*damaged*")] == [garbage]
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is not RowState.EMPTY)


def test_the_engine_breaking_down_is_said_and_leaves_no_false_state(
    qtbot: Any, market: StubMarket, data_dir: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = stored_window(qtbot, market, data_dir)
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("in the loop")

    with monkeypatch.context() as patch:
        patch.setattr(window.worker._loop, "process", broken)
        wait(qtbot, says(window, "ZeroDivisionError"))
        wait(qtbot, lambda: window.control_bar.scan_button.text() == "▶️ Start Scan")
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is not RowState.LIVE)
    wait(qtbot, lambda: window.control_bar.feed_text() == "Scan stopped")
    window.start_scan()
    wait(qtbot, lambda: state_of(window, "CRYPTO:BTC") is RowState.LIVE)
