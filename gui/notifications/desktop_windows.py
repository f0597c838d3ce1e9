"""Desktop notifications on Windows through the `win10toast` package, with guards for what it does badly.

- It imports `pkg_resources` only to find its icon, and that module is gone from newer setuptools; a stand-in
  of two functions serves it during the import.
- Its `on_destroy` returns None where Windows wants 0, and posts a quit message that ends a Qt program.
- It shows one toast at a time and sleeps meanwhile; the sleep is replaced by one that can be ended and that
  answers the messages of its hidden window, without which other programs' broadcasts would wait for it.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from core.errors import DeliveryError
from core.i18n import tr

log = logging.getLogger(__name__)
_SHOWN_SECONDS = 5.0
_SLICE = 0.1
# NOTIFYICONDATAW has room for 64 and 256 UTF-16 units, each with a final zero.
_TITLE_UNITS = 63
_BODY_UNITS = 255


class WindowsService:
    """One `ToastNotifier`, used by one thread."""

    label = "win10toast"

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._notifier: Any = None

    def show(self, title: str, body: str, timeout: float, *, quiet: bool = False) -> None:
        """See `DesktopService.show`; returns when the toast has gone again, which a quiet one does sooner."""
        if self._ended.is_set():
            raise DeliveryError(tr("notify.closed"))
        notifier = self._ready()
        try:
            notifier.show_toast(
                _cut(title, _TITLE_UNITS), _cut(body or title, _BODY_UNITS),
                duration=min(_SHOWN_SECONDS / 2 if quiet else _SHOWN_SECONDS, timeout), threaded=False,
            )  # fmt: skip
        except Exception as error:  # pywintypes.error, which only Windows knows, and the package's own bugs
            notifier.tidy()
            raise DeliveryError(tr("notify.windows_failed", text=type(error).__name__)) from error

    def probe(self, timeout: float) -> None:
        """See `DesktopService.probe`."""
        self._ready()

    def cancel(self) -> None:
        """See `DesktopService.cancel`; a toast on the screen goes."""
        self._ended.set()

    def close(self) -> None:
        """See `DesktopService.close`."""

    def _ready(self) -> Any:
        if self._notifier is None:
            try:
                module = load_win10toast()
            except ImportError as error:
                log.info("win10toast cannot be imported: %s", error)
                raise DeliveryError(tr("notify.windows_missing"), permanent=True) from None
            module.sleep = self._pause  # type: ignore[attr-defined]
            self._notifier = _guarded(module)
        return self._notifier

    def _pause(self, seconds: float) -> None:
        import win32gui  # type: ignore[import-not-found,import-untyped,unused-ignore]

        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._ended.wait(_SLICE):
            win32gui.PumpWaitingMessages()


def load_win10toast() -> ModuleType:
    """The real package. Raises ImportError where it, or the Windows API that it needs, is missing."""
    with _resources_stand_in():
        return importlib.import_module("win10toast")


@contextmanager
def _resources_stand_in() -> Iterator[None]:
    if "pkg_resources" in sys.modules:
        yield
        return
    stand_in: Any = ModuleType("pkg_resources")
    stand_in.Requirement = _Requirement
    stand_in.resource_filename = _resource_filename
    sys.modules["pkg_resources"] = stand_in
    try:
        yield
    finally:
        del sys.modules["pkg_resources"]


class _Requirement:
    """As much of `pkg_resources.Requirement` as is asked for."""

    @staticmethod
    def parse(name: str) -> str:
        return name


def _resource_filename(package: str, name: str) -> str:
    spec = importlib.util.find_spec(package)
    origin = spec.origin if spec is not None and spec.origin is not None else ""
    return str(Path(origin).parent.parent / name)


def _guarded(module: Any) -> Any:
    """A notifier of the package's class, made safe."""

    class Notifier(module.ToastNotifier):  # type: ignore[misc]
        """The package's notifier, with an `on_destroy` as Windows wants it."""

        def on_destroy(self, hwnd: int, msg: int, wparam: int, lparam: int) -> int:
            """Take the icon away. Posts no quit message: that would end the program's event loop."""
            module.Shell_NotifyIcon(module.NIM_DELETE, (self.hwnd, 0))
            return 0

        def tidy(self) -> None:
            """After a failure: leave no window and no window class behind to spoil the next toast."""
            steps: tuple[Callable[[], object], ...] = (
                lambda: module.DestroyWindow(self.hwnd),
                lambda: module.UnregisterClass(self.wc.lpszClassName, None),
            )
            for undo in steps:
                try:
                    undo()
                except Exception as error:  # noqa: BLE001 - there may be none
                    log.debug("nothing to tidy after a toast: %s", type(error).__name__)

    return Notifier()


def _cut(text: str, units: int) -> str:
    """`text` in at most `units` UTF-16 units, whole characters only."""
    raw = text.encode("utf-16-le")
    return text if len(raw) <= 2 * units else raw[: 2 * (units - 1)].decode("utf-16-le", "ignore") + "…"
