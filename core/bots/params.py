"""A strategy's parameters: what there are, what they accept, and what is wrong with those that are given."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from core.bots.strategies.base import NOTHING
from core.bots.strategy import Strategy
from core.config import Problem
from core.config_check import shown
from core.i18n import tr


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter, for a form: `kind` is "bool", "int", "float" or "text"; `choices` are all there are."""

    name: str
    kind: str
    default: Any
    label: str
    accepted: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()


def parameters(strategy: Strategy) -> tuple[Parameter, ...]:
    """The parameters of `strategy`, in their own order; `label` is in the interface's language."""
    return tuple(_parameter(strategy, name, value) for name, value in strategy.defaults.items())


def with_defaults(strategy: Strategy, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are given, and the defaults of the others."""
    return {**strategy.defaults, **params}


def check_params(strategy: Strategy, params: Mapping[str, Any], path: str = "params") -> tuple[Problem, ...]:
    """Everything that is wrong with `params`; `path` is where they stand ("bots[2].params").

    Unknown names (with the nearest known one), wrong types, values out of their limits, and, if each is right
    by itself, what the strategy itself objects to. Raises `StrategyError` where a user's strategy fails.
    """
    known = {each.name: each for each in parameters(strategy)}
    problems = [
        _unknown(f"{path}.{name}", str(name), value, known)
        if name not in known
        else _wrong(f"{path}.{name}", known[name], value)
        for name, value in params.items()
    ]
    found = tuple(problem for problem in problems if problem is not None)
    if not found and (objection := strategy.check(with_defaults(strategy, params))):
        found = (Problem(path, shown(dict(params)), objection),)
    return found


def _parameter(strategy: Strategy, name: str, default: Any) -> Parameter:
    limits: Mapping[str, tuple[float, float]] = getattr(strategy, "limits", NOTHING)
    choices: Mapping[str, Any] = getattr(strategy, "choices", NOTHING)
    low, high = limits.get(name, (None, None))
    few = tuple(choices.get(name, ()))
    kind = next((word for kind, word in _KINDS if isinstance(default, kind)), "text")
    return Parameter(
        name=name, kind=kind, default=default, label=_label(name), minimum=low, maximum=high, choices=few,
        accepted=_accepted(kind, low, high, few),
    )  # fmt: skip


_KINDS: tuple[tuple[type, str], ...] = ((bool, "bool"), (int, "int"), (float, "float"), (str, "text"))
_LABELS = ("timeframe_sec", "fast", "slow", "trend", "period", "entry_below", "exit_above", "lookback",
           "min_confidence", "max_gap_sec")  # fmt: skip


def _label(name: str) -> str:
    return tr(f"strategies.param_{name}") if name in _LABELS else name.replace("_", " ")


def _accepted(kind: str, low: float | None, high: float | None, few: tuple[Any, ...]) -> str:
    if few:
        return " | ".join(shown(each) for each in few)
    if kind in ("int", "float"):
        if low is None or high is None:
            return tr(f"strategies.accept_{kind}")
        return tr(f"config.accept_{kind}", low=f"{low:g}", high=f"{high:.15g}")
    return tr(f"config.accept_{kind}")


def _unknown(path: str, name: str, value: Any, known: Mapping[str, Parameter]) -> Problem:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not known:
        return Problem(path, shown(value, name), tr("strategies.no_params"))
    accepted = tr("strategies.known_params", names=", ".join(known))
    return Problem(path, shown(value, name), accepted, near[0] if near else "")


def _wrong(path: str, parameter: Parameter, value: Any) -> Problem | None:
    return None if _fits(parameter, value) else Problem(path, shown(value), parameter.accepted)


def _fits(parameter: Parameter, value: Any) -> bool:
    """Whether `value` has the parameter's type (a whole number is a number too) and keeps its limits."""
    if parameter.kind in ("text", "bool"):
        right = isinstance(value, str if parameter.kind == "text" else bool)
    else:
        wanted = int if parameter.kind == "int" else (int, float)
        right = isinstance(value, wanted) and not isinstance(value, bool)
        right = right and all(_inside(parameter, value))
    return right and (not parameter.choices or value in parameter.choices)


def _inside(parameter: Parameter, value: float) -> Iterator[bool]:
    yield abs(value) <= 1e15  # not so for NaN
    yield parameter.minimum is None or value >= parameter.minimum
    yield parameter.maximum is None or value <= parameter.maximum
