"""Tells Redis what the bots of one engine do, in a thread of its own: the engine's never waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from core.bots.model import BotState
from core.cluster import scripts
from core.cluster.fleet import LONG_AGO
from core.cluster.link import Names, Pauses, Timings, connect, end_thread, faults
from core.cluster.messages import BeatMessage, ByeMessage, CommandAnswer, GoneMessage, StateMessage, encode
from core.secrets import redactor

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200
MOST_ANSWERS = 1000
KEEP_ANSWER_MS = 60_000
LAST_WORDS = 0.8
"""Seconds for which the end waits for Redis to take what is left."""
BEATS_WHILE_IDLE = 0.25
"""The part of the usual pause between two heartbeats while the engine seems to hang."""
EXPIRE_FACTOR = 2.5
"""An engine's key in Redis outlives that many heartbeats."""

OnConflict = Callable[[str, str], None]


class BotPublisher:
    """Sends each bot's newest state, never an older one after it. All methods may be called from any thread.

    While Redis is away only the newest state of each bot is kept; after its return all bots are told again.
    Without `alone` others may tell of the same bots, so an older version gives way to what Redis holds.
    A bot that another living engine tells of is left to it, and `on_conflict(bot_id, engine_id)` is called,
    once, from the publisher's thread.
    """

    def __init__(
        self, url: str, engine_id: str, *, label: str = "", timings: Timings | None = None,
        on_conflict: OnConflict = lambda bot_id, engine_id: None, alone: bool = True,
        idle_for: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        """`idle_for` tells for how many seconds the engine has done nothing; it is called in any thread."""
        self.engine_id = engine_id
        self._url = url
        self._label = label
        self._timings = timings or Timings()
        self._names = Names.of(url)
        self._on_conflict = on_conflict
        self._alone = alone
        self._idle_for = idle_for
        self._changed = threading.Condition()
        self._states: dict[str, BotState] = {}
        self._waiting: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._answers: deque[CommandAnswer] = deque()
        self._serving = True
        self._loaded = False
        self._cleared = False
        """Whether Redis was rid of bots of ours that are no more, since it last had to be told everything."""
        self._untold: set[str] = set()
        """The bots that it has not been told of since then."""
        self._stopping = False
        self._conflicts: set[str] = set()
        self._client: Any = None
        self._trouble = ""
        self._next_beat = 0.0
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-publisher", daemon=True)

    # --- from any thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, state: BotState) -> None:
        """This is how a bot is now."""
        with self._changed:
            known = self._states.get(state.bot_id)
            if known is not None and known.version >= state.version:
                return
            self._states[state.bot_id] = state
            self._gone.pop(state.bot_id, None)
            self._waiting[state.bot_id] = None
            self._changed.notify()

    def replace_all(self, states: Iterable[BotState]) -> None:
        """These are all bots there are; others of this engine are removed."""
        with self._changed:
            told = {state.bot_id: state for state in states}
            for bot_id in self._states.keys() - told.keys():
                self._gone[bot_id] = None
                self._waiting.pop(bot_id, None)
            self._states = told
            if not self._loaded:
                self._loaded = True
                self._next_beat = 0.0
            self._waiting.update(dict.fromkeys(told))
            for bot_id in told:
                self._gone.pop(bot_id, None)
            self._changed.notify()

    def answer(self, answer: CommandAnswer) -> None:
        """Send what became of a command."""
        with self._changed:
            if len(self._answers) < MOST_ANSWERS:
                self._answers.append(answer)
            self._changed.notify()

    def set_serving(self, serving: bool) -> None:
        """Whether anybody works for the bots; told at once."""
        with self._changed:
            if serving is not self._serving:
                self._serving = serving
                self._next_beat = 0.0
                self._changed.notify()

    def state_of(self, bot_id: str) -> BotState | None:
        """The newest state that was put."""
        with self._changed:
            return self._states.get(bot_id)

    @property
    def connected(self) -> bool:
        """Whether Redis takes what is sent."""
        return self._connected.is_set()

    @property
    def trouble(self) -> str:
        """Why it does not, "" while it does."""
        return self._trouble

    def stop(self) -> None:
        """Send what waits, take leave, end; within two seconds or so whatever Redis does. Idempotent."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        end_thread(self._thread, lambda: self._client, LAST_WORDS, self._timings)

    # --- the publisher's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        pauses = Pauses(self._timings)
        while True:
            client = None
            try:
                client = self._client = connect(self._url, self._timings)
                self._serve(client, pauses)
                return
            except faults() as error:
                self._lost(error)
            except Exception:
                log.exception("publishing to Redis failed")
                self._connected.clear()
            finally:
                if client is not None:
                    client.close()
            with self._changed:
                if self._stopping or self._changed.wait_for(lambda: self._stopping, pauses.next()):
                    return

    def _serve(self, client: Any, pauses: Pauses) -> None:
        """Send until the end; raises when Redis does not take it."""
        self._cleared = False
        self._beat(client)
        self._tell_all(client)
        self._found()
        pauses.reset()
        while True:
            batch, gone, stopping = self._take()
            self._send_gone(client, gone)
            self._send_states(client, batch)
            self._send_answers(client)
            self._complete(client)
            if stopping and not batch:
                bye = encode(ByeMessage(self.engine_id))
                client.eval(scripts.BYE, 2, self._names.engine(self.engine_id), self._names.events, bye)
                return
            if time.monotonic() >= self._next_beat:
                if not self._beat(client):
                    self._tell_all(client)  # Redis has lost its memory, or took us for dead
                self._try_again()

    def _take(self) -> tuple[list[BotState], list[str], bool]:
        with self._changed:
            if not (self._waiting or self._gone or self._answers or self._stopping):
                self._changed.wait(max(0.0, self._next_beat - time.monotonic()))
            batch = [self._states[bot_id] for bot_id in list(self._waiting)[:MOST_AT_ONCE]]
            for state in batch:
                del self._waiting[state.bot_id]
            gone, self._gone = list(self._gone), {}
            return batch, gone, self._stopping

    def _try_again(self) -> None:
        """Other engines' bots: they are ours once that engine is silent."""
        with self._changed:
            self._waiting.update((bot_id, None) for bot_id in self._conflicts if bot_id in self._states)

    def _complete(self, client: Any) -> None:
        """Say, as soon as it is so, that Redis holds all of our bots and no others of ours."""
        if self._cleared and not self._untold:
            return
        if not self._cleared and self._loaded:
            self._tell_all(client)
        with self._changed:
            self._untold &= self._states.keys()
        if self._cleared and not self._untold:
            self._next_beat = 0.0

    def _beat(self, client: Any) -> bool:
        """Tell that we live; the result is whether Redis still knew."""
        with self._changed:
            serving = self._serving and self._loaded  # before that there is nobody yet to work for them
        # This thread beats as long as the process lives; only the engine's own age tells of one that hangs.
        age = min(max(0.0, self._idle_for()), LONG_AGO)
        # One that has just begun or woken up is told as alive soon.
        pause = self._timings.beat * (BEATS_WHILE_IDLE if age > self._timings.beat else 1.0)
        self._next_beat = time.monotonic() + pause
        complete = self._cleared and not self._untold
        beat = encode(BeatMessage(self.engine_id, self._label, serving, age, complete))
        first = encode(BeatMessage(self.engine_id, self._label, serving, age, complete=False))
        expire = round(self._timings.beat * EXPIRE_FACTOR * 1000)
        names = self._names
        known = client.eval(scripts.BEAT, 2, names.engine(self.engine_id), names.events, beat, expire, first)
        return bool(known)

    def _tell_all(self, client: Any) -> None:
        """Every bot anew, and take away those of ours that are no more."""
        with self._changed:
            self._waiting.update(dict.fromkeys(self._states))
            known = set(self._states)
            self._untold, self._cleared = set(known), self._loaded
        if not self._cleared:
            return
        held = client.hgetall(self._names.versions)
        mine = [bot.decode() for bot, at in held.items() if at.decode().partition(" ")[2] == self.engine_id]
        self._send_gone(client, [bot_id for bot_id in mine if bot_id not in known])

    def _send_gone(self, client: Any, bot_ids: Sequence[str]) -> None:
        if bot_ids:
            pairs = [part for bot_id in bot_ids for part in (bot_id, encode(GoneMessage(bot_id)))]
            names = self._names
            client.eval(scripts.REMOVE, 3, names.states, names.versions, names.events, self.engine_id, *pairs)

    def _send_states(self, client: Any, states: Sequence[BotState]) -> None:
        if not states:
            return
        with client.pipeline(transaction=False) as pipeline:
            for state in states:
                publish_state(pipeline, self._names, self.engine_id, state)
            outcomes = pipeline.execute()
        for state, (outcome, detail) in zip(states, outcomes, strict=True):
            self._untold.discard(state.bot_id)
            if outcome == b"older" and self._alone:
                # We alone tell of this bot, so what Redis holds is of a database that is gone.
                publish_state(client, self._names, self.engine_id, state, forced_from=detail.decode())
            if outcome == b"held":
                self._note_conflict(state.bot_id, detail.decode())
            else:
                self._conflicts.discard(state.bot_id)

    def _note_conflict(self, bot_id: str, holder: str) -> None:
        if bot_id not in self._conflicts:
            self._conflicts.add(bot_id)
            log.warning("the bot %s is told of by another engine, %s", bot_id, holder)
            self._on_conflict(bot_id, holder)

    def _send_answers(self, client: Any) -> None:
        while self._answers:
            answer = self._answers[0]  # by this thread alone is one taken away, once it is sent
            key = self._names.answer(answer.id)
            with client.pipeline(transaction=True) as pipeline:
                pipeline.rpush(key, encode(answer))
                pipeline.pexpire(key, KEEP_ANSWER_MS)
                pipeline.execute()
            self._answers.popleft()

    def _found(self) -> None:
        if self._trouble:
            log.info("Redis takes the bots' states again")
        self._trouble = ""
        self._connected.set()

    def _lost(self, error: Exception) -> None:
        self._connected.clear()
        text = redactor.mask(f"{type(error).__name__}: {error}")
        if not self._trouble:
            log.warning("Redis does not take the bots' states: %s", text)
        self._trouble = text


def publish_state(
    client: Any, names: Names, engine_id: str, state: BotState, *, forced_from: str = ""
) -> Any:
    """Run `scripts.PUBLISH` for a state, on a client or in a pipeline."""
    return client.eval(
        scripts.PUBLISH, 3, names.states, names.versions, names.events, state.bot_id, state.version,
        engine_id, names.engine_prefix, encode(StateMessage(engine_id, state)),
        encode(StateMessage(engine_id, state, anew=True)), forced_from,
    )  # fmt: skip
