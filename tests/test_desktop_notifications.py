"""Desktop notifications on Linux: the session's D-Bus service, and the system tray behind it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jeepney import MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
from msgspec.structs import replace
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtWidgets import QSystemTrayIcon
from pytestqt.qtbot import QtBot

from core.errors import DeliveryError
from core.notifications.message import Kind, Message
from gui.notifications import desktop_dbus
from gui.notifications.desktop import DesktopChannel, services
from gui.notifications.desktop_dbus import INTERFACE, DBusService, session_address
from gui.notifications.desktop_tray import TrayService
from gui.notifications.gui_call import GuiCaller
from tests.patience import FOREVER, PATIENCE

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""
MESSAGE = Message(kind=Kind.SIGNAL, title="↑ AL ŞİŞE 45,32 ₺", body="Fiyat < 46 & yükseldi", created=1.0)
needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="only on systems with a dbus-daemon (package dbus)"
)


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a private session bus."""
    path = tmp_path / "bus"
    config = tmp_path / "bus.conf"
    config.write_text(CONFIG.format(path=path), "utf-8")
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    yield address
    daemon.terminate()
    daemon.wait(PATIENCE)
    daemon.stdout.close()


class NotificationServer:
    """A notification service as a desktop has one, in a thread; `faults` names errors to answer with."""

    def __init__(self, address: str, capabilities: list[str]) -> None:
        self.notes: list[tuple[Any, ...]] = []
        self.signature = ""
        self.error = ""
        self.silent = False
        self._capabilities = capabilities
        self._connection = open_dbus_connection(bus=address)
        self._connection.send_and_get_reply(message_bus.RequestName(INTERFACE), timeout=PATIENCE)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                call = self._connection.receive(timeout=0.05)
                if call.header.message_type == MessageType.method_call and not self.silent:
                    self._connection.send(self._answer(call))

    def _answer(self, call: Any) -> Any:
        fields = {field.name: value for field, value in call.header.fields.items()}
        if self.error:
            return new_error(call, self.error)
        if fields["member"] == "GetCapabilities":
            return new_method_return(call, "as", (self._capabilities,))
        self.signature = fields["signature"]
        self.notes.append(call.body)
        return new_method_return(call, "u", (len(self.notes),))

    def __enter__(self) -> NotificationServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()
        self._connection.close()


@pytest.fixture
def service(qapp: QCoreApplication) -> Iterator[DBusService]:
    service = DBusService()
    yield service
    service.cancel()
    service.close()


def failure(service: DBusService, timeout: float = 0.3) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        service.show(MESSAGE.title, MESSAGE.body, timeout)
    return caught.value


@needs_bus
def test_a_note_as_the_specification_wants_it(bus: str, service: DBusService) -> None:
    with NotificationServer(bus, ["body", "actions"]) as server:
        channel = DesktopChannel((service,))
        assert channel.deliver(MESSAGE, 2) == "D-Bus"
        assert "D-Bus" in channel.check(2)
        assert server.signature == "susssasa{sv}i"
        name, replaces, _, title, body, actions, hints, _ = server.notes[0]
        assert (name, replaces, title, body) == ("Swing Hunter", 0, MESSAGE.title, MESSAGE.body)
        assert (actions, hints) == ([], {})
        channel.deliver(replace(MESSAGE, silent=True), 2)
        assert server.notes[1][6] == {"urgency": ("y", 0), "suppress-sound": ("b", True)}


@needs_bus
def test_markup_is_escaped_where_it_is_read_as_such(bus: str, service: DBusService) -> None:
    with NotificationServer(bus, ["body", "body-markup"]) as server:
        service.show(MESSAGE.title, MESSAGE.body, 2)
        assert server.notes[0][4] == "Fiyat &lt; 46 &amp; yükseldi"


@needs_bus
def test_a_session_without_the_service(bus: str, service: DBusService) -> None:
    error = failure(service)
    assert error.permanent
    assert "no notification service" in str(error)


@needs_bus
def test_a_service_that_fails_or_is_silent(
    bus: str, service: DBusService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desktop_dbus, "_LONGEST_CALL", FOREVER)
    with NotificationServer(bus, []) as server:
        server.error = "org.example.Broken"
        assert "Broken" in str(failure(service, PATIENCE))
        server.error, server.silent = "", True
        error = failure(service)
        assert "does not answer" in str(error)
        assert not error.permanent
        server.silent = False
        service.show("again", "", 2)
        assert server.notes[-1][3] == "again"


@needs_bus
def test_after_cancel_nothing_is_shown(bus: str, service: DBusService) -> None:
    with NotificationServer(bus, []) as server:
        service.cancel()
        assert "closed" in str(failure(service))
        assert server.notes == []


def test_a_machine_without_a_session(
    service: DBusService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert failure(service).permanent
    (tmp_path / "bus").touch()
    assert session_address() == f"unix:path={tmp_path / 'bus'}"
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'nobody'}")
    assert "no D-Bus session" in str(failure(service))


def test_a_bus_that_says_nothing_holds_nobody_up(
    service: DBusService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent"))
        listener.listen()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'silent'}")
        assert "does not answer" in str(failure(service))
        monkeypatch.setattr(desktop_dbus, "_LONGEST_CALL", FOREVER)
        assert "does not answer" in str(failure(service, FOREVER))  # the first connection still hangs
        with listener.accept()[0]:
            pass
    connecting = service._connecting
    assert connecting is not None
    connecting.join(PATIENCE)


def test_linux_asks_dbus_first(qtbot: QtBot) -> None:
    assert [service.label for service in services(GuiCaller(), "linux")] == ["D-Bus", "QSystemTrayIcon"]


@pytest.mark.qt_log_ignore("systemTrayWindowChanged")
def test_the_tray_shows_what_nobody_else_does(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str]] = []
    tray = TrayService(GuiCaller())
    with pytest.raises(DeliveryError) as caught:
        tray.probe(1)
    assert caught.value.permanent
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    monkeypatch.setattr(QSystemTrayIcon, "supportsMessages", lambda: True)
    monkeypatch.setattr(
        QSystemTrayIcon, "showMessage", lambda icon, title, body, *rest: shown.append((title, body))
    )
    channel = DesktopChannel((tray,))
    for _ in range(2):
        assert channel.deliver(MESSAGE, 1) == "QSystemTrayIcon"
    assert shown == [(MESSAGE.title, MESSAGE.body)] * 2
    channel.cancel()
    channel.close()
    channel.close()
