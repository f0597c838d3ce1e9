"""The bottom line: the day's and the open P&L, always in the same place, and whether prices arrive."""

from __future__ import annotations

from datetime import datetime

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QWidget

from core.exchanges import exchange_of
from core.i18n import format_number, format_percent, tr
from core.model import CurrencyTotal, FeedStatus, PortfolioSnapshot
from gui import theme


class MoneyBar(QWidget):
    """Totals per currency, how many of them rest on stale prices, the last event, the connection."""

    def __init__(self, exchange: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._zone = exchange_of(exchange).zone
        self.setProperty("role", "panel")
        self.setAttribute(Qt.WA_StyledBackground)
        self._snapshot: PortfolioSnapshot | None = None
        self._status = FeedStatus(state="stopped")
        self._last_event = 0.0
        self._totals = QLabel()
        self._totals.setTextFormat(Qt.RichText)
        self._event = QLabel()
        self._event.setProperty("role", "secondary")
        self._connection = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 4)
        layout.setSpacing(14)
        layout.addWidget(self._totals, 1)  # all the room: longer figures are never cut before the next layout
        layout.addWidget(self._event)
        layout.addWidget(self._connection)
        theme.theme_signals().changed.connect(self.retranslate)

    def set_snapshot(self, snapshot: PortfolioSnapshot) -> None:
        """Show other totals."""
        self._snapshot = snapshot
        self._show_totals()

    def set_feed_status(self, status: FeedStatus) -> None:
        """Show whether prices arrive."""
        self._status = status
        self._show_connection()

    def set_last_event(self, now: float) -> None:
        """Note when something last arrived (Unix seconds)."""
        self._last_event = now

    def set_exchange(self, code: str) -> None:
        """Show times in the zone of this exchange."""
        self._zone = exchange_of(code).zone

    def refresh(self) -> None:
        """Once a second: the time of the last event."""
        if self._last_event:
            time = datetime.fromtimestamp(self._last_event, self._zone).strftime("%H:%M:%S")
            self._event.setText(tr("window.last_event", time=time))

    def retranslate(self) -> None:
        """Speak the language and wear the colours in use."""
        self._show_totals()
        self._show_connection()
        self.refresh()

    def text(self) -> str:
        """What the totals say, as shown."""
        return self._totals.text()

    def _show_totals(self) -> None:
        totals = self._snapshot.totals if self._snapshot else ()
        if not totals:
            grey = theme.colors().secondary
            self._totals.setText(f'<span style="color:{grey}">{tr("window.no_positions")}</span>')
            return
        self._totals.setText("&nbsp;&nbsp;&nbsp;&nbsp;".join(_total_html(total) for total in totals))

    def _show_connection(self) -> None:
        colours = theme.colors()
        if self._status.replay_speed:
            colour, word = colours.simulated, tr("ticker.link_replay")
        elif self._status.state == "simulated" or self._status.active == "simulation":
            colour, word = colours.simulated, tr("window.simulated_state")
        elif self._status.state == "old":
            colour, word = colours.warning, tr("window.old_prices")
        elif self._status.connected:
            colour, word = colours.up, tr("window.connected")
        else:
            colour, word = colours.secondary, tr("window.disconnected")
        self._connection.setText(f"● {word}")
        self._connection.setStyleSheet(f"color: {colour};")


def _total_html(total: CurrencyTotal) -> str:
    day = _figure(total.daily_pnl, total.daily_pnl_pct, total.currency)
    opened = _figure(total.open_pnl, None, total.currency)
    text = f"{tr('window.day')} {day} &nbsp; {tr('window.open_pnl')} {opened}"
    if total.stale_positions:
        stale = tr("window.stale", stale=total.stale_positions, all=total.positions)
        text += f' &nbsp; <span style="color:{theme.colors().warning}">{stale}</span>'
    return text


def _figure(value: float, percent: float | None, currency: str) -> str:
    colours = theme.colors()
    rounded = round(value, 2)
    colour = colours.up if rounded > 0 else colours.down if rounded < 0 else colours.text
    arrow = "↑" if rounded > 0 else "↓" if rounded < 0 else "→"
    text = f"{arrow} {format_number(value, sign=True)} {currency}"
    if percent is not None:
        text += f" ({format_percent(percent)})"
    return f'<span style="color:{colour};font-weight:600">{text}</span>'
