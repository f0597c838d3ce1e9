"""Reads and writes `swing_config.json`.

A file that cannot be parsed, or that holds a problem, is never used in part and never overwritten. Writing
keeps the user's order of keys and the keys that the program doesn't know.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.atomic import why, write_atomically
from core.config import Config, Problem
from core.config_bots import merged_bots
from core.config_check import all_paths, check_value, examine, get_value, rule_of, shown, with_value
from core.errors import ConfigError
from core.i18n import tr
from core.instruments import parse_instrument
from core.model import Instrument
from core.secrets import secrets_in

__all__ = [
    "all_paths", "as_config", "check_value", "get_value", "load_config", "parse_config", "peek_language",
    "resolve_instruments", "rule_of", "save_changes", "save_config",
]  # fmt: skip

CONFIG_NAME = "swing_config.json"
_LINE_LENGTH = 100
_DEEPEST = 50
_WRITING = threading.Lock()
_SYNTAX = {
    "Expecting ',' delimiter": "comma", "Expecting ':' delimiter": "colon", "Expecting value": "value",
    "Expecting property name enclosed in double quotes": "key", "Extra data": "extra",
    "Unterminated string starting at": "string", "Invalid control character at": "control",
    "Illegal trailing comma before end of object": "trailing",
    "Illegal trailing comma before end of array": "trailing",
}  # fmt: skip


def parse_config(data: Mapping[str, Any]) -> Config:
    """The configuration in `data`, the content of a file. Raises `ConfigError` with every problem at once."""
    result = examine(data)
    if result.problems or result.unknown:
        raise ConfigError([*result.problems, *result.unknown])
    return result.config


def as_config(config: Config | Mapping[str, Any] | None) -> Config:
    """`config` itself, or what a mapping in the shape of the file (with any of its keys) or None stands for.

    Raises `ConfigError` for a mapping that holds a problem.
    """
    if isinstance(config, Config):
        return config
    return parse_config(config or {})


def load_config(path: Path) -> Config:
    """The configuration in the file `path`; the defaults if there is none (it is not created).

    Raises `ConfigError` with every problem at once, also when the file cannot be read or is not JSON.
    """
    return parse_config(_read(path) or {})


def peek_language(path: Path) -> str:
    """The `language` that the file asks for, "auto" if it cannot be told: to report its problems in."""
    try:
        language = (_read(path) or {}).get("language")
    except ConfigError:
        return "auto"
    return language if language in ("tr", "en") else "auto"


def save_config(path: Path, config: Config, *, read_from: Path | None = None) -> None:
    """Write `config` to `path`, changing only what differs from the file there.

    `read_from` is the file to start from where it is another one (the shipped file that cannot be written).
    Raises `ConfigError` if that file cannot be parsed, `StorageError` if `path` cannot be written.
    """
    with _WRITING:
        present = _read(read_from or path)
        _write(path, _merged(present, config), config)


def save_changes(path: Path, changes: Mapping[str, Any], *, read_from: Path | None = None) -> Config:
    """Set the dotted fields of `changes` in the file `path` and return the configuration it then holds.

    Nothing is written unless the whole is valid but for unknown keys, which are kept. Raises as
    `save_config`, and `ConfigError` with the problems of the changes.
    """
    with _WRITING:
        present = _read(read_from or path)
        result = examine(present or {})
        if result.problems:
            raise ConfigError(result.problems)
        data = dict(present) if present is not None else _as_json(Config())
        for name, value in changes.items():
            data = with_value(data, name, _written(data, name, _as_json(value)))
        changed = examine(data)
        known_before = {problem.path for problem in result.unknown}
        new = [problem for problem in changed.unknown if problem.path not in known_before]
        if changed.problems or new:
            raise ConfigError([*changed.problems, *new])
        _write(path, data, changed.config)
        return changed.config


def resolve_instruments(config: Config) -> tuple[Instrument, ...]:
    """The watched instruments in their order, each once. Raises `InputError` for a bad symbol."""
    return tuple(dict.fromkeys(parse_instrument(text, config.exchange) for text in config.symbols))


def _merged(present: Mapping[str, Any] | None, config: Config) -> dict[str, Any]:
    """The file's content with the fields of `config` that differ from it."""
    if present is None:
        return dict(_as_json(config))
    result = examine(present)
    if result.problems:
        raise ConfigError(result.problems)
    data = dict(present)
    for path in all_paths():
        if get_value(result.config, path) != get_value(config, path):
            data = with_value(data, path, _written(data, path, _as_json(get_value(config, path))))
    return data


