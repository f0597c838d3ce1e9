"""One HTTP call to a server elsewhere, answered by Qt signals; streams come in pieces.

`QNetworkAccessManager` needs no thread and little time. But Qt 5 speaks TLS only with OpenSSL 1.1, which
current Linux systems no longer have; there a thread with Python's own TLS does the same (`remote_thread.py`).
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

from PyQt5.QtCore import QByteArray, QObject, QUrl, pyqtSignal
from PyQt5.QtNetwork import (
    QNetworkAccessManager,
    QNetworkReply,
    QNetworkRequest,
    QSslCertificate,
    QSslConfiguration,
    QSslSocket,
)

LARGEST_ANSWER = 256 * 1024
"""So much of an answer that is no stream is read."""


class CallOptions(NamedTuple):
    """What a call sends. `silence` are the milliseconds without a byte after which it is over; `tls_ca` are
    certificates (PEM) that are trusted besides the system's."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    silence: int
    tls_ca: str = ""


class Answer(NamedTuple):
    """How a call ended. `status` is HTTP's, 0 without an answer. `trouble` is "" for a whole answer, else
    "network", "silent" or "tls", and `detail` what the system says about it."""

    status: int
    body: bytes
    trouble: str = ""
    detail: str = ""


class Call(QObject):
    """A call under way. `received` brings the pieces of a successful answer as they come, `finished` the end
    (not after `abort`)."""

    received = pyqtSignal(bytes)
    finished = pyqtSignal(object)

    def abort(self) -> None:
        """End it; nothing more is told. Idempotent."""
        raise NotImplementedError

    def wait(self, seconds: float) -> bool:
        """Wait for what `abort` leaves behind, so many seconds at most; whether nothing is left."""
        return True


class QtCall(Call):
    """A call by `QNetworkAccessManager`, in this thread. Redirects are not followed: they would take the
    token elsewhere."""

    def __init__(self, network: QNetworkAccessManager, options: CallOptions, parent: QObject) -> None:
        super().__init__(parent)
        request = QNetworkRequest(QUrl(options.url))
        request.setAttribute(QNetworkRequest.RedirectPolicyAttribute, QNetworkRequest.ManualRedirectPolicy)
        request.setAttribute(QNetworkRequest.CacheLoadControlAttribute, QNetworkRequest.AlwaysNetwork)
        request.setAttribute(QNetworkRequest.CookieLoadControlAttribute, QNetworkRequest.Manual)
        request.setAttribute(QNetworkRequest.CookieSaveControlAttribute, QNetworkRequest.Manual)
        request.setTransferTimeout(options.silence)
        for name, value in options.headers.items():
            request.setRawHeader(name.encode(), value.encode())
        if options.tls_ca:
            request.setSslConfiguration(_trusting(options.tls_ca))
        self._tls_trouble = ""
        self._body = b""
        self._reply: QNetworkReply | None = network.sendCustomRequest(
            request, QByteArray(options.method.encode()), QByteArray(options.body)
        )
        self._reply.readyRead.connect(self._read)
        self._reply.sslErrors.connect(self._note_tls)
        self._reply.finished.connect(self._end)

    def abort(self) -> None:
        """See `Call.abort`."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.abort()
            reply.deleteLater()

    @property
    def _status(self) -> int:
        assert self._reply is not None
        return int(self._reply.attribute(QNetworkRequest.HttpStatusCodeAttribute) or 0)

    def _read(self) -> None:
        if self._reply is None:
            return
        piece = bytes(self._reply.readAll())
        if self._status == 200:
            self.received.emit(piece)
        if len(self._body) < LARGEST_ANSWER:
            self._body += piece

    def _note_tls(self, errors: list[object]) -> None:
        self._tls_trouble = "; ".join(error.errorString() for error in errors)  # type: ignore[attr-defined]

    def _end(self) -> None:
        reply = self._reply
        if reply is None:
            return
        self._read()
        if self._reply is None:  # whoever got the last piece has aborted
            return
        status, error = self._status, reply.error()  # type: ignore[operator] # hidden by a signal
        trouble, detail = "", reply.errorString()
        if self._tls_trouble or error == QNetworkReply.SslHandshakeFailedError:
            trouble, detail = "tls", self._tls_trouble or detail
        elif error in (QNetworkReply.OperationCanceledError, QNetworkReply.TimeoutError):
            trouble = "silent"
        elif status == 0 or (status == 200 and error != QNetworkReply.NoError):
            trouble = "network"
        self._reply = None
        reply.deleteLater()
        self.finished.emit(Answer(status, self._body, trouble, detail if trouble else ""))


def _trusting(pem: str) -> QSslConfiguration:
    configuration = QSslConfiguration.defaultConfiguration()
    certificates = QSslCertificate.fromData(QByteArray(pem.encode()))
    configuration.setCaCertificates([*configuration.caCertificates(), *certificates])
    return configuration


def _qt_speaks_tls() -> bool:
    """Whether Qt has TLS. On Linux it is not even asked: it would complain of the system's OpenSSL."""
    return sys.platform != "linux" and bool(QSslSocket.supportsSsl())


class Transport(QObject):
    """Makes calls, by whichever way works."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._network: QNetworkAccessManager | None = None
        self._calls: set[Call] = set()
        self._left: list[Call] = []
        """Calls that were dropped; their threads may still be ending."""

    def call(self, options: CallOptions) -> Call:
        """Begin a call; connect its signals before going back to the event loop."""
        self._sweep(0.0)
        call = self._begin(options)
        self._calls.add(call)
        call.finished.connect(lambda _answer: self._forget(call))
        return call

    def drop(self, call: Call) -> None:
        """End a call before its time; nothing more is told of it."""
        call.abort()
        self._calls.discard(call)
        self._left.append(call)
        self._sweep(0.0)

    def close(self, seconds: float = 2.0) -> None:
        """End all calls and wait for their threads, so many seconds at most. Idempotent."""
        for call in list(self._calls):
            self.drop(call)
        self._sweep(seconds)

    def _forget(self, call: Call) -> None:
        self._calls.discard(call)
        self._left.append(call)

    def _sweep(self, seconds: float) -> None:
        """Let go of what has ended; a thread that has not may still want to tell something."""
        deadline = time.monotonic() + seconds
        left = [call for call in self._left if not call.wait(max(0.0, deadline - time.monotonic()))]
        for call in self._left:
            if call not in left:
                call.deleteLater()
        self._left = left

    def _begin(self, options: CallOptions) -> Call:
        if options.url.lower().startswith("https:") and not _qt_speaks_tls():
            from gui.workers.remote_thread import ThreadCall

            return ThreadCall(options, self)
        if self._network is None:
            self._network = QNetworkAccessManager(self)
        return QtCall(self._network, options, self)
