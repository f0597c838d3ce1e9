"""The bots' place in the engine: prices and commands go in, stored and published steps come out.

All bots' steps of a batch are one transaction, and only then published. While the store cannot be written the
bots stand still, and commands wait.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import msgspec

from core.bots.bot import Bot
from core.bots.cycles import Cycles, MakeHost, local_host
from core.bots.journal import BotJournal, waits_for_store
from core.bots.model import BotStatus
from core.bots.roster import Roster, Watchers
from core.bots.run_marker import RunMarker
from core.bots.setting import Blind
from core.bots.surroundings import Surroundings
from core.bots.warm_up import lacks_bars, prepare, request, warm
from core.bots.wishes import Wishes
from core.commands import BotsLoaded, RequestBotHistory, RunBotCycle, StartBot, StopAllBots, StopBot
from core.config import Config
from core.engine.price_state import PriceState
from core.errors import InputError
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import Freshness, FreshnessChange, Notice, Quote, Tick

log = logging.getLogger(__name__)

MARK_EVERY = 0.2
"""Seconds between two steps of a bot that tell of nothing but prices."""
SLOW_STORE = 10.0
"""Such steps wait so many times as long as the last transaction took, lest a slow disk hold up prices."""
SLOWEST_MARKS = 2.0
RETRY_EVERY = 1.0
"""Seconds between two attempts to write what could not be stored."""
_LIVE, _DELAYED = Freshness.LIVE, Freshness.DELAYED


class BotDesk:
    """Owns all bots of one world. Belongs to the engine's thread."""

    def __init__(
        self, config: Config, around: Surroundings, *, wake: Callable[[], None] = lambda: None,
        make_host: MakeHost = local_host,
    ) -> None:  # fmt: skip
        """Loads the bots, their stops armed, before anything else is watched. Raises `StorageError`.

        `wake` is called from any thread when `end_batch` should be called soon.
        """
        self._around = around
        self._config = config
        self._clock = around.clock
        self._bus = around.bus
        self._journal = BotJournal(around.store, around.bus)
        self._marker = RunMarker(around.store)
        self._cycles = Cycles(around.clock, around.real_clock, make_host, patient=around.patient)
        self._cycles.wake, self._cycles.age = wake, around.age
        self._roster = Roster(around.world(config), self._cycles)
        self.by_key = self._roster.by_key
        """Whose prices the bots want to hear of."""
        self._touched: dict[Bot, None] = {}
        self._wishes = Wishes(self._roster, around, self._touch, self.run_bot_strategy_cycle)
        self._next_try = 0.0
        self._mark_every = MARK_EVERY
        self._bugs: set[str] = set()
        self._load(config)

    # --- prices -------------------------------------------------------------------------------------

    def on_tick(self, quote: Quote, tick: Tick, state: PriceState) -> None:
        """Show a vetted price to the bots of its instrument."""
        watchers = self.by_key.get(tick.key)
        if watchers is None or self._journal.waiting:
            return
        effective, session, gap = state.effective, state.session, state.gap
        if not self._is_true(tick, state):
            self._on_untrue(watchers, tick, effective)
            return
        for bot, spot in watchers:
            try:
                if bot.on_price(spot, tick, quote, effective, session, gap):
                    self._cycles.want(bot, spot)
            except Exception as bug:  # noqa: BLE001 - told and logged; one bot stops no other
                self._on_bug(bot, bug)
            if bot.dirty:
                self._touched[bot] = None

    def _is_true(self, tick: Tick, state: PriceState) -> bool:
        """Whether may be traded on the price: of this moment, real (or chosen otherwise), undisputed, and not
        older than one that was seen."""
        freshness = tick.freshness
        if tick.simulated:
            if not self._around.simulated or freshness is not Freshness.SIMULATED:
                return False
        elif freshness is not _LIVE and freshness is not _DELAYED:
            return False
        return state.session >= 0.0 and state.effective >= state.newest and not self._around.holds(tick.key)

    def _on_untrue(self, watchers: Watchers, tick: Tick, effective: float) -> None:
        # In doubt, or somebody makes up prices: the last one that was good is of this moment no more.
        doubtful = self._around.holds(tick.key) or tick.simulated is not self._around.simulated
        for bot, spot in watchers:
            if doubtful:
                bot.on_freshness(spot, Freshness.STALE)
            else:
                bot.on_untrue(spot, tick, effective)
            self._touch(bot)

    def on_freshness(self, change: FreshnessChange) -> None:
        """A price has aged."""
        for bot, spot in self.by_key.get(change.key, ()):
            bot.on_freshness(spot, change.freshness)
            self._touch(bot)

    def on_conflict(self, key: str) -> None:
        """Sources disagree about an instrument: its last price may not be traded on, and is not live."""
        for bot, spot in self.by_key.get(key, ()):
            bot.on_freshness(spot, Freshness.STALE)
            self._touch(bot)

    def on_volatility(self, key: str, volatility_pct: float | None) -> None:
        """How volatile the instrument is by its daily closes."""
        for bot, _ in self.by_key.get(key, ()):
            if bot.rule is not None:
                bot.rule.set_volatility(key, volatility_pct)

    def ask_for_history(self) -> None:
        """Somebody can be asked for bars of the past from now on."""
        for bot in self._roster.all():
            for spot in filter(lacks_bars, bot.spots.values()):
                request(spot, self._around, patient=False)

    def on_history(self, key: str) -> None:
        """Bars of the past have come for an instrument."""
        for bot, spot in self.by_key.get(key, ()):
            if lacks_bars(spot):
                warm(bot, spot, self._around)
                self._touch(bot)

    # --- cycles and commands ------------------------------------------------------------------------

    def run_bot_strategy_cycle(self, bot_id: str) -> None:
        """Run one cycle of the bot's strategy, for each of its instruments that has a price to trade on.

        Never twice at once: what is still being answered is followed by this. Raises `InputError` for a bot
        that does not run.
        """
        bot = self._wishes.find(bot_id)
        if not bot.running:
            raise InputError(tr("bots.not_running", name=bot.config.name))
        for spot in bot.spots.values():
            if spot.tradable:
                self._cycles.want(bot, spot)
        self._touch(bot)

    def handles(self, command: object) -> bool:
        """Whether `command` is one of the bots'."""
        return isinstance(command, StartBot | StopBot | StopAllBots | RunBotCycle | RequestBotHistory)

    def execute(self, command: object) -> None:
        """Carry out `command`, on prices that are of this moment. Raises `InputError` or `StorageError`."""
        trades = not isinstance(command, RequestBotHistory)
        if trades:
            self._around.age()
        self._wishes.execute(command, blocked=self._journal.blocked)
        if trades:
            self.end_batch(self._around.real_clock.monotonic())
            if self._journal.blocked:
                raise waits_for_store()

    # --- as time goes by ----------------------------------------------------------------------------

    def end_batch(self, now: float) -> None:
        """At the monotonic time `now`, after some prices: store and publish what is due."""
        if self._cycles.pending:
            for bot in self._cycles.poll():
                self._touched[bot] = None
        if self._journal.blocked:
            if now >= self._next_try:
                self._write(now, [])
            return
        if self._touched:
            due = [bot for bot in self._touched if bot.urgent or now - bot.stored_mono >= self._mark_every]
            if due:
                self._write(now, due)

    def next_due(self) -> float:
        """When `end_batch` has something to do, by the monotonic clock."""
        due = self._cycles.next_due()
        if self._journal.blocked:
            return min(due, self._next_try)
        if self._touched:
            due = min(
                due,
                *(-math.inf if bot.urgent else bot.stored_mono + self._mark_every for bot in self._touched),
            )
        return due

    def every_second(self) -> None:
        """Follow the exchanges' hours and days, ask strategies whose time has come, give a sign of life."""
        if not self.by_key or self._journal.blocked:
            return
        now = self._clock.time()
        self._follow_markets(now)
        if not self._around.patient:
            self._ask_by_the_clock(now)
            self._marker.beat(now, self._around.real_clock.monotonic())

    def close(self) -> None:
        """Store what is not stored yet, note that the run ends in good order. The store stays open."""
        self._cycles.close()
        now = self._around.real_clock.monotonic()
        had_bots = bool(self._roster.all())
        for bot in self._roster.all():
            self._touch(bot)
        self._write(now, list(self._touched))
        if had_bots and not self._journal.blocked:
            self._marker.end(self._clock.time())
        self._journal.abandon()

    def abandon(self) -> None:
        """Give up what still runs, and store nothing: somebody else goes on from what is stored."""
        self._cycles.close()

    # --- state --------------------------------------------------------------------------------------

    def bot(self, bot_id: str) -> Bot | None:
        """One of the bots; whoever changes it must `touch` it then."""
        return self._roster.get(bot_id)

    def touch(self, bot: Bot) -> None:
        """See with the next `end_batch` whether the bot has something to be stored."""
        self._touched[bot] = None

    def keys(self) -> tuple[str, ...]:
        """The instruments that bots need priced, most needed first."""
        return self._roster.keys()

    def held(self) -> frozenset[str]:
        """The instruments that bots hold."""
        return frozenset(key for bot in self._roster.all() for key in bot.trader.account.positions)

    def publish_all(self) -> None:
        """Tell all bots as they are stored."""
        bots = [bot for bot in self._roster.all() if bot.config.id in self._journal.states]
        self._bus.publish(BotsLoaded(
            tuple(self._journal.states[bot.config.id] for bot in bots), tuple(bot.config for bot in bots)
        ))  # fmt: skip

    def apply(self, config: Config) -> None:
        """Work by another configuration of the same world."""
        old, self._config = self._config, config
        self._roster.set_world(self._around.world(config))
        if (config.bots, config.exchange) != (old.bots, old.exchange):
            self._reconcile()

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """Judge sessions by another calendar from now on."""
        self._around = msgspec.structs.replace(self._around, calendar=calendar)
        self._wishes = Wishes(self._roster, self._around, self._touch, self.run_bot_strategy_cycle)
        self._roster.set_world(self._around.world(self._config))

    def start_over(self) -> None:
        """A replay begins: every bot starts with nothing, and those that ran run again."""
        for bot in self._roster.all():
            running = bot.running
            bot.start_over(bot.config, bot.shape)
            if running:
                bot.start()
            self._touched[bot] = None
        self._roster.index()
        self.end_batch(self._around.real_clock.monotonic())

    # --- inside -------------------------------------------------------------------------------------

    def _load(self, config: Config) -> None:
        now = self._clock.time()
        records = self._around.store.bots()
        bots = self._roster.load(records)
        self._journal.states = {record.state.bot_id: record.state for record in records}
        if bots or config.bots:
            mark = self._marker.begin(now)
            for bot in bots:
                since = max(mark.since, self._journal.states[bot.config.id].updated_at)
                if not self._around.patient:  # else the clock shows another time than this
                    for spot in bot.spots.values():
                        spot.forget_future(now)
                    bot.recover(Blind(since, mark.crashed), now)
                if bot.shape.error and bot.mode is not BotStatus.ERROR:
                    bot.fail(bot.shape.error, now)
                prepare(bot, self._around)
        self._reconcile()

    def _reconcile(self) -> None:
        before = [bot.config for bot in self._roster.all()]
        self._roster.reconcile(self._config.bots, self._clock.time(), lambda bot: prepare(bot, self._around))
        for bot in self._roster.all():
            self._touch(bot)
        self._follow_markets(self._clock.time())
        self._write(self._around.real_clock.monotonic(), list(self._touched))
        if before or self._roster.all():
            self.publish_all()

    def _touch(self, bot: Bot) -> None:
        if bot.dirty:
            self._touched[bot] = None

    def _follow_markets(self, now: float) -> None:
        around = self._around

        def session_of(exchange: str) -> float:
            return around.calendar.state(exchange, now).session_open

        for bot in self._roster.all():
            exchanges = {key.partition(":")[0] for key in bot.keys}
            bot.set_market(any(around.is_open(exchange, now) for exchange in exchanges))
            bot.follow_day(session_of, now)
            self._touch(bot)

    def _ask_by_the_clock(self, now: float) -> None:
        """No price comes, but the strategy wanted to be asked every so often."""
        for bot in self._roster.all():
            interval = bot.config.check_interval_sec
            if interval > 0 and bot.running:
                for spot in bot.spots.values():
                    if spot.tradable and now - max(spot.cycle_at, spot.received) >= interval:
                        self._cycles.want(bot, spot)
                        spot.cycle_at = now
                        self._touched[bot] = None

    def _write(self, now: float, bots: list[Bot]) -> None:
        """Store the steps of `bots`, after those that wait, and publish them."""
        at = self._clock.time()
        changes = []
        for bot in bots:
            self._touched.pop(bot, None)
            if bot.dirty:
                bot.stored_mono = now
                changes.append(bot.take_change(at))
        began = self._around.real_clock.monotonic()
        stored = self._journal.write(changes)
        took = self._around.real_clock.monotonic() - began
        self._mark_every = min(max(MARK_EVERY, took * SLOW_STORE), SLOWEST_MARKS)
        if not stored:
            self._next_try = now + RETRY_EVERY
            return
        if self._journal.overtaken or self._journal.broken:
            self._read_anew()
        if self._roster.let_go():
            self.publish_all()
        if self._wishes.carry_out_late():
            self.end_batch(now)

    def _read_anew(self) -> None:
        """What is in the store counts: somebody else has moved bots, or a step of ours cannot be stored."""
        broken, self._journal.broken, self._journal.overtaken = self._journal.broken, {}, False
        self._touched.clear()
        self._roster.clear()
        records = self._around.store.bots()
        self._roster.load(records)
        self._journal.states = {record.state.bot_id: record.state for record in records}
        now = self._clock.time()
        for bot_id, error in broken.items():
            bot = self._roster.get(bot_id)
            if bot is not None:
                bot.fail(tr("engine.internal", error=error), now)
        self._reconcile()

    def _on_bug(self, bot: Bot, bug: Exception) -> None:
        """A bug of ours with one bot: it rests in error, the others go on."""
        error = f"{type(bug).__name__}: {bug}"
        if f"{bot.config.id} {error}" not in self._bugs:
            self._bugs.add(f"{bot.config.id} {error}")
            log.error("the bot %s failed", bot.config.id, exc_info=bug)
            self._bus.publish(Notice("error", "engine.internal", {"error": error}))
        if bot.mode is not BotStatus.ERROR:
            bot.fail(tr("engine.internal", error=error), self._clock.time())
