"""Copies of the database before it is changed, and where a damaged one is put."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from core.errors import StorageError
from core.i18n import tr

log = logging.getLogger(__name__)

KEPT = 5
FOLDER = "backups"
_STAMP = "%Y%m%d-%H%M%S-%f"


def back_up(source: sqlite3.Connection, path: Path, folder: Path) -> Path:
    """Copy the database behind `source` (named `path`), consistently, into `folder`; returns the copy.

    Only the last `KEPT` copies stay. Raises `StorageError`; then there is no half-written copy.
    """
    target = folder / f"{path.stem}-{_now()}.db"
    partial = target.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StorageError(
            tr("storage.no_backup", path=str(path), folder=str(folder), error=error)
        ) from error
    _forget_old(path, folder)
    return target


def backups_of(path: Path, folder: Path) -> list[Path]:
    """The copies of the database `path` in `folder`, oldest first."""
    name = re.compile(re.escape(path.stem) + r"-\d{8}-\d{6}-\d{6}\.db")
    return sorted(found for found in folder.glob("*.db") if name.fullmatch(found.name))


def set_aside(path: Path) -> Path | None:
    """Give a damaged database another name, its content untouched; None if that is impossible."""
    aside = path.with_name(f"{path.stem}.damaged-{_now()}{path.suffix}")
    for ending in ("", "-wal", "-shm"):
        try:
            os.rename(f"{path}{ending}", f"{aside}{ending}")  # noqa: PTH104 - the ending belongs to the name
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("%s%s could not be renamed: %s", path, ending, error)
            return None
    return aside


def _now() -> str:
    return datetime.now(UTC).strftime(_STAMP)


def _forget_old(path: Path, folder: Path) -> None:
    for old in backups_of(path, folder)[:-KEPT]:
        try:
            old.unlink()
        except OSError as error:
            log.warning("the old backup %s could not be removed: %s", old, error)
