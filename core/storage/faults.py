"""What a failed database means for a person: one sentence that says what to do."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from core.errors import StorageError
from core.i18n import tr

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_AUTH: "read_only",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_IOERR: "disk_error",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
_OUR_BUGS = (
    exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError, sqlite3.ProgrammingError,
)  # fmt: skip
_RECONNECT = frozenset({"read_only", "cannot_open", "disk_error"})


class DatabaseFault(StorageError):  # noqa: N818 - its base is an Error, it only adds the kind
    """A `StorageError` with its `kind`, the sentence's name in `storage.json`."""

    def __init__(self, kind: str, **fields: object) -> None:
        super().__init__(tr(f"storage.{kind}", **fields))
        self.kind = kind

    @property
    def spoils_connection(self) -> bool:
        """Whether the connection may have gone bad, so that the next try should open a new one."""
        return self.kind in _RECONNECT or self.kind == "other"


def fault_of(error: Exception, where: str) -> DatabaseFault | None:
    """The fault behind a database `error` about the database `where`; None if it is a bug of ours."""
    if isinstance(error, _OUR_BUGS) or not isinstance(error, (exc.DBAPIError, sqlite3.Error)):
        return None
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlite_errorcode", None)
    kind = _SENTENCES.get(code & 0xFF, "other") if isinstance(code, int) else "other"
    return DatabaseFault(kind, path=where, error=" ".join(str(cause).split()))
