"""What a failed database means for a person: one sentence that says what to do."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from core.errors import StorageError
from core.i18n import tr
from core.secrets import redactor

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
_SERVER_SENTENCES = {
    "08": "server_away", "28": "server_login", "3D": "server_login", "25006": "server_refused",
    "42501": "server_refused", "40001": "server_busy", "40P01": "server_busy", "53100": "server_full",
    "53": "server_busy", "55P03": "server_busy", "57014": "server_busy", "57P": "server_away",
    "58": "server_away", "XX": "server_away",
}  # fmt: skip
"""By the beginning of PostgreSQL's SQLSTATE (its manual, appendix A); the longest that fits counts."""
_OUR_BUGS = (
    exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError, sqlite3.ProgrammingError,
)  # fmt: skip
_RECONNECT = frozenset({"read_only", "cannot_open", "disk_error", "server_away", "server_login", "other"})


class DatabaseFault(StorageError):  # noqa: N818 - its base is an Error, it only adds the kind
    """A `StorageError` with its `kind`, the sentence's name in `storage.json`."""

    def __init__(self, kind: str, **fields: object) -> None:
        super().__init__(tr(f"storage.{kind}", **fields))
        self.kind = kind

    @property
    def spoils_connection(self) -> bool:
        """Whether the connection may have gone bad, so that the next try should open a new one."""
        return self.kind in _RECONNECT


def fault_of(error: Exception, where: str) -> DatabaseFault | None:
    """The fault behind a database `error` about the database `where`; None if it is a bug of ours."""
    cause = getattr(error, "orig", error)
    state = getattr(cause, "sqlstate", None)
    kind = _server_kind(state) if isinstance(state, str) else ""
    if not kind:
        if isinstance(error, _OUR_BUGS) or not isinstance(error, (exc.DBAPIError, sqlite3.Error)):
            return None
        kind = _kind(error, cause)
    return DatabaseFault(kind, path=where, error=redactor.mask(" ".join(str(cause).split())))


def _kind(error: Exception, cause: object) -> str:
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SENTENCES.get(code & 0xFF, "other")
    if isinstance(cause, sqlite3.Error) or not isinstance(error, exc.DBAPIError):
        return "other"
    return "server_away"  # no server, no answer, or a connection that broke: there is no SQLSTATE then


def _server_kind(state: str) -> str:
    fitting = (state[:length] for length in (5, 3, 2))
    return next((_SERVER_SENTENCES[part] for part in fitting if part in _SERVER_SENTENCES), "")
