"""The desk of an engine whose bots run in workers: what the engine tells it goes onto the tape.

It stands where `core.bots.desk.BotDesk` stands otherwise. The workers have desks of that kind, and are fed
from the tape; what they have stored comes back by Redis and is published here as if it had been done here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from core.bots.base_bot import ATR_SECONDS
from core.bots.cycles import shape_of
from core.bots.elsewhere import AnswerLater, BotsMoved
from core.bots.model import BotState
from core.bots.risk import ATR_PERIOD
from core.bots.run_marker import RunMarker
from core.bots.surroundings import Surroundings
from core.cluster.bot_session import MEMORY
from core.cluster.dispatcher import Dispatcher
from core.cluster.entries import CLOCK, Aged, Disputed, Entry, Looked, Priced, Told, Volatile
from core.commands import (
    BotHistory,
    BotsLoaded,
    RequestBotHistory,
    RunBotCycle,
    StartBot,
    StopAllBots,
    StopBot,
)
from core.config import BotConfig, Config, RealTimeConfig
from core.engine.price_state import PriceState
from core.errors import InputError, StorageError
from core.i18n import tr
from core.instruments import parse_instrument
from core.market_calendar import MarketCalendar
from core.model import FreshnessChange, Quote, Tick

log = logging.getLogger(__name__)


class RemoteDesk:
    """See the module. Belongs to the engine's thread; `dispatcher` takes what it says to the workers."""

    def __init__(self, config: Config, around: Surroundings, dispatcher: Dispatcher) -> None:
        """Reads the bots as they are stored, and tells the workers how they are configured.

        Raises `StorageError`.
        """
        self._config = config
        self._around = around
        self._clock = around.clock
        self._bus = around.bus
        self._dispatcher = dispatcher
        self._marker = RunMarker(around.store)
        self.by_key: dict[str, tuple[str, ...]] = {}
        """The bots that want to hear of an instrument."""
        self._configs: dict[str, BotConfig] = {}
        self._states: dict[str, BotState] = {}
        self._open: dict[str, bool] = {}
        self._asked: dict[str, float] = {}
        self._load()

    # --- what the engine tells ----------------------------------------------------------------------

    def on_tick(self, quote: Quote, tick: Tick, state: PriceState) -> None:
        """See `BotDesk.on_tick`."""
        bots = self.by_key.get(tick.key)
        if bots is None:
            return
        entry = Priced(
            tick, quote, state.effective, state.newest, state.session, state.gap,
            self._around.holds(tick.key),
        )  # fmt: skip
        now = self._clock.time()
        self._dispatcher.add(tick.key, entry, now, bots)
        for bot_id in bots:
            self._asked[bot_id] = now

    def on_freshness(self, change: FreshnessChange) -> None:
        """See `BotDesk.on_freshness`."""
        self._write(change.key, Aged(change.key, change.freshness, change.since, change.delay))

    def on_conflict(self, key: str) -> None:
        """See `BotDesk.on_conflict`."""
        self._write(key, Disputed(key))

    def on_volatility(self, key: str, volatility_pct: float | None) -> None:
        """See `BotDesk.on_volatility`."""
        self._write(key, Volatile(key, volatility_pct))

    def ask_for_history(self) -> None:
        """See `BotDesk.ask_for_history`."""
        for config in self._configs.values():
            self._bars(config, (), ask=True)

    def on_history(self, key: str) -> None:
        """See `BotDesk.on_history`."""
        for bot_id in self.by_key.get(key, ()):
            seconds, bars = self._bars(self._configs.get(bot_id), (key,), ask=False)
            if bars:
                self._tell(bot_id, Told(action="history", seconds=seconds, bars=bars))

    def every_second(self) -> None:
        """Tell when an exchange opens or closes, and who wants to be asked though no price comes."""
        if not self.by_key:
            return
        now = self._clock.time()
        self._follow_markets(now)
        for bot_id, config in self._configs.items():
            interval, state = config.check_interval_sec, self._states.get(bot_id)
            if interval <= 0 or state is None or state.status not in ("running", "in_position"):
                continue
            if now - self._asked.setdefault(bot_id, now) >= interval:
                self._asked[bot_id] = now
                self._tell(bot_id, Told(action="cycle"))
        self._marker.beat(now, self._around.real_clock.monotonic())

    def end_batch(self, now: float) -> None:
        """See `BotDesk.end_batch`; the dispatcher has a thread of its own."""

    def next_due(self) -> float:
        """See `BotDesk.next_due`."""
        return float("inf")

    # --- what the workers tell ----------------------------------------------------------------------

    def on_moved(self, moved: BotsMoved) -> None:
        """Steps that are stored: publish them as the local desk would."""
        for done in (*moved.fills, *moved.trades):
            self._bus.publish(done)
        for state in moved.states:
            known = self._states.get(state.bot_id)
            if known is not None and known.version >= state.version:
                continue
            self._states[state.bot_id] = state
            if state.bot_id in self._configs or state.positions:
                self._bus.publish(state)
            if known is None or self._keys_of(known) != self._keys_of(state) or self._left(state):
                self._index()
                self.publish_all()
        for alert in moved.alerts:
            self._bus.publish(alert)

    # --- state --------------------------------------------------------------------------------------

    def keys(self) -> tuple[str, ...]:
        """See `BotDesk.keys`."""
        states = list(self._states.values())
        held = [held.key for state in states for held in state.positions]
        traded = [key for state in states if state.status not in ("stopped", "error") for key in state.keys]
        return tuple(dict.fromkeys((*held, *(key for key in traded if key in self.by_key), *self.by_key)))

    def held(self) -> frozenset[str]:
        """See `BotDesk.held`."""
        return frozenset(held.key for state in self._states.values() for held in state.positions)

    def publish_all(self) -> None:
        """See `BotDesk.publish_all`."""
        order = [*self._configs, *(bot_id for bot_id in self._states if bot_id not in self._configs)]
        states = [
            self._states[bot_id]
            for bot_id in order
            if bot_id in self._states and not self._left(self._states[bot_id])
        ]
        configs = tuple(
            self._configs.get(state.bot_id) or self._stored_config(state.bot_id) for state in states
        )
        self._bus.publish(BotsLoaded(tuple(states), configs))

    def apply(self, config: Config) -> None:
        """See `BotDesk.apply`."""
        old, self._config = self._config, config
        everything = _settings(config) != _settings(old)
        self._configure(config, only_changed=not everything)

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """See `BotDesk.set_calendar`; the workers hear of it by `apply`."""
        self._around = replace(self._around, calendar=calendar)

    def start_over(self) -> None:
        """See `BotDesk.start_over`; replays are not for workers."""

    def close(self) -> None:
        """Note that the run ends in good order. The workers finish what they have."""
        if self._configs:
            self._marker.end(self._clock.time())

    # --- commands -----------------------------------------------------------------------------------

    def handles(self, command: object) -> bool:
        """See `BotDesk.handles`."""
        return isinstance(command, StartBot | StopBot | StopAllBots | RunBotCycle | RequestBotHistory)

    def execute(self, command: object) -> None:
        """Pass `command` on. Raises `AnswerLater` where a worker will answer, `InputError` for an unknown
        bot, `StorageError` if the history cannot be read."""
        if isinstance(command, RequestBotHistory):
            self._publish_history(command)
            return
        self._around.age()
        if isinstance(command, StopAllBots):
            for bot_id in [*self._configs]:
                self._tell(bot_id, Told(action="flatten" if command.flatten else "stop"))
        elif isinstance(command, StartBot):
            self._known(command.bot_id)
            seconds, bars = self._bars(self._configs.get(command.bot_id), (), ask=True)
            told = Told(
                action="start", command=command.id, seconds=seconds, bars=bars,
                rules=self._rules(self._configs.get(command.bot_id)),
            )  # fmt: skip
            self._tell_answered(command.bot_id, told)
        elif isinstance(command, StopBot):
            action = "flatten" if command.flatten else "stop"
            self._tell_answered(command.bot_id, Told(action=action, command=command.id))
        elif isinstance(command, RunBotCycle):
            self._tell_answered(command.bot_id, Told(action="cycle", command=command.id))

    def _tell_answered(self, bot_id: str, told: Told) -> None:
        self._known(bot_id)
        self._tell(bot_id, told)
        raise AnswerLater

    def _known(self, bot_id: str) -> None:
        if bot_id not in self._configs and bot_id not in self._states:
            raise InputError(tr("bots.unknown", bot=bot_id))

    def _publish_history(self, command: RequestBotHistory) -> None:
        store, bot_id, since = self._around.store, command.bot_id, command.since
        self._bus.publish(BotHistory(
            bot_id=bot_id, trades=store.bot_trades(bot_id, since, command.limit),
            fills=store.bot_fills(bot_id, since, command.limit), days=store.bot_days(bot_id, since),
        ))  # fmt: skip

    # --- inside -------------------------------------------------------------------------------------

    def _load(self) -> None:
        now = self._clock.time()
        records = self._around.store.bots()
        self._states = {
            record.state.bot_id: record.state for record in records
            if not record.retired or record.state.positions
        }  # fmt: skip
        self._last_configs = {record.config.id: record.config for record in records}
        cursors = {record.config.id: record.memory.get(MEMORY, {}).get("at", 0) for record in records}
        self._dispatcher.tape.begin_after(max(cursors.values(), default=0))
        for bot_id in {*cursors, *(bot.id for bot in self._config.bots)}:
            if not cursors.get(bot_id):
                self._dispatcher.begin_bot(bot_id)
        self._configure(self._config, only_changed=False)
        if records or self._configs:
            blind = self._marker.begin(now)
            for state in self._states.values():
                since = max(blind.since, state.updated_at)
                self._tell(state.bot_id, Told(action="recover", blind_since=since, crashed=blind.crashed))

    def _stored_config(self, bot_id: str) -> BotConfig:
        return self._last_configs[bot_id]

    def _configure(self, config: Config, *, only_changed: bool) -> None:
        """Tell the workers of every bot how it is to work, or that it is to go."""
        before, self._configs = self._configs, {bot.id: bot for bot in config.bots}
        known = {**self._last_configs, **self._configs}
        self._dispatcher.set_bots({bot.id: bot.time_limit_sec for bot in known.values()})
        settings = _settings(config)
        for bot in config.bots:
            if only_changed and before.get(bot.id) == bot:
                continue
            if bot.id not in self._last_configs:
                self._dispatcher.begin_bot(bot.id)
            seconds, bars = self._bars(bot, (), ask=True)
            self._tell(bot.id, Told(
                action="configure", settings=replace(settings, bots=(bot,)), seconds=seconds, bars=bars,
                rules=self._rules(bot),
            ))  # fmt: skip
        gone = (before.keys() | self._states.keys()) - self._configs.keys()
        for bot_id in sorted(gone):
            if not only_changed or bot_id in before:
                self._tell(bot_id, Told(action="configure", settings=settings))
        self._last_configs = known
        self._index()
        self.publish_all()

    def _index(self) -> None:
        found: dict[str, list[str]] = {}
        for bot_id, config in self._configs.items():
            for text in config.symbols:
                found.setdefault(parse_instrument(text, self._config.exchange).key, []).append(bot_id)
        for state in self._states.values():
            for held in state.positions:
                if state.bot_id not in found.setdefault(held.key, []):
                    found[held.key].append(state.bot_id)
        self.by_key.clear()
        self.by_key.update((key, tuple(bots)) for key, bots in found.items())

    def _left(self, state: BotState) -> bool:
        """Whether the configuration has no such bot any more, and it holds nothing."""
        return state.bot_id not in self._configs and not state.positions

    @staticmethod
    def _keys_of(state: BotState) -> frozenset[str]:
        return frozenset((*state.keys, *(held.key for held in state.positions)))

    def _follow_markets(self, now: float) -> None:
        around = self._around
        exchanges = {key.partition(":")[0] for key in self.by_key}
        is_open = {code: around.calendar.state(code, now).is_open for code in exchanges}
        if is_open != self._open:
            self._open = is_open
            self._dispatcher.add(CLOCK, Looked(), now, tuple(self._configs))

    def _bars(
        self, config: BotConfig | None, keys: Sequence[str], *, ask: bool
    ) -> tuple[int, dict[str, tuple[Any, ...]]]:
        """The bars of the past that a bot's strategy may want to see (of some of its instruments only)."""
        if config is None:
            return 0, {}
        _strategy, shape = shape_of(config)
        seconds, most = shape.seconds, max(shape.lookback, ATR_PERIOD + 1)
        if not seconds:
            if config.trailing_stop_atr <= 0:
                return 0, {}
            seconds, most = ATR_SECONDS, ATR_PERIOD + 1
        known: dict[str, tuple[Any, ...]] = {}
        for text in config.symbols:
            key = parse_instrument(text, self._config.exchange).key
            if keys and key not in keys:
                continue
            try:
                known[key] = tuple(self._around.bars.known(key, seconds, most + 1))
            except StorageError as error:
                log.warning("the bars of %s cannot be read: %s", key, error)
                continue
            if ask and len(known[key]) < most:
                self._around.bars.request(key, seconds, patient=False)
        return seconds, known

    def _rules(self, config: BotConfig | None) -> dict[str, list[Any] | None]:
        """What the product's own signal rule remembers of a bot's instruments."""
        if config is None:
            return {}
        keys = [parse_instrument(text, self._config.exchange).key for text in config.symbols]
        return {key: self._around.signal_memory(key) for key in keys}

    def _write(self, key: str, entry: Entry) -> None:
        bots = self.by_key.get(key)
        if bots is not None:
            self._dispatcher.add(key, entry, self._clock.time(), bots)

    def _tell(self, bot_id: str, told: Told) -> None:
        self._dispatcher.tell(bot_id, told, self._clock.time())


def _settings(config: Config) -> Config:
    """What of a configuration concerns bots, without secrets and without the bots themselves."""
    live = config.real_time
    return Config(
        exchange=config.exchange, extra_closures=config.extra_closures, language=config.language, symbols=(),
        real_time=RealTimeConfig(
            signal_threshold_pct=live.signal_threshold_pct, signal_cooldown_sec=live.signal_cooldown_sec,
            noise_filter=live.noise_filter, noise_window=live.noise_window,
        ),
    )  # fmt: skip
