"""Telegram, by `sendMessage` of the Bot API (https://core.telegram.org/bots/api).

The bot's token is part of the URL, which `requests` writes into its exceptions and urllib3 into its log. So
no exception of theirs is shown, chained or logged here, and urllib3's log passes through the redactor.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from core.config import TelegramConfig
from core.errors import DeliveryError
from core.i18n import tr
from core.notifications.channels.base import fault
from core.notifications.channels.line import Line, Wire
from core.notifications.message import Message
from core.notifications.texts import clean
from core.secrets import RedactingFilter, redactor

if TYPE_CHECKING:
    from requests import Response

_LONGEST = 4000  # the API takes 4096 UTF-16 units
_LARGEST_ANSWER = 65536
_BAD_TOKEN = (401, 404)
_TRANSIENT = (408, 425)
_filter = RedactingFilter()


class TelegramChannel:
    """One bot that writes into one chat. `token` may be a function, for a secret that is slow to look up."""

    name = "telegram"
    external = True

    def __init__(self, settings: TelegramConfig, token: str | Callable[[], str]) -> None:
        self._settings = settings
        self._token = token
        self._line = Line()

    def deliver(self, message: Message, timeout: float) -> str:
        """See `Channel.deliver`."""
        if not self._settings.chat_id.strip():
            raise DeliveryError(tr("notify.telegram_no_chat"), permanent=True)
        text = message.text()
        if len(text) > _LONGEST:
            text = text[: _LONGEST - 1] + "…"
        fields: dict[str, Any] = {"chat_id": self._settings.chat_id.strip(), "text": text}
        if message.silent:
            fields["disable_notification"] = True
        self._call("sendMessage", timeout, {**fields, "link_preview_options": {"is_disabled": True}})
        return ""

    def check(self, timeout: float) -> str:
        """See `Channel.check`; asks who the bot is."""
        if not self._settings.chat_id.strip():
            raise DeliveryError(tr("notify.telegram_no_chat"), permanent=True)
        result = self._call("getMe", timeout, {}).get("result")
        name = result.get("username", "?") if isinstance(result, dict) else "?"
        return tr("notify.telegram_ok", bot=clean(name, 40, one_line=True))

    def cancel(self) -> None:
        """See `Channel.cancel`."""
        self._line.cancel()

    def _call(self, method: str, timeout: float, fields: dict[str, Any]) -> dict[str, Any]:
        token = (self._token if isinstance(self._token, str) else self._token()).strip()
        if not token:
            raise DeliveryError(tr("notify.telegram_no_token"), permanent=True)
        redactor.learn(token)
        url = f"{self._settings.api_base.rstrip('/')}/bot{quote(token, safe=':')}/{method}"
        with self._line.call(timeout) as wire:
            try:
                status, pause, body = _post(wire, url, fields)
            except Exception as error:  # noqa: BLE001 - whatever it is, its text and traceback may hold the URL
                failure = self._failure(error, wire)
            else:
                return _answer(status, pause, body)
        raise failure  # outside the handler, so that nothing is chained to it

    def _failure(self, error: Exception, wire: Wire) -> DeliveryError:
        from requests import exceptions
        from urllib3.exceptions import HTTPError, LocationParseError

        bad_address = (
            exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema, LocationParseError,
            UnicodeError,
        )  # fmt: skip
        if self._line.cancelled:
            return DeliveryError(tr("notify.closed"))
        if isinstance(error, exceptions.Timeout) or wire.is_late:
            return DeliveryError(tr("notify.telegram_timeout"))
        if isinstance(error, exceptions.SSLError):
            return DeliveryError(tr("notify.telegram_no_tls"))
        if isinstance(error, bad_address):
            return DeliveryError(tr("notify.telegram_bad_address"), permanent=True)
        if isinstance(error, OSError | HTTPError):  # every exception of requests is an OSError
            return DeliveryError(tr("notify.telegram_unreachable"))
        return fault(self.name, error)


def _post(wire: Wire, url: str, fields: dict[str, Any]) -> tuple[int, str, bytes]:
    """The answer's status, its Retry-After header and its body."""
    import requests

    from core.notifications.channels.http_wire import wired_adapter

    logging.getLogger("urllib3.connectionpool").addFilter(_filter)  # adding it again changes nothing
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, wired_adapter(wire))
        # A redirect would carry the token to another host.
        response = session.post(
            url, json=fields, timeout=wire.rest(), allow_redirects=False, stream=True,
            headers={"Connection": "close"},
        )  # fmt: skip
        with response:
            body = response.raw.read(_LARGEST_ANSWER, decode_content=True)
        return response.status_code, _retry_after(response), body


def _retry_after(response: Response) -> str:
    return str(response.headers.get("Retry-After", ""))


def _answer(status: int, pause: str, body: bytes) -> dict[str, Any]:
    """The API's answer if it is a good one. Raises `DeliveryError`."""
    if 300 <= status < 400:
        raise DeliveryError(tr("notify.telegram_redirect", code=status), permanent=True)
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    if status == 200 and answer.get("ok") is True:
        return answer
    if status == 429:
        wait = _asked_pause(answer, pause)
        raise DeliveryError(tr("notify.telegram_busy"), retry_after=wait)
    if status in _BAD_TOKEN:
        raise DeliveryError(tr("notify.telegram_unauthorized"), permanent=True)
    if 400 <= status < 500 and status not in _TRANSIENT:
        text = clean(answer.get("description", "-"), 200, one_line=True)
        raise DeliveryError(tr("notify.telegram_refused", code=status, text=text), permanent=True)
    if status == 200:
        raise DeliveryError(tr("notify.telegram_garbled"))
    raise DeliveryError(tr("notify.telegram_trouble", code=status))


def _asked_pause(answer: dict[str, Any], header: str) -> float | None:
    """The pause in seconds that a 429 asks for, in its body or its header."""
    parameters = answer.get("parameters")
    for value in (parameters.get("retry_after") if isinstance(parameters, dict) else None, header):
        try:
            seconds = float(value)  # type: ignore[arg-type]  # None and the like are what the handler is for
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None
