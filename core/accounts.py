"""Who may use the status server: users, their roles, and the hashes of their tokens.

A token is 256 random bits and is shown once; only its SHA-256 is kept. So many random bits need no slow hash:
guessing is hopeless at any speed.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import time
from pathlib import Path
from typing import Literal, cast

import msgspec

from core.errors import InputError
from core.i18n import tr

Role = Literal["viewer", "trader"]
ROLES: tuple[Role, ...] = ("viewer", "trader")
DATABASE_NAME = "accounts"
TOKEN_PREFIX = "swing_"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}\Z")
_BUSY_SECONDS = 5.0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One user. A "viewer" may only look, a "trader" may command too. Times are Unix seconds."""

    name: str
    role: Role
    token_hash: str
    created: float
    revoked: float | None = None

    @property
    def active(self) -> bool:
        """Whether the token still opens anything."""
        return self.revoked is None


def new_token() -> str:
    """A token that nobody can guess."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class AccountStore:
    """The users in the database: `accounts.db` in the data directory, or the one that `storage.url` names.

    Belongs to the thread that made it. Every method may raise `StorageError`.
    """

    def __init__(self, storage_url: str, data_dir: Path) -> None:
        from core.storage.database import Database, parse_url
        from core.storage.versions import bring_up_to_date

        self._database = Database(parse_url(storage_url, data_dir, DATABASE_NAME), busy_seconds=_BUSY_SECONDS)
        try:
            self._database.connect()
            bring_up_to_date(self._database, None)
            self._keep_private()
        except BaseException:
            self._database.close()
            raise

    def accounts(self) -> tuple[Account, ...]:
        """All users, revoked ones too, by name."""
        import sqlalchemy as sa

        from core.storage.schema import users

        with self._database.transaction(write=False) as connection:
            rows = connection.execute(sa.select(users).order_by(users.c.name)).all()
        return tuple(
            Account(
                name=row.name, role=cast(Role, row.role), token_hash=row.token_hash, created=row.created,
                revoked=row.revoked,
            )
            for row in rows
        )  # fmt: skip

    def fingerprint(self) -> object:
        """A value that is another one whenever the users have changed; cheaper than all of them."""
        import sqlalchemy as sa

        from core.storage.schema import users

        columns = (sa.func.count(), sa.func.sum(users.c.created), sa.func.sum(users.c.revoked))
        with self._database.transaction(write=False) as connection:
            return tuple(connection.execute(sa.select(*columns)).one())

    def add(self, name: str, role: Role = "trader") -> str:
        """Make a user, or give a revoked one a new start; the result is the token, which is kept nowhere.

        Raises `InputError` for a bad name or a user that is there.
        """
        from core.storage.schema import users

        if not _NAME.match(name):
            raise InputError(tr("server.bad_name", name=name))
        found = {account.name: account for account in self.accounts()}.get(name)
        if found is not None and found.active:
            raise InputError(tr("server.user_exists", name=name))
        token = new_token()
        row = {"role": role, "token_hash": hash_token(token), "created": time.time(), "revoked": None}
        with self._database.transaction(write=True) as connection:
            if found is None:
                connection.execute(users.insert().values(name=name, **row))
            else:
                connection.execute(users.update().where(users.c.name == name).values(**row))
        return token

    def revoke(self, name: str) -> None:
        """Let the user's token open nothing any more. Raises `InputError` if there is no such user."""
        from core.storage.schema import users

        with self._database.transaction(write=True) as connection:
            done = connection.execute(
                users.update().where(users.c.name == name, users.c.revoked.is_(None))
                .values(revoked=time.time())
            )  # fmt: skip
        if not done.rowcount:
            raise InputError(tr("server.no_such_user", name=name))

    def close(self) -> None:
        """Release the file; idempotent."""
        self._database.close()

    def _keep_private(self) -> None:
        if self._database.path is not None:
            with contextlib.suppress(OSError):  # a file system without permissions
                self._database.path.chmod(0o600)
