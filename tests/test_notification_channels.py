"""Telegram against a server on this computer that speaks the Bot API, faults included."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from core.config import TelegramConfig
from core.errors import DeliveryError
from core.i18n import set_language
from core.notifications.channels.telegram import TelegramChannel
from core.notifications.factory import telegram_channel
from tests.loopback import telegram_server as bot_api
from tests.loopback.telegram_server import CHAT, TOKEN, Answer, TelegramServer
from tests.notification_fakes import TURKISH, closed_port, failure, message, silent_server
from tests.patience import FOREVER


@pytest.fixture
def api() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        yield server


def telegram(base: str, token: str = TOKEN, chat: str = CHAT) -> TelegramChannel:
    return TelegramChannel(TelegramConfig(enabled=True, chat_id=chat, api_base=base), token)


def test_telegram_delivers_plain_turkish_text(api: TelegramServer) -> None:
    sent = message(title="↑ AL <b>ASELS</b> & co", lines=("first", "second"))
    assert telegram(api.base + "/").deliver(sent, 5) == ""
    assert api.sent[0]["text"] == f"↑ AL <b>ASELS</b> & co\n{TURKISH}\nfirst\nsecond"
    assert "parse_mode" not in api.sent[0]


def test_telegram_makes_no_sound_for_a_silent_message(api: TelegramServer) -> None:
    for silent in (False, True):
        telegram(api.base).deliver(message(silent=silent), 5)
    assert [sent.get("disable_notification", False) for sent in api.sent] == [False, True]


def test_telegram_shortens_what_is_too_long(api: TelegramServer) -> None:
    telegram(api.base).deliver(message(body="ş" * 5000), 5)
    assert api.sent[0]["text"].endswith("…")


@pytest.mark.parametrize(
    ("answer", "permanent", "words"),
    [
        (bot_api.TOO_MANY, False, "pause"),
        (bot_api.UNAUTHORIZED, True, "token"),
        (bot_api.refused(404, "Not Found"), True, "token"),
        (bot_api.NO_CHAT, True, "chat not found"),
        (bot_api.BLOCKED, True, "bot was blocked"),
        (bot_api.refused(400, f"Bad Request: /bot{TOKEN}/x"), True, "***"),
        (bot_api.BROKEN, False, "502"),
        (Answer(408), False, "408"),
        (bot_api.LOGIN_PAGE, False, "not Telegram's"),
        (Answer(200, b'["ok"]'), False, "not Telegram's"),
        (Answer(200, b'{"ok": false}'), False, "not Telegram's"),
        (bot_api.DROP, False, "internet connection"),
    ],
)
def test_telegram_tells_faults_apart(
    api: TelegramServer, answer: Answer, permanent: bool, words: str
) -> None:
    api.faults.append(answer)
    error = failure(telegram(api.base))
    assert error.permanent is permanent
    assert words in str(error)


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (bot_api.TOO_MANY, 7.0),
        (Answer(429, b"busy", {"Retry-After": "12"}), 12.0),
        (Answer(429, b'{"parameters": {"retry_after": "soon"}}', {"Retry-After": "3"}), 3.0),
        (Answer(429, b'{"parameters": {"retry_after": -1}}'), None),
        (Answer(429, b'{"parameters": 7}', {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
    ],
)
def test_telegram_says_how_long_to_pause(api: TelegramServer, answer: Answer, pause: float | None) -> None:
    api.faults.append(answer)
    error = failure(telegram(api.base))
    assert error.retry_after == pause
    assert not error.permanent


@pytest.mark.parametrize("answer", [bot_api.SILENCE, bot_api.DRIBBLE], ids=["silence", "dribble"])
def test_telegram_waits_no_longer_than_it_may(api: TelegramServer, answer: Answer) -> None:
    api.faults.append(answer)
    error = failure(telegram(api.base), 0.3)
    assert "in time" in str(error)
    assert not error.permanent


def test_telegram_takes_the_token_to_no_other_place(api: TelegramServer) -> None:
    with TelegramServer() as thief:
        for status in (301, 302, 307, 308):
            api.faults.append(Answer(status, headers={"Location": f"{thief.base}/bot{TOKEN}/sendMessage"}))
            error = failure(telegram(api.base))
            assert error.permanent
            assert "redirect" in str(error)
        assert thief.requests == []


def test_telegram_out_of_reach() -> None:
    assert not failure(telegram(f"http://127.0.0.1:{closed_port()}")).permanent
    with silent_server() as port:
        error = failure(telegram(f"https://127.0.0.1:{port}"), 0.3)
    assert "in time" in str(error)


def test_telegram_wants_a_certificate_that_it_can_trust() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def serve(listener: socket.socket) -> None:
        with (
            listener.accept()[0] as connection,
            pytest.raises(OSError),
            context.wrap_socket(connection, True),
        ):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        error = failure(telegram(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()
    assert "certificate" in str(error)


def test_telegram_goes_through_a_proxy(api: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    assert not failure(telegram(api.base)).permanent
    assert api.requests == []


def test_telegram_says_what_is_missing(api: TelegramServer) -> None:
    for channel in (telegram(api.base, token=" "), telegram(api.base, chat="")):
        assert failure(channel).permanent
        with pytest.raises(DeliveryError):
            channel.check(5)
    assert "api_base" in str(failure(telegram("http://[::1")))
    assert api.requests == []


def test_telegram_checks_without_writing(api: TelegramServer) -> None:
    assert bot_api.BOT in telegram(api.base).check(5)
    assert api.sent == []
    api.faults.append(Answer(200, b'{"ok": true, "result": null}'))
    assert "@?" in telegram(api.base).check(5)


def test_telegram_can_be_cancelled(api: TelegramServer) -> None:
    channel = telegram(api.base)
    api.faults.append(bot_api.SILENCE)
    helper = threading.Thread(target=lambda: (api.wait_for_request(), channel.cancel()))
    helper.start()
    assert "closed" in str(failure(channel, FOREVER))
    helper.join()
    assert "closed" in str(failure(channel, FOREVER))


def test_telegrams_token_never_reaches_the_log(api: TelegramServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.faults.extend([bot_api.TOO_MANY, bot_api.DROP, bot_api.BROKEN])
    for _ in range(3):
        failure(telegram(api.base))
    telegram(api.base).deliver(message(), 5)
    failure(telegram(f"http://127.0.0.1:{closed_port()}"))
    assert "sendMessage" in caplog.text  # urllib3 did write its line
    assert TOKEN not in caplog.text


@pytest.mark.allow_log("the channel telegram failed with ZeroDivisionError")
def test_a_bug_in_the_telegram_channel_is_reported_as_one(
    api: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.notifications.channels.telegram._retry_after", lambda response: 1 // 0)
    assert "fault in the program" in str(failure(telegram(api.base)))


def test_telegrams_token_may_come_from_the_environment(
    api: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWING_TELEGRAM_BOT_TOKEN", TOKEN)
    telegram_channel(TelegramConfig(enabled=True, chat_id=CHAT, api_base=api.base)).deliver(message(), 5)
    assert len(api.sent) == 1


@pytest.mark.parametrize("language", ["en", "tr"])
def test_failures_are_told_in_the_users_language(api: TelegramServer, language: str) -> None:
    set_language(language)
    api.faults.append(bot_api.UNAUTHORIZED)
    assert ("anahtar" in str(failure(telegram(api.base)))) is (language == "tr")
