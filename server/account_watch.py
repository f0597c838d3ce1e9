"""Watches the stored users, so that a token revoked by `users revoke` opens nothing a moment later.

The same for sessions: one that was logged out on one server opens nothing on another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from core.accounts import Account, AccountStore
from core.errors import StorageError
from server.sessions import EndedSession

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.4
JOIN_SECONDS = 2.0
STORE_SECONDS = 2.0
"""For so long a logout waits to be stored."""


class _Wish(NamedTuple):
    """A session whose end is to be stored, and what is called once it is."""

    session: EndedSession
    done: Callable[[], None]


class AccountWatch:
    """Looks into the store from a thread of its own, which owns the store's connection.

    While the store cannot be read, the users stay as they were last known; what could not be written is tried
    again.
    """

    def __init__(self, open_store: Callable[[], AccountStore], seconds: float = LOOK_SECONDS) -> None:
        self._open_store = open_store
        self._seconds = seconds
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._wishes: deque[_Wish] = deque()
        self._thread: threading.Thread | None = None
        self._failing = False

    def start(
        self, tell: Callable[[tuple[Account, ...]], None],
        tell_ended: Callable[[frozenset[str]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Call both in the running event loop, now and whenever users or ended sessions have changed."""
        loop = asyncio.get_running_loop()

        def tell_of(store: AccountStore) -> None:
            loop.call_soon_threadsafe(tell_ended, store.ended_sessions())
            loop.call_soon_threadsafe(tell, store.accounts())

        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, args=(tell_of,), name="accounts", daemon=True)
        self._thread.start()

    async def end_session(self, session: EndedSession) -> None:
        """Store the end of a session. If that takes too long it is done after the return."""
        loop, stored = asyncio.get_running_loop(), asyncio.Event()

        def done() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(stored.set)

        self._wishes.append(_Wish(session, done))
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stored.wait(), STORE_SECONDS)

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._stopping.set()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def _watch(self, tell_of: Callable[[AccountStore], None]) -> None:
        store: AccountStore | None = None
        known: object = None
        try:
            while not self._stopping.is_set() or self._wishes:
                last = self._stopping.is_set()
                try:
                    store = store or self._open_store()
                    self._fulfil(store)
                    seen = store.fingerprint()
                    if seen != known and not last:
                        tell_of(store)
                        known = seen
                    self._failing = False
                except StorageError as problem:
                    self._complain(problem)
                if last:
                    return
                self._wake.wait(self._seconds)
                self._wake.clear()
        except RuntimeError:  # the loop has ended, and with it our task
            log.debug("the users were watched for longer than the server ran")
        finally:
            if store is not None:
                store.close()

    def _fulfil(self, store: AccountStore) -> None:
        while self._wishes:
            wish = self._wishes[0]
            store.end_session(*wish.session)
            self._wishes.popleft()
            wish.done()

    def _complain(self, problem: StorageError) -> None:
        if not self._failing:
            log.warning("the users cannot be read, so those last known stay: %s", problem)
        self._failing = True
