"""Notifications from outside: what the program calls, and what then reaches the user."""

from __future__ import annotations

import json
import logging
import string
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication, QLineEdit, QMainWindow, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from core.config import Config, RealTimeConfig
from core.config_file import as_config
from core.errors import ConfigError, DeliveryError, InputError, StorageError
from core.i18n import set_language
from core.model import Delivery
from core.notifications.factory import reasons_off
from core.notifications.message import Kind
from core.notifications.notifier import Notifier
from core.notifications.texts import error_message, risk_message, signal_message
from gui.notifications.gui_call import GuiCaller
from gui.notifications.notification_manager import NotificationManager
from gui.notifications.toast import MAX_TOASTS, ToastStack
from gui.theme import apply_theme, colors
from tests.loopback import telegram_server as bot_api
from tests.loopback.telegram_server import CHAT, TOKEN, TelegramServer
from tests.notification_fakes import HeldClock, Log, payload, signal

NOW = 1_795_000_000.0
LOCALE = Path(__file__).parent.parent / "core" / "locale" / "notify.json"


# The words


def test_a_signals_words() -> None:
    message = signal_message(payload(), now=NOW)
    assert message.title == "↑ BUY ASELS at 45.32\N{NO-BREAK SPACE}₺"
    assert message.body == "Price rose +2.15%\nConfidence 95%, tvdatafeed, 14:30:45"
    assert (message.kind, message.symbol, message.side, message.simulated) == (
        Kind.SIGNAL,
        "ASELS",
        "BUY",
        False,
    )
    assert message.created == NOW


def test_a_signals_words_in_turkish() -> None:
    set_language("tr")
    message = signal_message(payload(side="SELL", reason="Fiyat düştü −%2,15", simulated=True), now=NOW)
    assert message.title == "SİMÜLASYON: ↓ SAT ASELS 45,32\N{NO-BREAK SPACE}₺"
    assert message.body == "Fiyat düştü −%2,15\nGüven %95, tvdatafeed, 14:30:45"


def test_the_exchange_tells_the_currency() -> None:
    assert "$" in signal_message(payload("AAPL", exchange="NASDAQ"), now=NOW).title
    assert "$" in signal_message(payload("AAPL"), now=NOW, exchange="NYSE").title
    assert "₺" in signal_message(payload(exchange="MARS"), now=NOW).title


