"""Lets `smtplib` connect through a `Wire`. Imported only when a mail is to be sent."""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
from typing import Any

from core.notifications.channels.line import Wire


class WiredSmtp(smtplib.SMTP):
    """An SMTP connection that belongs to `wire`; with `implicit`, encrypted from the first byte."""

    def __init__(self, wire: Wire, host: str, port: int, implicit: ssl.SSLContext | None) -> None:
        self._wire = wire
        self._implicit = implicit
        # Without a name of ours smtplib asks the network for one, which may take long.
        super().__init__(host, port, local_hostname="localhost", timeout=wire.rest())
        if self.sock is not None:
            self.local_hostname = _literal(self.sock)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        sock = self._wire.connect(host, port)
        if self._implicit is None:
            return sock
        try:
            return self._implicit.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def log_in(self, username: str, password: str) -> None:
        """As `login`, but in UTF-8 where ASCII does not do (`smtplib` knows ASCII only)."""
        if (username + password).isascii():
            self.login(username, password)
            return
        self.ehlo_or_helo_if_needed()
        if "PLAIN" not in self.esmtp_features.get("auth", "").upper().split():
            raise smtplib.SMTPNotSupportedError("AUTH PLAIN")
        token = base64.b64encode(f"\0{username}\0{password}".encode()).decode("ascii")
        code, answer = self.docmd("AUTH", f"PLAIN {token}")
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, answer)


def _literal(sock: socket.socket) -> str:
    """Our address as RFC 5321 wants it from a host without a name."""
    host = str(sock.getsockname()[0])
    return f"[IPv6:{host.partition('%')[0]}]" if ":" in host else f"[{host}]"
