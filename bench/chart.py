"""Candles: what a change of the last bar costs, and how smoothly the chart is moved and zoomed."""

from __future__ import annotations

from bench.children import measure, screen
from bench.figures import Figure


def run() -> list[Figure]:
    """500 and 5000 bars in the real chart, beside one picture of all bars that is made anew each time."""
    where = screen()[2]
    figures = []
    for count in (500, 5000):
        result = measure("bench.chart_child", (count,))
        figures += [
            Figure(
                f"{count} bars, last one changed and painted", result["update_ms"], "ms", 1.0,
                naive=result["naive_ms"], note=f"median, {where}",
            ),
            Figure(f"{count} bars, the same, p99", result["update_p99_ms"], "ms"),
            Figure(f"{count} bars, the same with all of them in sight", result["update_wide_ms"], "ms"),
            Figure(f"{count} bars, moved", result["pan_fps"], "frames/s", 50, higher=True),
            Figure(f"{count} bars, zoomed", result["zoom_fps"], "frames/s", 50, higher=True),
        ]  # fmt: skip
    return figures
