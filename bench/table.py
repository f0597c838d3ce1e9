"""Live prices at 10 Hz each in the real main window, beside labels with style sheets."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure

SECONDS = 6.0
APART_MS = 20


def run() -> list[Figure]:
    """235, 1000 and 5000 symbols; the naive way only where it does not break."""
    where = screen()[2]
    naive = measure("bench.naive_child", (235, 2_350, SECONDS))
    small = measure("bench.window_child", (235, 2_350, SECONDS, APART_MS))
    large = measure("bench.window_child", (1_000, 10_000, SECONDS, APART_MS))
    huge = measure("bench.window_child", (5_000, 10_000, SECONDS, APART_MS))
    return [
        Figure("235 x 10 Hz, CPU", small["cpu_percent"], "%", 15, naive=naive["cpu_percent"], note=where),
        Figure(
            "235 x 10 Hz, tick to paint p99", small["paint_p99_ms"], "ms", 50, naive=naive["paint_p99_ms"]
        ),
        Figure("235 x 10 Hz, 16 ms timer p99", small["timer_p99_ms"], "ms", 25, naive=naive["timer_p99_ms"]),
        Figure("235 x 10 Hz, private memory", small["uss_mb"], "MB"),
        Figure("1000 x 10 Hz, CPU", large["cpu_percent"], "%", 20),
        Figure("1000 x 10 Hz, tick to paint p99", large["paint_p99_ms"], "ms", 50),
        Figure("1000 x 10 Hz, 16 ms timer p99", large["timer_p99_ms"], "ms", 25),
        Figure("5000 shown, 10,000 ticks/s, tick to paint p99", huge["paint_p99_ms"], "ms", 50),
        Figure("5000 shown, 10,000 ticks/s, 16 ms timer p99", huge["timer_p99_ms"], "ms", 25),
    ]
