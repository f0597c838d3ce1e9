"""A storm: every symbol crosses its threshold at once, again and again, in the real window."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure

SYMBOLS = 235
STORMS = 8


def run() -> list[Figure]:
    """The longest time in which the window did not come to its turn."""
    result = measure("bench.storm_child", (SYMBOLS, STORMS), seconds=120.0)
    name = f"{SYMBOLS} signals at once, stored, told and shown"
    return [
        Figure(f"{name}: window deaf, median storm", result["deaf_p50_ms"], "ms", 100, note=screen()[2]),
        Figure(f"{name}: window deaf, worst storm", result["deaf_worst_ms"], "ms"),
        Figure(f"{name}: price to signal in the table, median", result["shown_p50_ms"], "ms"),
        Figure("16 ms timer p99 all along", result["timer_p99_ms"], "ms", 33),
    ]
