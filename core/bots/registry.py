"""All strategies by name: the ones that come with the program, and the user's own.

The registry belongs to the process. `load_user_strategies` replaces the user's strategies as a whole; a bot
asks `find_strategy` when it begins, so a corrected file is in use after the next load.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from core.bots.params import Parameter, check_params, parameters, with_defaults
from core.bots.strategies import BUILT_IN
from core.bots.strategy import Strategy
from core.bots.user_strategies import StrategyProblem, UserStrategy, load_file
from core.config import BotConfig, Problem
from core.config_check import shown
from core.errors import InputError, StrategyError
from core.i18n import tr

__all__ = (
    "USER_FOLDER", "Parameter", "StrategyProblem", "check_params", "find_strategy", "load_user_strategies",
    "parameters", "strategy_about", "strategy_names", "strategy_problems", "with_defaults",
)  # fmt: skip
USER_FOLDER = "strategies"
"""The folder of the data directory that holds the user's own strategies."""

_lock = Lock()
_built_in: dict[str, Strategy] = {}
_own: dict[str, UserStrategy] = {}


def find_strategy(name: str) -> Strategy:
    """The strategy called `name`. Raises `InputError`, which names the nearest one there is."""
    with _lock:
        if name in BUILT_IN:
            if name not in _built_in:
                _built_in[name] = BUILT_IN[name]()
            return _built_in[name]
        if name in _own:
            return _own[name]
    names = strategy_names()
    near = _nearest(name, names)
    if near:
        raise InputError(tr("strategies.unknown_near", name=name, nearest=near))
    raise InputError(tr("strategies.unknown", name=name, names=", ".join(names)))


def strategy_names() -> tuple[str, ...]:
    """All names: the built-in ones, then the user's own by the alphabet."""
    with _lock:
        return (*BUILT_IN, *sorted(_own))


def strategy_problems(bots: Sequence[BotConfig], path: str = "bots") -> tuple[Problem, ...]:
    """What is wrong with the strategies and parameters of `bots`, each at its path ("bots[2].params.fast").

    A user's strategies must be loaded before. A user's strategy that fails over its own parameters is told
    as a problem of these.
    """
    problems: list[Problem] = []
    for number, bot in enumerate(bots):
        where = f"{path}[{number}]"
        try:
            strategy = find_strategy(bot.strategy)
        except InputError:
            names = strategy_names()
            near = _nearest(bot.strategy, names)
            accepted = " | ".join(f'"{name}"' for name in names)
            problems.append(Problem(f"{where}.strategy", shown(bot.strategy), accepted, near and f'"{near}"'))
            continue
        try:
            problems += check_params(strategy, bot.params, f"{where}.params")
        except StrategyError as error:
            problems.append(Problem(f"{where}.params", shown(bot.params), str(error)))
    return tuple(problems)


def strategy_about(name: str) -> str:
    """What a built-in strategy does, in a sentence of the interface's language; "" for a user's own."""
    return tr(f"strategies.about_{name}") if name in BUILT_IN else ""


def load_user_strategies(folder: Path) -> tuple[StrategyProblem, ...]:
    """Read the user's strategies anew from the files in `folder`; what is wrong with the others.

    Files that begin with "_" or "." are left alone. A missing folder holds none. One bad file does not keep
    the others from loading; of two with the same name the first by the file's name wins.
    """
    found: dict[str, UserStrategy] = {}
    problems: list[StrategyProblem] = []
    for path in _files(folder, problems):
        result = load_file(path)
        if isinstance(result, StrategyProblem):
            problems.append(result)
        elif result.name in BUILT_IN:
            problems.append(StrategyProblem(path.name, 0, tr("strategies.name_built_in", name=result.name)))
        elif result.name in found:
            first = Path(found[result.name].file).name
            text = tr("strategies.name_taken", name=result.name, first=first)
            problems.append(StrategyProblem(path.name, 0, text))
        else:
            found[result.name] = result
    with _lock:
        _own.clear()
        _own.update(found)
    return tuple(problems)


def _nearest(name: str, names: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)), "")


def _files(folder: Path, problems: list[StrategyProblem]) -> list[Path]:
    try:
        paths = sorted(path for path in folder.glob("*.py") if path.name[0] not in "_.")
    except OSError as error:
        problems.append(StrategyProblem(folder.name, 0, tr("strategies.unreadable", reason=str(error))))
        return []
    return [path for path in paths if path.is_file()]
