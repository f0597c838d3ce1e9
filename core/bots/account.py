"""A bot's money: cash, positions and what was realised, exact to the last digit.

At any moment: cash = deposit + realised net of fees - fees of open positions - their cost (quantity x entry
price, negative for short ones).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from core.bots.broker import Execution
from core.bots.model import BotFill, BotPosition, BotTrade
from core.bots.money import ZERO, add, multiply, subtract


class Account:
    """Books fills. A fill opens a position, or closes the one there is as a whole."""

    def __init__(self, deposit: Decimal, cash: Decimal, positions: Iterable[BotPosition] = ()) -> None:
        self.deposit = deposit
        self.cash = cash
        self.positions = {position.key: position for position in positions}
        self.fixed = 0.0
        """Cash and the cost of all positions: what does not move with prices, for the screen."""
        self._add_up()

    @property
    def realised(self) -> Decimal:
        """All finished trades' profit and loss, net of fees."""
        value = subtract(self.cash, self.deposit)
        for position in self.positions.values():
            value = add(add(value, position.fees), cost_of(position))
        return value

    def set_deposit(self, deposit: Decimal) -> None:
        """The owner has put in or taken out cash."""
        self.cash = add(self.cash, subtract(deposit, self.deposit))
        self.deposit = deposit
        self._add_up()

    def buying_power(self, reserved: Decimal) -> Decimal:
        """What may be put into a new position: the cash without what short sales brought in and as much again
        to cover them, and without `reserved`."""
        power = subtract(self.cash, reserved)
        for position in self.positions.values():
            if position.quantity < 0:
                power = add(power, multiply(cost_of(position), Decimal(2)))
        return power

    def book(self, execution: Execution, fill_id: str, *, simulated: bool) -> BotFill:
        """Take an execution's money and fee in or out; `open` or `close` then moves the position."""
        order = execution.order
        value = multiply(order.quantity, execution.price)
        moved = subtract(self.cash, value) if order.side == "BUY" else add(self.cash, value)
        self.cash = subtract(moved, execution.fee)
        return BotFill(
            fill_id=fill_id, order_id=order.order_id, bot_id=order.bot_id, key=order.key, side=order.side,
            quantity=order.quantity, price=execution.price, fee=execution.fee, filled_at=order.updated_at,
            simulated=simulated,
        )  # fmt: skip

    def open(self, fill: BotFill) -> BotPosition:
        """The position that `fill` opens; there must be none."""
        if fill.key in self.positions:
            raise ValueError(f"{fill.bot_id} already holds {fill.key}")
        sign = 1 if fill.side == "BUY" else -1
        position = BotPosition(
            key=fill.key, quantity=multiply(fill.quantity, Decimal(sign)), entry_price=fill.price,
            opened_at=fill.filled_at, fees=fill.fee,
        )  # fmt: skip
        self.positions[fill.key] = position
        self._add_up()
        return position

    def close(self, fill: BotFill, trade_id: str, owner: str, reason: str) -> BotTrade:
        """The trade that `fill` ends; it must close its whole position."""
        position = self.positions[fill.key]
        if abs(position.quantity) != fill.quantity or (position.quantity > 0) is (fill.side == "BUY"):
            raise ValueError(f"{fill.fill_id} does not close {position}")
        del self.positions[fill.key]
        self._add_up()
        fees = add(position.fees, fill.fee)
        gross = multiply(subtract(fill.price, position.entry_price), position.quantity)
        return BotTrade(
            trade_id=trade_id, bot_id=fill.bot_id, owner=owner, key=fill.key, quantity=position.quantity,
            entry_price=position.entry_price, exit_price=fill.price, opened_at=position.opened_at,
            closed_at=fill.filled_at, fees=fees, pnl=subtract(gross, fees), reason=reason,
            simulated=fill.simulated,
        )  # fmt: skip

    def protect(self, key: str, **levels: Decimal | None) -> BotPosition:
        """Set some of the position's `stop`, `target`, `trailing_stop` and `high_water`."""
        position = self.positions[key] = replace(self.positions[key], **levels)
        return position

    def _add_up(self) -> None:
        self.fixed = float(self.cash) + sum(float(cost_of(each)) for each in self.positions.values())


def cost_of(position: BotPosition) -> Decimal:
    """Quantity x entry price; negative for a short position."""
    return multiply(position.quantity, position.entry_price)


def open_fees(positions: Iterable[BotPosition]) -> Decimal:
    """The fees that the entries of `positions` have cost."""
    total = ZERO
    for position in positions:
        total = add(total, position.fees)
    return total
