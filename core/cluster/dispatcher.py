"""The engine's end of the workers: writes the tape, then sees to it that every bot concerned gets a cycle.

At most one cycle per bot waits or runs. What comes meanwhile is remembered here and asked for as soon as that
one is over, so nothing piles up and nothing is forgotten, not even when Redis loses its memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from core.cluster.entries import Entry, topic_of
from core.cluster.link import Names, Pauses, Timings, connect, end_thread, faults
from core.cluster.locks import living_workers, mark_queued, unmark
from core.cluster.tape import TapeWriter, last_number
from core.cluster.tasks import lock_seconds
from core.secrets import redactor

log = logging.getLogger(__name__)

ASK_AGAIN = 0.05
"""Seconds until a bot whose cycle still runs is asked for again."""
QUEUED_SECONDS = 60.0
"""For so long a cycle counts as waiting that no worker has begun; then it is put into the queue anew."""
SPACING = 0.2
"""Seconds between two cycles of a bot that nobody but the prices asks for."""
LOOK = 0.5
"""Seconds between two looks at whether workers live."""
LONGEST_WAIT = 10.0
"""Seconds for which a cycle may wait before its bot counts as served by nobody."""

Send = Callable[[str, float], None]


class Postbox(NamedTuple):
    """Who delivers the bots' alerts, and by which channels; see `core.notifications.routes.Routes`."""

    holder: str = ""
    channels: tuple[str, ...] = ()


class Home(NamedTuple):
    """What a worker must know of a bot before it has read it: its engine, its strategy's time limit in
    seconds, and who delivers its alerts."""

    engine: str = ""
    time_limit: float = 1.0
    postbox: Postbox = Postbox()
    since: int = 0
    """The tape's number behind which a bot begins of which no worker has stored anything."""


encode_home = msgspec.json.Encoder().encode
decode_home = msgspec.json.Decoder(Home).decode


