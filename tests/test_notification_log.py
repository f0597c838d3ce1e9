"""The notification log, and the program's own log beside it."""

from __future__ import annotations

import logging

import msgspec
import pytest
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QApplication

from core.config import Config
from core.i18n import set_language
from core.model import Delivery
from core.secrets import redactor
from gui.widgets.log_panel import MAX_LINES, LogPanel
from gui.widgets.notification_log import NotificationLogPanel, channel_states

NOW = 1_795_000_000.0


def delivery(message="m1", channel="toast", status="queued", at=0.0, **more):
    return Delivery(
        message_id=message, channel=channel, status=status, title="↑ BUY ASELS",
        created=NOW, updated=NOW + at, **more,
    )  # fmt: skip


@pytest.fixture
def panel(qtbot):
    widget = NotificationLogPanel(now=lambda: NOW + 60)
    qtbot.addWidget(widget)
    widget.resize(900, 300)
    widget.show()
    return widget


def text(panel, row, name):
    column = next(n for n, each in enumerate(panel.model.columns) if each.name == name)
    return panel.model.index(row, column).data()


def statuses(panel):
    return [row.status for row in panel.model.rows()]


def test_one_row_per_message_and_channel_updated_in_place(panel):
    panel.add_deliveries([delivery(status="queued")])
    panel.add_deliveries([delivery(channel="telegram", status="queued")])
    panel.add_deliveries([delivery(channel="telegram", status="retrying", at=1, attempt=1, detail="429")])
    panel.add_deliveries([delivery(channel="telegram", status="delivered", at=3, attempt=2)])
    panel.flush()
    assert panel.model.rowCount() == 2
    line = next(n for n in range(2) if panel.model.row(n).channel == "telegram")
    assert text(panel, line, "channel") == "Telegram"
    assert text(panel, line, "status") == "✓ Delivered"
    assert text(panel, line, "attempt") == "2"
    assert text(panel, line, "title") == "↑ BUY ASELS"


def test_an_update_keeps_the_selection(panel):
    panel.set_deliveries([delivery("m1"), delivery("m2")])
    panel.table.selectRow(0)
    chosen = panel.table.selected_row().message_id
    panel.add_deliveries([delivery("m3", at=5)])
    panel.add_deliveries([delivery(chosen, status="failed", at=6)])
    panel.flush()
    assert panel.table.selected_row().status == "failed"


def test_a_late_word_changes_nothing(panel):
    panel.set_deliveries([delivery(status="delivered", at=5), delivery(status="queued", at=0)])
    assert statuses(panel) == ["delivered"]


@pytest.mark.parametrize(("status", "shown"), [
    ("queued", "… Waiting"), ("delivered", "✓ Delivered"), ("retrying", "↻ Trying again"),
    ("failed", "✗ Failed"),
    ("coalesced", "≡ In a summary"), ("throttled", "◷ Held back"), ("skipped", "– Not sent"),
    ("unheard-of", "? unheard-of"),
])  # fmt: skip
def test_every_status_is_a_word_and_a_sign(panel, status, shown):
    panel.add_deliveries([delivery(status=status)])
    assert text(panel, 0, "status") == shown


def test_filters_by_channel_and_status(panel):
    panel.set_deliveries([
        delivery("a", "toast", "delivered"), delivery("b", "telegram", "failed"),
        delivery("c", "telegram", "delivered"), delivery("d", "all", "failed"),
    ])  # fmt: skip
    panel.channel.setCurrentIndex(3)
    assert {row.message_id for row in panel.model.rows()} == {"b", "c", "d"}
    panel.status.setCurrentIndex(1)
    assert {row.message_id for row in panel.model.rows()} == {"b", "d"}
    assert panel.count.text() == "2 of 4 lines"
    panel.channel.setCurrentIndex(1)
    panel.status.setCurrentIndex(2)
    assert panel.empty.isVisible()
    panel.clear_filter()
    assert panel.model.rowCount() == 4


def test_a_storm_is_shown_in_few_changes_and_ends_right(panel, qtbot):
    changes = []
    for change in (panel.model.rowsInserted, panel.model.modelReset, panel.model.layoutChanged):
        change.connect(lambda *_: changes.append(1))
    for step, status in enumerate(("queued", "coalesced")):
        for number in range(200):
            for channel in ("toast", "desktop", "telegram", "email"):
                panel.add_deliveries([delivery(f"m{number}", channel, status, at=step)])
    qtbot.waitUntil(lambda: statuses(panel) == ["coalesced"] * 800)
    assert len(changes) < 10


