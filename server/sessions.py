"""The browser's session: a signed cookie, so that it survives a restart and holds on every server.

The signature covers the hash of the user's token, so a revoked or replaced token ends all its sessions; and a
secret key that is not in the database, so that who reads the database can forge none. The key lies in
`server.key` in the data directory; several servers share one by SWING_SERVER_KEY.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from core.accounts import Account
from core.atomic import why
from core.errors import StorageError
from core.i18n import tr
from core.secrets import environment_name, find_secret

KEY_NAME = "server.key"
LIFETIME_SECONDS = 30 * 86_400
_KEY_BYTES = 32
_MOST_ENDED = 10_000


class EndedSession(NamedTuple):
    """A session that was logged out before it expired."""

    nonce: str
    owner: str
    expires: float


class Sessions:
    """Makes and reads session cookies: "EXPIRES.NONCE.SIGNATURE.USER"."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.time, *, shared: bool = False) -> None:
        """`shared`: other servers have the same key, so a session of theirs is one of ours."""
        self._key = key
        self._now = now
        self._shared = shared
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Those that were logged out here."""
        self._ended_anywhere: frozenset[str] = frozenset()

    def cookie_name(self, prefix: str, port: int) -> str:
        """The cookie's name. Ports do not keep cookies apart, so each server has one of its own; servers that
        share a key share it.

        Everybody sees the mark: it is too short to tell by it whether a guessed key is the right one.
        """
        mark = hmac.new(self._key, b"name", hashlib.sha256).hexdigest()[:4] if self._shared else str(port)
        return f"{prefix}_{mark}"

    def begin(self, account: Account) -> str:
        """A cookie's value for the user."""
        expires, nonce = int(self._now()) + LIFETIME_SECONDS, secrets.token_urlsafe(16)
        return f"{expires}.{nonce}.{self._sign(account, expires, nonce)}.{account.name}"

    def owner(self, cookie: str) -> str:
        """The user that a cookie names; nothing is checked yet."""
        return cookie.split(".", 3)[-1] if cookie.count(".") >= 3 else ""

    def is_valid(self, cookie: str, account: Account) -> bool:
        """Whether the cookie is one of ours for this user, unexpired and not logged out."""
        parts = cookie.split(".", 3)
        if len(parts) != 4 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 12:
            return False
        expires = int(parts[0])
        expected = self._sign(account, expires, parts[1])
        known = hmac.compare_digest(expected.encode(), parts[2].encode("utf-8", "replace"))
        ended = parts[1] in self._ended or parts[1] in self._ended_anywhere
        return known and expires > self._now() and not ended

    def csrf(self, cookie: str) -> str:
        """The word that must accompany commands of this session."""
        return self._mac(f"csrf\n{cookie}")

    def end(self, cookie: str) -> EndedSession:
        """Log out with a valid cookie; what is to be stored of it, so that it holds after a restart too."""
        expires, nonce, _, owner = cookie.split(".", 3)
        self._ended[nonce] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        return EndedSession(nonce, owner, float(expires))

    def know_ended(self, nonces: frozenset[str]) -> None:
        """These were logged out, here or on another server, and are stored."""
        self._ended_anywhere = nonces

    def _sign(self, account: Account, expires: int, nonce: str) -> str:
        return self._mac(f"session\n{account.name}\n{expires}\n{nonce}\n{account.token_hash}")

    def _mac(self, text: str) -> str:
        digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def key_is_shared() -> bool:
    """Whether several servers have been given one key."""
    return bool(os.environ.get(environment_name("server_key")))


def session_key(data_dir: Path) -> bytes:
    """The key of this installation, made on first use. Raises `StorageError`."""
    given = find_secret("server_key", timeout=0.0) if key_is_shared() else ""
    if given:
        return hashlib.sha256(given.encode()).digest()
    path = data_dir / KEY_NAME
    try:
        found = path.read_bytes() if path.exists() else b""
        if len(found) == _KEY_BYTES:
            return found
        key = secrets.token_bytes(_KEY_BYTES)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
    except OSError as error:
        raise StorageError(tr("config.data_dir_unusable", path=str(path), reason=why(error))) from error
    return key
