"""A strategy that raises, hangs or answers nonsense harms its own bot only, and its memory is as it was."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from core.bots.host import MOST_MEMORY, StrategyHost
from core.bots.limited import Limited
from core.bots.registry import find_strategy
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, View
from core.clock import FakeClock
from core.errors import StrategyError, StrategyTimeout
from core.model import Side, Signal

VIEW = View(key="BIST:ASELS", price=10.0, at=1.0, position=None)
BUY = Decision(action=Action.BUY, reason="why not")
PLENTY = 20.0
SOON = 0.05
Body = Callable[[View, Any, dict[str, Any]], Any]


class Scripted(BaseStrategy):
    """Does what the test says."""

    name = "scripted"
    defaults = {"size": 3}  # noqa: RUF012 - as a user would write it

    def __init__(self, body: Body) -> None:
        self.body = body

    def decide(self, view: View, params: Any, memory: dict[str, Any]) -> Any:
        """See `Strategy.decide`."""
        return self.body(view, params, memory)


def decide(body: Body, memory: dict[str, Any] | None = None, limit: float = PLENTY) -> Decision:
    """One decision of a new host."""
    given = {} if memory is None else memory
    return StrategyHost().decide(Scripted(body), VIEW, {}, given, limit)


def remember(**fields: Any) -> Body:
    """A strategy that remembers something."""

    def body(_view: View, _params: Any, memory: dict[str, Any]) -> Decision:
        memory.update(fields)
        return BUY

    return body


def test_it_hands_over_the_decision_and_the_new_memory() -> None:
    memory: dict[str, Any] = {"old": [1]}
    same = memory
    assert decide(remember(new=(1, 2), old={"deep": None}), memory) == BUY
    assert same == {"old": {"deep": None}, "new": [1, 2]}, "as it will be read after a restart"


def test_every_parameter_is_given() -> None:
    seen: list[Any] = []
    host = StrategyHost()
    strategy = Scripted(lambda _view, params, _memory: seen.append(params) or HOLD)
    host.decide(strategy, VIEW, {}, {}, PLENTY)
    host.decide(strategy, VIEW, {"size": 4}, {}, PLENTY)
    assert seen == [{"size": 3}, {"size": 4}]


def test_it_runs_outside_the_caller_s_thread() -> None:
    seen: list[threading.Thread] = []
    decide(lambda *_: seen.append(threading.current_thread()) or HOLD)
    assert seen[0] is not threading.current_thread()
    assert seen[0].daemon


def test_a_strategy_that_raises_is_one_sentence_with_its_place() -> None:
    def body(_view: View, _params: Any, memory: dict[str, Any]) -> Decision:
        memory["half"] = "done"
        memory["deep"]["changed"] = True
        return 1 / 0  # type: ignore[return-value]

    memory: dict[str, Any] = {"deep": {}}
    line = body.__code__.co_firstlineno + 3
    with pytest.raises(StrategyError) as caught:
        decide(body, memory)
    assert str(caught.value) == (
        f"The strategy “scripted” failed in test_strategy_host.py, line {line}: ZeroDivisionError: division "
        "by zero"
    )
    assert memory == {"deep": {}}, "as if it had never been asked"


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), MemoryError(), RuntimeError("a\nb")])
def test_whatever_it_raises_stays_inside(error: BaseException) -> None:
    def body(*_: Any) -> Decision:
        raise error

    with pytest.raises(StrategyError, match=type(error).__name__) as caught:
        decide(body)
    assert "\n" not in str(caught.value)


def test_endless_recursion_is_an_error_like_any_other() -> None:
    def body(*args: Any) -> Decision:
        return body(*args)

    with pytest.raises(StrategyError, match="RecursionError"):
        decide(body)


@pytest.mark.parametrize(("answer", "expected"), [
    (None, "answered NoneType instead of a Decision"),
    ("buy", "answered str instead of a Decision"),
    (Action.BUY, "answered Action instead of a Decision"),
    (Decision(action="purchase"), "filled in its Decision wrongly: Invalid enum value 'purchase'"),  # type: ignore[arg-type]
    (Decision(reason=7), "filled in its Decision wrongly: Expected `str`, got `int`"),  # type: ignore[arg-type]
    (Decision(limit="9"), "filled in its Decision wrongly: Expected `float | null`, got `str`"),  # type: ignore[arg-type]
    (Decision(limit=float("nan")), "wants a limit of nan, which is no price"),
    (Decision(limit=-1.0), "wants a limit of -1.0, which is no price"),
    (Decision(reason=object()), "filled in its Decision wrongly"),  # type: ignore[arg-type]
])  # fmt: skip
def test_an_answer_that_is_none_is_an_error(answer: object, expected: str) -> None:
    memory = {"x": 1}
    with pytest.raises(StrategyError) as caught:
        decide(lambda _view, _params, memory: memory.clear() or answer, memory)
    assert expected in str(caught.value)
    assert memory == {"x": 1}


def test_the_names_of_actions_will_do() -> None:
    assert decide(lambda *_: Decision(action="exit", limit=5)) == Decision(action=Action.EXIT, limit=5.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), float("inf"), b"x", 1j])
def test_only_plain_json_may_be_remembered(value: object) -> None:
    memory = {"x": 1}
    with pytest.raises(StrategyError, match="not plain JSON"):
        decide(remember(y=value), memory)
    assert memory == {"x": 1}


def test_memory_has_an_end() -> None:
    with pytest.raises(StrategyError, match="wants to remember 64 kB; the most is 64 kB"):
        decide(remember(y="x" * MOST_MEMORY))
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(StrategyError, match="not plain JSON"):
        decide(remember(y=circle))


# ---------------------------------------------------------------- those that hang


def test_a_loop_without_end_is_given_up_and_told_where() -> None:
    def body(_view: View, _params: Any, memory: dict[str, Any]) -> Decision:
        memory["x"] = 2
        while True:
            pass

    memory = {"x": 1}
    first = body.__code__.co_firstlineno
    with pytest.raises(StrategyTimeout) as caught:
        decide(body, memory, SOON)
    assert any(
        str(caught.value) == f"The strategy “scripted” did not answer within 0.05 s; it hangs in "
        f"test_strategy_host.py, line {first + line}."
        for line in (2, 3)
    )  # fmt: skip
    assert memory == {"x": 1}


def test_a_loop_that_swallows_every_exception_can_still_be_ended() -> None:
    def body(*_: Any) -> Decision:
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001, S110 - what a careless user writes
                pass

    with pytest.raises(StrategyTimeout):
        decide(body, limit=SOON)


def test_what_comes_too_late_is_ignored_and_nothing_runs_twice_at_once() -> None:
    release, done = threading.Event(), threading.Event()
    host = StrategyHost()
    memory: dict[str, Any] = {}

    def body(_view: View, _params: Any, memory: dict[str, Any]) -> Decision:
        release.wait()
        memory["late"] = True
        return BUY

    call = host.begin(Scripted(body), VIEW, {}, memory, SOON, done.set)
    with pytest.raises(StrategyTimeout):
        call.wait()
    assert host.busy, "it waits in the operating system, where no exception reaches it"
    with pytest.raises(StrategyTimeout, match="still hangs in its last call"):
        host.decide(Scripted(lambda *_: BUY), VIEW, {}, memory, PLENTY)
    release.set()
    while host.busy:
        pass
    with pytest.raises(StrategyTimeout):
        call.poll()
    assert memory == {}
    assert not done.is_set()
    assert host.decide(Scripted(lambda *_: BUY), VIEW, {}, memory, PLENTY) == BUY


def test_nobody_need_wait_for_an_answer() -> None:
    release, done = threading.Event(), threading.Event()
    clock = FakeClock()
    host = StrategyHost(clock)
    memory = {"n": 1}

    def body(_view: View, _params: Any, memory: dict[str, Any]) -> Decision:
        release.wait()
        memory["n"] += 1
        return BUY

    call = host.begin(Scripted(body), VIEW, {}, memory, 1.0, done.set)
    clock.advance(0.99)
    assert call.poll() is None
    release.set()
    assert done.wait(PLENTY)
    clock.advance(5.0)
    outcome = call.poll()
    assert outcome is not None
    assert (outcome.decision, outcome.memory, memory) == (BUY, {"n": 2}, {"n": 1})


def test_whoever_polls_after_the_limit_learns_that_it_hangs() -> None:
    release, begun = threading.Event(), threading.Event()
    clock = FakeClock()
    host = StrategyHost(clock)
    call = host.begin(Scripted(lambda *_: begun.set() or (release.wait() and HOLD)), VIEW, {}, {}, 1.0)
    assert begun.wait(PLENTY)
    clock.advance(1.0)
    for _ in range(2):
        with pytest.raises(StrategyTimeout, match="within 1 s; it hangs in test_strategy_host"):
            call.poll()
    release.set()


def test_a_closed_host_gives_up_what_runs() -> None:
    release, done = threading.Event(), threading.Event()
    host = StrategyHost()
    host.close()
    host.begin(Scripted(lambda *_: release.wait() and HOLD), VIEW, {}, {}, PLENTY, done.set)
    host.close()
    host.close()
    release.set()
    while host.busy:
        pass
    assert not done.is_set()


def test_whoever_asks_after_a_call_that_was_given_up_does_not_wait_for_ever() -> None:
    release, begun = threading.Event(), threading.Event()
    clock = FakeClock()
    host = StrategyHost(clock)
    call = host.begin(Scripted(lambda *_: begun.set() or (release.wait() and HOLD)), VIEW, {}, {}, 1.0)
    assert begun.wait(PLENTY)
    host.close()
    release.set()
    while host.busy:
        pass
    clock.advance(2.0)
    with pytest.raises(StrategyTimeout):
        call.poll()


def test_a_call_that_is_given_up_at_once_leaves_nothing_behind() -> None:
    for _ in range(50):
        host = StrategyHost()
        host.begin(Scripted(lambda *_: HOLD), VIEW, {}, {}, PLENTY)
        host.close()
        while host.busy:
            pass


def test_the_same_thread_serves_call_after_call() -> None:
    seen = {decide(lambda *_: Decision(reason=str(threading.get_ident()))).reason for _ in range(20)}
    assert len(seen) < 20


def test_giving_up_what_has_ended_says_so() -> None:
    call = Limited(lambda: 7, "ends")
    assert call.finished.wait(PLENTY)
    assert not call.give_up()
    assert call.result() == 7
    assert not call.alive


def test_an_answer_at_the_very_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    host = StrategyHost()
    call = host.begin(Scripted(lambda *_: release.wait() and BUY), VIEW, {}, {}, 0.0)

    def frame(limited: Limited[Any]) -> None:
        release.set()
        limited.finished.wait(PLENTY)

    monkeypatch.setattr(Limited, "frame", frame)
    assert call.wait().decision == BUY


def test_a_place_that_nobody_knows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(Limited, "frame", lambda _self: sys._getframe())
    strategy = SimpleNamespace(name="bare", defaults={}, decide=lambda *_: release.wait())
    with pytest.raises(StrategyTimeout, match="look for a wait or an endless loop"):
        StrategyHost().decide(strategy, VIEW, {}, {}, SOON)  # type: ignore[arg-type]
    release.set()


# ---------------------------------------------------------------- the built-in ones


def signal(side: Side = Side.BUY, **fields: Any) -> Signal:
    """A signal of the signal rule."""
    values: dict[str, Any] = {
        "key": "BIST:ASELS", "side": side, "price": 10.0, "confidence": 0.8, "timestamp": 100.0,
        "source": "a", "simulated": False, "reference_price": 9.8, "change_pct": 2.04, "gap": 0.0,
    }  # fmt: skip
    return Signal(**values | fields)


def test_a_built_in_strategy_answers_in_the_caller_s_thread_and_is_held_to_the_same_rules() -> None:
    host = StrategyHost()
    memory: dict[str, Any] = {}
    strategy = find_strategy("threshold")
    view = View(key="BIST:ASELS", price=10.0, at=1.0, position=None, signal=signal())
    call = host.begin(strategy, view, {}, memory, PLENTY)
    assert not host.busy
    outcome = call.poll()
    assert outcome is not None
    assert outcome.decision.action is Action.BUY
    assert memory == {}
    with pytest.raises(StrategyError, match=r"“threshold” failed in threshold\.py, line \d+: TypeError"):
        host.decide(strategy, view, {"min_confidence": "high"}, memory, PLENTY)
    assert memory == {}