def test_the_log_is_bounded(panel):
    panel.set_deliveries([delivery(f"m{n}") for n in range(2100)])
    assert panel.model.rowCount() == 2000


def test_each_channel_has_its_test_button_with_its_state(panel, qtbot):
    panel.set_channels({"toast": "on", "desktop": "off", "telegram": "unconfigured"})
    asked = []
    panel.test_requested.connect(asked.append)
    for button in panel.test_buttons.values():
        qtbot.mouseClick(button, Qt.LeftButton)
    assert asked == ["toast", "desktop", "telegram", "email"]
    tips = {name: button.toolTip() for name, button in panel.test_buttons.items()}
    assert tips == {
        "toast": "Send a test message: In the window (on)",
        "desktop": "Send a test message: Desktop (off)",
        "telegram": "Send a test message: Telegram (not set up)",
        "email": "Send a test message: E-mail (state unknown)",
    }
    assert "not set up" in panel.test_buttons["telegram"].text()


def with_channels(config, **changes):
    live = config.real_time
    channels = msgspec.structs.replace(live.notification_channels, telegram=True, email=True)
    telegram = msgspec.structs.replace(live.telegram, enabled=True, **changes.get("telegram", {}))
    email = msgspec.structs.replace(live.email, enabled=True, **changes.get("email", {}))
    live = msgspec.structs.replace(live, notification_channels=channels, telegram=telegram, email=email)
    return msgspec.structs.replace(config, real_time=live)


def test_the_states_follow_the_configuration():
    assert channel_states(Config()) == {"toast": "on", "desktop": "on", "telegram": "off", "email": "off"}
    config = with_channels(Config())
    assert channel_states(config)["telegram"] == channel_states(config)["email"] == "unconfigured"
    config = with_channels(
        Config(), telegram={"bot_token": "123456:abc", "chat_id": "1"},
        email={"host": "h", "sender": "a@example.com", "recipients": ("b@example.com",)},
    )  # fmt: skip
    assert set(channel_states(config).values()) == {"on"}


def test_another_language(panel):
    panel.add_deliveries([delivery(status="failed")])
    set_language("tr")
    QApplication.sendEvent(panel, QEvent(QEvent.LanguageChange))
    assert text(panel, 0, "status") == "✗ İletilemedi"
    assert panel.status.itemText(1) == "İletilmeyenler"


# The program's own log


@pytest.fixture
def log_panel(qtbot):
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    widget = LogPanel()
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    widget.detach()
    root.setLevel(before)


def lines(widget):
    return widget.text.toPlainText().splitlines()


@pytest.mark.allow_log
def test_the_log_shows_what_is_written_from_the_chosen_level(log_panel, qtbot):
    logger = logging.getLogger("test.log")
    logger.debug("small")
    logger.info("plain")
    logger.error("bad")
    qtbot.waitUntil(lambda: len(lines(log_panel)) == 2)
    assert lines(log_panel)[0].endswith("INFO     test.log: plain")
    log_panel.level.setCurrentIndex(3)
    assert len(lines(log_panel)) == 1
    log_panel.level.setCurrentIndex(0)
    assert len(lines(log_panel)) == 3


def test_the_log_keeps_the_last_1000_lines_and_one_event_announces_many(log_panel, qtbot):
    announced = []
    log_panel._tap.bridge.arrived.connect(lambda: announced.append(1))
    for number in range(MAX_LINES + 50):
        logging.getLogger("test.log").info("line %d", number)
    qtbot.waitUntil(lambda: bool(lines(log_panel)) and lines(log_panel)[-1].endswith("line 1049"))
    assert len(lines(log_panel)) == MAX_LINES
    assert len(announced) == 1


def test_the_log_is_copied_and_cleared(log_panel, qtbot):
    logging.getLogger("test.log").info("copy me")
    qtbot.waitUntil(lambda: len(lines(log_panel)) == 1)
    log_panel.copy_all()
    assert "copy me" in QApplication.clipboard().text()
    log_panel.clear()
    assert lines(log_panel) == []


def test_no_secret_is_shown(log_panel, qtbot):
    redactor.learn("hunter2-secret")
    logging.getLogger("test.log").info("password is %s", "hunter2-secret")
    qtbot.waitUntil(lambda: len(lines(log_panel)) == 1)
    assert "hunter2-secret" not in log_panel.text.toPlainText()


def test_a_panel_that_is_gone_hears_nothing(qtbot):
    widget = LogPanel()
    tap = widget._tap
    widget.deleteLater()
    qtbot.waitUntil(lambda: tap not in logging.getLogger().handlers)
    logging.getLogger("test.log").info("nobody listens")
