"""What a bot shows its strategy, and what it makes of the answer."""

from __future__ import annotations

from typing import Any

from core.bots.base_bot import BotBase
from core.bots.model import BotPosition
from core.bots.money import exact
from core.bots.spot import Spot
from core.bots.strategy import Action, Decision, View, Wake
from core.i18n import tr
from core.model import Tick

_BAR, _TICK = Wake.BAR, Wake.TICK
"""Looking a member up in its enum costs more than most of what is done with a price."""


class DecidingBot(BotBase):
    """A bot with its strategy. Belongs to the engine's thread."""

    def view(self, spot: Spot) -> View:
        """What the strategy may see now. It has seen the waiting signal then."""
        assert spot.price is not None
        signal, spot.signal = spot.signal, None
        series, count = spot.series, self.shape.lookback
        bars = tuple(series.bars[-count:]) if series is not None and count and self.shape.seconds else ()
        spot.cycle_at = spot.received
        return View(
            key=spot.key, price=spot.price, at=spot.received,
            position=self.trader.account.positions.get(spot.key), bars=bars, signal=signal,
        )  # fmt: skip

    def decide(self, spot: Spot, asked: View, decision: Decision, memory: dict[str, Any], at: float) -> bool:
        """Do what the strategy wants, at the Unix time `at`. False, and nothing is done or remembered, if the
        position is another one than that in the view about which it was `asked`."""
        if not _same(asked.position, self.trader.account.positions.get(spot.key)):
            spot.signal = spot.signal or asked.signal
            return False
        spot.memory = memory
        self.dirty = True
        if decision.action is Action.HOLD or not self.running:
            return True
        self._act(spot, decision, at)
        if spot.working and spot.tradable:
            self._match(spot, at)
        self._take_notes()
        return True

    def _act(self, spot: Spot, decision: Decision, at: float) -> None:
        held = self.trader.account.positions
        action, position = decision.action, held.get(spot.key)
        if position is not None:
            if action is (Action.BUY if position.quantity > 0 else Action.SELL):
                return
            kind = "market" if decision.limit is None else "limit"
            price = None if decision.limit is None else exact(decision.limit)
            self.trader.exit(spot, at, "signal", kind, price)
            if spot.tradable:
                self._match(spot, at)
            if spot.key in held:
                return
        sides = {Action.BUY: ("long", "both"), Action.SELL: ("short", "both")}.get(action, ())
        if self.config.direction in sides and spot.tradable and spot.key in self.keys:
            limit = decision.limit if position is None else None
            self._note(self.trader.enter(spot, action.value.upper(), at, limit))
        else:
            self.trader.cancel_all(at, spot.key)

    def _note(self, refusal: str) -> None:
        """Keep why nothing was ordered where its owner sees it, if it is the owner's to mend."""
        error = tr("bots.too_little_cash") if refusal == "too_little_cash" else None
        if error != self.last_error:
            self.last_error = error
            self._matters()

    def _wakes(self, spot: Spot, tick: Tick, session: float, gap: float, finished: bool) -> bool:
        """Whether the strategy wants to be asked at this price."""
        wake = self.shape.wake
        if self.rule is not None:
            signal = self.rule.check(tick, session, gap)
            if signal is not None:
                spot.signal = signal
                return True
        elif wake is _BAR and (finished or spot.filled):
            spot.filled = False
            return True
        interval = self.config.check_interval_sec
        if interval <= 0:
            return wake is _TICK
        return not spot.cycle_at <= tick.received < spot.cycle_at + interval


def _same(one: BotPosition | None, other: BotPosition | None) -> bool:
    """Whether both are the same position, wherever its levels stand by now."""
    if one is None or other is None:
        return one is other
    return (one.opened_at, one.quantity, one.entry_price) == (
        other.opened_at, other.quantity, other.entry_price,
    )  # fmt: skip
