"""One bot: true prices, decisions and wishes of its owner go in, stored steps (`BotChange`) come out.

It does no input or output and reads no clock, so the same prices always bring about the same trades. At each
price the orders that wait are carried out first, then stop, target and trailing stop are looked after, then
the day's limits; only then is the strategy asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from core.bots.base_bot import keys_of
from core.bots.deciding import DecidingBot
from core.bots.model import BotAlertKind, BotPosition, BotStatus
from core.bots.money import exact
from core.bots.risk import day_is_over, enforced_stop
from core.bots.setting import Blind, Shape
from core.bots.split import may_be_split
from core.bots.spot import Spot
from core.bots.trading_day import TradingDay
from core.config import BotConfig
from core.exchanges import date_at, has_hours
from core.i18n import tr
from core.model import Freshness, Quote, Tick
from core.price_rules import format_price

_RUNNING = BotStatus.RUNNING
"""Looking a member up in its enum costs more than most of what is done with a price."""


class Bot(DecidingBot):
    """See the module's docstring. Belongs to the engine's thread."""

    # --- the owner's wishes -------------------------------------------------------------------------

    def start(self) -> None:
        """Let the strategy trade."""
        self.mode = BotStatus.RUNNING
        self.last_error = None
        self._believe()
        self._matters()

    def stop(self, now: float, reason: str = "flatten", *, flatten: bool = False) -> None:
        """Let the strategy rest. Open positions stay guarded; with `flatten` they end at the next price that
        may be traded on."""
        self.mode = BotStatus.STOPPED
        self.trader.cancel_all(now)
        if flatten:
            self._believe()
            self._flatten(now, reason)
        if not self.doubtful:
            self.last_error = None
        self._matters()

    def fail(self, error: str, now: float) -> None:
        """The strategy cannot go on; open positions stay guarded."""
        self.mode = BotStatus.ERROR
        self.last_error = error
        self.trader.cancel_all(now)
        self.trader.tell(BotAlertKind.ERROR, self.shown_key(), now, simulated=self._simulated, error=error)
        self._matters()

    def retire(self, now: float) -> None:
        """The configuration has no such bot any more."""
        self.retired = True
        self.stop(now)

    def reconfigure(self, config: BotConfig, shape: Shape, now: float) -> bool:
        """The owner has edited it. What waits is taken back, as it was ordered by other rules.

        Without positions, other money comes with another currency; with them such an edit must wait: the bot
        goes into error, still guarding them by its former rules, and the answer is False.
        """
        refusal = self.refusal(config)
        if refusal:
            self._refuse(keys_of(config, self.world), refusal, now)
            return False
        before, running = self.config, self.running
        if self.currency_for(config) != self.currency:
            self.start_over(config, shape)
            self.mode = BotStatus.RUNNING if running else BotStatus.STOPPED
        else:
            self._adopt(config, shape, now)
        self.retired, self.refused = False, ()
        self._config_changed = self._filled = True
        if shape.error:
            self.fail(shape.error, now)
        elif config.autostart and not before.autostart and not self.day_is_over(now):
            self.start()
        elif self.mode is BotStatus.ERROR and not self.doubtful:
            # What was wrong may be mended; its owner decides.
            self.mode, self.last_error = BotStatus.STOPPED, None
        self._matters()
        return True

    def _adopt(self, config: BotConfig, shape: Shape, now: float) -> None:
        self.trader.cancel_all(now)
        self._set_deposit(config.cash)
        rules = {} if self.rule is None else {key: self.rule.dump(key) for key in self.spots}
        self._set_up(config, shape)
        if self.rule is not None:
            for key in self.spots:
                self.rule.load(key, rules.get(key))

    def _refuse(self, keys: tuple[str, ...], why: str, now: float) -> None:
        """An edit must wait; it is told once."""
        if self.refused != keys or self.retired:
            self.refused, self.retired = keys, False
            self.fail(why, now)

    def start_over(self, config: BotConfig, shape: Shape) -> None:
        """Begin anew, at rest, with the configured cash and nothing else; ids and version go on counting."""
        now = max((spot.received for spot in self.spots.values()), default=-math.inf)
        for order in self.trader.broker.open_orders():
            at = max(order.updated_at, now)
            self._notebook.put_order(self.trader.broker.cancel(order.order_id, at))
        self.config, self.retired = config, False
        self.trader = self._make_trader(None)
        self.spots = {}
        self.day = TradingDay(config.cash)
        self._config_changed = self._series_changed = True
        self.mode, self.last_error, self.refused = BotStatus.STOPPED, None, ()
        self._set_up(config, shape)
        self.currency = self.currency_for(config)
        self._matters()

    def recover(self, blind: Blind, now: float) -> None:
        """It was stored by a run that has ended; after a crash the owner is told at once."""
        held = self.trader.account.positions
        self.trader.blind = dict.fromkeys(held, blind)
        if blind.crashed and (self.running or held):
            key = self.shown_key()
            stop = enforced_stop(held[key])[0] if key in held else None
            self.trader.tell(
                BotAlertKind.RECOVERED, key, now, simulated=self._simulated, crashed=True,
                blind_sec=round(max(0.0, now - blind.since), 1), positions=len(held), crossed=None,
                price=None, stop=None if stop is None else float(stop),
            )  # fmt: skip
            self._matters()

    def set_market(self, is_open: bool) -> None:
        """Its exchanges have opened or closed."""
        if is_open is not self.market_open:
            self.market_open = is_open
            self._matters()

    def follow_day(self, session_of: Callable[[str], float], now: float) -> None:
        """Begin the day when its session opens, whether prices come or not; `session_of` tells of an exchange
        when its current or last session opened."""
        if self.day.known and self._main:
            session = session_of(self._main.rstrip(":"))
            if session > self.day.session:
                self._begin_day(session, now)

    def day_is_over(self, now: float | None = None) -> str:
        """Which limit of today has been reached, "" if none; at `now`, none of another day."""
        day = self.day
        if now is not None and day.known:
            exchange = self._main.rstrip(":")
            if date_at(exchange, now) != date_at(exchange, day.session):
                return ""
        return day_is_over(self.config, self.daily_pnl)

    # --- prices -------------------------------------------------------------------------------------

    def on_price(
        self, spot: Spot, tick: Tick, quote: Quote, effective: float, session: float, gap: float
    ) -> bool:
        """Take in a true price of this moment; whether the strategy is to be asked now.

        `effective` is the provider's time up to which it is good, `session` when its session opened, `gap`
        the silence before it in seconds.
        """
        price, received = tick.price, tick.received
        if effective < spot.effective:
            return False
        if effective == spot.effective and price == spot.price and received == spot.received:
            # The same price again is of this moment again.
            self.dirty = self.dirty or spot.freshness is not tick.freshness
            spot.tradable, spot.freshness = True, tick.freshness
            return False
        if session > self.day.session and spot.key.startswith(self._main):
            self._begin_day(session, received)
        if spot.counted is not None and session == self.day.session and tick.previous_close is not None:
            self._open_day(spot, tick.previous_close, price, received)
        if spot.doubted is not None:
            self.on_freshness(spot, Freshness.STALE)
            return False
        spot.price, spot.effective, spot.received = price, effective, received
        spot.freshness, spot.simulated, spot.tradable = tick.freshness, tick.simulated, True
        self.dirty = True
        series = spot.series
        finished = series is not None and series.add(tick, quote)
        if spot.working:
            self._match(spot, received)
        if not spot.low < price < spot.high or (finished and self.config.trailing_stop_atr > 0):
            self._watch_levels(spot, price, received, gap)
        if self.trader.blind:
            self.trader.blind.pop(spot.key, None)
        # Only a price of what is held, or a fill, changes what the bot is worth.
        if self._limited and (spot.quantity or self._filled) and self._ends_day(received):
            return False
        if self.mode is not _RUNNING:
            return False
        return self._wakes(spot, tick, session, gap, finished)

    def on_untrue(self, spot: Spot, tick: Tick, effective: float) -> None:
        """A real price that is shown but may not be traded on: of a closed market, or too old."""
        spot.tradable = False
        if effective >= spot.effective and spot.doubted is None:
            spot.price, spot.effective, spot.received = tick.price, effective, tick.received
            spot.freshness, spot.simulated = tick.freshness, tick.simulated
            self.dirty = True

    def on_freshness(self, spot: Spot, freshness: Freshness) -> None:
        """The last price has aged, is disputed, or its market has closed."""
        spot.tradable = False
        if spot.price is not None and freshness is not spot.freshness:
            spot.freshness = freshness
            self.dirty = True

    # --- inside -------------------------------------------------------------------------------------

    def _watch_levels(self, spot: Spot, price: float, at: float, gap: float) -> None:
        """The price has reached a level, or the high-water mark moves on."""
        trader = self.trader
        position = trader.account.positions.get(spot.key)
        if position is None:
            return
        sign = 1 if position.quantity > 0 else -1
        true = exact(price)
        stop, name = enforced_stop(position)
        if stop is not None and (true - stop) * sign <= 0:
            trader.exit(spot, at, name, "stop", stop)
            trader.match(spot, at, gap)
        elif position.target is not None and (true - position.target) * sign >= 0:
            trader.exit(spot, at, "target", "limit", position.target)
            trader.match(spot, at, gap)
        elif trader.trails:
            trader.trail(spot, self._moved_on(spot, position, sign))
        self._take_notes()

    def _moved_on(self, spot: Spot, position: BotPosition, sign: int) -> BotPosition:
        """The position with its high-water mark at the new price, if that is a better one."""
        assert spot.price is not None
        true, high = exact(spot.price), position.high_water
        if high is None or (true - high) * sign > 0:
            return self.trader.account.protect(spot.key, high_water=true)
        return position

    def _ends_day(self, at: float) -> bool:
        """Stop for today if a limit is reached. What a bot at rest or in error still holds is guarded too."""
        self._filled = False
        if self.mode is not _RUNNING and not self.trader.exposed:
            return False
        reason = self.day_is_over()
        if not reason:
            return False
        self.trader.tell(
            BotAlertKind.LIMIT, self.shown_key(), at, simulated=self._simulated, reason=reason,
            pnl=round(self.daily_pnl, 2),
        )  # fmt: skip
        if self.mode is _RUNNING:
            self.stop(at, reason, flatten=True)
        else:
            self._flatten(at, reason)
            self._matters()
        return True

    def _flatten(self, at: float, reason: str) -> None:
        """End all positions, each at the next price that may be traded on."""
        for key in list(self.trader.account.positions):
            spot = self.spots[key]
            self.trader.exit(spot, at, reason)
            if spot.tradable:
                self.trader.match(spot, at)

    def _open_day(self, spot: Spot, close: float, price: float, at: float) -> None:
        """The day's first price of what is held names the previous close."""
        seen = spot.counted
        if seen is None or spot.doubted is not None:
            return
        if not may_be_split(seen, self.day.session - spot.effective, close, price):
            self.day.count_from(spot, close)
            return
        spot.doubted = close
        figures = {"before": format_price(spot.key, seen), "close": format_price(spot.key, close)}
        self.fail(tr("bots.split", symbol=spot.key.partition(":")[2], **figures), at)

    def _believe(self) -> None:
        """The owner wants to go on, so what looked like a split counts: at the close that was told."""
        for spot in self.spots.values():
            if spot.doubted is not None:
                self.day.count_from(spot, spot.doubted)
                spot.price, spot.doubted = spot.doubted, None

    def _begin_day(self, session: float, at: float) -> None:
        """A new day: count anew from what everything was worth, and forget yesterday's orders."""
        if self.day.known:
            self.trader.cancel_all(at)
        # Where trading never ends, or prices are made up, the last price seen is a better base than what a
        # provider calls the previous close.
        told = () if self._simulated else [
            self.spots[key] for key in self.trader.account.positions if has_hours(key)
        ]  # fmt: skip
        self.day.begin(session, self.equity, told)
        self.trader.day_trades = 0
        self._matters()