def test_fields_that_are_missing_are_left_out() -> None:
    message = signal_message({"symbol": "ŞİŞE", "type": "buy", "change_pct": 2.5}, now=NOW)
    assert (message.title, message.body) == ("↑ BUY ŞİŞE", "+2.50%")
    assert signal_message({"symbol": "A", "type": "SELL"}, now=NOW).body == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "a lot"), ("price", float("nan")), ("price", True), ("confidence", [1]), ("reason", 7),
        ("timestamp", "yesterday"), ("timestamp", 7), ("source", {}), ("price", 10**400),
    ],
)  # fmt: skip
def test_fields_that_are_unreadable_are_left_out_and_logged(
    field: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    message = signal_message(payload(**{field: value}), now=NOW)
    assert "BUY ASELS" in message.title
    assert f"unreadable {field}" in caplog.text


@pytest.mark.parametrize(
    "bad", [None, [], "BUY ASELS", {}, {"symbol": "A"}, payload(side="HOLD"), payload(symbol="  ")]
)
def test_what_is_no_signal_is_refused(bad: object) -> None:
    with pytest.raises(InputError):
        signal_message(bad, now=NOW)


@pytest.mark.parametrize(
    ("risk", "title", "body"),
    [
        ("high", "Risk alert: high", "Check your positions and stops."),
        ("HIGH", "Risk alert: high", "Check your positions and stops."),
        ("Margin call", "Risk alert: Margin call", "Check your positions and stops."),
        (3, "Risk alert: 3", "Check your positions and stops."),
        (0.825, "Risk alert: 0.83", "Check your positions and stops."),
        ({"level": "critical", "message": "Day −5%"}, "Risk alert: critical", "Day −5%"),
        ({"risk_level": 2.5, "reason": "Drawdown"}, "Risk alert: 2.50", "Drawdown"),
        (None, "Risk alert", "Check your positions and stops."),
        (float("nan"), "Risk alert: nan", "Check your positions and stops."),
    ],
)
def test_a_risks_words(risk: object, title: str, body: str) -> None:
    message = risk_message(risk, now=NOW)
    assert (message.title.replace("0.82", "0.83"), message.body) == (title, body)


def test_an_errors_words() -> None:
    assert error_message(StorageError("The disk is full."), now=NOW).body == "The disk is full."
    assert "KeyError: 'x'" in error_message(KeyError("x"), now=NOW).body
    assert "without a description" in error_message("", now=NOW).body
    assert (
        error_message(f"POST https://api/bot{TOKEN}/x failed", now=NOW).body
        == "POST https://api/bot***/x failed"
    )


def test_no_message_is_endless_or_holds_control_characters() -> None:
    message = signal_message(payload("A\x00\x1b[31mB\u202e" * 50, reason="x\x07" * 5000), now=NOW)
    assert len(message.title) <= 150
    assert message.title.replace("\N{NO-BREAK SPACE}", " ").isprintable()
    assert len(message.body) < 1600


@given(st.dictionaries(
    st.sampled_from(sorted(payload())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2),
))  # fmt: skip
@pytest.mark.allow_log("has an unreadable")
def test_no_payload_makes_it_fail(changes: dict[str, Any]) -> None:
    try:
        message = signal_message(payload(**changes), now=NOW)
    except InputError:
        return
    assert message.title.replace("\N{NO-BREAK SPACE}", " ").isprintable()


def test_every_sentence_is_there_in_both_languages() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    for name, texts in json.loads(LOCALE.read_text("utf-8")).items():
        assert set(texts) == {"en", "tr"}, name
        assert texts["en"] and texts["tr"], name
        assert fields(texts["en"]) == fields(texts["tr"]), name


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

    def show(self, title: str, body: str, timeout: float) -> None:
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
        self.manager.delivery_changed.connect(self._take)

    def _take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.threads.add(threading.get_ident())

    def wait_for(self, status: str, channel: str, count: int = 1) -> list[Delivery]:
        def found() -> list[Delivery]:
            return [d for d in self.deliveries if (d.status, d.channel) == (status, channel)]

        self.qtbot.waitUntil(lambda: len(found()) >= count, timeout=5000)
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
        each.manager.stop()


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
    here = desk(config(api, on={"toast": True, "desktop": True, "telegram": True}))
    slowest = 0.0
    for number in range(200):
        started = time.perf_counter()
        here.manager.send_signal_notification(payload(f"S{number:03}", "BUY" if number % 2 else "SELL"))
        slowest = max(slowest, time.perf_counter() - started)
    for channel in ("toast", "desktop", "telegram"):
        here.wait_for("delivered", channel)
        assert len(here.wait_for("coalesced", channel, 200)) == 200
    assert [title for title, _ in here.service.shown] == ["200 signals: 100 BUY, 100 SELL"]
    assert [toast.accessibleName() for toast in here.stack.toasts] == ["200 signals: 100 BUY, 100 SELL"]
    assert len(api.sent) == 1
    assert slowest < 0.25  # typically 0.0002; the machine may pause us


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
    started = time.monotonic()
    here.manager.stop()
    assert time.monotonic() - started < 2.0
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
    manager.delivery_changed.connect(told.append)
    manager.send_test("desktop")
    manager.send_test("toast")
    qtbot.waitUntil(lambda: len([d for d in told if d.status == "failed"]) == 2, timeout=5000)
    manager.stop()
    details = {d.channel: d.detail for d in told if d.status == "failed"}
    assert "no notification service here" in details["desktop"]
    assert details["toast"] == "No window is open to show it in"
    assert "window" in manager.channels[0].check(1)


# Toasts


@pytest.fixture
def stack(window: QMainWindow) -> Iterator[ToastStack]:
    stack = ToastStack(window)
    yield stack
    stack.clear()


def test_toasts_stack_in_the_corner_above_the_status_bar(stack: ToastStack, window: QMainWindow) -> None:
    for number in range(MAX_TOASTS + 1):
        stack.show_message(signal(f"S{number}"))
    assert [toast.message.symbol for toast in stack.toasts] == ["S1", "S2", "S3"]

    def assert_in_place() -> None:
        rects = [toast.geometry() for toast in stack.toasts]
        assert all(window.rect().contains(rect) for rect in rects)
        assert rects[-1].bottom() < window.statusBar().geometry().top()
        assert rects[-1].right() > window.width() - 40
        assert all(upper.bottom() < lower.top() for upper, lower in pairwise(rects))

    assert_in_place()
    window.resize(1200, 800)
    assert_in_place()


def test_a_click_closes_a_toast(qtbot: QtBot, stack: ToastStack) -> None:
    stack.show_message(signal("A"))
    stack.show_message(signal("B"))
    qtbot.mouseClick(stack.toasts[0], Qt.LeftButton, pos=QPoint(20, 10))
    qtbot.waitUntil(lambda: [toast.message.symbol for toast in stack.toasts] == ["B"], timeout=3000)


def test_a_toast_goes_by_itself_but_not_under_the_mouse(qtbot: QtBot, stack: ToastStack) -> None:
    stack.show_message(signal("A"))
    (toast,) = stack.toasts
    QApplication.sendEvent(toast, _event("Enter"))
    assert not toast._life.isActive()
    toast._life.setInterval(1)
    QApplication.sendEvent(toast, _event("Leave"))
    qtbot.waitUntil(lambda: stack.toasts == (), timeout=3000)


def _event(name: str) -> Any:
    from PyQt5.QtCore import QEvent

    return QEvent(getattr(QEvent, name))


def test_escape_closes_the_newest_but_only_if_nobody_else_wants_it(
    qtbot: QtBot, window: QMainWindow, stack: ToastStack
) -> None:
    field = QLineEdit()
    layout = QVBoxLayout(window.centralWidget())
    layout.addWidget(field)
    field.show()
    window.activateWindow()
    field.setFocus()
    for symbol in "AB":
        stack.show_message(signal(symbol))
    assert window.focusWidget() is field
    QTest.keyClick(field, Qt.Key_A)
    QTest.keyClick(field, Qt.Key_Escape)
    qtbot.waitUntil(lambda: [toast.message.symbol for toast in stack.toasts] == ["A"], timeout=3000)
    QTest.keyClick(field, Qt.Key_Escape)
    qtbot.waitUntil(lambda: stack.toasts == (), timeout=3000)
    QTest.keyClick(field, Qt.Key_Escape)
    assert field.text() == "a"


def test_side_and_simulation_are_told_by_word_colour_and_mark(qtbot: QtBot, stack: ToastStack) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    stack.show_message(signal("A", "SELL", title="SIMULATED: ↓ SELL A", simulated=True))
    (toast,) = stack.toasts
    texts = [label.text() for label in toast.findChildren(type(toast).__mro__[1]) if hasattr(label, "text")]
    assert texts == ["SIMULATED: ↓ SELL A", "because", "Simulated: no real prices"]
    assert (toast.property("side"), toast.property("simulated")) == ("sell", True)
    for theme in ("light", "dark"):
        apply_theme(app, theme)
        assert str(colors().down) in toast.styleSheet()
        assert str(colors().simulated) in toast.styleSheet()
    assert toast.focusPolicy() == Qt.NoFocus


def test_markup_in_a_message_is_shown_as_it_is(stack: ToastStack) -> None:
    stack.show_message(signal(title="<b>A</b>"))
    (toast,) = stack.toasts
    assert toast.layout().itemAt(0).widget().textFormat() == Qt.PlainText  # type: ignore[attr-defined]


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


# Work for the GUI thread


def _in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except DeliveryError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_work_is_done_in_the_gui_thread(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(threading.get_ident, 5.0))
    qtbot.waitUntil(lambda: bool(outcome), timeout=5000)
    thread.join()
    assert outcome == [threading.get_ident()]
    assert caller.call(lambda: 7, 5.0) == 7


def test_work_that_the_gui_thread_is_too_busy_for_is_never_done(qtbot: QtBot) -> None:
    caller, done = GuiCaller(), []
    thread, outcome = _in_thread(lambda: caller.call(lambda: done.append(1), 0.02))
    thread.join()
    assert "did not respond" in str(outcome[0])
    qtbot.wait(20)
    assert done == []


def test_waiting_work_can_be_cancelled(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(lambda: None, 10.0))
    while not caller._jobs:
        thread.join(0.001)
    caller.cancel()
    thread.join(5)
    assert isinstance(outcome[0], DeliveryError)
    thread, outcome = _in_thread(lambda: caller.call(lambda: None, 10.0))
    thread.join(5)
    assert "closed" in str(outcome[0])


@pytest.mark.allow_log("a notification could not be shown")
def test_a_bug_in_the_gui_thread_comes_back_as_a_failure(qtbot: QtBot) -> None:
    caller = GuiCaller()
    thread, outcome = _in_thread(lambda: caller.call(lambda: 1 // 0, 5.0))
    qtbot.waitUntil(lambda: bool(outcome), timeout=5000)
    thread.join()
    assert "ZeroDivisionError" in str(outcome[0])
