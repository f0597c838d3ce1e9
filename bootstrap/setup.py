"""The set-up as a whole: every missing step in its order, under the lock, with progress.

A step is done when its stamp is written, last of all; so a cut at any moment is noticed at the next start.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bootstrap import packages, system, venv
from bootstrap.environment import (
    CODE_DIR,
    PROGRAM,
    QT_LIBRARIES,
    TEST_TOOLS,
    TESTS,
    WINDOWS,
    Environment,
    user_data_dir,
)  # fmt: skip
from bootstrap.errors import SetupError
from bootstrap.lock import setup_lock
from bootstrap.messages import complain, text
from bootstrap.progress import Progress

INTERRUPTED = 130
_PINNED = ["-c", "constraints.txt"]
_ALONE = ["--no-deps", "-r", "requirements-nodeps.txt"]
FAILED = 1


def set_up(environment: Environment) -> int:
    """Do what `environment` misses; the exit code if that fails (a sentence has been shown then), else 0."""
    try:
        _set_up(environment)
    except KeyboardInterrupt:
        complain("\n" + text("stopped"))
        return INTERRUPTED
    except SetupError as error:
        complain(f"\n{error}")
        _keep_window_open()
        return FAILED
    return 0


def _set_up(environment: Environment) -> None:
    directory = Path(environment.directory)
    began = time.monotonic()
    try:
        with setup_lock(directory, lambda: print(text("waiting", directory=directory), flush=True)) as lock:
            missing = environment.missing()
            if missing:
                _Setup(environment, missing, lock).run()
                print(text("done", seconds=round(time.monotonic() - began)), flush=True)
    except PermissionError as error:
        raise SetupError(text("not_writable", directory=user_data_dir())) from error
    except OSError as error:
        log = directory / "setup.log"
        raise SetupError(packages.explain(str(error), log)) from error


class _Setup:
    """One run of the set-up."""

    def __init__(self, environment: Environment, missing: tuple[str, ...], lock: int) -> None:
        self._environment = environment
        self._missing = missing
        self._lock = lock
        self._log = Path(environment.directory) / "setup.log"
        self._code_dir = Path(environment.code_dir)

    def run(self) -> None:
        """Do the steps."""
        steps: dict[str, Callable[[], bool]] = {
            PROGRAM: lambda: self._install(PROGRAM, [*_PINNED, "-r", "requirements.txt"]),
            TESTS: lambda: self._install(TESTS, _ALONE, [*_PINNED, "-r", "requirements-dev.txt"]),
            QT_LIBRARIES: self._check_qt,
            TEST_TOOLS: self._check_tools,
        }
        usable = venv.usable(self._environment)
        todo = self._missing if usable else self._environment.steps
        progress = Progress(len(todo) + (not usable))
        progress.say(text("title"))
        self._progress = progress
        if not usable:
            self._make_venv()
        for step in todo:
            progress.step(text(step))
            if steps[step]():
                self._stamp(step)

    def _make_venv(self) -> None:
        directory = Path(self._environment.directory)
        if directory.parent != Path(CODE_DIR) and directory.parent != self._code_dir:
            self._progress.say(text("elsewhere", directory=directory))
        if any(entry.name.startswith(("setup-", "lib", "Lib", "pyvenv")) for entry in directory.iterdir()):
            self._progress.say(text("repairing"))
        self._progress.step(text("venv"))
        venv.require_modules(self._progress, self._log)
        venv.make(self._environment, self._log)
        self._progress.end_step()

    def _install(self, step: str, *several: list[str]) -> bool:
        expected = packages.expected_packages(self._code_dir, step)
        for options in several:
            packages.pip_install(self._environment, options, expected, self._progress, self._log, self._lock)
        self._progress.end_step(f"{expected} {text('packages')}")
        return True

    def _check_qt(self) -> bool:
        if not system.on_linux():
            return True
        pyqt = venv.site_packages(self._environment) / "PyQt5"
        libraries = system.missing_qt_libraries(pyqt)
        wanted = system.packages_for(libraries)
        if not system.has_fonts():
            wanted += system.FONT_PACKAGES
        if wanted and system.is_root() and system.has_apt():
            system.apt_install(wanted, self._progress, self._log)
            libraries = system.missing_qt_libraries(pyqt)
        self._progress.end_step()
        if libraries:
            command = system.command_for(wanted, libraries)
            raise SetupError(text("libraries_missing", names=", ".join(sorted(libraries)), command=command))
        return True

    def _check_tools(self) -> bool:
        missing = system.missing_test_tools() if system.on_linux() else {}
        if missing and system.is_root() and system.has_apt():
            system.apt_install(sorted(missing.values()), self._progress, self._log)
            missing = system.missing_test_tools()
        self._progress.end_step()
        if missing:
            command = system.command_for(sorted(missing.values()), [])
            self._progress.say(text("tools_missing", names=", ".join(missing), command=command))
        return not missing

    def _stamp(self, step: str) -> None:
        path = Path(self._environment.stamp_path(step))
        draft = path.with_suffix(".new")
        draft.write_text(self._environment.stamp_text(step), "utf-8")
        draft.replace(path)


def _keep_window_open() -> None:
    """A console that opened for us alone (a double-click on Windows) would close before it is read."""
    if not WINDOWS or sys.stdin is None or not sys.stdin.isatty() or "PROMPT" in os.environ:
        return
    input(text("press_enter"))
