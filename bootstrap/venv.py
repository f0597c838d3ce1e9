"""Makes the virtual environment, or makes it anew when it is half made or its Python is gone."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from bootstrap import system
from bootstrap.environment import WINDOWS, Environment
from bootstrap.errors import SetupError
from bootstrap.lock import LOCK_NAME
from bootstrap.messages import text
from bootstrap.progress import Progress

MARKER_NAME = "setup-running"
"""Stands in the environment while pip changes it; found at the next start, it tells of a cut."""

_PROBE = "import ssl, sys, pip; print('%d.%d' % sys.version_info[:2])"
_PROBE_SECONDS = 60


def base_python() -> str:
    """The interpreter outside any virtual environment, also when we run inside the one to be made anew."""
    return getattr(sys, "_base_executable", None) or sys.executable


def usable(environment: Environment) -> bool:
    """Whether the environment exists, was not left half changed, and runs the Python that runs us."""
    directory = Path(environment.directory)
    if (directory / MARKER_NAME).exists() or not Path(environment.python).exists():
        return False
    try:
        probe = subprocess.run(
            [environment.python, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0 and probe.stdout.strip() == f"{sys.version_info[0]}.{sys.version_info[1]}"


def _missing_module() -> str:
    for name in ("venv", "ensurepip", "ssl"):
        if importlib.util.find_spec(name) is None:
            return name
    return "_ssl" if importlib.util.find_spec("_ssl") is None else ""


def require_modules(progress: Progress, log: Path) -> None:
    """Debian ships Python without `venv`: install it as root, or raise with the command that does."""
    module = _missing_module()
    if not module:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    from_system = sys.base_prefix == "/usr" and system.has_apt()
    if from_system and system.is_root() and system.apt_install([package], progress, log):
        importlib.invalidate_caches()
        module = _missing_module()
        if not module:
            return
    command = system.command_for([package], []) if from_system else text("a_full_python")
    raise SetupError(text("python_incomplete", python=sys.executable, module=module, command=command))


def _wipe(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def make(environment: Environment, log: Path) -> None:
    """Make the environment in an emptied directory. Raises `SetupError`."""
    directory = Path(environment.directory)
    try:
        _wipe(directory)
        (directory / MARKER_NAME).touch()
        (directory / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise SetupError(text("failed", reason=error, log=log)) from error
    made = subprocess.run(
        [base_python(), "-m", "venv", str(directory)], capture_output=True, text=True, check=False
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(made.stdout + made.stderr)
    if made.returncode:
        last = (made.stdout + made.stderr).strip().splitlines()[-1:] or [f"venv: {made.returncode}"]
        raise SetupError(text("failed", reason=last[0], log=log))
    (directory / MARKER_NAME).unlink()


def site_packages(environment: Environment) -> Path:
    """Where the environment's packages lie."""
    directory = Path(environment.directory)
    if WINDOWS:
        return directory / "Lib" / "site-packages"
    return directory / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
