"""Runs a bot's strategy so that nothing it does harms anybody else.

A built-in strategy is called directly. A user's own runs in a thread with a time limit: what it raises, or
answers wrongly, becomes a `StrategyError` of one sentence with file and line; one that does not come back in
time becomes a `StrategyTimeout`, and whatever it does later is ignored. In both cases `memory` is as it was.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping
from traceback import walk_tb
from types import FrameType
from typing import Any

import msgspec

from core.bots.limited import Limited
from core.bots.params import with_defaults
from core.bots.strategy import Decision, Strategy, View
from core.clock import Clock, SystemClock
from core.errors import StrategyError, StrategyTimeout
from core.i18n import tr

log = logging.getLogger(__name__)
MOST_MEMORY = 65_536
"""Bytes of JSON that a strategy may remember per bot and instrument; it is stored at each change."""
_LONGEST_TEXT = 200


class Outcome(msgspec.Struct, frozen=True):
    """What a strategy wants, and what it remembers from now on."""

    decision: Decision
    memory: dict[str, Any]


class Pending:
    """A call of a strategy that may still run."""

    def __init__(
        self, strategy: Strategy, call: Limited[Outcome] | Outcome | StrategyError, limit: float, clock: Clock
    ) -> None:
        self._strategy = strategy
        self._call = call
        self._limit = limit
        self._clock = clock
        self._deadline = clock.monotonic() + limit
        self._timeout: StrategyTimeout | None = None

    @property
    def alive(self) -> bool:
        """Whether the strategy still runs, in time or not."""
        return isinstance(self._call, Limited) and self._call.alive

    def poll(self) -> Outcome | None:
        """The outcome, or None while it is to be waited for; never blocks.

        Raises `StrategyTimeout` once the limit has passed (the call is given up then) and `StrategyError` if
        it failed.
        """
        call = self._call
        if isinstance(call, Limited) and not call.finished.is_set():
            if self._clock.monotonic() < self._deadline:
                return None
            return self._late(call)
        return self._settled()

    def wait(self) -> Outcome:
        """The outcome, waiting for it up to the limit; raises as `poll`."""
        call = self._call
        if isinstance(call, Limited):
            remaining = 0.0 if self._timeout else self._deadline - self._clock.monotonic()
            if not call.finished.wait(max(0.0, remaining)):
                return self._late(call)
        return self._settled()

    def give_up(self) -> None:
        """Forget the call: nobody will ask for its outcome."""
        if isinstance(self._call, Limited):
            self._call.give_up()

    def _late(self, call: Limited[Outcome]) -> Outcome:
        if self._timeout is not None:
            raise self._timeout
        frame = call.frame()
        if not call.give_up():
            call.finished.wait()  # it has ended this very moment
            return self._settled()
        place = _inside(frame, _file_of(self._strategy))
        limit = f"{self._limit:g}"
        if place is None:
            text = tr("strategies.timeout", name=self._strategy.name, seconds=limit)
        else:
            text = tr(
                "strategies.timeout_at", name=self._strategy.name, seconds=limit, file=place[0], line=place[1]
            )
        self._timeout = StrategyTimeout(text)
        raise self._timeout

    def _settled(self) -> Outcome:
        call = self._call
        if isinstance(call, Outcome):
            return call
        if isinstance(call, StrategyError):
            raise call
        try:
            return call.result()
        except BaseException as error:  # a strategy may raise anything, SystemExit too
            raise failure(self._strategy, error) from error


class StrategyHost:
    """Runs one bot's strategy, never twice at once. Each bot has a host of its own."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last: Pending | None = None

    @property
    def busy(self) -> bool:
        """Whether the last call still runs; then the next one would be refused."""
        return self._last is not None and self._last.alive

    def decide(
        self, strategy: Strategy, view: View, params: Mapping[str, Any], memory: dict[str, Any],
        limit_sec: float,
    ) -> Decision:  # fmt: skip
        """What `strategy` wants, within `limit_sec` seconds; `memory` is changed only if that goes well.

        Blocks meanwhile. Raises `StrategyError` and `StrategyTimeout`.
        """
        outcome = self.begin(strategy, view, params, memory, limit_sec).wait()
        memory.clear()
        memory.update(outcome.memory)
        return outcome.decision

    def begin(
        self, strategy: Strategy, view: View, params: Mapping[str, Any], memory: Mapping[str, Any],
        limit_sec: float, on_done: Callable[[], None] | None = None,
    ) -> Pending:  # fmt: skip
        """Ask `strategy` without waiting for it. `memory` stays as it is; the outcome bears the new one.

        A built-in strategy has answered when this returns. For another one `on_done` is called from a thread
        when it has answered in time; whoever begins must also `poll` when the limit has passed. Raises
        `StrategyTimeout` if the last call still runs.
        """
        if self.busy:
            self.close()  # it may have come back from where it could not be asked to end
        if self.busy:
            raise StrategyTimeout(tr("strategies.still_runs", name=strategy.name))
        work = _call(strategy, view, params, memory)
        call: Limited[Outcome] | Outcome | StrategyError
        if _trusted(strategy):
            try:
                call = work()
            except Exception as error:  # noqa: BLE001 - raised again by whoever asks for the outcome
                call = failure(strategy, error)
        else:
            call = Limited(work, f"strategy-{strategy.name}", on_done)
        self._last = Pending(strategy, call, limit_sec, self._clock)
        return self._last

    def close(self) -> None:
        """Give up what still runs; idempotent."""
        if self._last is not None:
            self._last.give_up()


