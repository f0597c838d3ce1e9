"""What went wrong with a mail server, as one sentence. Imported only when something did."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping

from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.channels.base import fault
from core.notifications.texts import clean

_PERMANENT = 500


def explain(error: Exception, host: str, port: int) -> DeliveryError:
    """The `DeliveryError` for what `smtplib`, `ssl` or a socket raised; an answer of 5xx is permanent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _recipients(error.recipients)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(error)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return DeliveryError(tr("notify.email_dropped"))
    if isinstance(error, smtplib.SMTPException):  # what the server does not offer
        return DeliveryError(tr("notify.email_unsupported", text=_text(str(error))), permanent=True)
    if isinstance(error, UnicodeError):
        return DeliveryError(tr("notify.email_login_charset"), permanent=True)
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryError(tr("notify.email_no_tls"), permanent=True)
    if isinstance(error, ssl.SSLError):
        return DeliveryError(tr("notify.email_tls_failed"))
    if isinstance(error, TimeoutError):
        return DeliveryError(tr("notify.email_timeout"))
    if isinstance(error, OSError):
        return DeliveryError(tr("notify.email_unreachable", host=clean(host, 80, one_line=True), port=port))
    return fault("email", error)


def listed(refused: Mapping[str, tuple[int, bytes]]) -> str:
    """The refused recipients, each with the server's reason."""
    parts = [f"{who}: {code} {_text(why)}" for who, (code, why) in refused.items()]
    return clean("; ".join(parts), 300, one_line=True)


def _recipients(refused: Mapping[str, tuple[int, bytes]]) -> DeliveryError:
    permanent = all(code >= _PERMANENT for code, _ in refused.values())
    key = "email_recipients" if permanent else "email_later"
    return DeliveryError(tr(f"notify.{key}", list=listed(refused)), permanent=permanent)


def _answered(error: smtplib.SMTPResponseException) -> DeliveryError:
    code = error.smtp_code
    permanent = code >= _PERMANENT
    if not permanent:
        key = "email_trouble"
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        key = "email_login"
    elif isinstance(error, smtplib.SMTPSenderRefused):
        key = "email_sender"
    else:
        key = "email_refused"
    return DeliveryError(tr(f"notify.{key}", code=code, text=_text(error.smtp_error)), permanent=permanent)


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return clean(text, 160, one_line=True)
