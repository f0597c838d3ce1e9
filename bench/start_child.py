"""Starts the program several times, as a user does, and reads from its log when its window was painted.

With Python's compiled files, as a user has them from the second start on: they are kept in a folder of their
own, which the first start fills, which does not count. An environment that forbids them would have every file
compiled anew.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
PAINTED = re.compile(r"painted (\d+\.\d+) s after the start")
GIVE_UP = 20.0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as compiled:
        runs = [_one(compiled) for _ in range(int(sys.argv[1]) + 1)][1:]
    times = [run[0] for run in runs]
    print(json.dumps({
        "median_s": statistics.median(times), "worst_s": max(times),
        "uss_mb": statistics.median(run[1] for run in runs),
        "later_mb": statistics.median(run[2] for run in runs),
    }), flush=True)  # fmt: skip


def _one(compiled: str) -> tuple[float, float, float]:
    """Seconds to the painted window, private memory then and 3 s later in MB."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "SWING_STARTED": f"{time.time():.6f}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "run.py", "--data-dir", folder, "--for", "5"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            seconds = _wait_for_paint(Path(folder) / "swing_hunter.log", process)
            memory = _private(process.pid)
            time.sleep(3.0)
            later = _private(process.pid)
        finally:
            process.terminate()
            process.wait(10)
    return seconds, memory, later


def _wait_for_paint(log: Path, process: subprocess.Popen[bytes]) -> float:
    give_up = time.monotonic() + GIVE_UP
    while time.monotonic() < give_up and process.poll() is None:
        found = PAINTED.search(log.read_text("utf-8")) if log.exists() else None
        if found:
            return float(found[1])
        time.sleep(0.005)
    raise RuntimeError("the window was not painted")


def _private(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().uss) / 1e6


if __name__ == "__main__":
    main()