class Dispatcher:
    """A thread that owns the way from one engine to its workers. Methods may be called from any thread."""

    def __init__(
        self, url: str, engine_id: str, send: Send, *, timings: Timings | None = None,
        on_serving: Callable[[bool], None] = lambda serving: None,
        lock_for: Callable[[float], float] = lock_seconds, postbox: Postbox | None = None,
    ) -> None:  # fmt: skip
        """`send(bot_id, time_limit_sec)` puts a cycle into the queue. `on_serving` is told, from the thread,
        whether anybody works for the bots."""
        self._url = url
        self._engine_id = engine_id
        self._send = send
        self._timings = timings or Timings()
        self._names = Names.of(url)
        self._on_serving = on_serving
        self._lock_for = lock_for
        self._postbox = postbox or Postbox()
        self.tape = TapeWriter(self._names, engine_id)
        self._changed = threading.Condition()
        self._limits: dict[str, float] = {}
        self._sent: dict[str, float] = {}
        self._since: dict[str, int] = {}
        self._last: dict[str, int] = {}
        """The number of the last entry that concerns a bot."""
        self._check_at: dict[str, float] = {}
        """When to see whether a bot's last cycle was done, or a worker has died over it."""
        self._repeats = 0
        self._wanted: dict[str, float] = {}
        self._begun = False
        self._stopping = False
        self._serving: bool | None = None
        self._next_look = 0.0
        self._lost_told = 0
        self._client: Any = None
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="bot-cycles", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def set_bots(self, limits: dict[str, float]) -> None:
        """The bots there are, each with its strategy's time limit in seconds."""
        with self._changed:
            self._limits = dict(limits)

    def begin_bot(self, bot_id: str) -> None:
        """No worker has stored anything of this bot: it hears what is written from now on, nothing older."""
        with self._changed:
            self._since[bot_id] = self.tape.number

    def add(self, topic: str, entry: Entry, at: float, bot_ids: Iterable[str]) -> None:
        """Write an entry of the time `at`, and have these bots take it in."""
        number = self.tape.add(topic, entry, at)
        bot_ids = tuple(bot_ids)
        with self._changed:
            self._last.update(dict.fromkeys(bot_ids, number))
        self.want(bot_ids)

    def tell(self, bot_id: str, entry: Entry, at: float) -> None:
        """Write something for one bot."""
        with self._changed:
            self._sent.pop(bot_id, None)
        self.add(topic_of(bot_id), entry, at, (bot_id,))

    def want(self, bot_ids: Iterable[str]) -> None:
        """These bots need a cycle."""
        now = time.monotonic()
        with self._changed:
            for bot_id in bot_ids:
                self._wanted.setdefault(bot_id, now)
            self._changed.notify()

    @property
    def trouble(self) -> str:
        """Why Redis does not take what is sent, "" while it does."""
        return self._trouble

    def stop(self) -> None:
        """Write what waits and end, within two seconds or so whatever Redis does. Idempotent."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        end_thread(self._thread, lambda: self._client, 0.8, self._timings)

    # --- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        pauses = Pauses(self._timings)
        while True:
            client = self._client = connect(self._url, self._timings)
            try:
                self._begin(client)
                while self._work(client):
                    pauses.reset()
                    self._found()
                return
            except faults() as error:
                self._lost(error)
            except Exception:
                log.exception("the bots' cycles could not be handed out")
            finally:
                client.close()
            self._tell_serving(False)
            with self._changed:
                if self._stopping or self._changed.wait_for(lambda: self._stopping, pauses.next()):
                    return

    def _begin(self, client: Any) -> None:
        """Number on from where an earlier run of the engine ended."""
        if not self._begun:
            pattern = self._names.tape(self._engine_id, "*")
            prefix = len(self._names.tape(self._engine_id, ""))
            topics = [key.decode()[prefix:] for key in client.scan_iter(pattern, count=1000)]
            shift = self.tape.begin_after(last_number(client, self._names, self._engine_id, topics))
            with self._changed:
                for numbers in (self._last, self._since):
                    numbers.update({bot_id: number + shift for bot_id, number in numbers.items()})
            self._begun = True

    def _work(self, client: Any) -> bool:
        """Wait for something to do, do it; False at the end."""
        with self._changed:
            if not (self.tape.waiting or self._stopping):
                pause = ASK_AGAIN if self._wanted else max(0.0, self._next_look - time.monotonic())
                self._changed.wait(pause)
            stopping = self._stopping
        self.tape.write(client)
        self._tell_lost()
        if self.tape.repeats != self._repeats:  # with the tape Redis lost the cycles that waited
            self._repeats = self.tape.repeats
            self.want(self._limits)
        self._check(client)
        due = time.monotonic() - SPACING
        with self._changed:
            # Only now: whoever is marked below finds all that was written above.
            wanted = [
                (bot_id, self._limits.get(bot_id, 1.0)) for bot_id in self._wanted
                if self._sent.get(bot_id, 0.0) <= due
            ]  # fmt: skip
        self._hand_out(client, wanted)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK
            self._look(client)
        return not stopping

    def _hand_out(self, client: Any, wanted: list[tuple[str, float]]) -> None:
        if not wanted:
            return
        limits = dict(wanted)
        marked = mark_queued(client, self._names, [(bot_id, QUEUED_SECONDS) for bot_id, _ in wanted])
        if not marked:
            return
        homes = {
            bot_id: encode_home(
                Home(self._engine_id, limits[bot_id], self._postbox, self._since.get(bot_id, 0))
            )
            for bot_id in marked
        }
        client.hset(self._names.homes, mapping=homes)
        for place, bot_id in enumerate(marked):
            with self._changed:
                since = self._wanted.pop(bot_id, None)
                self._sent[bot_id] = time.monotonic()
            self._check_at[bot_id] = time.monotonic() + self._lock_for(limits[bot_id])
            try:
                self._send(bot_id, limits[bot_id])
            except BaseException:
                with self._changed:
                    self._wanted.update((other, since or time.monotonic()) for other in marked[place:])
                unmark(client, self._names, marked[place:])
                raise

    def _check(self, client: Any) -> None:
        """Ask again for the bots whose cycle should be over by now and is not."""
        now = time.monotonic()
        late = [bot_id for bot_id, at in self._check_at.items() if at <= now]
        if not late:
            return
        done = client.hmget(self._names.done, late)
        with self._changed:
            last = {bot_id: self._last.get(bot_id, 0) for bot_id in late}
        for bot_id, number in zip(late, done, strict=True):
            del self._check_at[bot_id]
            if number is None or int(number) < last[bot_id]:
                with self._changed:
                    self._wanted.setdefault(bot_id, self._sent.get(bot_id, now))

    def _look(self, client: Any) -> None:
        """Whether workers live and nothing waits for too long."""
        with self._changed:
            oldest = min(self._wanted.values(), default=time.monotonic())
        waits = time.monotonic() - oldest > LONGEST_WAIT
        self._find_lost(client)
        self._tell_serving(living_workers(client, self._names) > 0 and not waits)

    def _find_lost(self, client: Any) -> None:
        """Put cycles into the queue anew that are neither there nor being done: whoever had them is dead."""
        now = time.monotonic()
        with self._changed:
            late = [
                bot_id for bot_id, since in self._wanted.items()
                if now - since > self._lock_for(self._limits.get(bot_id, 1.0))
            ]  # fmt: skip
        if not late:
            return
        with client.pipeline(transaction=False) as pipeline:
            pipeline.llen(self._names.queue)
            for bot_id in late:
                pipeline.exists(self._names.lock(bot_id))
            length, *held = pipeline.execute()
        if not length:
            unmark(client, self._names, [bot for bot, lock in zip(late, held, strict=True) if not lock])

    def _tell_serving(self, serving: bool) -> None:
        if serving is not self._serving:
            self._serving = serving
            self._on_serving(serving)

    def _tell_lost(self) -> None:
        if self.tape.lost != self._lost_told:
            log.error("%d prices never reached the bots' workers: Redis was away for too long",
                      self.tape.lost - self._lost_told)  # fmt: skip
            self._lost_told = self.tape.lost

    def _found(self) -> None:
        if self._trouble:
            log.info("Redis takes prices for the bots' workers again")
            self._trouble = ""

    def _lost(self, error: Exception) -> None:
        text = redactor.mask(f"{type(error).__name__}: {error}")
        if not self._trouble:
            log.warning("prices do not reach the bots' workers: %s", text)
        self._trouble = text