def _written(data: Mapping[str, Any], path: str, value: Any) -> Any:
    """`value` as it is put into `data`, the file's content."""
    if path == "bots" and isinstance(value, list | tuple) and all(isinstance(bot, dict) for bot in value):
        return merged_bots(data.get("bots"), [_as_json(bot) for bot in value])
    return value


def _write(path: Path, data: Mapping[str, Any], config: Config) -> None:
    private = any(secrets_in(data)) or "@" in config.storage.url or "@" in config.server.redis_url
    write_atomically(path, (_json(data) + "\n").encode("utf-8"), private=private)


def _as_json(value: Any) -> Any:
    """`value` in JSON's types, with 5 for 5.0."""
    value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: Any, indent: str = "") -> str:
    """JSON as a person writes it: two spaces, and lists of short values on as few lines as they need."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_json(item, inner)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    if not isinstance(value, list | tuple) or not value:
        return json.dumps(value, ensure_ascii=False)
    parts = [_json(item, inner) for item in value]
    if any("\n" in part for part in parts):
        return "[\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}]"
    flat = "[" + ", ".join(parts) + "]"
    if len(indent) + len(flat) <= _LINE_LENGTH:
        return flat
    return "[\n" + ",\n".join(inner + line for line in _filled(parts)) + f"\n{indent}]"


def _filled(parts: list[str]) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + len(part) > _LINE_LENGTH - 10:
            yield line
            line = ""
        line = f"{line}, {part}" if line else part
    yield line


class _Repeats(dict[str, Any]):
    """A JSON object that remembers which of its keys were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.repeated = tuple(name for name, count in counts.items() if count > 1)


def _read(path: Path) -> Mapping[str, Any] | None:
    """The JSON object in the file, None if there is no file. Raises `ConfigError`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _file_error(path, why(error), "readable_file") from error
    data = _parse(path, raw)
    repeats = tuple(_repeat_problems(data, ""))
    if repeats:
        raise ConfigError(repeats)
    if not isinstance(data, Mapping):
        raise _file_error(path, shown(data), "object")
    return data


def _parse(path: Path, raw: bytes) -> Any:
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_Repeats)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _file_error(path, tr("config.found_line", line=line), "utf8") from None
    except json.JSONDecodeError as error:
        place = tr("config.found_place", line=error.lineno, column=error.colno)
        raise _file_error(path, place, f"json_{_SYNTAX.get(error.msg, 'other')}") from None
    except (RecursionError, ValueError):  # nested too deeply; a number of thousands of digits
        raise _file_error(path, tr("config.found_monster"), "json_other") from None
    if _deeper_than(data, _DEEPEST):
        raise _file_error(path, tr("config.found_monster"), "json_other")
    return data


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(part, levels - 1) for part in parts)


def _file_error(path: Path, found: str, accepted: str) -> ConfigError:
    return ConfigError([Problem(str(path), found, tr(f"config.accept_{accepted}"))])


def _repeat_problems(value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, _Repeats):
        for name in value.repeated:
            yield Problem(f"{path}{name}", tr("config.found_twice"), tr("config.accept_key_once"))
        for name, item in value.items():
            yield from _repeat_problems(item, f"{path}{name}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _repeat_problems(item, f"{path.removesuffix('.')}[{index}].")
