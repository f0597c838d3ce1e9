"""The sentence that tells why a signal came, in the interface's language."""

from __future__ import annotations

from core.i18n import format_percent, tr
from core.model import Side, Signal

MINUTE = 60.0


def reason(signal: Signal) -> str:
    """Such as "Price rose +2.15%", with the length of the silence before it if there was one."""
    change = format_percent(signal.change_pct)
    text = tr("signals.rose" if signal.side is Side.BUY else "signals.fell", change=change)
    if signal.gap:
        text += " " + tr("signals.after_gap", minutes=max(1, round(signal.gap / MINUTE)))
    return text
