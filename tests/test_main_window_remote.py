"""Servers elsewhere in the real window: entered, shown, commanded, lost, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import msgspec
import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication, QDialog, QMessageBox

from core.commands import StartBot, StopBot
from core.config import Config, RemoteServerConfig
from core.config_file import load_config
from core.i18n import set_language
from core.session import ConfigStore
from gui.dialogs.bot_questions import DeleteBotDialog, StopAllDialog, StopBotDialog
from gui.dialogs.remote_server import RemoteServerDialog
from gui.dialogs.remote_servers import RemoteServersDialog
from gui.main_window.main_window import MainWindow
from gui.widgets.bot_delegate import button_rect
from tests.browser_helpers import holding
from tests.server_helpers import RunningServer, bot_state
from tests.window_helpers import StubMarket, crypto_config, stub_window, wait

HOME = "Home/asels"


def with_servers(*servers: RemoteServerConfig) -> Config:
    return msgspec.structs.replace(crypto_config(), remote_servers=servers)


def dialog_of(kind: type[QDialog]) -> Any:
    return next((w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()), None)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A keyring that lives as long as the test."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(keyring, "get_password", lambda _service, name: kept.get(name))
    monkeypatch.setattr(keyring, "set_password", lambda _service, name, value: kept.update({name: value}))
    monkeypatch.setattr(keyring, "delete_password", lambda _service, name: kept.pop(name, None))
    return kept


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer([holding(), bot_state("thyao")], beat_seconds=0.2) as running:
        yield running


def open_window(
    qtbot: Any, server: RunningServer, vault: dict[str, str], user: str = "local", **more: Any
) -> MainWindow:
    vault["remote_token_home"] = server.tokens[user]
    config = with_servers(RemoteServerConfig(name="Home", url=server.url))
    window = stub_window(qtbot, StubMarket(BTC=100.0), config, **more)
    wait(qtbot, lambda: window.desk.bots.card(HOME) is not None)
    return window


def test_bots_of_a_server_stand_in_the_panel_and_follow_it(
    qtbot: Any, server: RunningServer, vault: dict[str, str]
) -> None:
    window = open_window(qtbot, server, vault)
    panel = window.desk.bots
    card = panel.card(HOME)
    assert card is not None
    assert card.server == "Home"
    assert card.state.name == "Trend BIST"
    wait(qtbot, lambda: panel.model().silence(card) is None)
    server.engine.change("asels", last_price=49.0)
    wait(qtbot, lambda: card.state.last_price == 49.0)
    server.engine.remove("thyao")
    wait(qtbot, lambda: panel.card("Home/thyao") is None)
    server.engine.dead_since = -1000.0
    wait(qtbot, lambda: panel.model().silence(card) is not None)
    sentence = "Home: not live, the server answers but its trading engine does not."
    wait(qtbot, lambda: sentence in panel.note.text())  # written at the next look
    server.engine.dead_since = None
    wait(qtbot, lambda: panel.model().silence(card) is None)
    wait(qtbot, lambda: "not live" not in panel.note.text())


def test_the_panic_button_means_the_bots_of_servers_too(
    qtbot: Any, server: RunningServer, vault: dict[str, str]
) -> None:
    window = open_window(qtbot, server, vault)
    window.desk.bots.stop_all_requested.emit()
    question = dialog_of(StopAllDialog)
    assert "2 of them run on Home" in question.text.text()
    question.sell_all.setChecked(True)
    question.accept_button.click()
    wait(qtbot, lambda: len(server.engine.commands) == 2)
    assert {command.bot_id for command in server.engine.commands} == {"asels", "thyao"}
    assert all(isinstance(command, StopBot) and command.flatten for command in server.engine.commands)


@pytest.fixture
def looked_at() -> Iterator[RunningServer]:
    """A server whose token may only look."""
    with RunningServer([holding("asels", owner="viewer")], {"viewer": "viewer"}) as running:
        yield running


def test_who_may_only_look_is_offered_nothing_else(
    qtbot: Any, looked_at: RunningServer, vault: dict[str, str]
) -> None:
    window = open_window(qtbot, looked_at, vault, "viewer")
    panel = window.desk.bots
    card = panel.card(HOME)
    assert card is not None
    wait(qtbot, lambda: not panel.model().commands(card))
    window.resize(1366, 768)
    index = panel.model().index_of(HOME)
    number = index.row()
    panel.list.setCurrentIndex(index)
    QTest.keyClick(panel.list, Qt.Key_Space)
    place = panel.list.row_rect(number)
    QTest.mouseClick(panel.list.viewport(), Qt.LeftButton, pos=button_rect(place).center())
    panel.list.customContextMenuRequested.emit(place.center())
    menu = QApplication.activePopupWidget()
    assert [action.text() for action in menu.actions()] == ["Chart of ASELS"]
    menu.close()
    panel.stop_all_requested.emit()
    assert dialog_of(StopAllDialog) is None and dialog_of(StopBotDialog) is None
    assert looked_at.engine.commands == []


def test_a_server_that_is_gone_turns_its_bots_and_is_told_in_words(qtbot: Any, vault: dict[str, str]) -> None:
    with RunningServer([holding()], beat_seconds=0.2) as server:
        window = open_window(qtbot, server, vault)
        panel = window.desk.bots
        card = panel.card(HOME)
        wait(qtbot, lambda: panel.model().silence(card) is None)
    wait(qtbot, lambda: panel.model().silence(card) is not None)
    wait(qtbot, lambda: "Home: not live" in panel.note.text())
    assert card is not None and card.state.last_price == 45.32


def test_start_and_stop_go_to_the_server_and_nothing_else_does(
    qtbot: Any, server: RunningServer, vault: dict[str, str]
) -> None:
    window = open_window(qtbot, server, vault)
    panel = window.desk.bots
    panel.stop_requested.emit(HOME)
    question = dialog_of(StopBotDialog)
    question.sell_button.click()
    wait(qtbot, lambda: len(server.engine.commands) == 1)
    panel.stop_requested.emit("Home/thyao")
    wait(qtbot, lambda: len(server.engine.commands) == 2)
    panel.start_requested.emit(HOME)
    wait(qtbot, lambda: len(server.engine.commands) == 3)
    stop, other, start = server.engine.commands
    assert isinstance(stop, StopBot) and stop.flatten and stop.bot_id == "asels"
    assert isinstance(other, StopBot) and not other.flatten
    assert isinstance(start, StartBot)
    panel.edit_requested.emit(HOME)
    panel.delete_requested.emit(HOME)
    assert dialog_of(DeleteBotDialog) is None
    server.engine.refuse = "The database is full."
    panel.start_requested.emit(HOME)
    wait(qtbot, lambda: "The database is full." in window.notice_bar.sentence)


def stored(path: Path) -> tuple[RemoteServerConfig, ...] | None:
    """The servers in the settings file, None as long as there is no file."""
    return load_config(path).remote_servers if path.exists() else None


def test_a_server_is_entered_changed_and_removed(
    qtbot: Any, server: RunningServer, vault: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "swing_config.json"
    window = stub_window(
        qtbot, StubMarket(BTC=100.0), crypto_config(), config_store=ConfigStore(source=path, target=path)
    )
    window.desk.bots.servers_requested.emit()
    form = dialog_of(RemoteServerDialog)
    form.name.setText("Home")
    form.url.setText(server.url + "/")
    form.token_edit.setText(server.tokens["local"])
    form.accept_button.click()
    wait(qtbot, lambda: window.desk.bots.card(HOME) is not None)
    servers = dialog_of(RemoteServersDialog)
    wait(qtbot, lambda: servers.list.item(0).text().startswith("● Home: live."))
    wait(qtbot, lambda: vault == {"remote_token_home": server.tokens["local"]})
    wait(qtbot, lambda: stored(path) == (RemoteServerConfig(name="Home", url=server.url),))
    assert server.tokens["local"] not in path.read_text("utf-8")
    servers.list.setCurrentRow(0)
    servers.edit_button.click()
    form = dialog_of(RemoteServerDialog)
    form.token_edit.setText("swing_wrong")
    form.accept_button.click()
    wait(qtbot, lambda: "does not accept the token" in servers.list.item(0).text())
    wait(qtbot, lambda: "does not accept the token" in window.desk.bots.note.text())
    servers.remove_button.click()
    box = dialog_of(QMessageBox)
    next(button for button in box.buttons() if button.text() == "Remove").click()
    wait(qtbot, lambda: vault == {})
    wait(qtbot, lambda: window.desk.bots.card(HOME) is None)
    wait(qtbot, lambda: stored(path) == ())
    servers.reject()


def test_without_a_keyring_it_is_said_how_long_a_token_lasts(qtbot: Any, server: RunningServer) -> None:
    window = stub_window(qtbot, StubMarket(BTC=100.0), crypto_config())
    window.bots.remotes._save(RemoteServerConfig(name="Home", url=server.url), server.tokens["local"])
    wait(qtbot, lambda: window.desk.bots.card(HOME) is not None)
    wait(qtbot, lambda: "SWING_REMOTE_TOKEN_HOME" in window.notice_bar.sentence)


def form_with(qtbot: Any, **fields: str) -> RemoteServerDialog:
    form = RemoteServerDialog(taken=["Büro"])
    qtbot.addWidget(form)
    for name, text in {"name": "Home", "url": "https://a.example", "token_edit": "t", **fields}.items():
        getattr(form, name).setText(text)
    return form


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "büro"}, "Another server has this name."),
        ({"url": "ftp://x"}, "Enter an address such as https://192.168.1.20:8765"),
        ({"url": "https://me:secret@a.example"}, "without a name, password"),
        ({"token_edit": "two words"}, "A token has no spaces"),
        ({"token_edit": "şifre"}, "A token has no spaces"),
        ({"authority": "/nowhere.pem"}, "There is no such file."),
    ],
)
def test_the_form_says_what_is_wrong(qtbot: Any, fields: dict[str, str], sentence: str) -> None:
    form = form_with(qtbot, **fields)
    problem = form.first_problem()
    assert problem is not None and sentence in problem.problem


def test_the_form_warns_of_an_address_that_anybody_can_overhear(qtbot: Any) -> None:
    form = form_with(qtbot)
    assert form.first_problem() is None
    assert not form.warning.text()
    form.url.setText("http://192.168.1.20:8765")
    assert form.first_problem() is None
    assert "anybody on the way can read the token" in form.warning.text()
    form.url.setText("http://127.0.0.1:8765/")
    assert not form.warning.text()
    assert form.server() == RemoteServerConfig(name="Home", url="http://127.0.0.1:8765")


def test_an_empty_form_is_blamed_only_when_it_is_sent(qtbot: Any) -> None:
    form = RemoteServerDialog()
    qtbot.addWidget(form)
    assert form.first_problem() is None
    form.accept()
    assert [bool(field.problem) for field in form.fields] == [True, True, True, False]
    assert form.result() == QDialog.Rejected


def test_the_form_speaks_turkish(qtbot: Any) -> None:
    set_language("tr")
    form = RemoteServerDialog()
    qtbot.addWidget(form)
    assert form.windowTitle() == "Sunucu ekle"
    assert form.token_edit.echoMode() == form.token_edit.Password
    assert form.windowFlags() & Qt.Dialog
