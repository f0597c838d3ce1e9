"""A bot's hands: from what is wanted to orders, and from executions to positions, trades and cash."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from core.bots.account import Account
from core.bots.broker import Broker, Execution, Market
from core.bots.model import BotAlertKind, BotFill, BotOrder, BotPosition, BotTrade
from core.bots.money import ZERO, add, exact, multiply, shares_for, subtract, to_lot, to_tick
from core.bots.notebook import Notebook
from core.bots.risk import enforced_stop, fixed_levels, trailing_level
from core.bots.setting import Blind
from core.bots.spot import Spot
from core.config import BotConfig

STOPS = ("stop", "trailing_stop")


class Trader:
    """Gives a bot's orders to its broker and books what comes back. All figures are exact."""

    def __init__(self, config: BotConfig, broker: Broker, account: Account, notebook: Notebook) -> None:
        self.config = config
        self.broker = broker
        self.account = account
        self.notebook = notebook
        self.cooling_until = 0.0
        """No new position before this Unix time."""
        self.last_trade_time: float | None = None
        self.last_key = ""
        self.day_trades = 0
        self.blind: dict[str, Blind] = {}
        """The held instruments of which no true price has come since the start."""

    # --- orders -------------------------------------------------------------------------------------

    def enter(self, spot: Spot, side: str, at: float, limit: float | None = None) -> str:
        """Order a new position; why not, as the name of a sentence, "" if it was ordered (or is already)."""
        key, buy = spot.key, side == "BUY"
        price = None if limit is None else to_tick(key, exact(limit), up=not buy)
        if self._replaced(key, side, price, at):
            return ""
        if at < self.cooling_until:
            return "cooling"
        if self._busy(key) >= self.config.max_open_positions:
            return "most_positions"
        quantity = self._quantity(spot, price, buy=buy)
        if quantity <= 0:
            return "too_little_cash"
        self._submit(key, side, quantity, "signal", at, "market" if price is None else "limit", price)
        spot.working = True
        return ""

    def exit(
        self, spot: Spot, at: float, reason: str, kind: str = "market", price: Decimal | None = None
    ) -> None:
        """Order the end of the position; a market order that waits for that already is enough."""
        position = self.account.positions[spot.key]
        side = "SELL" if position.quantity > 0 else "BUY"
        for order in self.broker.open_orders(spot.key):
            if order.side == side and (order.kind == "market" or (order.kind, order.price) == (kind, price)):
                return
            self._cancel(order, at)
        self._submit(spot.key, side, abs(position.quantity), reason, at, kind, price)
        spot.working = True

    def cancel_all(self, at: float, key: str = "") -> bool:
        """Take back all orders (of one instrument) but those that end a position at the market."""
        cancelled = False
        for order in self.broker.open_orders(key):
            if not self._ends_position(order):
                self._cancel(order, at)
                cancelled = True
        return cancelled

    # --- executions ---------------------------------------------------------------------------------

    def match(self, spot: Spot, at: float, gap: float = 0.0) -> None:
        """Let the broker carry out what it can at the spot's true price; `gap` seconds of silence went
        before it."""
        assert spot.price is not None
        for execution in self.broker.executions(Market(spot.key, exact(spot.price), at)):
            self._book(execution, spot, gap)
        spot.working = bool(self.broker.open_orders(spot.key))

    def arm(self, spot: Spot, position: BotPosition, high_water: Decimal | None) -> BotPosition:
        """Set the position's stop and target by the configuration, and move its trailing stop."""
        levels = fixed_levels(self.config, position)
        position = self.account.protect(
            spot.key, stop=levels.stop, target=levels.target, high_water=high_water
        )
        return self.trail(spot, position)

    def trail(self, spot: Spot, position: BotPosition) -> BotPosition:
        """Move the trailing stop to where it belongs, and let the spot watch all levels."""
        atr = None if spot.series is None else spot.series.atr
        before = None if spot.other_rules else position.trailing_stop
        level = trailing_level(self.config, replace(position, trailing_stop=before), atr)
        if level is None and self.trails:
            level = position.trailing_stop  # of other rules, but better than none
        else:
            spot.other_rules = False
        if level != position.trailing_stop:
            position = self.account.protect(spot.key, trailing_stop=level)
        spot.guard(position, trailing=self.trails)
        return position

    @property
    def trails(self) -> bool:
        """Whether positions have a trailing stop."""
        return self.config.trailing_stop_pct > 0 or self.config.trailing_stop_atr > 0

    @property
    def exposed(self) -> bool:
        """Whether something is held that no order at the market is about to end."""
        ending = {order.key for order in self.broker.open_orders() if self._ends_position(order)}
        return any(key not in ending for key in self.account.positions)

    def tell(self, kind: BotAlertKind, key: str, at: float, *, simulated: bool, **fields: Any) -> None:
        """Note something for the owner."""
        config = self.config
        self.notebook.tell(kind, config.owner, config.name, key, at, simulated=simulated, **fields)

    # --- inside -------------------------------------------------------------------------------------

    def _book(self, execution: Execution, spot: Spot, gap: float) -> None:
        order, notebook = execution.order, self.notebook
        fill = self.account.book(execution, notebook.next_id("f"), simulated=spot.simulated)
        notebook.put_order(order)
        notebook.fills.append(fill)
        self.last_trade_time, self.last_key = fill.filled_at, fill.key
        self.day_trades += 1
        if spot.key in self.account.positions:
            self._booked_exit(order, fill, spot, gap)
            return
        for other in self.broker.open_orders(spot.key):
            self._cancel(other, fill.filled_at)
        assert spot.price is not None
        position = self.account.open(fill)
        position = self.arm(spot, position, exact(spot.price) if self.trails else None)
        stop = enforced_stop(position)[0]
        self.tell(
            BotAlertKind.ENTRY, fill.key, fill.filled_at, simulated=fill.simulated, side=fill.side,
            price=float(fill.price), quantity=float(fill.quantity), fee=float(fill.fee),
            stop=None if stop is None else float(stop), reason=order.reason,
        )  # fmt: skip

    def _booked_exit(self, order: BotOrder, fill: BotFill, spot: Spot, gap: float) -> None:
        config = self.config
        trade = self.account.close(fill, self.notebook.next_id("t"), config.owner, order.reason)
        self.notebook.trades.append(trade)
        for other in self.broker.open_orders(spot.key):
            self._cancel(other, fill.filled_at)
        if trade.pnl < 0 and config.cooldown_after_loss_sec > 0:
            self.cooling_until = fill.filled_at + config.cooldown_after_loss_sec
            self._cancel_entries(fill.filled_at)
        spot.guard(None, trailing=False)
        self._tell_exit(order, trade, fill, spot, gap)

    def _tell_exit(self, order: BotOrder, trade: BotTrade, fill: BotFill, spot: Spot, gap: float) -> None:
        """Tell of it, and for how long nobody had watched: the level was crossed at most so long ago."""
        fields: dict[str, Any] = {
            "side": fill.side, "quantity": float(fill.quantity), "price": float(fill.price),
            "pnl": float(trade.pnl), "fee": float(fill.fee), "reason": order.reason,
        }  # fmt: skip
        if order.price is not None:
            fields["stop" if order.reason in STOPS else "level"] = float(order.price)
        blind = self.blind.get(fill.key)
        if blind is not None:
            gap = max(0.0, fill.filled_at - blind.since)
            fields["crashed"] = blind.crashed
        if gap > 0:
            fields["blind_sec"] = round(gap, 1)
        kind = BotAlertKind.STOP if order.reason in STOPS else BotAlertKind.EXIT
        self.tell(kind, fill.key, fill.filled_at, simulated=fill.simulated, **fields)

    def _cancel_entries(self, at: float) -> None:
        for order in self.broker.open_orders():
            if order.key not in self.account.positions:
                self._cancel(order, at)

    def _replaced(self, key: str, side: str, price: Decimal | None, at: float) -> bool:
        """Whether the very order waits already; another one of the instrument is taken back."""
        for order in self.broker.open_orders(key):
            if order.side == side and order.price == price:
                return True
            self._cancel(order, at)
        return False

    def _busy(self, key: str) -> int:
        """How many other instruments are held or have an order waiting."""
        held = set(self.account.positions)
        held.update(order.key for order in self.broker.open_orders())
        return len(held - {key})

    def _quantity(self, spot: Spot, limit: Decimal | None, *, buy: bool) -> Decimal:
        """How many shares the configuration asks for and the cash can pay, whole lots."""
        assert spot.price is not None
        config, key = self.config, spot.key
        price = self.broker.price_of(key, exact(spot.price), buy=buy) if limit is None else limit
        reserved = ZERO
        for order in self.broker.open_orders():
            if not self._ends_position(order):
                reserved = add(reserved, self._cost(order.quantity, order.price or price))
        power = self.account.buying_power(reserved)
        if config.quantity > 0:
            quantity = to_lot(key, exact(config.quantity))
            return quantity if self._cost(quantity, price) <= power else ZERO
        quantity = shares_for(key, min(exact(config.size), power), price)
        if self._cost(quantity, price) > power:  # the fee no longer fits
            quantity = shares_for(key, subtract(power, self.broker.fee_of(quantity, price)), price)
        return quantity

    def _cost(self, quantity: Decimal, price: Decimal) -> Decimal:
        """What it takes to buy so many at `price`, the fee included."""
        return add(multiply(quantity, price), self.broker.fee_of(quantity, price))

    def _submit(
        self, key: str, side: str, quantity: Decimal, reason: str, at: float, kind: str,
        price: Decimal | None,
    ) -> None:  # fmt: skip
        order = BotOrder(
            order_id=self.notebook.next_id("o"), bot_id=self.notebook.bot_id, key=key, side=side, kind=kind,
            quantity=quantity, status="open", reason=reason, created_at=at, price=price, updated_at=at,
        )  # fmt: skip
        self.broker.submit(order)
        self.notebook.put_order(order)

    def _cancel(self, order: BotOrder, at: float) -> None:
        self.notebook.put_order(self.broker.cancel(order.order_id, at))

    def _ends_position(self, order: BotOrder) -> bool:
        position = self.account.positions.get(order.key)
        if position is None:
            return False
        return order.kind == "market" and (position.quantity > 0) is (order.side == "SELL")
