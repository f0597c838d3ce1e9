"""The window and the outbox: what the last run owes is told, and what is told is settled."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from core.bots.model import BotAlertKind
from core.commands import History
from core.config import Config
from core.config_file import as_config
from core.model import SETTLED, OutboxLine
from core.notifications.routes import CHANNELS, Routes
from core.storage import open_store
from gui.main_window.main_window import MainWindow
from tests.bot_helpers import alert
from tests.storage_helpers import NOON, signal
from tests.window_helpers import StubMarket, crypto_config, keep, show, stub_window, wait

FAR = 4e9


def toast_only(**real_time: Any) -> Config:
    channels = {"toast": True, "desktop": False}
    return as_config({"language": "en", "real_time": {"notification_channels": channels, **real_time}})


def window_on(qtbot: Any, data_dir: Path, config: Config) -> MainWindow:
    """A window whose engine has told what was stored before."""
    window = MainWindow(config, data_dir=data_dir, open_store=lambda _: open_store("", data_dir))
    told: list[History] = []
    window.link.on(History, told.append)
    show(qtbot, window)
    wait(qtbot, lambda: bool(told))
    return window


def owed(data_dir: Path) -> list[tuple[str, str]]:
    """What the database still owes the user."""
    store = open_store("", data_dir)
    lines: tuple[OutboxLine, ...] = store.claim_outbox("a test", FAR, FAR, CHANNELS)
    store.close()
    return [(line.message_id, line.channel) for line in lines]


def titles(window: MainWindow) -> list[str]:
    manager = window.alerts._manager
    stack = manager.toasts.stack if manager else None
    return [toast.message.title for toast in stack.toasts] if stack else []


def test_what_a_killed_program_owed_is_told_at_the_next_start(qtbot: Any, data_dir: Path) -> None:
    store = open_store("", data_dir)
    store.route(Routes(toast_only(), now=lambda: time.time() - 300.0).lines)
    store.add_signals([signal()])
    store.route(Routes(toast_only(), now=lambda: time.time() - 3600.0).lines)
    store.add_signals([signal(NOON + 1)])
    store.close()  # killed before anything was sent
    window = window_on(qtbot, data_dir, toast_only())
    wait(qtbot, lambda: bool(titles(window)))
    (title,) = titles(window)
    assert re.fullmatch(r"[\d: -]+: ↓ SELL ASELS at 45\.32\s₺, sent late", title)
    wait(qtbot, lambda: window.desk.notifications.model.rowCount() == 2)
    window.close()
    assert owed(data_dir) == []
    again = open_store("", data_dir)
    assert {one.status for one in again.deliveries()} == {"delivered", "expired"}
    again.close()


def test_signals_and_errors_are_settled_once_they_were_told(qtbot: Any, data_dir: Path) -> None:
    market = StubMarket(BTC=100.0, ETH=10.0)
    config = crypto_config(
        enable_notifications=True, notification_channels=toast_only().real_time.notification_channels
    )
    window = stub_window(
        qtbot, market, config, data_dir=data_dir, open_store=lambda _: open_store("", data_dir)
    )
    window.start_scan()
    wait(qtbot, lambda: window.desk.ticker.model().row_of("CRYPTO:BTC") is not None)
    market.set("CRYPTO:BTC", 110.0)
    wait(qtbot, lambda: any("BTC" in title for title in titles(window)))
    window.on_ws_error_occurred("The disk is full.")
    wait(qtbot, lambda: any("error" in title for title in titles(window)))
    window.close()
    assert owed(data_dir) == []
    store = open_store("", data_dir)
    assert {one.status for one in store.deliveries() if one.channel == "toast"} == {"delivered"}
    store.close()


def test_what_waits_when_the_window_closes_is_kept(qtbot: Any, data_dir: Path) -> None:
    telegram = {"enabled": True, "bot_token": "1:x", "chat_id": "1", "api_base": "http://127.0.0.1:9"}
    channels = {"toast": False, "desktop": False, "telegram": True}
    config = toast_only(notification_channels=channels, telegram=telegram)
    window = window_on(qtbot, data_dir, config)
    window.on_ws_error_occurred("The disk is full.")
    model = window.desk.notifications.model
    wait(qtbot, lambda: any(line.status == "retrying" for line in model._latest.values()))
    window.close()
    ((_, channel),) = owed(data_dir)
    assert channel == "telegram"
    store = open_store("", data_dir)
    assert [one.status for one in store.deliveries() if one.channel == "telegram"] == ["kept"]
    store.close()


def test_a_silent_message_stands_in_the_log_alone(qtbot: Any, data_dir: Path) -> None:
    config = toast_only(bot_notifications={"entry": {"toast": "silent"}, "exit": {"toast": "off"}})
    window = window_on(qtbot, data_dir, config)
    for number, kind in enumerate((BotAlertKind.ENTRY, BotAlertKind.EXIT), 1):
        window.link.tell(alert(number, kind=kind))
    model = window.desk.notifications.model
    both = {("b1-a1", "toast"), ("b1-a2", "toast")}
    wait(qtbot, lambda: len(model._latest) == 8 and both <= _settled(model).keys())
    assert _settled(model)["b1-a1", "toast"] == ("delivered", "Silent: only in this log")
    assert _settled(model)["b1-a2", "toast"][0] == "skipped"
    assert titles(window) == []


def _settled(model: Any) -> dict[tuple[str, str], tuple[str, str]]:
    lines = {name: line for name, line in model._latest.items() if line.status in SETTLED}
    return {name: (line.status, line.detail) for name, line in lines.items()}


def test_without_a_data_directory_nothing_is_kept(qtbot: Any) -> None:
    window = keep(qtbot, MainWindow(toast_only()))
    assert window.worker._loop._routes is None
