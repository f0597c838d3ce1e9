"""The user's own strategies: one Python file each in the folder `strategies` of the data directory.

A file is read with a time limit, because whatever stands in it runs; what is wrong with it becomes one
sentence with file and line. Nothing is written into the folder.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import msgspec

from core.bots.host import failure, place_of, sentence_of
from core.bots.limited import Limited
from core.bots.params import with_defaults
from core.bots.strategies.base import NOTHING, TIMEFRAMES, BaseStrategy
from core.bots.strategy import Decision, Strategy, View, Wake
from core.errors import StrategyError, StrategyTimeout
from core.i18n import tr

T = TypeVar("T")
LOAD_LIMIT = 3.0
"""Seconds a file may take to be read: it may import a large package."""
SHAPE_LIMIT = 1.0
"""Seconds for `check`, `bar_seconds` and `lookback`."""
MOST_BARS = 5000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_METHODS = ("check", "bar_seconds", "lookback", "decide")
_MODULE = "swing_strategy_"


class StrategyProblem(msgspec.Struct, frozen=True):
    """Why a file gave no strategy: the file's name, the line (0 if none is to blame), and one sentence."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        if not self.line:
            return tr("strategies.in_file", file=self.file, text=self.text)
        return tr("strategies.on_line", file=self.file, line=self.line, text=self.text)


class UserStrategy:
    """A user's strategy as the rest of the program sees it: its short answers are guarded and remembered.

    `check`, `bar_seconds` and `lookback` run once per parameters, with a time limit, and raise
    `StrategyError`. `decide` is passed on as it is: `StrategyHost` guards that.
    """

    def __init__(self, inner: Any, file: Path) -> None:
        self._inner = inner
        self.file = str(file)
        self.name: str = inner.name
        self.wake: Wake = Wake(inner.wake)
        self.defaults: Mapping[str, Any] = MappingProxyType(dict(inner.defaults))
        self.limits: Mapping[str, tuple[float, float]] = MappingProxyType(dict(_extra(inner, "limits")))
        self.choices: Mapping[str, Any] = MappingProxyType(dict(_extra(inner, "choices")))
        self._known: dict[tuple[str, str], Any] = {}

    def check(self, params: Mapping[str, Any]) -> str:
        """See `Strategy.check`."""
        answer = self._ask("check", params)
        return str(answer) if answer else ""

    def bar_seconds(self, params: Mapping[str, Any]) -> int:
        """See `Strategy.bar_seconds`."""
        return self._number("bar_seconds", params, (0, *TIMEFRAMES))

    def lookback(self, params: Mapping[str, Any]) -> int:
        """See `Strategy.lookback`."""
        return self._number("lookback", params, range(MOST_BARS + 1))

    def decide(self, view: View, params: Mapping[str, Any], memory: dict[str, Any]) -> Decision:
        """See `Strategy.decide`."""
        answer: Decision = self._inner.decide(view, params, memory)
        return answer

    def _number(self, method: str, params: Mapping[str, Any], allowed: range | tuple[int, ...]) -> int:
        answer = self._ask(method, params)
        if isinstance(answer, bool) or not isinstance(answer, int) or answer not in allowed:
            which = "bar_seconds" if method == "bar_seconds" else "lookback"
            raise StrategyError(
                tr(f"strategies.bad_{which}", name=self.name, found=repr(answer)[:80], most=MOST_BARS)
            )
        return answer

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        given = with_defaults(self, params)
        place = (method, msgspec.json.encode(given).decode())
        if place not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            try:
                self._known[place] = run(lambda: getattr(self._inner, method)(given), self, SHAPE_LIMIT)
            except StrategyError as error:  # asked again, it would fail or hang again
                self._known[place] = error
        answer = self._known[place]
        if isinstance(answer, StrategyError):
            raise answer
        return answer


def run(work: Callable[[], T], strategy: Strategy, limit: float) -> T:
    """What `work` returns within `limit` seconds; `StrategyError` or `StrategyTimeout` otherwise."""
    call = Limited(work, f"strategy-{strategy.name}")
    if not call.finished.wait(limit) and call.give_up():
        raise StrategyTimeout(tr("strategies.timeout", name=strategy.name, seconds=f"{limit:g}"))
    call.finished.wait()
    try:
        return call.result()
    except BaseException as error:  # a strategy may raise anything, SystemExit too
        raise failure(strategy, error) from error


