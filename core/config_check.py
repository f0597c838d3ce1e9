"""Judges a configuration: every problem at once, by the rules that stand beside the fields in `core.config`.

`examine` judges a whole file, `check_value` one field of the settings dialog and `rule_of` tells a dialog
what a field accepts; all three read the same `msgspec` constraints. Rules between fields are in
`core.config_rules`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from core.config import Config, Problem, Section
from core.config_bots import bot_problems
from core.config_rules import item_problems, problems_between
from core.errors import UserError
from core.i18n import tr
from core.secrets import SECRET_PATHS, is_secret_key, is_url_key, masked, redactor

_LONGEST_SHOWN = 120


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What one field accepts. `kind` is "bool", "int", "float", "text", "choice", "texts" or "data" (left
    alone).

    `minimum` and `maximum` are None where there is no limit; `above` tells that `minimum` itself is refused.
    `accepted` is the rule as a phrase in the interface's language.
    """

    path: str
    kind: str
    default: Any
    accepted: str
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False


class Examination(msgspec.Struct, frozen=True):
    """The outcome of `examine`: what may be used of the data, and what is wrong with the rest.

    `unknown` are the problems of keys that the program doesn't know, which harm nothing when they are kept.
    """

    config: Config
    problems: tuple[Problem, ...]
    unknown: tuple[Problem, ...]


def examine(data: Any) -> Examination:
    """Judge the whole content of a configuration file."""
    redactor.learn_from(data)
    if not isinstance(data, Mapping):
        problem = Problem(tr("config.whole_file"), shown(data), tr("config.accept_object"))
        return Examination(Config(), (problem,), ())
    problems: list[Problem] = []
    unknown: list[Problem] = []
    clean = _clean_section(Config, data, "", problems, unknown)
    config: Config = msgspec.convert(clean, Config)
    broken = {problem.path.partition("[")[0] for problem in problems}
    between = problems_between(config, ask_keyring=True)
    items = [
        *item_problems(config.exchange, data.get("symbols"), data.get("extra_closures")),
        *bot_problems(config.exchange, data.get("bots")),
    ]
    listed = {problem.path for problem in problems}
    problems += [each for each in items if each.path not in listed]
    problems += [each for each in between if each.path not in broken]
    return Examination(config, tuple(problems), tuple(unknown))


def check_value(path: str, value: Any, config: Config | None = None) -> Problem | None:
    """What is wrong with `value` for the field `path` ("real_time.poll_interval_sec"); None if nothing is.

    With `config`, the configuration as it stands, a problem that the value makes for another field is told
    too. The keyring is not asked, so this is quick enough for every keystroke. Raises KeyError for an unknown
    path.
    """
    value = msgspec.to_builtins(value)
    if problems := list(_leaf_problems(path, _leaves()[path], value)):
        return problems[0]
    before = config or Config()
    after: Config = msgspec.convert(with_value(msgspec.to_builtins(before), path, value), Config)
    old = set(map(str, _beyond_types(before)))
    found = [each for each in _beyond_types(after) if str(each) not in old or path in each.path]
    return next((each for each in found if config or path in each.path), None)


def require_value(path: str, value: Any) -> None:
    """Refuse a `value` that was given for the field `path` elsewhere than in the file. Raises `UserError`."""
    if problem := check_value(path, value):
        raise UserError(str(problem))


def rule_of(path: str) -> Rule:
    """What the field `path` accepts. Raises KeyError for an unknown path."""
    return _rule(path, _leaves()[path], get_value(Config(), path))


def field_rule(section: type[Section], name: str) -> Rule:
    """What the field `name` of an item of a list of sections (a bot's, for instance) accepts.

    The default is None where the field must be given. Raises KeyError for an unknown name.
    """
    defaults = {field.name: field.default for field in msgspec.structs.fields(section)}
    default = None if defaults[name] is msgspec.NODEFAULT else defaults[name]
    return _rule(name, _hints(section)[name], default)


def check_field(section: type[Section], name: str, value: Any) -> Problem | None:
    """What is wrong with `value` for the field `name` of such an item; None if nothing is."""
    return next(_leaf_problems(name, _hints(section)[name], msgspec.to_builtins(value)), None)


