"""A cycle of a bot in a worker: under the bot's lock, from what is stored to what is stored next.

A worker may die at any moment. What it had not stored is as if it had never been, and the next worker begins
where the stored steps end: the number of the last entry of the tape that they took in is stored with them. A
worker that lost its lock without noticing finds that the bot's version has moved on, and drops what it had.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from core.bots.model import BotState
from core.cluster.bot_session import Batch, BotSession
from core.cluster.dispatcher import Home, Postbox, decode_home
from core.cluster.link import Names, Timings, connect, faults
from core.cluster.locks import BotLock, keep_queued, note_done, unmark
from core.cluster.messages import StepsMessage, encode
from core.cluster.publisher import publish_state
from core.cluster.tape import Item, read_tape
from core.cluster.tasks import CYCLE_SECONDS, lock_seconds
from core.errors import StaleBotError
from core.storage.base import LinesOf, Store

log = logging.getLogger(__name__)

MOST_OVERTAKEN = 3
"""So often a cycle begins anew at once because somebody else has moved the bot."""


class LockLostError(Exception):
    """Another worker may hold the bot by now."""


class BotRunner:
    """Does cycles. Belongs to one thread of one process. See `core.cluster.worker.Runner`."""

    def __init__(
        self, url: str, open_store: Callable[[], Store], *, timings: Timings | None = None,
        lock_for: Callable[[float], float] = lock_seconds,
        route: Callable[[Postbox], LinesOf] = lambda postbox: lambda fact: (),
    ) -> None:  # fmt: skip
        """Raises `StorageError`. `lock_for` tells the lock's seconds from the strategy's time limit, `route`
        makes the outbox's lines for alerts that somebody delivers."""
        self._names = Names.of(url)
        self._client = connect(url, timings or Timings())
        self._lock_for = lock_for
        self._route = route
        self._postbox = Postbox()
        self._store = open_store()

    def close(self) -> None:
        """Let go of the database and of Redis."""
        self._client.close()
        self._store.close()

    def time_limit(self, bot_id: str) -> float:
        """See `Runner.time_limit`."""
        return self._home(bot_id).time_limit

    def run(self, bot_id: str) -> str:
        """See `Runner.run`."""
        home = self._home(bot_id)
        seconds = self._lock_for(home.time_limit)
        keep_queued(self._client, self._names, bot_id, seconds)
        lock = BotLock(self._client, self._names, bot_id, seconds)
        if not lock.take():
            return "busy"
        try:
            last = self._until_settled(home, bot_id, lock)
        except LockLostError:
            log.warning("the bot %s was taken over by another worker", bot_id)
            return "busy"
        finally:
            self._give_back(lock)
        if last is None:
            return "more"
        note_done(self._client, self._names, bot_id, last)
        return "done"

    def give_up(self, bot_id: str, error: str) -> None:
        """See `Runner.give_up`."""
        home = self._home(bot_id)
        engine = home.engine
        lock = BotLock(self._client, self._names, bot_id, self._lock_for(home.time_limit))
        if not lock.take():
            return
        try:
            session = BotSession(bot_id, self._store.bot(bot_id), home.since)
            session.fail(error)
            self._keep(session, engine)
            session.close()
            unmark(self._client, self._names, (bot_id,))
        finally:
            self._give_back(lock)

    # --- inside -------------------------------------------------------------------------------------

    def _home(self, bot_id: str) -> Home:
        """What the bot's engine told of it. Its alerts are accepted as that engine's own."""
        known = self._client.hget(self._names.homes, bot_id)
        home = Home() if known is None else decode_home(known)
        if home.postbox != self._postbox:
            self._postbox = home.postbox
            self._store.route(self._route(home.postbox))
        return home

    def _give_back(self, lock: BotLock) -> None:
        try:
            lock.give_back()
        except faults() as error:
            log.warning("a bot's lock stays until it expires: %s", type(error).__name__)

    def _until_settled(self, home: Home, bot_id: str, lock: BotLock) -> int | None:
        """Do the cycle, anew if somebody else has moved the bot; see `_cycle`."""
        for _ in range(MOST_OVERTAKEN):
            try:
                return self._cycle(home, bot_id, lock)
            except StaleBotError:
                log.warning("the bot %s was moved by somebody else; the cycle begins anew", bot_id)
        return self._cycle(home, bot_id, lock)

    def _cycle(self, home: Home, bot_id: str, lock: BotLock) -> int | None:
        """Take in the tape to its end; the number of its last entry, None if time is up before."""
        engine, session = home.engine, BotSession(bot_id, self._store.bot(bot_id), home.since)
        end = time.monotonic() + CYCLE_SECONDS
        try:
            while True:
                items, more, last = read_tape(
                    self._client, self._names, engine, session.topics, session.cursor
                )
                self._warn_of_gap(bot_id, session.cursor, items)
                more = self._feed(session, items, lock) or more
                told = self._keep(session, engine)
                if not more:
                    if session.state is not None and not told:  # perhaps it was not told when it was stored
                        self._publish(engine, session.state)
                    return last
                if time.monotonic() > end:
                    return None
        finally:
            session.close()

    def _feed(self, session: BotSession, items: list[Item], lock: BotLock) -> bool:
        """Take the entries in; True if the rest must be read again, as others concern the bot from now on."""
        topics = session.topics
        for item in items:
            if not lock.keep():
                raise LockLostError
            session.feed(item)
            if session.topics != topics:
                return True
        return False

    def _keep(self, session: BotSession, engine: str) -> bool:
        """Store what came of it, then tell it; whether there was anything."""
        batch = session.take()
        if batch.changes:
            self._store.commit_bots(batch.changes)
        self._tell(engine, batch)
        return bool(batch.changes)

    def _tell(self, engine: str, batch: Batch) -> None:
        fills = tuple(fill for change in batch.changes for fill in change.fills)
        trades = tuple(trade for change in batch.changes for trade in change.trades)
        alerts = tuple(alert for change in batch.changes for alert in change.alerts)
        if batch.changes:
            self._publish(engine, batch.changes[-1].state)
        if fills or trades or alerts or batch.results:
            steps = StepsMessage(
                engine=engine, fills=fills, trades=trades, alerts=alerts, results=tuple(batch.results)
            )
            self._client.publish(self._names.events, encode(steps))

    def _publish(self, engine: str, state: BotState) -> None:
        """Tell a state that is stored. If Redis holds a later one, the database says which is right."""
        outcome, detail = publish_state(self._client, self._names, engine, state)
        if outcome == b"older":
            stored = self._store.bot(state.bot_id)
            if stored is not None and stored.state.version == state.version:
                publish_state(self._client, self._names, engine, state, forced_from=detail.decode())
        elif outcome == b"held":
            log.warning("the bot %s is told of by another engine, %s", state.bot_id, detail.decode())

    def _warn_of_gap(self, bot_id: str, cursor: int, items: list[Item]) -> None:
        """Say if entries are gone that the bot never saw: it was not worked for, for too long."""
        known = {item.number for item in items}
        if cursor and any(item.before > cursor and item.before not in known for item in items):
            log.error("the bot %s missed prices: they were dropped before a worker came to them", bot_id)
