"""One bot at work in a worker: a desk of its own, fed from the tape.

It is the engine's own `BotDesk` with a single bot, on a clock that shows what the engine's showed. What a
desk keeps in memory only, between two prices, is stored with the bot's steps, so the next worker goes on as
if it had been one long run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from core.bots.bot import Bot
from core.bots.desk import BotDesk
from core.bots.model import BotChange, BotRecord, BotState
from core.bots.setting import Blind
from core.bots.surroundings import Surroundings
from core.clock import SystemClock
from core.cluster.entries import CLOCK, Aged, Disputed, Looked, Priced, Told, Volatile, topic_of
from core.cluster.tape import Item
from core.commands import RunBotCycle, StartBot, StopBot
from core.config import Config
from core.errors import UserError, WorldError
from core.events import EventBus
from core.market_calendar import MarketCalendar
from core.model import Bar, Freshness, FreshnessChange

log = logging.getLogger(__name__)

MEMORY = "worker"
"""Under this name a bot's memory holds what belongs to this module."""
MOST_UNSTORED = 200
"""So many entries are taken in before their number is stored though nothing came of them."""


class Batch(NamedTuple):
    """What is to be stored and told."""

    changes: list[BotChange]
    results: list[tuple[int, str]]


class _TapeClock(SystemClock):
    """Shows the time of the entry that is being taken in."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        """See `Clock.time`."""
        return self.now


class _StepStore:
    """The store of the desk: has one bot, and keeps its steps until they are stored for good."""

    def __init__(self, record: BotRecord | None) -> None:
        self._record = record
        self.changes: list[BotChange] = []

    def bots(self) -> tuple[BotRecord, ...]:
        """See `Store.bots`."""
        return () if self._record is None else (self._record,)

    def commit_bots(self, changes: Sequence[BotChange]) -> None:
        """See `Store.commit_bots`."""
        self.changes += changes

    def value(self, _key: str, default: Any = None) -> Any:
        """See `Store.value`."""
        return default

    def set_value(self, key: str, value: Any) -> None:
        """See `Store.set_value`: the engine keeps the run's marks."""