def load_file(path: Path, limit: float = LOAD_LIMIT) -> UserStrategy | StrategyProblem:
    """The strategy in the file `path`, or what is wrong with it."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return StrategyProblem(path.name, 0, tr("strategies.unreadable", reason=error.strerror or str(error)))
    try:
        tree = ast.parse(source, str(path))
        code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        return StrategyProblem(path.name, error.lineno or 0, tr("strategies.syntax", error=error.msg))
    except (ValueError, RecursionError, MemoryError) as error:
        return StrategyProblem(path.name, 0, tr("strategies.syntax", error=sentence_of(error)))
    lines = {node.name: node.lineno for node in tree.body if isinstance(node, ast.ClassDef)}
    call = Limited(lambda: _build(path, code, lines), f"strategy-file-{path.stem}")
    if not call.finished.wait(limit) and call.give_up():
        return StrategyProblem(path.name, 0, tr("strategies.slow_file", seconds=f"{limit:g}"))
    call.finished.wait()
    try:
        return call.result()
    except BaseException as error:  # noqa: BLE001 - a file may raise anything, SystemExit too
        file, line = place_of(error, str(path))
        return StrategyProblem(path.name, line if file == path.name else 0, sentence_of(error))


def _build(path: Path, code: Any, lines: Mapping[str, int]) -> UserStrategy | StrategyProblem:
    """Run the file as a module and look for its one strategy."""
    module = ModuleType(_MODULE + path.stem)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up
    exec(code, module.__dict__)
    found = [
        value for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
        and callable(getattr(value, "decide", None)) and not value.__name__.startswith("_")
    ]  # fmt: skip
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found)
        text = tr("strategies.several", names=names) if found else tr("strategies.none_in_file")
        line = lines.get(found[1].__name__, 0) if found else 0
        return StrategyProblem(path.name, line, text)
    line = lines.get(found[0].__name__, 0)
    inner = found[0]()
    fault = _fault(inner)
    if fault:
        return StrategyProblem(path.name, line, fault)
    strategy = UserStrategy(inner, path)
    try:
        strategy.bar_seconds({})
        strategy.lookback({})
        objection = strategy.check({})
    except StrategyError as error:
        return StrategyProblem(path.name, line, str(error))
    if objection:
        return StrategyProblem(path.name, line, tr("strategies.bad_defaults", text=objection))
    return strategy


def _fault(inner: Any) -> str:
    """What is wrong with a strategy's fields, as one sentence; "" if nothing is."""
    missing = [name for name in _METHODS if not callable(getattr(inner, name, None))]
    if missing:
        return tr("strategies.no_method", names=", ".join(missing))
    if type(inner).decide is BaseStrategy.decide:
        return tr("strategies.no_method", names="decide")
    name = getattr(inner, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return tr("strategies.bad_name", name=repr(name)[:80])
    wake = getattr(inner, "wake", None)
    if wake not in tuple(Wake):
        return tr("strategies.bad_wake", wake=repr(wake)[:80], known=", ".join(Wake))
    return _fault_of_params(inner)


def _fault_of_params(inner: Any) -> str:
    defaults = getattr(inner, "defaults", None)
    if not isinstance(defaults, Mapping) or not all(isinstance(name, str) for name in defaults):
        return tr("strategies.bad_params", field="defaults")
    for name, value in defaults.items():
        if not isinstance(value, bool | int | float | str):
            return tr("strategies.bad_default", param=name, found=repr(value)[:80])
    for field in ("limits", "choices"):
        extra = _extra(inner, field)
        if not isinstance(extra, Mapping) or not set(extra) <= set(defaults):
            return tr("strategies.bad_params", field=field)
        for name, value in extra.items():
            right = isinstance(value, list | tuple) and len(value) > 0
            if right and field == "limits":
                right = len(value) == 2 and all(isinstance(each, int | float) for each in value)
            if not right:
                return tr("strategies.bad_extra", field=field, param=name, found=repr(value)[:80])
    return ""


def _extra(inner: Any, field: str) -> Any:
    return getattr(inner, field, NOTHING)
