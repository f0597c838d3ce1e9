"""The real win10toast package over a replaced Windows API, so that its own code runs anywhere."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from core.errors import DeliveryError
from core.model import Delivery
from core.notifications.message import Kind, Message
from gui.notifications.desktop import DesktopChannel, services
from gui.notifications.desktop_windows import WindowsService
from gui.notifications.gui_call import GuiCaller
from gui.notifications.notification_manager import NotificationManager
from tests.notification_fakes import payload
from tests.patience import FOREVER, PATIENCE

WM_DESTROY = 2
NIM_ADD, NIM_MODIFY, NIM_DELETE = 0, 1, 2
NUMBERS = (
    "CW_USEDEFAULT", "IDI_APPLICATION", "IMAGE_ICON", "LR_DEFAULTSIZE", "LR_LOADFROMFILE", "WM_USER",
    "WS_OVERLAPPED", "WS_SYSMENU", "NIF_ICON", "NIF_INFO", "NIF_MESSAGE", "NIF_TIP",
)  # fmt: skip


class Windows:
    """As much of user32 and shell32 as the package sees, through pywin32's modules."""

    def __init__(self) -> None:
        self.icons: list[tuple[int, tuple[Any, ...]]] = []
        self.images: list[str] = []
        self.quit_messages = 0
        self.pumped = 0
        self.destroyed: list[object] = []
        self.shell_is_down = False
        self._classes: dict[str, dict[int, Any]] = {}
        self._windows: dict[int, str] = {}
        self._last = 0

    @property
    def balloons(self) -> list[tuple[str, str]]:
        """Title and text of what was shown."""
        return [(icon[8], icon[6]) for what, icon in self.icons if what == NIM_MODIFY]

    @property
    def is_tidy(self) -> bool:
        """Whether no window, class or icon is left."""
        added = [what for what, _ in self.icons].count(NIM_ADD)
        deleted = [what for what, _ in self.icons].count(NIM_DELETE)
        return not self._classes and not self._windows and (added <= deleted or self.shell_is_down)

    def modules(self) -> dict[str, ModuleType]:
        """The replaced modules by name."""
        api, con, gui = ModuleType("win32api"), ModuleType("win32con"), ModuleType("win32gui")
        for name in NUMBERS:
            setattr(gui if name.startswith("NIF") else con, name, 16)
        functions = {
            con: {"WM_DESTROY": WM_DESTROY},
            api: {"GetModuleHandle": lambda name: 1, "PostQuitMessage": self._post_quit},
            gui: {
                "NIM_ADD": NIM_ADD, "NIM_MODIFY": NIM_MODIFY, "NIM_DELETE": NIM_DELETE,
                "WNDCLASS": type("WNDCLASS", (), {}), "RegisterClass": self._register,
                "UnregisterClass": self._unregister, "CreateWindow": self._create,
                "DestroyWindow": self._destroy,
                "UpdateWindow": lambda window: None, "LoadIcon": lambda instance, name: 7,
                "LoadImage": self._load_image, "Shell_NotifyIcon": self._notify,
                "PumpWaitingMessages": self._pump,
            },
        }  # fmt: skip
        for module, members in functions.items():
            for name, member in members.items():
                setattr(module, name, member)
        return {"win32api": api, "win32con": con, "win32gui": gui}

    def _post_quit(self, code: int) -> None:
        self.quit_messages += 1

    def _register(self, window_class: Any) -> str:
        name = window_class.lpszClassName
        if name in self._classes:
            raise OSError(1410, "RegisterClass", "Class already exists.")
        self._classes[name] = window_class.lpfnWndProc
        return str(name)

    def _unregister(self, name: str, instance: object) -> None:
        if name in self._windows.values():
            raise OSError(1412, "UnregisterClass", "Class still has open windows.")
        del self._classes[name]

    def _create(self, atom: str, *rest: object) -> int:
        assert atom in self._classes
        self._last += 1
        self._windows[self._last] = atom
        return self._last

    def _destroy(self, window: int) -> None:
        atom = self._windows.pop(window)
        self.destroyed.append(self._classes[atom][WM_DESTROY](window, WM_DESTROY, 0, 0))

    def _load_image(self, instance: int, path: str, *rest: object) -> int:
        self.images.append(path)
        return 8

    def _notify(self, what: int, icon: tuple[Any, ...]) -> None:
        if self.shell_is_down:
            raise OSError(-2147467259, "Shell_NotifyIcon", "Unspecified error")
        self.icons.append((what, icon))

    def _pump(self) -> int:
        self.pumped += 1
        return 0


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """The package can be imported, and what it does is seen."""
    fake = Windows()
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "pkg_resources", raising=False)
    monkeypatch.delitem(sys.modules, "win10toast", raising=False)
    yield fake
    sys.modules.pop("win10toast", None)


def message(title: str = "↑ AL ŞİŞE 45,32 ₺", body: str = "Fiyat yükseldi: ğüşıöç") -> Message:
    return Message(kind=Kind.SIGNAL, title=title, body=body, created=1.0)


