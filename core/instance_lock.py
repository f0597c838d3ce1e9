"""One instance for each data directory, and a way for the second to wave to the first.

The lock is the operating system's own on an open file, so it ends with the process however that dies. The
first instance listens on a Unix socket in the data directory (a named pipe on Windows): no port, no network.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from core.atomic import why
from core.errors import AlreadyRunningError, StorageError
from core.i18n import tr

if TYPE_CHECKING:
    from multiprocessing.connection import Listener

log = logging.getLogger(__name__)

_LOCK_NAME = "instance.lock"
_SOCKET_NAME = "instance.sock"
_LONGEST_SOCKET_PATH = 100  # the system's limit is 104 to 108 bytes
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_SHOW, _STOP, _DONE = b"show", b"stop", b"done"
_ANSWER_SECONDS = 2.0
_PAUSE = 0.05
_BACKLOG = 16


def _lock(file: IO[bytes]) -> None:
    """Lock `file` for this process, or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class InstanceLock:
    """Owns a data directory from `acquire` to `release`."""

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir
        self._address = _address_for(data_dir)
        self._file: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def acquire(self) -> None:
        """Take the data directory. Raises `AlreadyRunningError` if another instance has it.

        Raises `StorageError` if the lock's file cannot be opened.
        """
        try:
            file = (self._dir / _LOCK_NAME).open("ab")
        except OSError as error:
            text = tr("config.data_dir_unusable", path=str(self._dir), reason=why(error))
            raise StorageError(text) from error
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _TAKEN:
                file.close()
                raise AlreadyRunningError(tr("config.already_running", path=str(self._dir))) from None
            log.warning("this disk knows no locks, so a second instance would go unnoticed: %s", error)
        self._file = file

    def notify_first(self, timeout: float = _ANSWER_SECONDS) -> bool:
        """Ask the instance that owns the directory to come to the front; whether it answered in `timeout`
        seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._send(_SHOW, max(_PAUSE, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)  # it may just be starting, and not listening yet
        return True

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in a thread of its own, whenever another instance asks this one to come to the
        front.

        Where the system allows no such channel this is logged and nothing else is lost.
        """
        self._thread = threading.Thread(
            target=self._serve, args=(callback,), name="instance-listener", daemon=True
        )
        self._thread.start()

    def release(self) -> None:
        """End the listening and give up the directory. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            deadline = time.monotonic() + _ANSWER_SECONDS
            while self._thread.is_alive() and time.monotonic() < deadline:
                self._send(_STOP, _PAUSE)
                self._thread.join(_PAUSE)
            self._thread = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _send(self, message: bytes, timeout: float) -> bool:
        """Send `message` to the listener; whether it confirmed within `timeout` seconds."""
        from multiprocessing.connection import Client

        try:
            with Client(self._address) as connection:
                connection.send_bytes(message)
                return connection.poll(timeout) and connection.recv_bytes(len(_DONE)) == _DONE
        except (OSError, EOFError):
            return False

    def _serve(self, callback: Callable[[], None]) -> None:
        from multiprocessing.connection import Listener

        try:
            if sys.platform != "win32":  # left by an instance that was killed; the lock is ours now
                Path(self._address).unlink(missing_ok=True)
            listener = Listener(self._address, backlog=_BACKLOG)
        except OSError as error:
            log.warning("another start cannot bring this window to the front: %s", error)
            return
        with listener:
            while not self._stopping.is_set():
                self._serve_one(listener, callback)

    def _serve_one(self, listener: Listener, callback: Callable[[], None]) -> None:
        try:
            with listener.accept() as connection:
                if not connection.poll(_ANSWER_SECONDS / 2):
                    return
                message = connection.recv_bytes(len(_SHOW))
                if message == _SHOW:
                    callback()
                connection.send_bytes(_DONE)
        except (OSError, EOFError) as error:  # the other side went away, or sent too much
            log.debug("a wave from another instance was lost: %s", error)
        except Exception:
            log.exception("the window could not be brought to the front")


def _address_for(data_dir: Path) -> str:
    """The channel's address: the same for every way of writing the directory's path."""
    if sys.platform == "win32":
        return rf"\\.\pipe\swing-hunter-{_mark_of(data_dir)}"
    own = data_dir.resolve() / _SOCKET_NAME
    if len(os.fsencode(own)) <= _LONGEST_SOCKET_PATH:
        return str(own)
    runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return str(Path(runtime) / f"swing-hunter-{_mark_of(data_dir)}.sock")


def _mark_of(data_dir: Path) -> str:
    import hashlib  # it brings OpenSSL, for which most starts need not wait

    name = os.path.normcase(data_dir.resolve()).encode("utf-8", "surrogateescape")
    return hashlib.sha256(name).hexdigest()[:16]