def failure(strategy: Strategy, error: BaseException) -> StrategyError:
    """What `strategy` raised, as one sentence with the place in its own file; the log gets the traceback."""
    if isinstance(error, StrategyError):
        return error
    log.info("strategy %s failed", strategy.name, exc_info=error)
    file, line = place_of(error, _file_of(strategy))
    return StrategyError(
        tr("strategies.raised", name=strategy.name, file=file, line=line, error=sentence_of(error))
    )


def place_of(error: BaseException, file: str) -> tuple[str, int]:
    """File name and line of the innermost step of `error` in `file`, else of the innermost one anywhere."""
    steps = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [step for step in steps if step[0] == file]
    path, line = (own or steps or [(file, 0)])[-1]
    return os.path.basename(path), line  # noqa: PTH119 - only its last part, of any system's path


def sentence_of(error: BaseException) -> str:
    """An exception's kind and words on one line, not too long."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _call(
    strategy: Strategy, view: View, params: Mapping[str, Any], memory: Mapping[str, Any]
) -> Callable[[], Outcome]:
    """The call of `decide` on copies, with its answer and the memory checked."""
    given = with_defaults(strategy, params)
    before = json.dumps(memory)

    def work() -> Outcome:
        remembered = json.loads(before)
        answer = strategy.decide(view, given, remembered)
        return Outcome(_checked(strategy, answer), _plain(strategy, remembered))

    return work


def _checked(strategy: Strategy, answer: object) -> Decision:
    if not isinstance(answer, Decision):
        raise StrategyError(tr("strategies.not_a_decision", name=strategy.name, kind=type(answer).__name__))
    try:
        decision = msgspec.convert(msgspec.to_builtins(answer), Decision)
    except (msgspec.ValidationError, TypeError) as error:
        raise StrategyError(tr("strategies.bad_decision", name=strategy.name, error=error)) from None
    if decision.limit is not None and not 0.0 < decision.limit < math.inf:
        raise StrategyError(tr("strategies.bad_limit", name=strategy.name, limit=decision.limit))
    return decision


def _plain(strategy: Strategy, memory: dict[str, Any]) -> dict[str, Any]:
    """What was remembered, as it will be read from the database after a restart."""
    try:
        text = json.dumps(memory, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StrategyError(
            tr("strategies.bad_memory", name=strategy.name, error=sentence_of(error))
        ) from None
    if len(text) > MOST_MEMORY:
        raise StrategyError(
            tr("strategies.much_memory", name=strategy.name, size=len(text) // 1024, most=MOST_MEMORY // 1024)
        )
    plain: dict[str, Any] = json.loads(text)
    return plain


def _trusted(strategy: Strategy) -> bool:
    return type(strategy).__module__.startswith("core.bots.strategies.")


def _file_of(strategy: Strategy) -> str:
    """The file in which the strategy's class stands, "" if nobody knows."""
    own = getattr(strategy, "file", None)
    if own is not None:
        return str(own)
    return getattr(sys.modules.get(type(strategy).__module__), "__file__", None) or ""


def _inside(frame: FrameType | None, file: str) -> tuple[str, int] | None:
    """File name and line of the innermost of `frame` and its callers that stands in `file`."""
    while frame is not None:
        if frame.f_code.co_filename == file:
            return os.path.basename(file), frame.f_lineno  # noqa: PTH119 - as in `place_of`
        frame = frame.f_back
    return None
