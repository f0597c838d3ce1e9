"""One set-up at a time per environment; a second start waits for the first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.environment import WINDOWS

LOCK_NAME = "setup.lock"
_POLL_SECONDS = 0.2


def _try_lock(descriptor: int) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def setup_lock(directory: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the environment's lock; `on_wait` is called once if somebody else holds it. Yields its descriptor.

    The system frees the lock when its holder dies. A child that inherits the descriptor keeps it: so a `pip`
    that outlives a killed start is waited for, too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        told = False
        while not _try_lock(descriptor):
            if not told:
                on_wait()
                told = True
            time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
