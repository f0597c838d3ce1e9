"""Asks bots' strategies: each bot's never twice at once, and nobody waits for a slow one."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from core.bots.bot import Bot
from core.bots.host import Outcome, StrategyHost
from core.bots.params import check_params
from core.bots.registry import find_strategy
from core.bots.setting import Shape
from core.bots.spot import Spot
from core.bots.strategy import Strategy, View
from core.clock import Clock
from core.config import BotConfig
from core.errors import StrategyError, UserError

log = logging.getLogger(__name__)


class PendingAnswer(Protocol):
    """A strategy's answer that may not be there yet."""

    def poll(self) -> Outcome | None:
        """It, or None while it is to be waited for. Raises `StrategyError`."""
        ...

    def wait(self) -> Outcome:
        """It, waiting up to the time limit. Raises `StrategyError`."""
        ...


class Host(Protocol):
    """Runs one bot's strategy somewhere: here, in a thread, on another computer."""

    def begin(
        self, strategy: Strategy, view: View, params: Mapping[str, Any], memory: Mapping[str, Any],
        limit_sec: float, on_done: Callable[[], None] | None = None,
    ) -> PendingAnswer:  # fmt: skip
        """Ask without waiting; `on_done` is called from any thread. Raises `StrategyError`."""
        ...

    def close(self) -> None:
        """Give up what still runs; idempotent."""
        ...


MakeHost = Callable[[BotConfig, Clock], Host]


def local_host(_config: BotConfig, clock: Clock) -> Host:
    """A host in this process."""
    return StrategyHost(clock)


def shape_of(config: BotConfig) -> tuple[Strategy | None, Shape]:
    """A bot's strategy and what it wants; (None, with the reason) if it cannot run."""
    try:
        strategy = find_strategy(config.strategy)
        problems = check_params(strategy, config.params)
        if problems:
            return None, Shape(error=str(problems[0]))
        seconds, lookback = strategy.bar_seconds(config.params), strategy.lookback(config.params)
    except UserError as error:
        return None, Shape(error=str(error))
    return strategy, Shape(strategy.wake, seconds, lookback)


class Work:
    """The strategy of one bot at work: what is to be asked, and what is being asked."""

    def __init__(self, bot: Bot, strategy: Strategy | None, host: Host) -> None:
        self.bot = bot
        self.strategy = strategy
        self.host = host
        self.wanted: dict[str, Spot] = {}
        self.pending: PendingAnswer | None = None
        self.asked: tuple[Spot, View] | None = None
        self.deadline = math.inf
        self.busy = False


class Cycles:
    """The strategies of all bots. Belongs to the engine's thread."""

    def __init__(self, clock: Clock, real_clock: Clock, make_host: MakeHost, *, patient: bool) -> None:
        """`patient`: wait for every answer, so that what is decided does not depend on the computer's speed
        (in a replay)."""
        self._clock = clock
        self._real_clock = real_clock
        self._make_host = make_host
        self._patient = patient
        self._works: dict[str, Work] = {}
        self.pending: dict[str, Work] = {}
        """The bots of which an answer is awaited."""
        self.wake: Callable[[], None] = lambda: None
        """Called from any thread when an answer has come."""
        self.age: Callable[[], None] = lambda: None
        """Called before a late answer is carried out: its price may be of this moment no more."""

    def employ(self, bot: Bot, strategy: Strategy | None) -> None:
        """Let `strategy` decide for `bot` from now on."""
        self.dismiss(bot.config.id)
        self._works[bot.config.id] = Work(bot, strategy, self._make_host(bot.config, self._real_clock))

    def dismiss(self, bot_id: str) -> None:
        """Ask for this bot no more."""
        work = self._works.pop(bot_id, None)
        if work is not None:
            work.host.close()
        self.pending.pop(bot_id, None)

    def want(self, bot: Bot, spot: Spot) -> None:
        """The strategy is to be asked about `spot`, as soon as it has answered what it was asked before."""
        work = self._works[bot.config.id]
        work.wanted[spot.key] = spot
        if work.pending is None and not work.busy:
            self._run(work)

    def poll(self) -> list[Bot]:
        """Take the answers that have come or are late; their bots."""
        done = []
        for bot_id, work in list(self.pending.items()):
            if self._take(work):
                self.pending.pop(bot_id, None)
                done.append(work.bot)
                self._run(work)
        return done

    def next_due(self) -> float:
        """When an answer is late, by the real monotonic clock."""
        return min((work.deadline for work in self.pending.values()), default=math.inf)

    def close(self) -> None:
        """Give up all strategies that still run."""
        for bot_id in list(self._works):
            self.dismiss(bot_id)

    def _run(self, work: Work) -> None:
        """One cycle: ask about everything that is wanted, until an answer must be waited for."""
        work.busy = True
        try:
            while work.wanted and work.bot.running and work.strategy is not None:
                spot = work.wanted.pop(next(iter(work.wanted)))
                if spot.tradable and not self._ask(work, work.strategy, spot):
                    return
        finally:
            work.busy = False
        if not work.bot.running:
            work.wanted.clear()

    def _ask(self, work: Work, strategy: Strategy, spot: Spot) -> bool:
        """Ask about one instrument; False if the answer must be waited for."""
        config, view = work.bot.config, work.bot.view(spot)
        try:
            work.pending = work.host.begin(
                strategy, view, config.params, spot.memory, config.time_limit_sec, self.wake
            )
        except StrategyError as error:
            work.bot.fail(str(error), spot.received)
            return True
        work.asked = spot, view
        work.deadline = self._real_clock.monotonic() + config.time_limit_sec
        if self._take(work, wait=self._patient):
            return True
        self.pending[config.id] = work
        return False

    def _take(self, work: Work, *, wait: bool = False) -> bool:
        """Do what the strategy has answered, or ask anew if that is out of date; False if it has not yet."""
        asked, pending = work.asked, work.pending
        assert asked is not None
        assert pending is not None
        spot, view = asked
        late = work.bot.config.id in self.pending
        at = max(self._clock.time(), spot.received) if late else spot.received
        try:
            outcome = pending.wait() if wait else pending.poll()
        except StrategyError as error:
            work.pending = work.asked = None
            work.bot.fail(str(error), at)
            return True
        if outcome is None:
            return False
        if late:
            self.age()
        work.pending = work.asked = None
        if not work.bot.decide(spot, view, outcome.decision, outcome.memory, at):
            work.wanted.setdefault(spot.key, spot)
        return True
