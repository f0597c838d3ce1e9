"""The log: `swing_hunter.log` in the data directory, rotating, without secrets, and never in the program's
way.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from core.atomic import why
from core.i18n import tr
from core.secrets import RedactingFilter

LOG_NAME = "swing_hunter.log"
_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"
_MAX_BYTES = 2_000_000
_BACKUPS = 5
_TALKATIVE = (
    "urllib3",
    "websocket",
    "websockets",
    "peewee",
    "asyncio",
    "matplotlib",
)

log = logging.getLogger("swing_hunter")
CrashHandler = Callable[[BaseException], None]


class SafeFileHandler(RotatingFileHandler):
    """A rotating file that, when the disk is full or gone, sends its records to `fallback` and says so once.

    Every record tries the file again, so that the log goes on by itself when there is room.
    """

    def __init__(self, path: Path, fallback: logging.Handler, max_bytes: int = _MAX_BYTES) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=_BACKUPS, encoding="utf-8")
        self._fallback = fallback
        self._failing = False
        self._complaint = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, and note that the file works again."""
        failed_before = self._failing
        self._failing = False
        super().emit(record)
        if failed_before and not self._failing:
            super().emit(
                _record(logging.INFO, "the log can be written again; see the terminal for what is missing")
            )
        elif self._failing and not failed_before:
            self._fallback.handle(_record(logging.WARNING, self._complaint))

    def handleError(self, record: logging.LogRecord) -> None:
        """Send to the fallback what could not be written; a bug of ours is reported in logging's own way."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._failing = True
        self._complaint = tr("config.log_unusable", path=self.baseFilename, reason=why(error))
        self._fallback.handle(record)


def _record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(log.name, level, __file__, 0, text, None, None)


class LogSetup:
    """What `setup_logging` changed, to be undone by `close`."""

    def __init__(self, path: Path | None, warning: str) -> None:
        self.path = path
        """The log file, None where it cannot be written."""
        self.warning = warning
        """One sentence for the user where the log goes to the terminal instead, else ""."""
        self._handlers: list[logging.Handler] = []
        self._level = logging.getLogger().level
        self._excepthook = sys.excepthook
        self._thread_hook = threading.excepthook
        self._on_crash: CrashHandler | None = None

    def add(self, handler: logging.Handler) -> None:
        """Hand every record, masked, to `handler` too, until `close`."""
        handler.addFilter(RedactingFilter())
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)

    def set_level(self, level: str, *, debug: bool = False) -> None:
        """Log from `level` on; everything of ours, and more of the libraries, with `debug`."""
        logging.getLogger().setLevel(logging.DEBUG if debug else level)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.INFO if debug else logging.WARNING)

    def catch_crashes(self, on_crash: CrashHandler | None = None) -> None:
        """Log what nobody caught, in any thread, and hand it to `on_crash` (called in that thread)."""
        self._on_crash = on_crash
        sys.excepthook = self._main_crash
        threading.excepthook = self._thread_crash

    def close(self) -> None:
        """Take back the handlers, the hooks and the level. Idempotent."""
        if sys.excepthook == self._main_crash:
            sys.excepthook = self._excepthook
        if threading.excepthook == self._thread_crash:
            threading.excepthook = self._thread_hook
        root = logging.getLogger()
        for handler in self._handlers:
            root.removeHandler(handler)
            with contextlib.suppress(OSError):  # a full disk refuses what is still buffered
                handler.close()
        if self._handlers:
            root.setLevel(self._level)
            for name in _TALKATIVE:
                logging.getLogger(name).setLevel(logging.NOTSET)
        self._handlers.clear()

    def _main_crash(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._excepthook(kind, error, trace)
            return
        self._report("nobody caught this error", error, trace)

    def _thread_crash(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread else "an ended thread"
        self._report(f"nobody caught this error in {name}", args.exc_value, args.exc_traceback)

    def _report(self, text: str, error: BaseException, trace: TracebackType | None) -> None:
        log.critical(text, exc_info=(type(error), error, trace))
        if self._on_crash is None:
            return
        try:
            self._on_crash(error)
        except Exception:
            log.exception("the crash could not be shown")


def setup_logging(
    data_dir: Path | None, level: str = "INFO", *, debug: bool = False, console: bool = False
) -> LogSetup:
    """Log to `swing_hunter.log` in `data_dir`, and to standard error too with `console`.

    Where the file cannot be opened (or `data_dir` is None) standard error takes its place, and the result's
    `warning` says so. Never raises for what the disk does.
    """
    terminal = _terminal()
    file, warning = _file_handler(data_dir, terminal) if data_dir else (None, "")
    setup = LogSetup(data_dir / LOG_NAME if file and data_dir else None, warning)
    if file:
        setup.add(file)
    if console or not file:
        setup.add(terminal)
    else:
        terminal.addFilter(RedactingFilter())
    setup.set_level(level, debug=debug)
    if warning:
        log.warning("%s", warning)
    return setup


def _terminal() -> logging.Handler:
    """Standard error, or nothing where there is none (Windows without a console)."""
    handler = logging.StreamHandler(sys.stderr) if sys.stderr else logging.NullHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler


def _file_handler(data_dir: Path, fallback: logging.Handler) -> tuple[logging.Handler | None, str]:
    path = data_dir / LOG_NAME
    try:
        handler = SafeFileHandler(path, fallback)
    except OSError as error:
        return None, tr("config.log_unusable", path=str(path), reason=why(error))
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler, ""
