"""Runs a measurement in a process of its own, on a virtual screen where there is no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def screen() -> tuple[list[str], dict[str, str], str]:
    """The command prefix, the environment and a word for the screen that the windows are painted on."""
    environment = dict(os.environ)
    if environment.get("DISPLAY"):
        return [], environment, "X display"
    if shutil.which("xvfb-run"):
        environment.pop("QT_QPA_PLATFORM", None)
        return ["xvfb-run", "-a", "-s", "-screen 0 1366x768x24"], environment, "Xvfb"
    environment["QT_QPA_PLATFORM"] = "offscreen"
    return [], environment, "offscreen"


def measure(module: str, arguments: Sequence[object], seconds: float = 60.0) -> dict[str, float]:
    """What `python -m module arguments` prints as its last line of JSON. Raises RuntimeError if it fails."""
    prefix, environment, _ = screen()
    command = [*prefix, sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"{module} failed ({done.returncode}): {done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(lines[-1])
    return result
