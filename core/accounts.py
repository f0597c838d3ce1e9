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
from collections.abc import Callable
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
MOST_ENDED_OF_USER = 1000
"""So many logged out sessions of one user are remembered."""
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

    def __init__(self, storage_url: str, data_dir: Path, *, now: Callable[[], float] = time.time) -> None:
        from core.storage.database import Database, parse_url
        from core.storage.versions import bring_up_to_date

        self._now = now
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
        """A value that is another one whenever users or ended sessions have changed; cheap."""
        import sqlalchemy as sa

        from core.storage.schema import ended_sessions, users

        of_users = sa.select(sa.func.count(), sa.func.sum(users.c.created), sa.func.sum(users.c.revoked))
        of_sessions = sa.select(sa.func.count(), sa.func.sum(ended_sessions.c.ended))
        with self._database.transaction(write=False) as connection:
            return (*connection.execute(of_users).one(), *connection.execute(of_sessions).one())

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

    def ended_sessions(self) -> frozenset[str]:
        """The sessions that were logged out and would not have expired yet, by their nonces."""
        import sqlalchemy as sa

        from core.storage.schema import ended_sessions

        kept = sa.select(ended_sessions.c.nonce).where(ended_sessions.c.expires > self._now())
        with self._database.transaction(write=False) as connection:
            return frozenset(connection.execute(kept).scalars())

    def end_session(self, nonce: str, owner: str, expires: float) -> None:
        """Let a session of `owner` open nothing any more, on no server. Idempotent.

        What has expired meanwhile is forgotten, and of each user all but the latest.
        """
        import sqlalchemy as sa

        from core.storage.schema import ended_sessions as table

        row = {"nonce": nonce, "owner": owner, "expires": expires, "ended": self._now()}
        with self._database.transaction(write=True) as connection:
            if connection.execute(sa.select(table.c.nonce).where(table.c.nonce == nonce)).first():
                return
            latest = (
                sa.select(table.c.nonce).where(table.c.owner == owner)
                .order_by(table.c.ended.desc()).limit(MOST_ENDED_OF_USER - 1)
            )  # fmt: skip
            older = (table.c.owner == owner) & table.c.nonce.not_in(latest)
            connection.execute(sa.delete(table).where((table.c.expires <= self._now()) | older))
            connection.execute(sa.insert(table).values(**row))

    def close(self) -> None:
        """Release the file; idempotent."""
        self._database.close()

    def _keep_private(self) -> None:
        if self._database.path is not None:
            with contextlib.suppress(OSError):  # a file system without permissions
                self._database.path.chmod(0o600)