def _rule(path: str, hint: Any, default: Any) -> Rule:
    info, extra = _info(hint)
    limits = _limits(info)
    choices = tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()
    return Rule(
        path=path, kind=_kind(info), default=default,
        accepted=_accepted(info, extra, choices), choices=choices, secret=path in SECRET_PATHS,
        minimum=limits[0], maximum=limits[1], above=limits[2],
    )  # fmt: skip


def all_paths() -> tuple[str, ...]:
    """The dotted names of all fields, in the order of the sections."""
    return tuple(_leaves())


def get_value(config: Config, path: str) -> Any:
    """The value of the field `path`."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_value(data: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the nested `data` with `value` at the dotted `path`; everything else keeps its place."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**data, name: value}
    below = data.get(name, {})
    return {**data, name: with_value(below if isinstance(below, Mapping) else {}, rest, value)}


def shown(value: Any, key: str = "") -> str:
    """`value` as JSON for a person: without secrets, and not too long."""
    text = redactor.mask(json.dumps(masked(value, key), ensure_ascii=False, default=str))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _beyond_types(config: Config) -> list[Problem]:
    items = item_problems(config.exchange, config.symbols, config.extra_closures)
    return [*items, *bot_problems(config.exchange, config.bots), *problems_between(config, ask_keyring=False)]


@cache
def _hints(section: type[Section]) -> dict[str, Any]:
    return get_type_hints(section, include_extras=True)


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Section)


@cache
def _leaves() -> dict[str, Any]:
    """The annotation of each field by its dotted path."""

    def walk(section: type[Section], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, hint in _hints(section).items():
            if _is_section(hint):
                yield from walk(hint, f"{prefix}{name}.")
            else:
                yield prefix + name, hint

    return dict(walk(Config, ""))


def _clean_section(
    section: type[Section],
    data: Mapping[str, Any],
    prefix: str,
    problems: list[Problem],
    unknown: list[Problem],
) -> dict[str, Any]:
    """The part of `data` that may be used; what is wrong with the rest goes into the two lists."""
    hints = _hints(section)
    clean: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        if key not in hints:
            unknown.append(_unknown_key(path, str(key), value, tuple(hints), prefix))
        elif (item := _section_item(hints[key])) is not None and isinstance(value, list | tuple):
            cleaned = _clean_items(item, value, path, problems, unknown)
            if cleaned is not None:
                clean[key] = cleaned
        elif not _is_section(hints[key]):
            found = list(_leaf_problems(path, hints[key], value))
            problems += found
            if not found:
                clean[key] = value
        elif isinstance(value, Mapping):
            clean[key] = _clean_section(hints[key], value, f"{path}.", problems, unknown)
        else:
            problems.append(Problem(path, shown(value, str(key)), tr("config.accept_object")))
    return clean


def _section_item(hint: Any) -> type[Section] | None:
    """The section of which `hint` is a list, if it is one."""
    items = get_args(hint) if get_origin(hint) is tuple else ()
    return items[0] if items and _is_section(items[0]) else None


def _clean_items(
    section: type[Section], items: Sequence[Any], path: str, problems: list[Problem], unknown: list[Problem]
) -> list[dict[str, Any]] | None:
    """The items that may be used; None if something is wrong with one of them."""
    before = len(problems)
    cleaned = []
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if isinstance(item, Mapping):
            cleaned.append(_clean_section(section, item, f"{where}.", problems, unknown))
            problems += _missing(section, item, where)
        else:
            problems.append(Problem(where, shown(item), tr("config.accept_object")))
    return cleaned if len(problems) == before else None


def _missing(section: type[Section], item: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """The fields that must be there and are not."""
    for field in msgspec.structs.fields(section):
        if field.required and field.name not in item:
            info, extra = _info(_hints(section)[field.name])
            accepted = _accepted(info, extra, ())
            yield Problem(f"{path}.{field.name}", tr("config.found_nothing"), accepted)


def _unknown_key(path: str, key: str, value: Any, known: tuple[str, ...], prefix: str) -> Problem:
    near = _like(key, known)
    if not near:  # perhaps the right key in the wrong section
        by_name = {leaf.rpartition(".")[2]: leaf for leaf in reversed(all_paths())}
        near = [by_name[name] for name in _like(key, by_name, 0.8)]
    elif prefix:
        near = [prefix + near[0]]
    nearest = near[0] if near else ""
    accepted = tr("config.accept_known_key" if near else "config.accept_known_keys", keys=", ".join(known))
    return Problem(path, shown(value, _judged_by(key, nearest.rpartition(".")[2])), accepted, nearest)


def _judged_by(key: str, nearest: str) -> str:
    """The key whose secrecy an unknown one has: what was meant by it may hold a password."""
    if is_secret_key(nearest) or is_secret_key(key):
        return "password"
    return nearest if is_url_key(nearest) else key


def _leaf_problems(path: str, hint: Any, value: Any) -> Iterator[Problem]:
    """What is wrong with one field's value, item by item where it is a list."""
    info, extra = _info(hint)
    if isinstance(info, inspect.VarTupleType) and isinstance(value, list | tuple):
        section = _section_item(hint)
        if section is not None:
            found: list[Problem] = []
            _clean_items(section, value, path, found, found)
            yield from found
            return
        item_hint = get_args(hint)[0]
        for index, item in enumerate(value):
            yield from _leaf_problems(f"{path}[{index}]", item_hint, item)
        return
    key = path.rpartition(".")[2].partition("[")[0]
    choices = tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()
    if not _is_plain(value):
        yield Problem(path, shown(value, key), tr("config.accept_plain"))
        return
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        yield Problem(
            path, shown(value, key), _accepted(info, extra, choices), _nearest_choice(value, choices)
        )


