"""Who carries out a bot's orders: the protocol of a broker, and the one that trades on paper.

A bot gives orders and hears of executions, never the other way round, so a real broker fits behind the same
protocol: its executions come from the exchange, the paper broker makes them of the prices that it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec
from msgspec.structs import replace

from core.bots.model import BotOrder
from core.bots.money import ZERO, exact, fee_of, slipped, to_tick
from core.config import BotConfig


class Market(msgspec.Struct, frozen=True):
    """A true price of one instrument, on which may be traded, and its Unix time."""

    key: str
    price: Decimal
    at: float


class Execution(msgspec.Struct, frozen=True):
    """An order that was carried out as a whole, at `price` and for `fee` beside it."""

    order: BotOrder
    price: Decimal
    fee: Decimal


class Broker(Protocol):
    """Takes orders and tells what became of them. Every order is carried out as a whole or not at all."""

    def configure(self, config: BotConfig) -> None:
        """Work by another configuration of the bot from now on."""
        ...

    def submit(self, order: BotOrder) -> None:
        """Take an open order. It is carried out at the next call of `executions` at the earliest."""
        ...

    def cancel(self, order_id: str, at: float) -> BotOrder | None:
        """Take an order back: it, now cancelled; None if it is not open any more."""
        ...

    def open_orders(self, key: str = "") -> tuple[BotOrder, ...]:
        """The orders that wait, of one instrument or of all, oldest first."""
        ...

    def executions(self, market: Market) -> Sequence[Execution]:
        """What was carried out since the last call; `market` is the instrument's latest true price."""
        ...

    def price_of(self, key: str, price: Decimal, *, buy: bool) -> Decimal:
        """What an order that takes the market at `price` can be expected to be filled at."""
        ...

    def fee_of(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The fee of such a fill."""
        ...


class PaperBroker:
    """Fills orders at the live price, worsened by the slippage and rounded to the tick against the trader.

    A stop order fills at the first price that reaches it, gaps included; a limit order at the market, but
    never beyond its limit. There are no partial fills. Whoever calls shows it true prices only.
    """

    def __init__(self, config: BotConfig, orders: Iterable[BotOrder] = ()) -> None:
        """`orders` are those that were open when the bot was last stored."""
        self._orders = {order.order_id: order for order in orders}
        self.configure(config)

    def configure(self, config: BotConfig) -> None:
        """See `Broker.configure`."""
        self._slippage = exact(config.slippage_pct)
        self._fee_pct = exact(config.fee_pct)
        self._fee_min = exact(config.fee_min)

    def submit(self, order: BotOrder) -> None:
        """See `Broker.submit`."""
        self._orders[order.order_id] = order

    def cancel(self, order_id: str, at: float) -> BotOrder | None:
        """See `Broker.cancel`."""
        order = self._orders.pop(order_id, None)
        return None if order is None else replace(order, status="cancelled", updated_at=at)

    def open_orders(self, key: str = "") -> tuple[BotOrder, ...]:
        """See `Broker.open_orders`."""
        return tuple(order for order in self._orders.values() if not key or order.key == key)

    def executions(self, market: Market) -> Sequence[Execution]:
        """See `Broker.executions`."""
        done = []
        for order in self.open_orders(market.key):
            price = self._fill_price(order, market.price)
            if price is not None:
                del self._orders[order.order_id]
                filled = replace(order, status="filled", updated_at=market.at)
                done.append(Execution(filled, price, self.fee_of(order.quantity, price)))
        return done

    def price_of(self, key: str, price: Decimal, *, buy: bool) -> Decimal:
        """See `Broker.price_of`."""
        return slipped(key, price, self._slippage, buy=buy)

    def fee_of(self, quantity: Decimal, price: Decimal) -> Decimal:
        """See `Broker.fee_of`."""
        return fee_of(quantity, price, self._fee_pct, self._fee_min)

    def _fill_price(self, order: BotOrder, market: Decimal) -> Decimal | None:
        """At what the order fills when the market is at `market`; None if it does not."""
        buy = order.side == "BUY"
        taken = self.price_of(order.key, market, buy=buy)
        if order.kind == "market":
            return taken
        level = order.price or ZERO
        if order.kind == "stop":
            return taken if (market >= level if buy else market <= level) else None
        limit = to_tick(order.key, level, up=not buy)
        if not (market <= limit if buy else market >= limit):
            return None
        return min(taken, limit) if buy else max(taken, limit)
