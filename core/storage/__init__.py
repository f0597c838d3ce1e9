"""The ledger and what is remembered between two runs. `open_store` opens the database of one run.

Nothing heavy is imported before a database is opened: `core.storage.base` names what a store can do,
`core.storage.memory_store` is one without a file.
"""

from __future__ import annotations

from pathlib import Path

from core.storage.base import Store

DEFAULT_NAME = "swing_hunter"


def open_store(config_storage_url: str, data_dir: Path, name: str = DEFAULT_NAME) -> Store:
    """Open the database of this run, made or brought up to date if need be.

    `config_storage_url` is the configuration's `storage.url`; empty means SQLite in `data_dir`. Any other
    `name` than the default (a demo, a simulation) is always a file of its own, `data_dir/NAME.db`, whatever
    the URL, so that made-up trades never meet real ones. The store belongs to the calling thread. Raises
    `StorageError`.
    """
    from core.storage.sql_store import SqlStore

    url = config_storage_url if name == DEFAULT_NAME else ""
    return SqlStore(url, data_dir=data_dir, name=name)
