"""Dispatches the command line inside the virtual environment; only the mode chosen imports heavy things."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from bootstrap.environment import CODE_DIR, has_display
from cli.arguments import WRONG_ARGUMENTS, Options, parse
from core.i18n import set_language, tr

FAILED = 1


def main(arguments: Sequence[str]) -> int:
    """Run what `arguments` ask for and return the process's exit code.

    0 also for an end by Ctrl-C; 2 for wrong arguments or settings; 1 for anything else that failed.
    """
    options = parse(arguments)
    try:
        return _dispatch(options)
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # noqa: BLE001 - the last place where a failure can become a sentence
        return _report(error, options)


def _dispatch(options: Options) -> int:
    if options.mode == "desktop" and not has_display():
        set_language("auto")
        print(tr("cli.no_display"), flush=True)
        options = options._replace(mode="headless", headless=True)
    return _run_mode(options)


def _run_mode(options: Options) -> int:
    if options.mode == "desktop":
        gc.disable()  # what a start makes is no garbage; `run_desktop` puts it aside and looks for some again
        from gui.app import run_desktop

        return run_desktop(
            options.config_path, options.data_dir, demo=options.demo, duration=options.duration
        )
    if options.mode == "headless":
        from cli.headless import run_headless

        return run_headless(options)
    if options.mode == "bench":
        from bench.runner import run_bench

        return run_bench(options.names)
    if options.mode == "doctor":
        from cli.doctor import run_doctor

        return run_doctor(options)
    if options.mode == "serve":
        from cli.serve import run_serve

        return run_serve(options)
    if options.mode == "users":
        from cli.users import run_users

        return run_users(options)
    if options.mode == "worker":
        from cli.worker import run_worker_mode

        return run_worker_mode(options)
    return _run_tests(options.names)


def _run_tests(arguments: Sequence[str]) -> int:
    """Become pytest, in the project's folder; without a screen, Qt draws into memory."""
    os.chdir(CODE_DIR)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import pytest

    return int(pytest.main(list(arguments)))


def _report(error: Exception, options: Options) -> int:
    """Say on the error stream what went wrong, in the user's language; a bug of ours keeps its traceback."""
    from core.errors import ConfigError, SwingHunterError

    _speak_users_language(options)
    if isinstance(error, ConfigError):
        lines = [tr("cli.config_problems"), *(f"  - {problem}" for problem in error.problems)]
        print("\n".join(lines), file=sys.stderr)
        return WRONG_ARGUMENTS
    if isinstance(error, SwingHunterError):
        print(error, file=sys.stderr)
        return FAILED
    traceback.print_exception(error)
    print(tr("cli.bug", error=type(error).__name__), file=sys.stderr)
    return FAILED


def _speak_users_language(options: Options) -> None:
    from core.config_file import peek_language
    from core.paths import resolve_config_path, resolve_data_dir

    try:
        path: Path = resolve_config_path(options.config_path, resolve_data_dir(options.data_dir))
        set_language(peek_language(path))
    except Exception:  # noqa: BLE001 - the report must come out in any language rather than fail, too
        set_language("auto")
