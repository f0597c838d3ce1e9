"""The bots' panel: 500 bots, five updates a second each, beside a table widget with an item per figure."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure

BOTS = 500
RATE = 5
SECONDS = 6.0


def run() -> list[Figure]:
    """Both ways in turn."""
    where = screen()[2]
    ours = measure("bench.panel_child", ("panel", BOTS, RATE, SECONDS))
    naive = measure("bench.panel_child", ("table", BOTS, RATE, SECONDS))
    name = f"{BOTS} bots x {RATE}/s"
    return [
        Figure(f"{name}, CPU", ours["cpu_percent"], "%", 15, naive=naive["cpu_percent"], note=where),
        Figure(f"{name}, CPU of making the updates", ours["making_percent"], "%", note="part of the above"),
        Figure(f"{name}, change to paint p50", ours["p50_ms"], "ms", naive=naive["p50_ms"]),
        Figure(f"{name}, change to paint p99", ours["p99_ms"], "ms", 50, naive=naive["p99_ms"]),
        Figure(f"{name}, 16 ms timer p99", ours["timer_p99_ms"], "ms", 25, naive=naive["timer_p99_ms"]),
    ]
