"""The desktop: from the command line to a window on the screen, and back to an exit code."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PyQt5.QtCore import QObject, QSocketNotifier, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QApplication, QMessageBox, QWidget

from core.errors import AlreadyRunningError, ConfigError, SwingHunterError
from core.i18n import tr
from core.instance_lock import InstanceLock
from core.log_setup import LogSetup, setup_logging
from core.paths import resolve_config_path, resolve_data_dir
from core.session import Session, prepare_session
from gui import theme
from gui.main_window.main_window import MainWindow
from gui.workers.server_host import ServerHost

EXIT_CONFIG = 2
EXIT_REFUSED = 1
READING_SECONDS = 15.0
"""For so long a refusal stays on the screen."""
STARTED_VARIABLE = "SWING_STARTED"
"""When the process was started (Unix seconds), as `run.py` notes it."""
GL_VARIABLE = "QT_XCB_GL_INTEGRATION"
"""With which of X11's ways to OpenGL Qt works; it is read when the first window is made."""
log = logging.getLogger(__name__)


def put_window_first() -> None:
    """Let the window's thread have the interpreter quickly when the engine's is busy.

    Python's default of 5 ms makes a 16 ms timer late when several threads work at full speed.
    """
    sys.setswitchinterval(0.0005)


@contextmanager
def without_opengl() -> Iterator[None]:
    """The first window that is shown in here comes up without OpenGL on X11, and so do all after it.

    Nothing here draws with it, and loading the graphics driver takes 40 ms and more. Whoever chose otherwise
    in the environment gets it; programs that are started later never learn of this.
    """
    if GL_VARIABLE in os.environ:
        yield
        return
    os.environ[GL_VARIABLE] = "none"
    try:
        yield
    finally:
        os.environ.pop(GL_VARIABLE, None)


def collect_garbage_again() -> None:
    """End the start, for which `cli.main` had switched the search for garbage off.

    What was made so far stays until the end, so later searches, which hold the window up, leave it out.
    """
    gc.freeze()
    gc.enable()


def run_desktop(
    config_path: Path | None, data_dir: Path | None, *, demo: bool = False, duration: float | None = None
) -> int:
    """Open the terminal until it is closed, `duration` seconds at most; the result is the exit code."""
    put_window_first()
    theme.prepare_high_dpi()
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Swing Hunter")
    app.setDesktopFileName("swing-hunter")
    with _Interrupts() as interrupts:
        try:
            return _start(app, interrupts, config_path, data_dir, demo, duration)
        except ConfigError as error:
            collect_garbage_again()
            return _refuse_config(app, interrupts, error, _config_file(config_path, data_dir), duration)
        except SwingHunterError as error:
            collect_garbage_again()
            return _refuse(app, interrupts, str(error), duration)


def _start(
    app: QApplication, interrupts: _Interrupts, config_path: Path | None, data_dir: Path | None, demo: bool,
    duration: float | None,
) -> int:  # fmt: skip
    session = prepare_session(config_path, data_dir, demo=demo)
    theme.apply_theme(app, session.config.theme)
    lock = InstanceLock(session.data_dir)
    try:
        lock.acquire()
    except AlreadyRunningError:
        lock.notify_first()
        raise
    config = session.config
    logs = setup_logging(session.data_dir, config.log_level, debug=config.debug_mode)
    try:
        return _run(app, interrupts, session, lock, logs, duration)
    finally:
        lock.release()
        logs.close()


def _run(
    app: QApplication, interrupts: _Interrupts, session: Session, lock: InstanceLock, logs: LogSetup,
    duration: float | None,
) -> int:  # fmt: skip
    window = MainWindow(
        session.config, config_store=session.config_store, data_dir=session.data_dir,
        open_store=session.open_store, demo=session.demo,
    )  # fmt: skip
    bridge = _Bridge(window)
    logs.catch_crashes(bridge.tell_bug)
    window.settings.applied.connect(lambda new: logs.set_level(new.log_level, debug=new.debug_mode))
    window.first_painted.connect(_note_painted)
    window.first_painted.connect(lambda: lock.listen(bridge.raise_requested.emit))
    if logs.warning:
        window.notice_bar.say("warning", logs.warning)
    interrupts.target = window
    with without_opengl():
        window.show()
    collect_garbage_again()
    server = ServerHost(window.worker, session.data_dir, window, shares=not session.demo)
    server.said.connect(window.notice_bar.say)
    window.first_painted.connect(lambda: server.apply(session.config))
    window.settings.applied.connect(server.apply)
    if duration is not None:
        QTimer.singleShot(round(duration * 1000), window.close)
    try:
        return int(app.exec_())
    finally:
        server.stop()


def _note_painted() -> None:
    """Write into the log how long the start took; the benchmark reads it there."""
    try:
        started = float(os.environ[STARTED_VARIABLE])
    except (KeyError, ValueError):
        return
    log.info("the window was painted %.3f s after the start", time.time() - started)


class _Bridge(QObject):
    """Brings to the GUI thread what other threads have to tell the window."""

    raise_requested = pyqtSignal()
    bug_found = pyqtSignal(str)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.raise_requested.connect(self._raise)
        self.bug_found.connect(window.on_ws_error_occurred)

    def tell_bug(self, bug: BaseException) -> None:
        """Say in the window, from any thread, that nobody caught `bug`."""
        self.bug_found.emit(tr("window.bug", error=f"{type(bug).__name__}: {bug}"))

    def _raise(self) -> None:
        log.info("the program was started once more, so this window comes to the front")
        window = self._window
        window.setWindowState((window.windowState() & ~Qt.WindowMinimized) | Qt.WindowActive)
        window.show()
        window.raise_()
        window.activateWindow()


class _Interrupts:
    """Ctrl-C and SIGTERM close the window in `target`, at the latest when it is there.

    The system writes them into a socket that Qt watches, so no timer has to poll for them.
    """

    def __init__(self) -> None:
        self.target: QWidget | None = None

    def __enter__(self) -> _Interrupts:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Read)  # type: ignore[arg-type]  # it takes an int
        self._notifier.activated.connect(self._close)
        self._old_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._notifier.setEnabled(False)
        self._read.close()
        self._write.close()

    def _close(self) -> None:
        self._read.recv(64)
        if self.target is not None:
            self.target.close()


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _config_file(config_path: Path | None, data_dir: Path | None) -> Path:
    return resolve_config_path(config_path, resolve_data_dir(data_dir))


def _refuse_config(
    app: QApplication, interrupts: _Interrupts, error: ConfigError, path: Path, duration: float | None
) -> int:
    """One dialog with all the problems, for `duration` seconds at most; nothing is written."""
    from gui.dialogs.config_problems import ConfigProblemsDialog

    print(f"{path}\n{error}", file=sys.stderr, flush=True)  # noqa: T201 - it may have been started from a terminal
    theme.apply_theme(app, "system")
    dialog = ConfigProblemsDialog(error, path)
    if duration is not None:
        QTimer.singleShot(round(duration * 1000), dialog.reject)
    interrupts.target = dialog
    dialog.exec_()
    return EXIT_CONFIG


def _refuse(app: QApplication, interrupts: _Interrupts, sentence: str, duration: float | None) -> int:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - it may have been started from a terminal
    theme.apply_theme(app, "system")
    box = QMessageBox(QMessageBox.Warning, tr("window.title"), sentence, QMessageBox.Ok)
    QTimer.singleShot(round(min(duration or READING_SECONDS, READING_SECONDS) * 1000), box.reject)
    interrupts.target = box
    box.exec_()
    return EXIT_REFUSED
