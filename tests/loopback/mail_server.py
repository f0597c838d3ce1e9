"""A real SMTP server (aiosmtpd) on 127.0.0.1, with STARTTLS or TLS, a login, and refused recipients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from collections import deque
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.patience import PATIENCE

USER = "alerts@example.org"
PASSWORD = "smtp-password-sentinel-0123456789"


class MailServer:
    """Keeps what it accepts in `mails`, with the recipients in `reached`. A context manager.

    `answers` holds, per recipient, what RCPT is answered with, one after the other, before it is accepted.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        implicit: bool = False,
        login: bool = True,
        **options: Any,
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.reached: list[list[str]] = []
        self.logins: list[str] = []
        self.answers: dict[str, deque[str]] = {}
        self.password = PASSWORD
        self.data_answer = ""
        self._log = logging.getLogger("mail.log")  # aiosmtpd's own, which warns of what the tests are about
        self._log_level = self._log.level
        self._log.setLevel(logging.CRITICAL)
        self._context = context
        self._implicit = implicit
        self._options = {
            "hostname": "localhost", "auth_required": login,
            "authenticator": self._authenticate if login else None,
            "auth_require_tls": context is not None and not implicit, "enable_SMTPUTF8": True,
            "tls_context": None if implicit else context, **options,
        }  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail-server")
        self._thread.start()
        self._protocols: list[SMTP] = []
        self._server = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(PATIENCE)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _open(self) -> asyncio.Server:
        context = self._context if self._implicit else None
        return await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=context)

    def _protocol(self) -> SMTP:
        protocol = SMTP(self, loop=self._loop, **self._options)
        self._protocols.append(protocol)
        return protocol

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        good = data.login == USER.encode() and data.password == self.password.encode()
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept the recipient, unless it is to be refused."""
        if self.answers.get(address):
            return self.answers[address].popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail."""
        if self.data_answer:
            return self.data_answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.reached.append(list(envelope.rcpt_tos))
        return "250 OK"

    def stop(self) -> None:
        """End it, with every connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._log.setLevel(self._log_level)

    async def _close(self) -> None:
        self._server.close()
        for protocol in self._protocols:
            if protocol.transport is not None:
                protocol.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def __enter__(self) -> MailServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
