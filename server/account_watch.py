"""Watches the stored users, so that a token revoked by `users revoke` opens nothing a moment later."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from core.accounts import Account, AccountStore
from core.errors import StorageError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.4
JOIN_SECONDS = 2.0


class AccountWatch:
    """Looks into the store from a thread of its own, which owns the store's connection.

    While the store cannot be read, the users stay as they were last known.
    """

    def __init__(self, open_store: Callable[[], AccountStore], seconds: float = LOOK_SECONDS) -> None:
        self._open_store = open_store
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    def start(self, tell: Callable[[tuple[Account, ...]], None]) -> None:
        """Call `tell` in the running event loop, now and whenever the users have changed."""
        arguments = (asyncio.get_running_loop(), tell)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, args=arguments, name="accounts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def _watch(self, loop: asyncio.AbstractEventLoop, tell: Callable[[tuple[Account, ...]], None]) -> None:
        store: AccountStore | None = None
        known: object = None
        try:
            while not self._stopping.is_set():
                try:
                    store = store or self._open_store()
                    seen = store.fingerprint()
                    if seen != known:
                        loop.call_soon_threadsafe(tell, store.accounts())
                        known = seen
                    self._failing = False
                except StorageError as problem:
                    self._complain(problem)
                self._stopping.wait(self._seconds)
        except RuntimeError:  # the loop has ended, and with it our task
            log.debug("the users were watched for longer than the server ran")
        finally:
            if store is not None:
                store.close()

    def _complain(self, problem: StorageError) -> None:
        if not self._failing:
            log.warning("the users cannot be read, so those last known stay: %s", problem)
        self._failing = True
