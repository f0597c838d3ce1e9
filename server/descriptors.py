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

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def raise_limit() -> None:
    """Allow this process what its user may have; the usual 1024 are too few for thousands of clients."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS has a limit of its own below the one it tells
        log.warning("only %d files can be open at once: %s", soft, error)
