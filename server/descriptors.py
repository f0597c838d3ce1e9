"""How many files, and so connections, this process may have open."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

MOST = 65_536
"""More are never asked for: a process that may have millions is no better off."""
ELSEWHERE = 8192
"""What is assumed of systems that have no such limit."""


def limit() -> int:
    """How many there may be now."""
    if sys.platform == "win32":
        return ELSEWHERE
    import resource

    return _bounded(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def raise_limit() -> None:
    """Allow this process what its user may have; the usual 1024 are too few for thousands of clients."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _bounded(hard)
    if _bounded(soft) >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS has a limit of its own below the one it tells
        log.warning("only %d files can be open at once: %s", soft, error)


def _bounded(number: int) -> int:
    """One of the system's limits; without end is negative there."""
    return min(number, MOST) if number >= 0 else MOST
