"""The command line: what the user asked for as one immutable value, or a sentence on what is wrong with it.

Needs the standard library only, since `run.py` reads the command line before the first set-up.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from core.i18n import set_language, tr

Mode = Literal["desktop", "headless", "bench", "doctor", "test", "serve", "users", "worker"]
WRONG_ARGUMENTS = 2

_MODES = ("test", "bench", "doctor", "serve", "users", "worker")
_SERVE_FLAGS = (
    "--host", "--port", "--no-engine", "--tls-cert", "--tls-key", "--redis-url", "--trusted-proxy",
)  # fmt: skip
_WORKER_FLAGS = ("--processes", "--pool")
_FLAGS = (
    "--headless", "--demo", "--offline", "--config", "--data-dir", "--for", "--help", *_SERVE_FLAGS, "--role",
    *_WORKER_FLAGS,
)  # fmt: skip
_MESSAGES = (
    (re.compile(r"argument (--[\w-]+): expected one argument"), "cli.value_missing"),
    (re.compile(r"argument (--[\w-]+): ignored explicit argument"), "cli.no_value"),
)
"""What argparse says in English, and our sentence for it (the option is the first group)."""


class ServeOptions(NamedTuple):
    """What `serve` was told; None where the settings file decides.

    `engine` is False for a server that only passes on what engines elsewhere report.
    """

    host: str | None = None
    port: int | None = None
    engine: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    redis_url: str | None = None
    trusted_proxy: tuple[str, ...] | None = None


class WorkerOptions(NamedTuple):
    """What `worker` was told; None where it decides by itself."""

    processes: int | None = None
    pool: str | None = None


class Options(NamedTuple):
    """What the user asked for.

    `config_path` and `data_dir` are None where the usual places are meant; `duration` is in seconds, None for
    as long as the user likes. `names` are the chosen benchmarks, what is passed on to pytest, or what `users`
    shall do. `role` is a new user's.
    """

    mode: Mode = "desktop"
    config_path: Path | None = None
    data_dir: Path | None = None
    demo: bool = False
    headless: bool = False
    duration: float | None = None
    offline: bool = False
    names: tuple[str, ...] = ()
    serve: ServeOptions = ServeOptions()
    worker: WorkerOptions = WorkerOptions()
    role: Literal["viewer", "trader"] = "trader"


def parse(arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Ends the process for --help (code 0) and for what it refuses (code 2)."""
    if not arguments:
        return Options()
    if arguments[0] == "test":
        return Options(mode="test", names=tuple(arguments[1:]))
    set_language("auto")
    parser = _make_parser()
    found, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown(unknown[0], _FLAGS))
    mode = _mode(parser, found)
    return Options(
        mode=mode, config_path=found.config, data_dir=found.data_dir, demo=found.demo,
        headless=mode == "headless", duration=found.duration, offline=found.offline, names=tuple(found.names),
        serve=_serve_options(found), role=found.role or "trader",
        worker=WorkerOptions(found.processes, found.pool),
    )  # fmt: skip


def _serve_options(found: argparse.Namespace) -> ServeOptions:
    return ServeOptions(
        host=found.host, port=found.port, engine=not found.no_engine, tls_cert=found.tls_cert,
        tls_key=found.tls_key, redis_url=found.redis_url,
        trusted_proxy=None if found.trusted_proxy is None else tuple(found.trusted_proxy),
    )  # fmt: skip


def _mode(parser: argparse.ArgumentParser, found: argparse.Namespace) -> Mode:
    word: str = found.mode
    if word and word not in _MODES:
        parser.error(_unknown(word, _MODES))
    if word == "users":
        _check_users(parser, found.names)
    elif found.names and word != "bench":
        parser.error(_unknown(found.names[0], ()))
    if word == "test":
        parser.error(tr("cli.test_first"))
    _check_belonging(parser, found, word)
    for mode in ("bench", "doctor", "serve", "users", "worker"):
        if word == mode:
            return mode
    return "headless" if found.headless else "desktop"


