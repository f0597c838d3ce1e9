"""From `python3 run.py` to the painted main window, once set up, and the private memory then."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure

RUNS = 7


def run() -> list[Figure]:
    """Medians over several starts in one go."""
    result = measure("bench.start_child", (RUNS,), seconds=180.0)
    where = f"median of {RUNS}, compiled files kept, {screen()[2]}"
    return [
        Figure("process start to painted window", result["median_s"], "s", 0.5, note=where),
        Figure("slowest of them", result["worst_s"], "s"),
        Figure("private memory at that moment", result["uss_mb"], "MB", 90),
        Figure("private memory 3 s later", result["later_mb"], "MB"),
    ]
