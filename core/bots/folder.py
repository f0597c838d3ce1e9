"""Where the user's own strategies lie, and whether they have changed since they were read.

The folder belongs to the process. Naming it reads nothing: a user's file is run when the first bot is set up.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.bots.user_strategies import StrategyProblem

log = logging.getLogger(__name__)
_Files = tuple[tuple[str, float, int], ...]


class _Place:
    folder: Path | None = None
    seen: _Files | None = None
    problems: tuple[StrategyProblem, ...] = ()


def use_folder(folder: Path | None) -> None:
    """Look for strategies there from now on; None: nowhere."""
    if folder != _Place.folder:
        _Place.folder, _Place.seen, _Place.problems = folder, None, ()


def has_files() -> bool:
    """Whether the user has strategies of their own, good or bad."""
    return bool(_files())


def refresh() -> tuple[StrategyProblem, ...]:
    """Read the strategies if a file is new, changed or gone; what is wrong with them."""
    files = _files()
    if _Place.folder is not None and files != _Place.seen and (files or _Place.seen):
        from core.bots.registry import load_user_strategies

        _Place.seen, _Place.problems = files, load_user_strategies(_Place.folder)
        for problem in _Place.problems:
            log.warning("a strategy cannot be used: %s", problem)
    return _Place.problems


def _files() -> _Files:
    if _Place.folder is None:
        return ()
    found = []
    try:
        for path in sorted(_Place.folder.glob("*.py")):
            status = path.stat()
            found.append((path.name, status.st_mtime, status.st_size))
    except OSError as error:
        log.warning("the folder of strategies cannot be read: %s", error)
    return tuple(found)
