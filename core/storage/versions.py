"""Brings a database to the schema of this program: a new one whole, an old one step by step after a backup.

The version stands in alembic's own table. Alembic itself is imported only when there is something to migrate.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from core.storage.backups import back_up
from core.storage.database import Database
from core.storage.faults import DatabaseFault
from core.storage.schema import HEAD, REVISIONS, VERSION_TABLE, metadata, version

log = logging.getLogger(__name__)

_SCRIPTS = Path(__file__).parent / "migrations"


def bring_up_to_date(database: Database, backup_folder: Path | None) -> None:
    """Make the schema that of `HEAD`; a database that is newer or not ours is refused and left untouched.

    Raises `StorageError`; then the database is as it was.
    """
    with database.transaction(write=False) as connection:
        found = _known_version(connection, database)
    database.use_wal()
    if not found:
        _create(database)
    elif found != HEAD:
        _migrate(database, found, backup_folder)


def _known_version(connection: sa.Connection, database: Database) -> str:
    """The stored revision, "" for an empty database."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    if VERSION_TABLE not in tables:
        if tables:
            raise DatabaseFault("foreign", path=database.where)
        return ""
    found = connection.execute(sa.select(version.c.version_num)).scalar_one_or_none() or ""
    if found not in REVISIONS:
        raise DatabaseFault("newer", path=database.where, found=found, known=HEAD)
    return found


def _create(database: Database) -> None:
    with database.transaction(write=True) as connection:
        database.alone(connection)
        if _known_version(connection, database):
            return  # another process was quicker
        metadata.create_all(connection, checkfirst=False)
        version.create(connection)
        connection.execute(version.insert().values(version_num=HEAD))


def _migrate(database: Database, found: str, backup_folder: Path | None) -> None:
    backup = None
    if database.path is not None and backup_folder is not None:
        backup = back_up(database.driver, database.path, backup_folder)
    log.info("migrating %s from %s to %s, backup: %s", database.where, found, HEAD, backup)
    try:
        with database.without_foreign_keys(), database.transaction(write=True) as connection:
            database.alone(connection)
            _run_alembic(connection)
    except (DatabaseFault, exc.SQLAlchemyError) as error:
        if isinstance(error, DatabaseFault) and error.kind != "other":
            raise  # a full disk, a lock: the sentence says what to do
        log.exception("the migration failed")
        raise DatabaseFault("not_migrated", path=database.where, backup=str(backup or "-")) from error


def _run_alembic(connection: sa.Connection) -> None:
    """All steps in the caller's one transaction, so that a crash leaves the old schema or the new one."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
