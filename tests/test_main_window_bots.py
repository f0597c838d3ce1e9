"""Bots in the real window, with the real engine: made, started, trading, stopped, edited and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication, QDialog

from core.bots.model import BotStatus
from core.config import BotConfig, Config
from core.config_file import load_config
from core.session import ConfigStore
from gui.dialogs.bot_dialog import BotDialog
from gui.dialogs.bot_questions import DeleteBotDialog, SellDialog, StopAllDialog, StopBotDialog
from gui.main_window.main_window import MainWindow
from tests.window_helpers import BTC, StubMarket, crypto_config, stub_window, wait


def bot(bot_id: str = "trend", **fields: Any) -> BotConfig:
    named: dict[str, Any] = {
        "name": bot_id.title(), "symbols": ("CRYPTO:BTC",), "autostart": True, "slippage_pct": 0.0,
        "stop_loss_pct": 5.0, **fields,
    }  # fmt: skip
    return BotConfig(id=bot_id, **named)


def with_bots(*bots: BotConfig) -> Config:
    return msgspec.structs.replace(crypto_config(), bots=bots)


def status(window: MainWindow, key: str = "trend") -> BotStatus | None:
    card = window.desk.bots.card(key)
    return None if card is None else card.state.status


def dialog_of(kind: type[QDialog]) -> Any:
    return next(w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible())


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=10.0)


def buy(qtbot: Any, window: MainWindow, market: StubMarket) -> None:
    """Let the price rise by enough for a BUY, which the bot follows."""
    wait(qtbot, lambda: status(window) is BotStatus.RUNNING)
    window.start_scan()
    card = window.desk.bots.card("trend")
    wait(qtbot, lambda: card.state.last_price == 100.0)
    market.set(BTC.key, 103.0)
    wait(qtbot, lambda: status(window) is BotStatus.IN_POSITION)


def test_a_bot_follows_a_signal_and_the_panel_shows_it(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    buy(qtbot, window, market)
    state = window.desk.bots.card("trend").state
    assert state.position is not None
    assert float(state.position.entry_price) == 103.0
    assert float(state.position.stop) == pytest.approx(97.85)
    assert state.trailing_stop_price == pytest.approx(97.85)
    market.set(BTC.key, 97.0)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.position is None)
    assert window.desk.bots.card("trend").state.daily_pnl < 0


def test_stopping_a_bot_that_holds_asks_what_becomes_of_it(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    buy(qtbot, window, market)
    window.bots.stop("trend")
    question = dialog_of(StopBotDialog)
    assert "BTC" in question.text.text()
    qtbot.mouseClick(question.accept_button, Qt.LeftButton)
    wait(qtbot, lambda: status(window) is BotStatus.STOPPED)
    assert window.desk.bots.card("trend").state.position is not None  # kept, its stop armed
    window.bots.stop("trend")
    qtbot.mouseClick(dialog_of(StopBotDialog).sell_button, Qt.LeftButton)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.position is None)


def test_the_panic_button_stops_all_and_sells_if_asked(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot(), bot("other", symbols=("CRYPTO:ETH",))))
    buy(qtbot, window, market)
    window.desk.bots.stop_all_requested.emit()
    question = dialog_of(StopAllDialog)
    question.sell_all.setChecked(True)
    qtbot.mouseClick(question.accept_button, Qt.LeftButton)
    for key in ("trend", "other"):
        wait(qtbot, lambda key=key: status(window, key) is BotStatus.STOPPED)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.position is None)


def stored_window(qtbot: Any, market: StubMarket, tmp_path: Path) -> tuple[MainWindow, Path]:
    file = tmp_path / "swing_config.json"
    file.write_bytes(msgspec.json.encode(crypto_config()))
    window = stub_window(qtbot, market, load_config(file), config_store=ConfigStore(file, file))
    return window, file


def test_a_new_bot_goes_through_the_settings_file_into_the_engine(
    qtbot: Any, market: StubMarket, tmp_path: Path
) -> None:
    window, file = stored_window(qtbot, market, tmp_path)
    window.bots.new()
    dialog = dialog_of(BotDialog)
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    assert dialog.isVisible()  # nothing was entered yet
    assert dialog.form.fields["name"].problem
    dialog.form.set_value("name", "Benim Botum")
    dialog.form.set_value("symbols", ("BTC", "ETH"))
    dialog.form.set_value("trailing_stop_pct", 2.5)
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    wait(qtbot, lambda: status(window, "benim-botum") is BotStatus.STOPPED)
    (saved,) = load_config(file).bots
    assert (saved.id, saved.name, saved.trailing_stop_pct) == ("benim-botum", "Benim Botum", 2.5)
    window.desk.bots.start_requested.emit("benim-botum")
    wait(qtbot, lambda: status(window, "benim-botum") is BotStatus.RUNNING)


def test_edit_clone_and_delete(qtbot: Any, market: StubMarket, tmp_path: Path) -> None:
    window, file = stored_window(qtbot, market, tmp_path)
    window.settings.apply(msgspec.structs.replace(window.settings.config, bots=(bot(),)))
    wait(qtbot, lambda: status(window) is BotStatus.RUNNING)
    window.desk.bots.edit_requested.emit("trend")
    dialog = dialog_of(BotDialog)
    assert not dialog.form.fields["id"].editor.isEnabled()
    dialog.form.set_value("strategy", "ema_cross")
    assert "fast" in dialog.form.params
    dialog.form.set_value("name", "Renamed")
    qtbot.mouseClick(dialog.accept_button, Qt.LeftButton)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.name == "Renamed")
    assert load_config(file).bots[0].strategy == "ema_cross"
    window.desk.bots.clone_requested.emit("trend")
    qtbot.mouseClick(dialog_of(BotDialog).accept_button, Qt.LeftButton)
    wait(qtbot, lambda: status(window, "trend-2") is BotStatus.STOPPED)
    window.desk.bots.delete_requested.emit("trend")
    qtbot.mouseClick(dialog_of(DeleteBotDialog).accept_button, Qt.LeftButton)
    wait(qtbot, lambda: status(window, "trend") is None)
    assert [each.id for each in load_config(file).bots] == ["trend-2"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("symbols", ("BTC", "BIST:ASELS")), ("symbols", ("şişe!",)), ("id", "Not an id"), ("cash", 0),
     ("stop_loss_pct", -1), ("time_limit_sec", 0.001)],
)  # fmt: skip
def test_the_form_refuses_what_the_file_would(qtbot: Any, name: str, value: Any) -> None:
    dialog = BotDialog(bot=bot(), clone=True, taken=("trend",), exchange="CRYPTO")
    qtbot.addWidget(dialog)
    assert dialog.bot().id == "trend-2"
    dialog.form.set_value(name, value)
    assert dialog.form.fields[name].problem
    with pytest.raises(ValueError, match="not complete"):
        dialog.bot()


def test_an_id_that_is_taken_and_a_bot_without_a_size_are_refused(qtbot: Any) -> None:
    dialog = BotDialog(bot=bot(), clone=True, taken=("trend",), exchange="CRYPTO")
    qtbot.addWidget(dialog)
    dialog.form.set_value("id", "trend")
    dialog.form.set_value("size", 0)
    assert dialog.form.fields["id"].problem
    assert dialog.form.fields["size"].problem
    dialog.form.set_value("quantity", 5)
    assert not dialog.form.fields["size"].problem


def test_a_strategy_s_parameters_are_judged_too(qtbot: Any) -> None:
    dialog = BotDialog(bot=bot(strategy="ema_cross", params={"fast": 5, "slow": 9}), exchange="CRYPTO")
    qtbot.addWidget(dialog)
    assert dialog.bot().params["slow"] == 9
    dialog.form.params["fast"].editor.set_value(20)
    assert any(field.problem for field in dialog.form.params.values())
    with pytest.raises(ValueError, match="not complete"):
        dialog.bot()


def test_ctrl_b_asks_for_a_new_bot(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market)
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key_B, Qt.ControlModifier)
    dialog_of(BotDialog).reject()


def test_ctrl_5_goes_to_the_bots(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    wait(qtbot, lambda: status(window) is BotStatus.RUNNING)
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key_5, Qt.ControlModifier)
    assert window.desk.bots.isAncestorOf(QApplication.focusWidget())


def test_a_stopped_engine_greys_the_bots_at_once(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    wait(qtbot, lambda: status(window) is BotStatus.RUNNING)
    model = window.desk.bots.model()
    wait(qtbot, lambda: model.silent == {})
    window.worker.stop()
    wait(qtbot, lambda: "" in model.silent)


def test_what_was_stopped_with_its_position_can_be_sold_later(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    buy(qtbot, window, market)
    window.bots.stop("trend")
    qtbot.mouseClick(dialog_of(StopBotDialog).accept_button, Qt.LeftButton)
    wait(qtbot, lambda: status(window) is BotStatus.STOPPED)
    window.desk.bots.sell_requested.emit("trend")
    question = dialog_of(SellDialog)
    assert "BTC" in question.text.text()
    qtbot.mouseClick(question.accept_button, Qt.LeftButton)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.position is None)
    assert status(window) is BotStatus.STOPPED


def test_the_chart_shows_what_bots_did_before_it_was_opened(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    buy(qtbot, window, market)
    market.set(BTC.key, 97.0)
    wait(qtbot, lambda: window.desk.bots.card("trend").state.position is None)
    window.desk.chart.set_bot_trades(())  # as after a new start of the program
    window.open_chart(BTC.key)
    panel = window.desk.chart.panel
    assert panel is not None

    def says(part: str) -> bool:
        return any(marker.text.startswith(part) for marker in panel.view._markers)

    wait(qtbot, lambda: says("Trend: Bought") and says("Trend: Sold"))


def test_another_world_has_another_past(qtbot: Any, market: StubMarket) -> None:
    """The trades of the real market leave the screen when the simulator is chosen."""
    window = stub_window(qtbot, market, with_bots(bot()))
    buy(qtbot, window, market)
    market.set(BTC.key, 97.0)
    trades = window.desk.bot_trades
    window.docks["bot_trades"].raise_()
    wait(qtbot, lambda: trades.model.rowCount() == 1)
    config = window.settings.config
    real_time = msgspec.structs.replace(config.real_time, live_data_source="simulation")
    window.settings.apply(msgspec.structs.replace(config, real_time=real_time))
    wait(qtbot, lambda: trades.model.rowCount() == 0)


def test_a_bot_s_command_brings_back_an_engine_that_is_down(qtbot: Any, market: StubMarket) -> None:
    window = stub_window(qtbot, market, with_bots(bot()))
    wait(qtbot, lambda: status(window) is BotStatus.RUNNING)
    window.worker.stop()
    wait(qtbot, lambda: not window.worker.isRunning())
    window.bots.stop("trend")
    wait(qtbot, lambda: status(window) is BotStatus.STOPPED)
    assert window.worker.isRunning()
