"""Steps of bots on their way into the store: nothing is told before it is stored, and nothing is lost."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.bots.model import BotChange, BotState
from core.errors import StaleBotError, StorageError
from core.events import EventBus
from core.i18n import tr
from core.model import Notice
from core.storage.base import Store

log = logging.getLogger(__name__)


class BotJournal:
    """Stores steps, all of a batch in one transaction, then publishes them. What cannot be stored waits.

    While something waits, it is `blocked` and no bot may go on. `states` holds what was last stored of each.
    """

    def __init__(self, store: Store, bus: EventBus) -> None:
        self._store = store
        self._bus = bus
        self.waiting: list[BotChange] = []
        """Steps that could not be stored yet."""
        self._error = ""
        self.states: dict[str, BotState] = {}
        self.overtaken = False
        """Whether somebody else has moved a bot, so that all must be read anew."""
        self.broken: dict[str, str] = {}
        """Bots whose step the store refuses for good, and why: a bug of ours."""

    @property
    def blocked(self) -> bool:
        """Whether steps wait."""
        return bool(self.waiting)

    def write(self, changes: Sequence[BotChange] = ()) -> bool:
        """Store `changes` after what waits; False if that is not possible at the moment."""
        self.waiting += changes
        if not self.waiting:
            return True
        try:
            self._store.commit_bots(self.waiting)
        except StaleBotError as error:
            self._lose_all(error)
            return True
        except StorageError as error:
            self._tell(str(error))
            return False
        except (ValueError, TypeError):
            log.exception("a bot's step cannot be stored")
            return self._write_singly()
        self._stored(self.waiting)
        self.waiting = []
        self._tell("")
        return True

    def abandon(self) -> None:
        """The store is about to be closed: what could not be written by now is lost, and the log says so."""
        if self.waiting:
            log.error("%d steps of bots were never stored", len(self.waiting))
            self.waiting = []

    def _write_singly(self) -> bool:
        """Find the steps that cannot be stored and leave out the rest of their bots' steps."""
        waiting, self.waiting = self.waiting, []
        for number, change in enumerate(waiting):
            bot_id = change.state.bot_id
            if bot_id in self.broken:
                continue
            try:
                self._store.commit_bots([change])
            except StaleBotError as error:
                self._lose_all(error)
                return True
            except StorageError as error:
                self.waiting = waiting[number:]
                self._tell(str(error))
                return False
            except (ValueError, TypeError) as bug:
                self.broken[bot_id] = f"{type(bug).__name__}: {bug}"
                self._bus.publish(Notice("error", "engine.internal", {"error": self.broken[bot_id]}))
            else:
                self._stored([change])
        self._tell("")
        return True

    def _stored(self, changes: Sequence[BotChange]) -> None:
        """Tell what is in the store now: what was done, then what has become of the bot."""
        for change in changes:
            self.states[change.state.bot_id] = change.state
            for done in (*change.fills, *change.trades):
                self._bus.publish(done)
            self._bus.publish(change.state)
            for alert in change.alerts:
                self._bus.publish(alert)

    def _lose_all(self, error: StaleBotError) -> None:
        log.error("bots were moved by somebody else, so they are read anew: %s", error)
        self.waiting = []
        self.overtaken = True
        self._bus.publish(Notice("error", "bots.overtaken"))

    def _tell(self, error: str) -> None:
        """Say once that nothing can be stored, and once that it works again."""
        if error and error != self._error:
            log.warning("%d steps of bots cannot be stored yet: %s", len(self.waiting), error)
            self._bus.publish(Notice("error", "bots.not_stored", {"error": error}))
        elif self._error and not error:
            self._bus.publish(Notice("info", "bots.stored_again"))
        self._error = error


def waits_for_store() -> StorageError:
    """The answer to a command that is carried out as soon as the store can be written again."""
    return StorageError(tr("bots.waits_for_store"))