class _Bars:
    """The bars of the past, as the engine sent them."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, int], tuple[Bar, ...]] = {}

    def known(self, key: str, seconds: int, count: int) -> tuple[Bar, ...]:
        """See `BarKeeper.known`."""
        return self.of.get((key, seconds), ())[-count:]

    def request(self, key: str, seconds: int, *, patient: bool = True) -> None:
        """See `BarKeeper.request`: the engine asks by itself."""


class BotSession:
    """A bot from the record that was read to the steps that are to be stored."""

    def __init__(self, bot_id: str, record: BotRecord | None, since: int = 0) -> None:
        """A bot that no worker has stored yet begins behind the number `since`."""
        self.bot_id = bot_id
        known: dict[str, Any] = {} if record is None else record.memory.get(MEMORY, {})
        self.cursor = int(known.get("at", since))
        self.state: BotState | None = None if record is None else record.state
        self._store = _StepStore(record)
        self._bars = _Bars()
        self._clock = _TapeClock(float(known.get("time", 0.0)))
        self._rules: dict[str, list[Any] | None] = {}
        self._disputed = False
        self._results: list[tuple[int, str]] = []
        self._unstored = 0
        self._desk: BotDesk | None = None
        self._settings = Config()
        if known:
            self._settings = msgspec.convert(known["settings"], Config)
            self._open()
            self._remember(known)

    @property
    def topics(self) -> tuple[str, ...]:
        """What concerns the bot on the tape."""
        own = topic_of(self.bot_id)
        return (own,) if self._desk is None else (own, CLOCK, *sorted(self._desk.by_key))

    def feed(self, item: Item) -> None:
        """Take in an entry."""
        self.cursor = item.number
        self._clock.now = item.at
        self._unstored += 1
        entry = item.entry
        if isinstance(entry, Told):
            self._take_told(entry)
        elif self._desk is not None:
            self._take(self._desk, entry)
        if self._desk is not None:
            self._desk.end_batch(item.number / 1e6)

    def fail(self, error: str) -> None:
        """The bot cannot go on."""
        bot = self._bot()
        if bot is not None and self._desk is not None:
            bot.fail(error, self._clock.now)
            self._desk.touch(bot)

    def take(self) -> Batch:
        """What is to be stored since the last call; whatever is new is in it."""
        bot, desk = self._bot(), self._desk
        if bot is not None and desk is not None:
            if self._unstored > MOST_UNSTORED:
                bot.dirty = True
            if bot.dirty:
                bot.urgent = True
                desk.touch(bot)
                desk.end_batch(self._clock.now)
        changes, self._store.changes = self._store.changes, []
        results, self._results = self._results, []
        if changes:
            self.state = changes[-1].state
            self._unstored = 0
            changes[-1] = replace(changes[-1], memory={**changes[-1].memory, MEMORY: self._memory()})
        return Batch(changes, results)

    def close(self) -> None:
        """Give up what still runs."""
        if self._desk is not None:
            self._desk.abandon()

    # --- inside -------------------------------------------------------------------------------------

    def _open(self) -> None:
        calendar = MarketCalendar(self._settings.extra_closures)
        around = Surroundings(
            store=cast("Any", self._store), clock=self._clock, real_clock=SystemClock(), bus=EventBus(),
            calendar=calendar, bars=cast("Any", self._bars), holds=lambda _key: self._disputed,
            signal_memory=self._rules.get, patient=True,
        )  # fmt: skip
        self._desk = BotDesk(self._settings, around)

    def _bot(self) -> Bot | None:
        return None if self._desk is None else self._desk.bot(self.bot_id)

    def _take(self, desk: BotDesk, entry: Priced | Aged | Disputed | Volatile | Looked) -> None:
        if isinstance(entry, Priced):
            self._disputed = entry.disputed
            desk.on_tick(entry.quote, entry.tick, cast("Any", entry))
        elif isinstance(entry, Aged):
            desk.on_freshness(FreshnessChange(entry.key, entry.freshness, entry.since, entry.delay))
        elif isinstance(entry, Disputed):
            desk.on_conflict(entry.key)
        elif isinstance(entry, Volatile):
            desk.on_volatility(entry.key, entry.volatility_pct)
        else:
            desk.every_second()

    def _take_told(self, entry: Told) -> None:
        self._bars.of.update({(key, entry.seconds): bars for key, bars in entry.bars.items()})
        self._rules.update(entry.rules)
        error = ""
        try:
            self._obey(entry)
        except (UserError, WorldError) as problem:
            error = str(problem)
        bot = self._bot()
        if bot is not None:
            bot.dirty = True  # so that it is stored that this was heard: it must not be heard again
        if entry.command:
            self._results.append((entry.command, error))

    def _obey(self, entry: Told) -> None:
        if entry.action == "configure":
            self._configure(entry)
            return
        desk = self._desk
        if desk is None:
            return
        if entry.action == "start":
            desk.execute(StartBot(bot_id=self.bot_id))
        elif entry.action in ("stop", "flatten"):
            desk.execute(StopBot(bot_id=self.bot_id, flatten=entry.action == "flatten"))
        elif entry.action == "cycle":
            desk.execute(RunBotCycle(bot_id=self.bot_id))
        elif entry.action == "history":
            for key in entry.bars:
                desk.on_history(key)
        elif entry.action == "recover":
            bot = self._bot()
            if bot is not None:
                bot.recover(Blind(entry.blind_since, entry.crashed), self._clock.now)

    def _configure(self, entry: Told) -> None:
        assert entry.settings is not None
        before, self._settings = self._settings, entry.settings
        if self._desk is None:
            if entry.settings.bots:
                self._open()
            return
        if entry.settings.extra_closures != before.extra_closures:
            self._desk.set_calendar(MarketCalendar(entry.settings.extra_closures))
        self._desk.apply(entry.settings)

    def _memory(self) -> dict[str, Any]:
        """What must outlive this worker."""
        memory: dict[str, Any] = {
            "at": self.cursor, "time": self._clock.now,
            "settings": msgspec.to_builtins(self._settings, str_keys=True),
        }  # fmt: skip
        bot = self._bot()
        if bot is not None:
            memory["spots"] = {
                key: [spot.tradable, spot.freshness] for key, spot in bot.spots.items() if spot.freshness
            }
            memory["blind"] = {key: [blind.since, blind.crashed] for key, blind in bot.trader.blind.items()}
        return memory

    def _remember(self, known: dict[str, Any]) -> None:
        bot = self._bot()
        if bot is None:
            return
        for key, (tradable, freshness) in known.get("spots", {}).items():
            spot = bot.spots.get(key)
            if spot is not None:
                spot.tradable, spot.freshness = bool(tradable), Freshness(freshness)
        bot.trader.blind = {key: Blind(*blind) for key, blind in known.get("blind", {}).items()}
