"""E-mail against a real SMTP server on this computer, and against some that are none."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from core.config import EmailConfig
from core.notifications.channels.email import EmailChannel
from core.notifications.factory import email_channel
from tests.loopback.mail_server import PASSWORD, USER, MailServer
from tests.notification_fakes import TURKISH, closed_port, failure, message, silent_server
from tests.patience import FOREVER

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def mail(server_context: ssl.SSLContext) -> Iterator[MailServer]:
    """A server with STARTTLS and a login."""
    with MailServer(server_context) as server:
        yield server


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def email(
    port: int, context: ssl.SSLContext | None = None, password: str = PASSWORD, **changes: Any
) -> EmailChannel:
    fields = {
        "enabled": True, "host": "127.0.0.1", "port": port, "username": USER,
        "sender": "Uyarı Servisi <alerts@example.org>", "recipients": ("me@example.org", "you@example.org"),
    }  # fmt: skip
    return EmailChannel(EmailConfig(**{**fields, **changes}), password, context=context)


def test_email_by_starttls_and_login(mail: MailServer, trust: ssl.SSLContext) -> None:
    sent = message(lines=("one", "two"))
    assert email(mail.port, trust).deliver(sent, 5) == ""
    (received,) = mail.mails
    assert received["Subject"] == "↑ BUY ASELS at 45.32 ₺"
    assert received.get_content().splitlines() == ["↑ BUY ASELS at 45.32 ₺", TURKISH, "one", "two"]
    assert received["From"] == "Uyarı Servisi <alerts@example.org>"
    assert received["To"] == "me@example.org, you@example.org"
    assert received["Message-ID"] == f"<{sent.id}@example.org>"
    assert received["Date"].datetime.timestamp() == sent.created
    assert mail.reached == [["me@example.org", "you@example.org"]]


def test_email_by_implicit_tls(server_context: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    with MailServer(server_context, implicit=True) as server:
        channel = email(server.port, trust, security="tls", host="localhost")
        channel.deliver(message(), 5)
        assert len(server.mails) == 1
        assert "accepts the login" in channel.check(5)
        assert len(server.mails) == 1


def test_email_trusts_the_authorities_of_ssl_cert_file(
    mail: MailServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    email(mail.port).deliver(message(), 5)
    assert len(mail.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_email_is_not_sent_past_a_bad_certificate(server_context: ssl.SSLContext, security: str) -> None:
    with MailServer(server_context, implicit=security == "tls") as server:
        error = failure(email(server.port, ssl.create_default_context(), security=security))
        assert "certificate" in str(error)
        assert error.permanent
        assert server.logins == []


def test_email_in_the_clear_only_if_it_is_asked_for(trust: ssl.SSLContext) -> None:
    with MailServer(login=False, auth_exclude_mechanism=["PLAIN", "LOGIN"]) as server:
        error = failure(email(server.port, trust))
        assert "STARTTLS" in str(error)
        assert error.permanent
        channel = email(server.port, security="none", username="", password="")
        channel.deliver(message(), 5)
        assert len(server.mails) == 1
        assert "not encrypted" in channel.check(5)
        unsupported = failure(email(server.port, security="none"))
        assert unsupported.permanent
        assert "cannot do" in str(unsupported)


def test_email_of_a_silent_message_has_low_priority(mail: MailServer, trust: ssl.SSLContext) -> None:
    for silent in (False, True):
        email(mail.port, trust).deliver(message(silent=silent), 5)
    loud, quiet = mail.mails
    assert loud["X-Priority"] is None
    assert (quiet["Importance"], quiet["Priority"], quiet["X-Priority"]) == ("low", "non-urgent", "5")


def test_email_with_the_wrong_password(mail: MailServer, trust: ssl.SSLContext) -> None:
    error = failure(email(mail.port, trust, password="wrong-" + PASSWORD))
    assert error.permanent
    assert "password" in str(error)
    assert mail.mails == []


def test_email_with_a_turkish_password(mail: MailServer, trust: ssl.SSLContext) -> None:
    mail.password = "şifre-ğüıİ"
    email(mail.port, trust, password="şifre-ğüıİ").deliver(message(), 5)
    assert len(mail.mails) == 1
    assert failure(email(mail.port, trust, password="şifre-yanlış")).permanent


def test_email_with_letters_that_the_server_cannot_take(
    server_context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with MailServer(server_context, auth_exclude_mechanism=["PLAIN"]) as server:
        assert failure(email(server.port, trust, password="şifre")).permanent


def test_email_reports_a_recipient_that_was_refused(mail: MailServer, trust: ssl.SSLContext) -> None:
    mail.answers["you@example.org"] = deque(["550 no such user"])
    remark = email(mail.port, trust).deliver(message(), 5)
    assert remark == "Refused for you@example.org: 550 no such user"
    assert mail.reached == [["me@example.org"]]


def test_email_with_all_recipients_refused(mail: MailServer, trust: ssl.SSLContext) -> None:
    mail.answers = {name: deque(["550 no such user"]) for name in ("me@example.org", "you@example.org")}
    error = failure(email(mail.port, trust))
    assert error.permanent
    assert "550 no such user" in str(error)


def test_greylisting_is_waited_out_without_sending_twice(mail: MailServer, trust: ssl.SSLContext) -> None:
    mail.answers = {
        "me@example.org": deque(["450 greylisted"]), "you@example.org": deque(["450 greylisted"] * 2),
    }  # fmt: skip
    channel, sent = email(mail.port, trust), message()
    for _ in range(2):
        error = failure(channel, sent=sent)
        assert not error.permanent
        assert "450 greylisted" in str(error)
    assert channel.deliver(sent, 5) == ""
    assert mail.reached == [["me@example.org"], ["you@example.org"]]
    assert {received["Message-ID"] for received in mail.mails} == {f"<{sent.id}@example.org>"}


@pytest.mark.parametrize(("answer", "permanent"), [("554 spam", True), ("451 try later", False)])
def test_email_whose_text_is_refused(
    mail: MailServer, trust: ssl.SSLContext, answer: str, permanent: bool
) -> None:
    mail.data_answer = answer
    error = failure(email(mail.port, trust))
    assert error.permanent is permanent
    assert answer in str(error)


def test_a_header_cannot_be_smuggled_in(mail: MailServer, trust: ssl.SSLContext) -> None:
    sent = message(title="Buy\r\nBcc: thief@example.org\n\nbody", id="x>\r\nBcc: a@b")
    email(mail.port, trust, sender="Evil\r\nBcc: x@y.z <alerts@example.org>").deliver(sent, 5)
    (received,) = mail.mails
    assert received["Bcc"] is None
    assert "Bcc: thief@example.org" in received["Subject"]
    for bad in ("a@b\r\nBcc: x@y.z", "a b@c", "a@b, c@d", "@", "me", "a@" + "x" * 70):
        error = failure(email(mail.port, trust, recipients=(bad,)))
        assert error.permanent
        assert "\n" not in str(error)
    assert failure(email(mail.port, trust, sender="nobody", username="")).permanent
    assert mail.reached == [["me@example.org", "you@example.org"]]


def test_addresses_with_turkish_letters(mail: MailServer, trust: ssl.SSLContext) -> None:
    channel = email(mail.port, trust, recipients=("şule@örnek.com.tr",), sender="ışık@örnek.com.tr")
    channel.deliver(message(), 5)
    assert mail.reached == [["şule@xn--rnek-4qa.com.tr"]]


def test_email_says_what_is_missing() -> None:
    assert "SMTP server" in str(failure(email(25, host=" ")))
    assert "recipient" in str(failure(email(25, recipients=())))
    assert "SWING_EMAIL_PASSWORD" in str(failure(email(25, password="")))


def test_email_out_of_reach(trust: ssl.SSLContext) -> None:
    port = closed_port()
    error = failure(email(port, trust))
    assert f"127.0.0.1:{port}" in str(error)
    assert not error.permanent


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_email_waits_no_longer_than_it_may(trust: ssl.SSLContext, security: str) -> None:
    with silent_server() as port:
        error = failure(email(port, trust, security=security), 0.3)
    assert "in time" in str(error)


def test_email_to_what_is_no_mail_server(trust: ssl.SSLContext) -> None:
    def talk(listener: socket.socket, words: bytes) -> None:
        with listener.accept()[0] as connection:
            connection.sendall(words)

    cases = [
        ("starttls", b"", "broke off"),
        ("starttls", b"554 go away\r\n", "554"),
        ("tls", b"HTTP/1.1 400\r\n\r\n", "secure"),
    ]
    for security, words, told in cases:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=talk, args=(listener, words))
            thread.start()
            assert told in str(failure(email(listener.getsockname()[1], trust, security=security)))
            thread.join()


def test_email_can_be_cancelled(trust: ssl.SSLContext) -> None:
    with silent_server() as port:
        channel = email(port, trust)
        timer = threading.Timer(0.1, channel.cancel)
        timer.start()
        assert "closed" in str(failure(channel, FOREVER))
        timer.join()
        assert "closed" in str(failure(channel, FOREVER))


def test_the_password_never_reaches_the_log(
    mail: MailServer, trust: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mail.answers["me@example.org"] = deque([f"550 AUTH {PASSWORD}"])
    remark = email(mail.port, trust).deliver(message(), 5)
    assert PASSWORD not in remark
    failure(email(mail.port, trust, password=PASSWORD + "x"))
    failure(email(closed_port(), trust))
    assert PASSWORD not in caplog.text


@pytest.mark.allow_log("the channel email failed with ZeroDivisionError")
def test_a_bug_in_the_email_channel_is_reported_as_one(
    mail: MailServer, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.notifications.channels.smtp_wire.WiredSmtp.log_in", lambda *args: 1 // 0)
    assert "fault in the program" in str(failure(email(mail.port, trust)))


def test_emails_password_may_come_from_the_environment(
    mail: MailServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SWING_EMAIL_PASSWORD", PASSWORD)
    settings = EmailConfig(
        enabled=True, host="localhost", port=mail.port, username=USER, recipients=("me@example.org",)
    )
    email_channel(settings).deliver(message(), 5)
    assert mail.mails[0]["From"] == USER
