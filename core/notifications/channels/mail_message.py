"""Writes a message as an e-mail (RFC 5322). Imported only when one is to be sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr

from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.message import Message
from core.notifications.texts import clean

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")


def address(text: str) -> str:
    """The bare address in `text`, its domain in ASCII. Raises a permanent `DeliveryError` if it is none.

    What it lets through has no white space, so it cannot start another header.
    """
    bare = text.strip()
    if _ADDRESS.fullmatch(bare):
        local, _, domain = bare.rpartition("@")
        try:
            return f"{local}@{domain.encode('idna').decode('ascii')}"
        except UnicodeError:
            pass
    shown = clean(text, 80, one_line=True)
    raise DeliveryError(tr("notify.email_bad_address", address=shown), permanent=True)


def sender_address(text: str) -> tuple[str, str]:
    """Name and address of a sender, "me@example.org" or "Name <me@example.org>". Raises as `address`."""
    name, bare = parseaddr(text)
    if "<" not in text or not bare:
        return "", address(text)
    return clean(name, 80, one_line=True), address(bare)


def compose(message: Message, sender: tuple[str, str], recipients: Sequence[str]) -> EmailMessage:
    """The mail for `message`. Its Message-ID follows from the message's id: a second try is the same mail."""
    name, bare = sender
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = clean(message.title, 200, one_line=True)
    mail["From"] = formataddr((name, bare)) if bare.isascii() else bare
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.created, UTC))
    domain = bare.rpartition("@")[2]
    mail["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9.-]', '', message.id)}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    if message.silent:  # RFC 2156, and what mail programs made of it
        mail["Importance"], mail["Priority"], mail["X-Priority"] = "low", "non-urgent", "5"
    mail.set_content(message.text() + "\n", charset="utf-8")
    return mail
