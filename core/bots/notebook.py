"""What a bot has done since its last stored step, and the numbers that its orders and messages bear."""

from __future__ import annotations

from typing import Any

from core.bots.model import BotAlert, BotAlertKind, BotFill, BotOrder, BotTrade


class Notebook:
    """Collects until `clear`. Numbers count up for ever, so no id is ever used twice."""

    def __init__(self, bot_id: str, numbers: dict[str, int] | None = None) -> None:
        self.bot_id = bot_id
        self.numbers = dict(numbers or {})
        self.orders: dict[str, BotOrder] = {}
        self.fills: list[BotFill] = []
        self.trades: list[BotTrade] = []
        self.alerts: list[BotAlert] = []

    def next_id(self, letter: str) -> str:
        """The next id of a kind: "o" orders, "f" fills, "t" trades, "a" alerts."""
        number = self.numbers[letter] = self.numbers.get(letter, 0) + 1
        return f"{self.bot_id}-{letter}{number}"

    def put_order(self, order: BotOrder | None) -> None:
        """Note an order as it now stands."""
        if order is not None:
            self.orders[order.order_id] = order

    def tell(
        self, kind: BotAlertKind, owner: str, name: str, key: str, at: float, *, simulated: bool,
        **fields: Any,
    ) -> None:  # fmt: skip
        """Note something for the owner."""
        self.alerts.append(BotAlert(
            alert_id=self.next_id("a"), kind=kind, bot_id=self.bot_id, owner=owner, name=name, key=key,
            at=at, simulated=simulated, fields=fields,
        ))  # fmt: skip

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be stored."""
        return not (self.orders or self.fills or self.trades or self.alerts)

    def clear(self) -> None:
        """It was stored."""
        self.orders = {}
        self.fills, self.trades, self.alerts = [], [], []