def _nearest_choice(value: Any, choices: tuple[str, ...]) -> str:
    lowered = {choice.lower(): choice for choice in choices}
    near = _like(str(value).lower(), lowered)
    return f'"{lowered[near[0]]}"' if near else ""


def _like(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The one of `known` that looks most like `word`, if any does."""
    from difflib import get_close_matches  # here, as no start waits for what is wrong

    return get_close_matches(word, list(known), n=1, cutoff=cutoff)


def _is_plain(value: Any) -> bool:
    """Whether `value` holds only numbers that are finite and text that can be written."""
    if isinstance(value, Mapping):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not (isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value))


def _info(hint: Any) -> tuple[inspect.Type, dict[str, Any]]:
    info = inspect.type_info(hint)
    if isinstance(info, inspect.Metadata):
        return info.type, info.extra or {}
    return info, {}


def _kind(info: inspect.Type) -> str:
    kinds: tuple[tuple[type[inspect.Type], str], ...] = (
        (inspect.BoolType, "bool"), (inspect.IntType, "int"), (inspect.FloatType, "float"),
        (inspect.StrType, "text"), (inspect.LiteralType, "choice"),
    )  # fmt: skip
    if isinstance(info, inspect.VarTupleType) and not isinstance(
        info.item_type, inspect.DictType | inspect.StructType
    ):
        return "texts"
    return next((name for kind, name in kinds if isinstance(info, kind)), "data")


def _limits(info: inspect.Type) -> tuple[float | None, float | None, bool]:
    """The least and the greatest number that `info` admits, and whether the least itself is refused."""
    if not isinstance(info, inspect.IntType | inspect.FloatType):
        return None, None, False
    above = info.gt is not None
    return (info.gt if above else info.ge), info.le, above


def _accepted(info: inspect.Type, extra: dict[str, Any], choices: tuple[str, ...]) -> str:
    """What a field takes, as a phrase of the interface's language."""
    if choices:
        return " | ".join(f'"{choice}"' for choice in choices)
    if "accepts" in extra:
        return tr(extra["accepts"])
    kind = _kind(info)
    if kind not in ("int", "float"):
        return tr(f"config.accept_{_list_or(kind, info)}")
    low, high, above = _limits(info)
    name = f"config.accept_{kind}_above" if above else f"config.accept_{kind}"
    return tr(name, low=f"{low:g}", high=f"{high:.15g}")


def _list_or(kind: str, info: inspect.Type) -> str:
    if kind != "data":
        return kind
    return "objects" if isinstance(info, inspect.VarTupleType) else "object"