def _check_users(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    wanted = {"add": 2, "list": 1, "revoke": 2}
    if not names or wanted.get(names[0]) != len(names):
        parser.error(tr("cli.users_how"))


def _check_belonging(parser: argparse.ArgumentParser, found: argparse.Namespace, word: str) -> None:
    """Options that belong to one mode only are refused elsewhere: they would do nothing."""
    if word == "worker":
        told = _serve_options(found)._replace(redis_url=None)
    else:
        told = ServeOptions() if word == "serve" else _serve_options(found)
    if told != ServeOptions():
        given = [
            flag for flag in _SERVE_FLAGS if getattr(found, flag[2:].replace("-", "_")) not in (None, False)
        ]
        parser.error(tr("cli.only_with", option=given[0], mode="serve"))
    if word != "worker" and (found.processes is not None or found.pool is not None):
        given = [flag for flag in _WORKER_FLAGS if getattr(found, flag[2:]) is not None]
        parser.error(tr("cli.only_with", option=given[0], mode="worker"))
    if found.role is not None and (word != "users" or found.names[0] != "add"):
        parser.error(tr("cli.only_with", option="--role", mode="users add"))


def _unknown(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # here, as no start waits for what is mistyped

    nearest = get_close_matches(word.partition("=")[0], known, n=1)
    if nearest:
        return tr("cli.unknown_nearest", word=word, nearest=nearest[0])
    return tr("cli.unknown", word=word)


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(tr("cli.bad_seconds", word=word))
    return value


def _path(word: str) -> Path:
    if not word.strip():
        raise argparse.ArgumentTypeError(tr("cli.empty_path"))
    return Path(word)


def _port(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 <= int(word) <= 65535):
        raise argparse.ArgumentTypeError(tr("cli.bad_port", word=word))
    return int(word)


def _processes(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= 256):
        raise argparse.ArgumentTypeError(tr("cluster.bad_processes", word=word))
    return int(word)


def _pool(word: str) -> str:
    if word not in ("prefork", "solo"):
        raise argparse.ArgumentTypeError(tr("cluster.bad_pool", word=word))
    return word


def _role(word: str) -> str:
    if word not in ("viewer", "trader"):
        raise argparse.ArgumentTypeError(tr("cli.bad_role", word=word))
    return word


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence of the user's language, without the usage block."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser.error`."""
        for pattern, key in _MESSAGES:
            match = pattern.match(message)
            if match:
                message = tr(key, option=match[1])
        sentence = re.sub(r"^argument [\w/-]+: ", "", message)
        print(f"{sentence}\n{tr('cli.see_help')}", file=sys.stderr)
        raise SystemExit(WRONG_ARGUMENTS)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python3 run.py", usage=tr("cli.usage"), description=tr("cli.description"), add_help=False,
        allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("mode", nargs="?", default="", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help=argparse.SUPPRESS)
    group = parser.add_argument_group(tr("cli.options"))
    group.add_argument("--headless", action="store_true", help=tr("cli.headless"))
    group.add_argument("--demo", action="store_true", help=tr("cli.demo"))
    group.add_argument("--config", type=_path, metavar=tr("cli.file"), help=tr("cli.config"))
    group.add_argument("--data-dir", type=_path, metavar=tr("cli.folder"), help=tr("cli.data_dir"))
    group.add_argument(
        "--for", type=_seconds, dest="duration", metavar=tr("cli.seconds"), help=tr("cli.duration")
    )
    group.add_argument("--offline", action="store_true", help=tr("cli.offline"))
    group.add_argument("-h", "--help", action="help", help=tr("cli.help"))
    _add_server_options(parser)
    return parser


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(tr("cli.server_options"))
    group.add_argument("--host", metavar=tr("cli.address"), help=tr("cli.host"))
    group.add_argument("--port", type=_port, metavar=tr("cli.number"), help=tr("cli.port"))
    group.add_argument("--no-engine", action="store_true", help=tr("cli.no_engine"))
    group.add_argument("--tls-cert", type=_path, metavar=tr("cli.file"), help=tr("cli.tls_cert"))
    group.add_argument("--tls-key", type=_path, metavar=tr("cli.file"), help=tr("cli.tls_key"))
    group.add_argument(
        "--trusted-proxy", action="append", metavar=tr("cli.address"), help=tr("cli.trusted_proxy")
    )
    group.add_argument("--redis-url", metavar="URL", help=tr("cli.redis_url"))
    group.add_argument("--processes", type=_processes, metavar=tr("cli.number"), help=tr("cluster.processes"))
    group.add_argument("--pool", type=_pool, metavar="prefork|solo", help=tr("cluster.pool"))
    group.add_argument("--role", type=_role, metavar="viewer|trader", help=tr("cli.role"))
