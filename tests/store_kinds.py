"""All stores that hold the one contract: in memory, in a file, in a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.storage import open_store
from core.storage.base import Store
from core.storage.memory_store import MemoryStore

KINDS = ("memory", "sqlite", "postgres")
"""Parameters for a fixture that calls `open_kind`."""


def open_kind(request: pytest.FixtureRequest, data_dir: Path, kind: str = "") -> Store:
    """An empty store of the kind that is the fixture's parameter."""
    kind = kind or request.param
    if kind == "memory":
        return MemoryStore()
    server: Any = request.getfixturevalue("postgres") if kind == "postgres" else None
    return open_store(server.fresh() if server else "", data_dir)
