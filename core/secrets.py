"""Secrets: where they come from, and how they are kept out of everything that is written.

A secret is looked up in the environment (`SWING_TELEGRAM_BOT_TOKEN`, ...), then in the configuration, then in
the system keyring under the service "SwingHunter" (`keyring set SwingHunter telegram_bot_token`).
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

log = logging.getLogger(__name__)

SERVICE = "SwingHunter"
MASK = "***"
SECRET_PATHS = {
    "real_time.telegram.bot_token": "telegram_bot_token",
    "real_time.email.password": "email_password",
}
"""The configuration's secret fields, and the names under which they are looked up."""

_KEYRING_SECONDS = 2.0
_SHORTEST = 4
_SECRET_KEY = re.compile(r"(?i)token|passw|parola|[sş]ifre|secret|api_?key|auth_?key|\bpwd\b")
_NAME = r"\b[\w-]*(?:token|passw(?:or)?d|secret|api_?key)"
_PATTERNS = (
    (re.compile(r"(?i)(/bot)\d+:[\w-]+"), rf"\g<1>{MASK}"),
    (re.compile(r"\b(?:bot)?\d{6,}:[\w-]{30,}"), MASK),
    (
        re.compile(r"(\b[a-z][a-z0-9+]*://[^\s:/@]*):(?:[^/\r\n\"]+@(?:[^\s/]*@)?|[^\s/]+@)"),
        rf"\g<1>:{MASK}@",
    ),
    (re.compile(r"\bswing_[\w-]{20,}"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\g<1> {MASK}"),
    (re.compile(rf"(?i)({_NAME}[\"']?\s*[=:]\s*)([\"'])(?:(?!\2).)+\2"), rf"\g<1>\g<2>{MASK}\g<2>"),
    (re.compile(rf"(?i)({_NAME}=)[^\s\"'&,;)}}\]]+"), rf"\g<1>{MASK}"),
)

_URL_KEY = re.compile(r"(?i)(?:^|_)ur[li]$")
_BEFORE_HOST = re.compile(r"\A((?:rediss?|postgresql(?:\+psycopg)?|https?|wss?)://)?.*@", re.DOTALL)
_SUSPICIOUS = re.compile(r"(?i)[:=]|swing_|bearer|basic")
"""Where none of this stands, none of the patterns can match: one search instead of seven."""


def environment_name(name: str) -> str:
    """The environment variable of the secret `name`: "telegram_bot_token" is SWING_TELEGRAM_BOT_TOKEN."""
    return f"SWING_{name.upper()}"


def find_secret(name: str, configured: str = "", *, timeout: float = _KEYRING_SECONDS) -> str:
    """The secret `name`: from the environment, else `configured`, else from the keyring, else "".

    Takes at most `timeout` seconds, and only where the keyring has to be asked. What is found is masked in
    logs from then on.
    """
    found = os.environ.get(environment_name(name), "") or configured or ask_keyring(name, timeout) or ""
    redactor.learn(found)
    return found


def secret_exists(name: str, configured: str = "", *, ask: bool = True) -> bool | None:
    """Whether `find_secret` finds `name`; None if the keyring cannot say at the moment (locked, not
    answering).

    With `ask` false the keyring is left alone (it may take seconds) and None is said in its place.
    """
    if os.environ.get(environment_name(name)) or configured:
        return True
    answer = ask_keyring(name) if ask else None
    return None if answer is None else bool(answer)


_asking = threading.Lock()


def ask_keyring(name: str, timeout: float = _KEYRING_SECONDS) -> str | None:
    """The keyring's secret `name`, "" if it has none, None if it fails or is silent for `timeout` seconds.

    A keyring may wait for a person to unlock it, so it is asked in a thread that is left behind; until that
    one returns no other is started.
    """
    if not _asking.acquire(blocking=False):
        return None
    answer: list[str | None] = []

    def ask() -> None:
        try:
            answer.append(_keyring_password(name))
        finally:
            _asking.release()

    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    thread.join(timeout)
    if not answer:
        log.warning("the system keyring did not answer within %g s", timeout)
        return None
    return answer[0]


def _keyring_password(name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import NoKeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, name) or ""
    except NoKeyringError:
        return ""
    except Exception as error:  # noqa: BLE001 - backends raise whatever they like; alerts must not stop the start
        log.warning("the system keyring failed: %s", type(error).__name__)
        return None


def keep_secret(name: str, value: str, timeout: float = _KEYRING_SECONDS) -> bool:
    """Put a secret into the keyring ("" takes it out); whether the keyring has done so within `timeout`.

    What is kept is masked in logs from then on.
    """
    redactor.learn(value)
    if not _asking.acquire(blocking=False):
        return False
    done: list[bool] = []

    def keep() -> None:
        try:
            done.append(_set_keyring_password(name, value))
        finally:
            _asking.release()

    thread = threading.Thread(target=keep, name="keyring", daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(done) and done[0]


def _set_keyring_password(name: str, value: str) -> bool:
    try:
        import keyring
        from keyring.errors import NoKeyringError, PasswordDeleteError
    except ImportError:
        return False
    try:
        if value:
            keyring.set_password(SERVICE, name, value)
        else:
            keyring.delete_password(SERVICE, name)
    except PasswordDeleteError:
        return True  # it was not there
    except NoKeyringError:
        return False
    except Exception as error:  # noqa: BLE001 - backends raise whatever they like
        log.warning("the system keyring failed: %s", type(error).__name__)
        return False
    return True


def is_secret_key(key: str) -> bool:
    """Whether a configuration key of this name holds a secret."""
    return bool(_SECRET_KEY.search(key))


def is_url_key(key: str) -> bool:
    """Whether a configuration key of this name holds an address, and perhaps a password before its host."""
    return bool(_URL_KEY.search(key))


def shown_url(url: str) -> str:
    """`url` without whatever stands before its host, however badly it is written."""
    return _BEFORE_HOST.sub(rf"\g<1>{MASK}@", url)


def _below(key: str, name: object) -> str:
    """The key by which a value under `name` in the object `key` is judged: all in a secret is secret."""
    return key if is_secret_key(key) or is_url_key(key) else str(name)


def masked(value: Any, key: str = "") -> Any:
    """A copy of the JSON value `value`, found under `key`, that may be shown."""
    if isinstance(value, dict):
        return {name: masked(item, _below(key, name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, key) for item in value]
    if is_secret_key(key) and value not in (None, "", True, False):
        return MASK
    if isinstance(value, str) and is_url_key(key):
        value = shown_url(value)
    return redactor.mask(value) if isinstance(value, str) else value


def secrets_in(value: Any, key: str = "") -> Iterator[str]:
    """The secrets in a configuration's JSON value, told by the names of their keys."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secrets_in(item, _below(key, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, key)
    elif isinstance(value, str) and is_secret_key(key):
        yield value


class Redactor:
    """Masks known secrets, and what looks like one, in any text. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def learn(self, *secrets: str) -> None:
        """Mask `secrets` from now on, also in the ways they are escaped; those below 4 characters are not."""
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        with self._lock:
            self._known = tuple(sorted({*self._known, *forms}, key=len, reverse=True))

    def learn_from(self, data: Any) -> None:
        """Learn the secrets of a configuration that was read, valid or not."""
        self.learn(*secrets_in(data))

    def forget(self) -> None:
        """Know no secrets any more."""
        with self._lock:
            self._known = ()

    def mask(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        if _SUSPICIOUS.search(text) is None:
            return text
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _forms(secret: str) -> tuple[str, ...]:
    """How a secret may appear in a URL, in JSON, in a repr and in an SMTP dialogue."""
    encoded = base64.b64encode(secret.encode("utf-8", "replace")).decode("ascii")
    return (
        secret,
        quote(secret, safe="", errors="replace"),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        encoded,
    )


class RedactingFilter(logging.Filter):
    """Masks secrets in a record's message, traceback and stack. Add it to every handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, masked."""
        record.msg = redactor.mask(_message(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redactor.mask(record.exc_text)
        if record.stack_info:
            record.stack_info = redactor.mask(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # a log call whose arguments do not fit: our bug, but still worth logging
        return f"{record.msg} {record.args!r}"


redactor = Redactor()
"""The program's one redactor."""