def test_a_toast_reaches_the_shell(windows: Windows) -> None:
    channel = DesktopChannel((WindowsService(),))
    assert channel.deliver(message(), 0.15) == "win10toast"
    assert windows.balloons == [("↑ AL ŞİŞE 45,32 ₺", "Fiyat yükseldi: ğüşıöç")]
    assert [what for what, _ in windows.icons] == [NIM_ADD, NIM_MODIFY, NIM_DELETE]
    assert Path(windows.images[0]).is_file()


def test_its_window_ends_as_windows_wants_it_and_ends_no_qt_program(windows: Windows) -> None:
    WindowsService().show("title", "text", 0.15)
    assert windows.destroyed == [0]
    assert windows.quit_messages == 0
    assert windows.pumped > 0
    assert windows.is_tidy


def test_the_package_itself_would_have_done_otherwise(windows: Windows) -> None:
    """If this fails, the package has been mended and the guard may go."""
    from gui.notifications.desktop_windows import load_win10toast

    load_win10toast().ToastNotifier().show_toast("title", "text", duration=0)
    assert windows.destroyed == [None]
    assert windows.quit_messages == 1


def test_pkg_resources_is_neither_needed_nor_left_behind(windows: Windows) -> None:
    WindowsService().probe(1)
    assert "pkg_resources" not in sys.modules


def test_a_loaded_pkg_resources_is_left_alone(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("win10toast")
    assert spec is not None and spec.origin is not None
    there: Any = ModuleType("pkg_resources")
    there.Requirement = type("Requirement", (), {"parse": staticmethod(lambda name: name)})
    there.resource_filename = lambda package, name: "C:/icon.ico"
    monkeypatch.setitem(sys.modules, "pkg_resources", there)
    WindowsService().show("title", "text", 0.05)
    assert windows.images[0].endswith("icon.ico")
    assert sys.modules["pkg_resources"] is there


def test_several_toasts_one_after_the_other(windows: Windows) -> None:
    service = WindowsService()
    for number in range(3):
        service.show(f"title {number}", "text", 0.02)
    assert [title for title, _ in windows.balloons] == ["title 0", "title 1", "title 2"]
    assert windows.is_tidy


def test_texts_fit_the_shells_fields(windows: Windows) -> None:
    service = WindowsService()
    service.show("ş" * 100, "🚀" * 300, 0.02)
    service.show("only a title", "", 0.02)
    (title, text), second = windows.balloons
    assert (len(title), title[-1]) == (63, "…")
    assert len(text.encode("utf-16-le")) // 2 <= 255
    assert text.endswith("🚀…")
    assert second == ("only a title", "only a title")


def test_closing_the_program_takes_the_toast_away_at_once(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.notifications.desktop_windows._SHOWN_SECONDS", FOREVER)
    service, shown = WindowsService(), threading.Event()
    monkeypatch.setattr(sys.modules["win32gui"], "PumpWaitingMessages", shown.set)  # while it is there
    closing = threading.Thread(target=lambda: (shown.wait(PATIENCE), service.cancel()))
    closing.start()
    service.show("title", "text", FOREVER)
    closing.join()
    assert len(windows.balloons) == 1
    assert windows.is_tidy
    with pytest.raises(DeliveryError):
        service.show("title", "text", FOREVER)
    service.close()


def test_without_the_shell_it_fails_and_recovers(windows: Windows) -> None:
    service = WindowsService()
    windows.shell_is_down = True
    for _ in range(2):
        with pytest.raises(DeliveryError) as caught:
            service.show("title", "text", 0.02)
        assert not caught.value.permanent
    windows.shell_is_down = False
    service.show("title", "text", 0.02)
    assert windows.balloons == [("title", "text")]
    assert windows.is_tidy


def test_where_it_is_missing_the_next_service_is_used(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "win10toast", raising=False)
    monkeypatch.setitem(sys.modules, "win32api", None)

    class Next(WindowsService):
        label = "next"

        def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
            """It works."""

        def probe(self, timeout: float) -> None:
            """It would work."""

    channel = DesktopChannel((WindowsService(), Next()))
    assert channel.deliver(message(), 1) == "next"
    assert "next" in channel.check(1)
    with pytest.raises(DeliveryError) as caught:
        DesktopChannel((WindowsService(),)).check(1)
    assert caught.value.permanent
    assert "win10toast is not installed" in str(caught.value)


def test_windows_gets_win10toast_first(qtbot: QtBot, windows: Windows) -> None:
    found = services(GuiCaller(), "win32")
    assert [service.label for service in found] == ["win10toast", "QSystemTrayIcon"]
    assert [service.label for service in services(GuiCaller(), "darwin")] == ["QSystemTrayIcon"]
    manager = NotificationManager({}, desktop_services=found)
    told: list[Delivery] = []
    manager.deliveries_changed.connect(told.extend)
    manager.send_signal_notification(payload())
    qtbot.waitUntil(lambda: bool(windows.balloons))
    manager.stop()
    assert windows.balloons[0][0].startswith("↑ BUY ASELS at 45.32")
    assert [d.status for d in told if d.channel == "desktop"] == ["queued", "delivered"]
    assert windows.is_tidy
