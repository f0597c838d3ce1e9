"""Where the virtual environment is, what it still lacks, and how to enter it.

This runs at every start, before anything else, so it imports only what Python has loaded already and reads
a few small files: no hashing, no pathlib.
"""

from __future__ import annotations

import os
import sys

CODE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WINDOWS = sys.platform == "win32"

PROGRAM, TESTS, QT_LIBRARIES, TEST_TOOLS = "program", "tests", "qt", "tools"
REQUIREMENTS = {
    PROGRAM: ("requirements.txt", "constraints.txt"),
    TESTS: ("requirements-dev.txt", "requirements-nodeps.txt", "constraints.txt"),
    QT_LIBRARIES: (),
    TEST_TOOLS: ("bootstrap/system.py",),  # it names the tools
}
"""The steps of the set-up in their order, each with the files that decide whether it must be done again."""

_OPTIONS_WITH_VALUE = ("--config", "--data-dir", "--for")


def has_display() -> bool:
    """Whether Qt has somewhere to draw: a screen, or a platform that needs none."""
    if not sys.platform.startswith("linux"):
        return True
    platform = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform in ("offscreen", "minimal", "vnc", "linuxfb", "eglfs"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def mode_of(arguments: list[str]) -> str:
    """The first word of the command line that is neither an option nor an option's value, or ""."""
    words = iter(arguments)
    for word in words:
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def steps_for(arguments: list[str]) -> tuple[str, ...]:
    """The set-up steps that a command line needs."""
    mode = mode_of(arguments)
    if mode in ("test", "bench"):  # benchmarks need a virtual screen and the tests' loopback servers, too
        return (PROGRAM, TESTS, QT_LIBRARIES, TEST_TOOLS)
    needs_qt = not mode and "--headless" not in arguments and has_display()
    return (PROGRAM, QT_LIBRARIES) if needs_qt else (PROGRAM,)


def user_data_dir() -> str:
    """Where this user's data lies: `SWING_DATA_DIR`, or the system's place for it."""
    chosen = os.environ.get("SWING_DATA_DIR")
    if chosen:
        return os.path.abspath(chosen)
    home = os.path.expanduser("~")
    if WINDOWS:
        return os.path.join(os.environ.get("LOCALAPPDATA") or home, "SwingHunter")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "SwingHunter")
    share = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(share, "SwingHunter")


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


class Environment:
    """One virtual environment in `directory`, made for `steps` from the requirement files in `code_dir`."""

    def __init__(self, directory: str, steps: tuple[str, ...], code_dir: str = CODE_DIR) -> None:
        self.directory = directory
        self.steps = steps
        self.code_dir = code_dir
        binaries = ("Scripts", "python.exe") if WINDOWS else ("bin", "python")
        self.python = os.path.join(directory, *binaries)

    @classmethod
    def find(cls, steps: tuple[str, ...], code_dir: str = CODE_DIR) -> Environment:
        """The environment beside the code, or in the data directory where the code's folder is read-only."""
        beside = cls(os.path.join(code_dir, ".venv"), steps, code_dir)
        if not beside.missing() or os.access(beside.directory, os.W_OK):
            return beside
        if not os.path.exists(beside.directory) and os.access(code_dir, os.W_OK):
            return beside
        return cls(os.path.join(user_data_dir(), "venv"), steps, code_dir)

    def missing(self) -> tuple[str, ...]:
        """The steps that were never finished, or whose requirement files or Python have changed since."""
        if not os.access(self.python, os.X_OK):
            return self.steps
        return tuple(step for step in self.steps if _read(self.stamp_path(step)) != self.stamp_text(step))

    def stamp_path(self, step: str) -> str:
        """The file that tells that `step` is done."""
        return os.path.join(self.directory, f"setup-{step}.stamp")

    def stamp_text(self, step: str) -> str:
        """What the stamp of `step` must hold: the Python version and the requirement files, word for word."""
        texts = [_read(os.path.join(self.code_dir, name)) or "" for name in REQUIREMENTS[step]]
        return "\n".join([f"Python {sys.version_info[0]}.{sys.version_info[1]}", *texts])

    def entered(self) -> bool:
        """Whether this process runs inside the environment."""
        if sys.prefix == sys.base_prefix:
            return False
        try:
            return os.path.samefile(sys.prefix, self.directory)
        except OSError:
            return False

    def enter(self) -> None:
        """Go on inside the environment with the same arguments; returns only if we are there already."""
        if self.entered():
            return
        for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__"):
            os.environ.pop(name, None)
        command = [self.python, *sys.orig_argv[1:]]
        if not WINDOWS:
            sys.stdout.flush()
            os.execv(self.python, command)
        sys.exit(_run_and_wait(command))


def _run_and_wait(command: list[str]) -> int:
    """Windows has no exec: run `command` and wait; Ctrl-C is the child's business alone."""
    import signal
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command)
