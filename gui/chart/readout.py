"""The line in the chart's corner: the bar under the mouse, or the last one, in figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from core.i18n import format_number, format_percent, tr
from core.price_rules import format_price
from gui import theme
from gui.chart.pane import short_number
from gui.chart.scale import bar_time
from gui.chart.series import EMA_PERIOD, RSI_PERIOD, BarSeries
from gui.chart.view_state import Marker


def bar_parts(series: BarSeries, index: int, *, ema: bool, rsi: bool) -> list[tuple[str, str, str]]:
    """(label, figure, colour by role) of a bar; what is not known is left out."""
    figures = {
        name: series.value(name, index) for name in ("open", "high", "low", "close", "volume", "ema", "rsi")
    }
    before = series.value("close", index - 1) if index else figures["open"]
    role = "up" if figures["close"] >= figures["open"] else "down"
    parts = [("", bar_time(series, index), "secondary")]
    for name in ("open", "high", "low", "close"):
        label = "close_price" if name == "close" else name
        parts.append((tr(f"chart.{label}"), format_price(series.key, figures[name]), role))
    change = (figures["close"] / before - 1.0) * 100.0 if before else 0.0
    parts.append(("", format_percent(change), "up" if change >= 0 else "down"))
    if math.isfinite(figures["volume"]):
        parts.append((tr("chart.volume_short"), short_number(figures["volume"]), "text"))
    if ema and math.isfinite(figures["ema"]):
        parts.append((f"EMA {EMA_PERIOD}", format_price(series.key, figures["ema"]), "warning"))
    if rsi and math.isfinite(figures["rsi"]):
        parts.append((f"RSI {RSI_PERIOD}", format_number(figures["rsi"], 1), "accent_text"))
    return parts


def as_html(parts: Sequence[tuple[str, str, str]], markers: Sequence[Marker]) -> str:
    """The parts in one line of rich text, the arrows' words in a second one."""
    colors = theme.colors()
    pieces = []
    for label, figure, role in parts:
        value = f'<span style="color:{getattr(colors, role)}">{escape(figure)}</span>'
        lead = f'<span style="color:{colors.secondary}">{escape(label)}</span>&nbsp;' if label else ""
        pieces.append((lead + value).replace(" ", " "))
    lines = ["&nbsp; ".join(pieces)]
    for marker in markers[-3:]:
        color = colors.up if marker.buys else colors.down
        lines.append(
            f'<span style="color:{color}">{"▲" if marker.buys else "▼"} {escape(marker.text)}</span>'
        )
    return "<br>".join(lines)


def as_text(parts: Sequence[tuple[str, str, str]]) -> str:
    """The parts without colours, for screen readers."""
    return "  ".join(f"{label} {figure}".strip() for label, figure, _ in parts)
