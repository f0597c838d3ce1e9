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

from core.accounts import Account
from core.atomic import why
from core.errors import StorageError
from core.i18n import tr
from core.secrets import find_secret

KEY_NAME = "server.key"
LIFETIME_SECONDS = 30 * 86_400
_KEY_BYTES = 32
_MOST_ENDED = 10_000


class Sessions:
    """Makes and reads session cookies: "EXPIRES.NONCE.SIGNATURE.USER"."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._ended: OrderedDict[str, None] = OrderedDict()

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
        return known and expires > self._now() and parts[1] not in self._ended

    def csrf(self, cookie: str) -> str:
        """The word that must accompany commands of this session."""
        return self._mac(f"csrf\n{cookie}")

    def end(self, cookie: str) -> None:
        """Log out; remembered until the restart, for the latest thousands of sessions."""
        parts = cookie.split(".", 3)
        if len(parts) == 4:
            self._ended[parts[1]] = None
            if len(self._ended) > _MOST_ENDED:
                self._ended.popitem(last=False)

    def _sign(self, account: Account, expires: int, nonce: str) -> str:
        return self._mac(f"session\n{account.name}\n{expires}\n{nonce}\n{account.token_hash}")

    def _mac(self, text: str) -> str:
        digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def session_key(data_dir: Path) -> bytes:
    """The key of this installation, made on first use. Raises `StorageError`."""
    given = find_secret("server_key", timeout=0.0) if "SWING_SERVER_KEY" in os.environ else ""
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
