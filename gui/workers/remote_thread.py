"""The same call as `QtCall`, in a thread with Python's own HTTP and TLS, for systems whose Qt has none."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from PyQt5.QtCore import QObject, pyqtSignal

from core.atomic import why
from gui.workers.remote_transport import LARGEST_ANSWER, Answer, Call, CallOptions

PIECE = 64 * 1024


class ThreadCall(Call):
    """A call by a thread of its own. A thread that still looks a name up when nobody wants the answer any
    more is left behind; it ends by itself and tells nobody."""

    _piece_came = pyqtSignal(bytes)
    _answer_came = pyqtSignal(object)

    def __init__(self, options: CallOptions, parent: QObject) -> None:
        super().__init__(parent)
        self._wanted = True
        self._piece_came.connect(self._pass_on)
        self._answer_came.connect(self._end)
        self._talk = _Talk(options, self._piece_came.emit, self._answer_came.emit)

    def abort(self) -> None:
        """See `Call.abort`."""
        if self._wanted:
            self._wanted = False
            self._talk.cancel()

    def wait(self, seconds: float) -> bool:
        """See `Call.wait`."""
        return self._talk.join(seconds)

    def _pass_on(self, piece: bytes) -> None:
        if self._wanted:
            self.received.emit(piece)

    def _end(self, answer: Answer) -> None:
        if self._wanted:
            self._wanted = False
            self.finished.emit(answer)


class _Talk:
    """The thread's side of a call."""

    def __init__(
        self, options: CallOptions, tell: Callable[[bytes], None], tell_end: Callable[[Answer], None]
    ) -> None:
        self._options = options
        self._tell = tell
        self._tell_end = tell_end
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name="remote-call", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Wake the thread from whatever it waits for."""
        with self._lock:
            self._cancelled = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    self._socket.shutdown(socket.SHUT_RDWR)

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        answer = self._answer()
        with contextlib.suppress(RuntimeError):  # the window is gone, and the signal with it
            if not self._cancelled:
                self._tell_end(answer)

    def _answer(self) -> Answer:
        try:
            return self._call()
        except ssl.SSLError as error:
            return Answer(0, b"", "tls", getattr(error, "verify_message", "") or error.reason or str(error))
        except TimeoutError as error:
            return Answer(0, b"", "silent", why(error))
        except OSError as error:
            return Answer(0, b"", "network", why(error))
        except (http.client.HTTPException, ValueError) as error:
            return Answer(0, b"", "network", type(error).__name__)

    def _call(self) -> Answer:
        options = self._options
        parts = urlsplit(options.url)
        context = ssl.create_default_context()
        if options.tls_ca:
            context.load_verify_locations(cadata=options.tls_ca)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=options.silence / 1000, context=context
        )
        try:
            connection.connect()
            if not self._adopt(connection.sock):
                return Answer(0, b"")
            connection.request(options.method, parts.path, options.body or None, options.headers)
            return self._read(connection.getresponse())
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _adopt(self, connected: socket.socket) -> bool:
        with self._lock:
            self._socket = connected
            return not self._cancelled

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        body = b""
        try:
            while (piece := response.read1(PIECE)) and not self._cancelled:
                if response.status == 200:
                    with contextlib.suppress(RuntimeError):  # as above
                        self._tell(piece)
                if len(body) < LARGEST_ANSWER:
                    body += piece
        except TimeoutError as error:
            return Answer(response.status, body, "silent", why(error))
        except OSError as error:
            return Answer(response.status, body, "network", why(error))
        except http.client.HTTPException as error:
            return Answer(response.status, body, "network", type(error).__name__)
        return Answer(response.status, body)
