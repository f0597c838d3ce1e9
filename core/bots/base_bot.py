"""What a bot has, what that is worth, and how it is stored; what it does with it is in `core.bots.bot`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from core.bots.account import Account, cost_of
from core.bots.broker import Broker, PaperBroker
from core.bots.model import BotChange, BotOrder, BotPosition, BotRecord, BotState, BotStatus
from core.bots.money import add, exact, plain, subtract
from core.bots.notebook import Notebook
from core.bots.risk import ATR_PERIOD, enforced_stop
from core.bots.series import BarSeries
from core.bots.setting import Shape, World
from core.bots.spot import Spot
from core.bots.strategy import Wake
from core.bots.trader import Trader
from core.bots.trading_day import TradingDay
from core.config import BotConfig
from core.engine.noise import make_filter
from core.engine.signals import SignalRule
from core.i18n import tr
from core.instruments import parse_instrument
from core.price_rules import currency_of

MakeBroker = Callable[[BotConfig, Sequence[BotOrder]], Broker]
ATR_SECONDS = 900
"""The bars of which the average true range is made where the strategy wants none."""
_FIXED = ("stop_loss_pct", "take_profit_pct")
_TRAILING = ("trailing_stop_pct", "trailing_stop_atr")


def keys_of(config: BotConfig, world: World) -> tuple[str, ...]:
    """The instruments that a bot trades."""
    return tuple(parse_instrument(text, world.exchange).key for text in config.symbols)


class BotBase:
    """The state of one bot. Belongs to the engine's thread."""

    def __init__(
        self, config: BotConfig, shape: Shape, world: World, record: BotRecord | None = None, *,
        make_broker: MakeBroker = PaperBroker,
    ) -> None:  # fmt: skip
        """A new bot, or with `record` the one that was stored (then `config` is its own)."""
        self.config = config
        self.shape = shape
        self.world = world
        self.version = 0 if record is None else record.state.version
        self.retired = False if record is None else record.retired
        self.mode = BotStatus.STOPPED
        """Its owner's wish, or ERROR."""
        self.market_open = True
        self.last_error: str | None = None
        self.spots: dict[str, Spot] = {}
        self.dirty = record is None
        """Whether something is to be stored, soon; of a new bot, that it exists."""
        self.urgent = record is None
        """Whether something is to be stored at once."""
        self.stored_mono = -math.inf
        """When it was last stored, by the monotonic clock; the desk keeps it."""
        self._make_broker = make_broker
        self._config_changed = record is None
        self._series_changed = False
        self._filled = True
        """Whether what it is worth may have changed without a price."""
        self.day = TradingDay(config.cash)
        self.refused: tuple[str, ...] = ()
        """The instruments of an edit that must wait until nothing is held."""
        memory: dict[str, Any] = {} if record is None else record.memory
        self._notebook = Notebook(config.id, memory.get("ids"))
        self.trader = self._make_trader(record)
        if record is not None:
            self._restore(record)
        self._set_up(config, shape, record)
        self.currency = self.currency_for(config) if record is None else currency_of(record.state.key)
        """That of its money."""

    # --- setting up ---------------------------------------------------------------------------------

    def _make_trader(self, record: BotRecord | None) -> Trader:
        config = self.config
        deposit = exact(config.cash)
        if record is None:
            return Trader(config, self._make_broker(config, ()), Account(deposit, deposit), self._notebook)
        account = Account(exact(record.memory.get("deposit", deposit)), record.cash, record.state.positions)
        return Trader(config, self._make_broker(config, record.orders), account, self._notebook)

    def _set_up(self, config: BotConfig, shape: Shape, record: BotRecord | None = None) -> None:
        """Work by `config` from now on; what is held stays, with its levels anew if they are others."""
        old, self.config, self.shape = self.config, config, shape
        self.trader.config = config
        self.trader.broker.configure(config)
        self.keys = keys_of(config, self.world)
        self._main = self.keys[0].partition(":")[0] + ":" if self.keys else ""
        self._limited = config.max_daily_loss > 0 or config.daily_target > 0
        self.rule = self._make_rule() if shape.wake is Wake.SIGNAL else None
        held = self.trader.account.positions
        for key in dict.fromkeys((*self.keys, *held)):
            self._set_up_spot(key, record)
        for key in [key for key in self.spots if key not in self.keys and key not in held]:
            self.trader.cancel_all(self.spots.pop(key).received, key)
        if (old.strategy, old.params) != (config.strategy, config.params):
            for spot in self.spots.values():
                spot.memory = {}
        for key, position in list(held.items()):
            self._protect_anew(self.spots[key], position, old)

    def _set_up_spot(self, key: str, record: BotRecord | None) -> None:
        memory: dict[str, Any] = {} if record is None else record.memory
        known: dict[str, Any] = memory.get("spots", {}).get(key, {})
        spot = self.spots.get(key)
        if spot is None:
            spot = self.spots[key] = Spot(key)
            spot.restore(known)
        seconds, most = self._series_length()
        if not seconds:
            spot.series = None
        elif spot.series is None or not spot.series.fits(seconds, most):
            spot.series = BarSeries(key, seconds, most, self.world.sessions)
            if record is not None and memory.get("seconds") == seconds:
                spot.series.restore(record.series.get(key, ()), known.get("bar"))
        if self.rule is not None:
            self.rule.load(key, memory.get("rules", {}).get(key))
        spot.working = bool(self.trader.broker.open_orders(key))

    def _series_length(self) -> tuple[int, int]:
        """Of which length and how many bars are kept; (0, 0) if none."""
        if self.shape.seconds:
            return self.shape.seconds, max(self.shape.lookback, ATR_PERIOD + 1)
        return (ATR_SECONDS, ATR_PERIOD + 1) if self.config.trailing_stop_atr > 0 else (0, 0)

    def _make_rule(self) -> SignalRule:
        world = self.world
        rule = SignalRule(world.threshold_pct, world.cooldown_sec, trade_simulation=world.trade_simulation)
        rule.noise = make_filter(*world.noise)
        return rule

    def _protect_anew(self, spot: Spot, position: BotPosition, old: BotConfig) -> None:
        """Levels by the new configuration where they are others; else the stored ones stay. A trailing stop
        is loosened only by another rule for it, and never goes before the new one is known."""
        trails = self.trader.trails
        if not self._edited(old, *_FIXED, *_TRAILING):
            spot.guard(position, trailing=trails)
            return
        spot.other_rules = spot.other_rules or self._edited(old, *_TRAILING)
        high = position.high_water
        if trails and high is None:
            high = position.entry_price if spot.price is None else exact(spot.price)
        self.trader.arm(spot, position, high if trails else None)

    def _edited(self, old: BotConfig, *names: str) -> bool:
        return any(getattr(old, name) != getattr(self.config, name) for name in names)

    def currency_for(self, config: BotConfig) -> str:
        """The currency of the instruments that `config` names."""
        return currency_of(keys_of(config, self.world)[0])

    def follows(self, config: BotConfig) -> bool:
        """Whether it works by `config` in this world."""
        same = self.config == config and self.keys == keys_of(config, self.world)
        return same and not self.refused and self.currency == self.currency_for(config)

    def refusal(self, config: BotConfig) -> str:
        """Why it cannot work by `config` yet, "" if it can: its money is of one currency."""
        held, wanted = self.trader.account.positions, self.currency_for(config)
        if not held or wanted == self.currency:
            return ""
        names = ", ".join(key.partition(":")[2] for key in held)
        return tr("bots.other_currency", name=config.name, held=names, currency=self.currency, wanted=wanted)

    def set_world(self, world: World) -> None:
        """Other figures of the signal rule, or another calendar."""
        self.world = world
        if self.rule is not None:
            before, self.rule = self.rule, self._make_rule()
            for key in self.spots:
                self.rule.load(key, before.dump(key))
        for spot in self.spots.values():
            if spot.series is not None:
                spot.series.sessions = world.sessions

    # --- what it is worth ---------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the strategy is asked."""
        return self.mode is BotStatus.RUNNING

    @property
    def numbers(self) -> dict[str, int]:
        """How far the ids of each kind have counted."""
        return self._notebook.numbers

    @property
    def doubtful(self) -> bool:
        """Whether it holds what may have been split, and waits for its owner."""
        return any(spot.doubted is not None for spot in self.spots.values())

    @property
    def flat(self) -> bool:
        """Whether it holds nothing and no order waits."""
        return not self.trader.account.positions and not self.trader.broker.open_orders()

    @property
    def open_pnl(self) -> float:
        """Of all open positions, at the last prices."""
        spots = self.spots
        return sum([spots[key].open_pnl for key in self.trader.account.positions], 0.0)

    @property
    def equity(self) -> float:
        """Cash and positions at the last prices."""
        return self.trader.account.fixed + self.open_pnl

    @property
    def daily_pnl(self) -> float:
        """By how much the equity has grown since the exchange's day began: realised and open, after fees."""
        return self.equity - self.day.base

    @property
    def status(self) -> BotStatus:
        """What it is doing."""
        if self.mode is not BotStatus.RUNNING:
            return self.mode
        if not self.market_open:
            return BotStatus.MARKET_CLOSED
        return BotStatus.IN_POSITION if self.trader.account.positions else BotStatus.RUNNING

    def shown_key(self) -> str:
        """The instrument that is shown: the oldest one held, else the last traded, else the first."""
        held = self.trader.account.positions
        last = self.trader.last_key
        return next(iter(held), last if last in self.spots else (*self.keys, *self.spots)[0])

    def state(self, now: float) -> BotState:
        """Everything that is shown of it."""
        account, config = self.trader.account, self.config
        held = tuple(account.positions.values())
        key = self.shown_key()
        spot = self.spots[key]
        entry = sum(abs(float(cost_of(each))) for each in held)
        open_pnl = self.open_pnl
        stop = enforced_stop(held[0])[0] if held else None
        return BotState(
            bot_id=config.id, owner=config.owner, name=config.name, version=self.version, status=self.status,
            key=key, updated_at=now, strategy=config.strategy, keys=self.keys,
            position=held[0] if held else None, positions=held, open_pnl=round(open_pnl, 6),
            open_pnl_pct=round(open_pnl / entry * 100.0, 4) if entry else 0.0,
            daily_pnl=round(self.daily_pnl, 6), daily_trades=self.trader.day_trades,
            realised_pnl=float(account.realised), equity=round(self.equity, 6),
            last_trade_time=self.trader.last_trade_time,
            trailing_stop_price=None if stop is None else float(stop), last_price=spot.price,
            price_freshness=spot.freshness, simulated=self.world.trade_simulation, last_error=self.last_error,
        )  # fmt: skip

    # --- what it does -------------------------------------------------------------------------------

    def _match(self, spot: Spot, at: float) -> None:
        self.trader.match(spot, at)
        self._take_notes()

    def _take_notes(self) -> None:
        if not self._notebook.empty:
            self._filled = True
            self._matters()

    def _matters(self) -> None:
        self.dirty = self.urgent = True

    @property
    def _simulated(self) -> bool:
        return self.world.trade_simulation

    # --- storing ------------------------------------------------------------------------------------

    def take_change(self, now: float) -> BotChange:
        """The step from the last stored version to now."""
        self.version += 1
        notebook = self._notebook
        all_series = {key: spot.series for key, spot in self.spots.items() if spot.series is not None}
        changed = self._series_changed or any(series.changed for series in all_series.values())
        change = BotChange(
            state=self.state(now), cash=self.trader.account.cash, memory=self._memory(),
            orders=tuple(notebook.orders.values()), fills=tuple(notebook.fills),
            trades=tuple(notebook.trades), alerts=tuple(notebook.alerts),
            config=self.config if self._config_changed else None, retired=self.retired,
            series={key: series.dump() for key, series in all_series.items()} if changed else None,
        )  # fmt: skip
        notebook.clear()
        self._config_changed = self._series_changed = self.dirty = self.urgent = False
        return change

    def _memory(self) -> dict[str, Any]:
        trader = self.trader
        memory: dict[str, Any] = {
            "ids": dict(self._notebook.numbers), "mode": self.mode.value, "seconds": self._series_length()[0],
            "deposit": plain(trader.account.deposit), **self.day.dump(),
            "day_trades": trader.day_trades, "cooling": trader.cooling_until, "last_key": trader.last_key,
            "spots": {key: spot.dump() for key, spot in self.spots.items()},
        }  # fmt: skip
        if not self.market_open:
            memory["closed"] = True
        if self.refused:
            memory["refused"] = list(self.refused)
        if self.rule is not None:
            memory["rules"] = {key: self.rule.dump(key) for key in self.spots}
        return memory

    def _restore(self, record: BotRecord) -> None:
        memory, state = record.memory, record.state
        known = state.status if state.status in (BotStatus.STOPPED, BotStatus.ERROR) else BotStatus.RUNNING
        self.mode = BotStatus(memory.get("mode", known))
        self.last_error = state.last_error
        self.trader.last_trade_time = state.last_trade_time
        self.trader.last_key = memory.get("last_key", "")
        self.trader.cooling_until = memory.get("cooling", 0.0)
        self.trader.day_trades = memory.get("day_trades", 0)
        self.day.restore(memory, state.equity)
        self.market_open = not memory.get("closed", False)
        self.refused = tuple(memory.get("refused", ()))

    def _set_deposit(self, cash: float) -> None:
        """The configured cash has changed from that of `config` to `cash`."""
        account = self.trader.account
        account.set_deposit(add(account.deposit, subtract(exact(cash), exact(self.config.cash))))
        self.day.base += cash - self.config.cash
