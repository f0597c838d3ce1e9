"""End to end, from a source in the feed's thread to the painted window, at 100,000 ticks a second."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure

SECONDS = 6.0


def run() -> list[Figure]:
    """The highest steady rate that was asked for, and how the window fared meanwhile."""
    flood = measure("bench.window_child", (235, 125_000, SECONDS, 10))
    naive = measure("bench.naive_child", (235, 10_000, SECONDS))
    return [
        Figure("ticks vetted per second", flood["ticks_per_s"], "1/s", 100_000, higher=True,
               naive=naive["ticks_per_s"], note=screen()[2]),
        Figure("16 ms timer p99", flood["timer_p99_ms"], "ms", 33, naive=naive["timer_p99_ms"],
               note="naive way at 10,000 ticks/s"),
        Figure("tick to paint p99", flood["paint_p99_ms"], "ms", None, naive=naive["paint_p99_ms"]),
        Figure("CPU", flood["cpu_percent"], "%", None, naive=naive["cpu_percent"]),
    ]  # fmt: skip
