"""Notifications from outside: what the program calls, and what then reaches the user."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from PyQt5.QtWidgets import QMainWindow, QWidget
from pytestqt.qtbot import QtBot

from core.config import Config, RealTimeConfig
from core.config_file import as_config
from core.errors import ConfigError, StorageError
from core.model import Delivery
from core.notifications.batch import LIMITS
from core.notifications.notifier import Notifier
from core.notifications.routes import reasons_off
from gui.notifications.notification_manager import NotificationManager
from gui.notifications.toast import ToastStack
from tests.loopback import telegram_server as bot_api
from tests.loopback.telegram_server import CHAT, TOKEN, TelegramServer
from tests.notification_fakes import HeldClock, Log, payload
from tests.patience import PATIENCE

# The notifier, which the terminal uses without a window


def config(api: TelegramServer | None = None, **changes: Any) -> Config:
    """Only the channels named in `changes`; Telegram by the loopback API."""
    telegram = {
        "enabled": True, "bot_token": TOKEN, "chat_id": CHAT,
        "api_base": api.base if api else "http://127.0.0.1:9",
    }  # fmt: skip
    channels = {"toast": False, "desktop": False, "telegram": False, "email": False} | changes.pop("on", {})
    return as_config({"real_time": {"notification_channels": channels, "telegram": telegram, **changes}})


@pytest.fixture
def api() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        yield server


def test_both_switches_of_an_outside_channel_must_be_on() -> None:
    real_time = RealTimeConfig()
    assert reasons_off(real_time) == {
        name: f"real_time.notification_channels.{name}" for name in ("telegram", "email")
    }
    assert reasons_off(as_config({"real_time": {"notification_channels": {"email": True}}}).real_time)[
        "email"
    ] == ("real_time.email.enabled")
    off = reasons_off(as_config({"real_time": {"enable_notifications": False}}).real_time)
    assert set(off) == {"toast", "desktop", "telegram", "email"}


@pytest.mark.allow_log("A signal could not be read", "a notification could not be written")
def test_nothing_that_is_given_makes_the_notifier_raise() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    log = Log()
    notifier = Notifier(Config(), on_delivery=log)
    for bad in (None, 7, {}, {"symbol": 7, "type": None}, Hostile()):
        notifier.send_signal(bad)
    notifier.send_error(Hostile())
    notifier.send_risk(Hostile())
    notifier.send_trial("pigeon")
    failed = log.wait_for("failed", 8)
    assert {d.channel for d in failed} == {"all"}
    assert all(d.detail for d in failed)
    assert notifier.stop()


def test_telegram_from_the_signal_to_the_chat(api: TelegramServer) -> None:
    log = Log()
    notifier = Notifier(config(api, on={"telegram": True}), on_delivery=log)
    notifier.send_signal(payload(exchange="BIST"))
    log.wait_for("delivered", channel="telegram")
    notifier.stop()
    assert api.sent[0]["text"].startswith("↑ BUY ASELS at 45.32\N{NO-BREAK SPACE}₺\nPrice rose +2.15%")
    assert {d.channel for d in log.wait_for("skipped")} == {"email"}


def test_a_pause_that_telegram_asks_for_is_kept(api: TelegramServer) -> None:
    log, clock = Log(), HeldClock()
    clock.released.set()
    api.faults.append(bot_api.TOO_MANY)
    notifier = Notifier(config(api, on={"telegram": True}), on_delivery=log, clock=clock)
    notifier.send_signal(payload())
    (done,) = log.wait_for("delivered", channel="telegram")
    (waited,) = log.wait_for("retrying", channel="telegram")
    notifier.stop()
    assert "Telegram asks for a pause" in waited.detail
    assert done.updated - waited.updated >= 7.0
    assert len(api.sent) == 1


@pytest.mark.parametrize("chosen", [{}, {"demo": True}, {"live_data_source": "simulation"}])
def test_simulated_signals_go_out_only_if_the_user_chose_the_simulator(
    api: TelegramServer, chosen: dict[str, Any]
) -> None:
    log, demo = Log(), bool(chosen.get("demo"))
    source = {name: value for name, value in chosen.items() if name != "demo"}
    notifier = Notifier(config(api, on={"telegram": True}, **source), on_delivery=log, demo=demo)
    notifier.send_signal(payload(simulated=True))
    log.wait_for("delivered" if chosen else "skipped", channel="telegram")
    notifier.stop()
    assert len(api.sent) == bool(chosen)
    assert all(sent["text"].startswith("SIMULATED: ") for sent in api.sent)


def test_new_settings_take_over_a_message_that_still_waits(api: TelegramServer) -> None:
    log = Log()
    old = config(api, on={"telegram": True})
    api.faults.append(bot_api.SILENCE)
    notifier = Notifier(old, on_delivery=log)
    notifier.send_signal(payload())
    assert api.wait_for_request()
    with TelegramServer() as other:
        notifier.apply_config(
            config(other, on={"telegram": True, "email": True}, email={"host": "127.0.0.1"})
        )
        log.wait_for("delivered", channel="telegram")
        assert len(other.sent) == 1
    assert notifier.stop()


def test_a_test_goes_through_a_channel_that_is_off(api: TelegramServer) -> None:
    log = Log()
    notifier = Notifier(config(api), on_delivery=log)
    notifier.send_trial("telegram")
    notifier.send_trial("email")
    log.wait_for("delivered", channel="telegram")
    assert "SMTP server" in log.wait_for("failed", channel="email")[0].detail
    notifier.stop()
    assert api.sent[0]["text"].splitlines()[0] == "Swing Hunter: test"
    assert {channel.name for channel in notifier.channels} == {"telegram", "email"}


def test_secrets_are_in_no_delivery_and_no_log(api: TelegramServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log, clock = Log(), HeldClock()
    clock.released.set()
    api.faults.extend([bot_api.DROP, bot_api.BROKEN, bot_api.refused(400, f"bad token {TOKEN}")])
    notifier = Notifier(config(api, on={"telegram": True}), on_delivery=log, clock=clock)
    notifier.send_error(RuntimeError(f"https://api.telegram.org/bot{TOKEN}/sendMessage refused"))
    log.wait_for("failed", channel="telegram")
    notifier.stop()
    assert TOKEN not in str(log.all)
    assert TOKEN not in caplog.text


# The manager, with a window


class FakeService:
    """A desktop service that remembers."""

    label = "fake"

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.closed = 0

    def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
        self.shown.append((title, body))

    def probe(self, timeout: float) -> None:
        """It would work."""

    def cancel(self) -> None:
        """Nothing takes time."""

    def close(self) -> None:
        self.closed += 1


class Desk:
    """A window, a manager, and the deliveries it told of."""

    def __init__(self, qtbot: QtBot, settings: Any, window: QWidget, **options: Any) -> None:
        self.qtbot = qtbot
        self.window = window
        self.service = FakeService()
        self.manager = NotificationManager(
            settings, window=window, desktop_services=(self.service,), **options
        )
        self.deliveries: list[Delivery] = []
        self.threads: set[int] = set()
        self.manager.deliveries_changed.connect(self._take)

    def _take(self, deliveries: tuple[Delivery, ...]) -> None:
        self.deliveries.extend(deliveries)
        self.threads.add(threading.get_ident())

    def wait_for(self, status: str, channel: str, count: int = 1) -> list[Delivery]:
        def found() -> list[Delivery]:
            return [d for d in self.deliveries if (d.status, d.channel) == (status, channel)]

        self.qtbot.waitUntil(lambda: len(found()) >= count)
        return found()

    @property
    def stack(self) -> ToastStack:
        stack = self.manager.toasts.stack
        assert stack is not None
        return stack


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.resize(900, 600)
    window.setCentralWidget(QWidget())
    window.statusBar().showMessage("ready")
    window.show()
    qtbot.waitExposed(window)
    return window


@pytest.fixture
def desk(qtbot: QtBot, window: QMainWindow) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(settings: Any = None, **options: Any) -> Desk:
        made.append(Desk(qtbot, settings, window, **options))
        return made[-1]

    yield make
    for each in made:
        each.manager.stop(PATIENCE)


def test_a_signal_reaches_the_window_and_the_desktop(desk: Callable[..., Desk]) -> None:
    here = desk({"real_time": {"notification_channels": {"toast": True}}})
    here.manager.send_signal_notification(payload())
    here.wait_for("delivered", "toast")
    assert here.wait_for("delivered", "desktop")[0].detail == "fake"
    assert here.wait_for("skipped", "telegram")
    (toast,) = here.stack.toasts
    assert toast.accessibleName() == "↑ BUY ASELS at 45.32\N{NO-BREAK SPACE}₺"
    assert toast.isVisible()
    assert here.service.shown[0][0] == toast.accessibleName()
    assert here.threads == {threading.get_ident()}


def test_a_storm_of_200_signals_is_one_toast_one_balloon_and_one_message(
    desk: Callable[..., Desk], api: TelegramServer
) -> None:
    # A busy machine may stop the sender for longer than a channel listens for more; the rest is as it ships.
    patient = {name: msgspec.structs.replace(known, gather_quiet=1.4) for name, known in LIMITS.items()}
    here = desk(config(api, on={"toast": True, "desktop": True, "telegram": True}), limits=patient)
    for number in range(200):
        here.manager.send_signal_notification(payload(f"S{number:03}", "BUY" if number % 2 else "SELL"))
    # Nobody waits for a toast: it needs this thread's event loop, which has not had a turn.
    assert not here.manager.toasts.stack or here.stack.toasts == ()
    for channel in ("toast", "desktop", "telegram"):
        here.wait_for("delivered", channel)
        assert len(here.wait_for("coalesced", channel, 200)) == 200
    assert [title for title, _ in here.service.shown] == ["200 signals: 100 BUY, 100 SELL"]
    assert [toast.accessibleName() for toast in here.stack.toasts] == ["200 signals: 100 BUY, 100 SELL"]
    assert len(api.sent) == 1


def test_risks_and_errors_and_tests(desk: Callable[..., Desk]) -> None:
    here = desk(config(on={"toast": True}))
    here.manager.send_risk_alert("critical")
    here.manager.send_error_notification(StorageError("The disk is full."))
    here.manager.send_test("desktop")
    here.wait_for("delivered", "toast", 2)
    here.wait_for("delivered", "desktop")
    assert [toast.message.title for toast in here.stack.toasts] == [
        "Risk alert: critical",
        "Swing Hunter: error",
    ]
    assert here.service.shown == [("Swing Hunter: test", "Desktop works: alerts will arrive here.")]


def test_settings_change_while_it_runs(desk: Callable[..., Desk]) -> None:
    here = desk({"real_time": {"enable_notifications": False}})
    here.manager.send_signal_notification(payload("A"))
    assert "enable_notifications" in here.wait_for("skipped", "toast")[0].detail
    here.manager.apply_config({"real_time": {"notification_channels": {"desktop": False}}})
    here.manager.send_signal_notification(payload("B"))
    here.wait_for("delivered", "toast")
    assert here.service.shown == []
    with pytest.raises(ConfigError):
        here.manager.apply_config({"real_time": {"poll_interval_sec": "often"}})


@pytest.mark.allow_log("A signal could not be read")
def test_a_bad_signal_is_told_and_harms_nothing(desk: Callable[..., Desk]) -> None:
    here = desk()
    here.manager.send_signal_notification({"symbol": 7})
    assert "symbol" in here.wait_for("failed", "all")[0].detail


def test_signals_from_another_thread(desk: Callable[..., Desk]) -> None:
    here = desk()
    thread = threading.Thread(target=here.manager.send_signal_notification, args=(payload(),))
    thread.start()
    here.wait_for("delivered", "toast")
    thread.join()
    assert here.threads == {threading.get_ident()}


def test_stopping_in_the_middle_of_everything(desk: Callable[..., Desk], api: TelegramServer) -> None:
    here = desk(config(api, on={"telegram": True, "toast": True}))
    api.faults.append(bot_api.SILENCE)
    here.manager.send_signal_notification(payload())
    assert api.wait_for_request()
    here.manager.stop(PATIENCE)
    lost = [d for d in here.deliveries if d.status == "failed" and d.channel == "telegram"]
    assert lost[0].detail == "Not delivered: the program was closed."
    assert here.manager.toasts.stack is None or here.stack.toasts == ()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("notify-")]
    here.manager.stop()
    assert here.service.closed == 2


def test_the_real_desktop_services_are_chosen_by_default(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    manager = NotificationManager({})
    told: list[Delivery] = []
    manager.deliveries_changed.connect(told.extend)
    manager.send_test("desktop")
    manager.send_test("toast")
    qtbot.waitUntil(lambda: len([d for d in told if d.status == "failed"]) == 2)
    manager.stop()
    details = {d.channel: d.detail for d in told if d.status == "failed"}
    assert "no notification service here" in details["desktop"]
    assert details["toast"] == "No window is open to show it in"
    assert "window" in manager.channels[0].check(1)


def test_toasts_follow_the_window_that_is_there(
    qtbot: QtBot, window: QMainWindow, desk: Callable[..., Desk]
) -> None:
    here = desk()
    other = QMainWindow()
    qtbot.addWidget(other)
    here.manager.send_signal_notification(payload("A"))
    here.wait_for("delivered", "toast")
    here.manager.attach_window(other)
    here.manager.send_signal_notification(payload("B"))
    here.wait_for("delivered", "toast", 2)
    assert here.stack.host is other
    assert window.findChildren(ToastStack)[0].toasts == ()
