"""E-mail through an SMTP server (RFC 5321), over TLS, STARTTLS (RFC 3207) or, if so set, in the clear."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from core.config import EmailConfig
from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.channels.line import Line, Wire
from core.notifications.message import Message
from core.notifications.texts import clean
from core.secrets import redactor

if TYPE_CHECKING:
    import ssl

    from core.notifications.channels.smtp_wire import WiredSmtp

_QUIT_SECONDS = 2.0
_Refusals = Mapping[str, tuple[int, bytes]]


class EmailChannel:
    """One mail account that writes to its recipients.

    `password` may be a function, for a secret that takes time to look up. `context` is what certificates are
    checked with; by default the system's authorities, and those of SSL_CERT_FILE.
    """

    name = "email"
    external = True

    def __init__(
        self,
        settings: EmailConfig,
        password: str | Callable[[], str],
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._context = context
        self._line = Line()
        self._reached: tuple[str, frozenset[str]] = ("", frozenset())

    def deliver(self, message: Message, timeout: float) -> str:
        """See `Channel.deliver`. Recipients that have the mail already do not get it again."""
        from core.notifications.channels.mail_message import address, compose, sender_address

        self._require_host()
        if not self._settings.recipients:
            raise DeliveryError(tr("notify.email_no_recipient"), permanent=True)
        recipients = [address(text) for text in self._settings.recipients]
        sender = sender_address(self._settings.sender or self._settings.username)
        mail = compose(message, sender, recipients)
        reached = self._reached[1] if self._reached[0] == message.id else frozenset()
        wanted = [recipient for recipient in recipients if recipient not in reached]
        with self._session(timeout) as smtp:
            refused: _Refusals = smtp.send_message(mail, sender[1], wanted)
        self._reached = (message.id, reached | (frozenset(wanted) - frozenset(refused)))
        return _partly(refused)

    def check(self, timeout: float) -> str:
        """See `Channel.check`; connects and logs in."""
        self._require_host()
        with self._session(timeout) as smtp:
            smtp.noop()
        key = "email_ok_plain" if self._settings.security == "none" else "email_ok"
        return tr(f"notify.{key}", host=self._settings.host, port=self._settings.port)

    def cancel(self) -> None:
        """See `Channel.cancel`."""
        self._line.cancel()

    @contextmanager
    def _session(self, timeout: float) -> Iterator[WiredSmtp]:
        """A connection that is logged in; whatever goes wrong in it becomes a `DeliveryError`."""
        password = self._secret()
        failure: DeliveryError | None = None
        with self._line.call(timeout) as wire:
            smtp: WiredSmtp | None = None
            try:
                smtp = self._open(wire)
                if self._settings.username:
                    smtp.log_in(self._settings.username, password)
                yield smtp
            except DeliveryError:
                raise
            except Exception as error:  # noqa: BLE001 - its text and traceback may hold the password
                failure = self._failure(error, wire)
            finally:
                if smtp is not None:
                    _leave(smtp)
        if failure is not None:
            raise failure from None

    def _require_host(self) -> None:
        if not self._settings.host.strip():
            raise DeliveryError(tr("notify.email_no_host"), permanent=True)

    def _secret(self) -> str:
        settings = self._settings
        if not settings.username:
            return ""
        password = self._password if isinstance(self._password, str) else self._password()
        if not password:
            raise DeliveryError(tr("notify.email_no_password"), permanent=True)
        plain = base64.b64encode(f"\0{settings.username}\0{password}".encode()).decode("ascii")
        redactor.learn(password, plain)
        return password

    def _open(self, wire: Wire) -> WiredSmtp:
        import ssl

        from core.notifications.channels.smtp_wire import WiredSmtp

        settings = self._settings
        context = self._context
        if context is None and settings.security != "none":
            context = ssl.create_default_context()
        smtp = WiredSmtp(
            wire, settings.host.strip(), settings.port, context if settings.security == "tls" else None
        )
        try:
            if settings.security == "starttls":
                smtp.ehlo_or_helo_if_needed()
                if not smtp.has_extn("starttls"):
                    raise DeliveryError(tr("notify.email_no_starttls"), permanent=True)
                smtp.starttls(context=context)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _failure(self, error: Exception, wire: Wire) -> DeliveryError:
        from core.notifications.channels.smtp_faults import explain

        if self._line.cancelled:
            return DeliveryError(tr("notify.closed"))
        if wire.is_late:
            return DeliveryError(tr("notify.email_timeout"))
        return explain(error, self._settings.host, self._settings.port)


def _leave(smtp: WiredSmtp) -> None:
    """Say goodbye, but neither wait long for the answer nor care about it: the mail is accepted already."""
    import smtplib

    with suppress(smtplib.SMTPException, OSError):
        if smtp.sock is not None:
            smtp.sock.settimeout(_QUIT_SECONDS)
            smtp.quit()
    smtp.close()


def _partly(refused: _Refusals) -> str:
    """The remark about recipients who were refused for good. Raises if another try may reach some."""
    from core.notifications.channels.smtp_faults import listed

    later = {who: answer for who, answer in refused.items() if answer[0] < 500}
    if later:
        raise DeliveryError(tr("notify.email_later", list=listed(later)))
    return clean(tr("notify.email_partly", list=listed(refused)), 300) if refused else ""
