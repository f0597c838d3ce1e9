"""The Live Prices band: every watched instrument with its price, its change and what the price is worth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from PyQt5.QtCore import QEvent, QPoint, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QHideEvent, QKeyEvent, QKeySequence, QShowEvent
from PyQt5.QtWidgets import (
    QActionGroup,
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from core.clock import Clock
from core.feed_text import replay_sentence
from core.i18n import tr
from core.market_calendar import MarketCalendar
from core.model import FeedStatus, FreshnessChange, Instrument, SourceConflict, Tick
from gui import icons, theme
from gui.models.tick_model import KEY_ROLE, SortKey, TickModel
from gui.widgets.connection_label import ConnectionLabel
from gui.widgets.price_view import FADE_MS, PriceView
from gui.widgets.sort_header import COLUMNS, FALLING_FIRST, SortHeader

FRAME_MS = 25
RESORT_SECONDS = 0.5
_TRYING = frozenset(("connecting", "running", "old", "simulated", "offline"))


class LivePriceTicker(QWidget):
    """Prices as they come. Instruments are named by their key, "BIST:ASELS".

    `symbol_activated(key)` is a double click or Enter on a row, `symbol_selected(key)` the choice of one. New
    prices are painted together, `FRAME_MS` apart at most often, and only where they can be seen; nothing runs
    while nothing changes but a look at the ages once a second.
    """

    symbol_activated = pyqtSignal(str)
    symbol_selected = pyqtSignal(str)

    def __init__(
        self, parent: QWidget | None = None, *, default_exchange: str = "BIST", clock: Clock | None = None
    ) -> None:
        super().__init__(parent)
        self._model = TickModel(default_exchange, clock, self)
        self._header = SortHeader(self)
        self._view = PriceView(self._model, self)
        self._filter = QLineEdit(self)
        self._connection = ConnectionLabel(self)
        self._band = QLabel(self)
        self._lay_out()
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.setTimerType(Qt.PreciseTimer)
        self._frame.timeout.connect(self._paint_frame)
        self._due = self._painted = self._sorted = 0.0
        self._order_is_old = self._told_by_feed = False
        self._status = FeedStatus(state="stopped")
        self._ages = QTimer(self)
        self._ages.setInterval(1000)
        self._ages.timeout.connect(self._refresh_ages)
        self._connect()
        self.retranslate()

    def _lay_out(self) -> None:
        self._filter.setClearButtonEnabled(True)
        self._filter.addAction(icons.icon("search", "secondary"), QLineEdit.LeadingPosition)
        self._band.setProperty("role", "simulated")
        self._band.setAlignment(Qt.AlignCenter)
        self._band.hide()
        top = QHBoxLayout()
        top.setContentsMargins(8, 6, 10, 4)
        top.setSpacing(10)
        top.addWidget(self._filter, 1)
        top.addWidget(self._connection)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._band)
        whole.addLayout(top)
        whole.addWidget(self._header)
        whole.addWidget(self._view, 1)
        self.setFocusProxy(self._view)
        self.setMinimumWidth(240)

    def _connect(self) -> None:
        self._filter.textChanged.connect(self._filter_changed)
        self._header.sort_wanted.connect(self.set_sort)
        self._view.opened.connect(self.symbol_activated)
        self._view.chosen.connect(self.symbol_selected)
        self._view.laid_out.connect(lambda: self._header.arrange(self._view.delegate.layout))
        self._view.setContextMenuPolicy(Qt.CustomContextMenu)
        self._view.customContextMenuRequested.connect(self._show_menu)
        theme.theme_signals().changed.connect(self._rethemed)

    # The contract: single prices

    def update_price(self, symbol: str, price: float, change_pct: float) -> None:
        """Show a price of `symbol`, "ASELS" or "BIST:ASELS"; refuses what cannot be one.

        Nothing says how old such a price is, so it is never shown as live.
        """
        if self._model.update_price(symbol, price, change_pct):
            self._changed()

    def set_connection_status(self, connected: bool) -> None:
        """Tell whether prices arrive. While they do not, nothing looks live; nor after, until a new price."""
        self._connection.set_connected(connected)
        link = self._model.link
        trying = link.trying if self._told_by_feed else connected
        self._relink(connected, trying=trying, simulated=link.simulated and not connected)

    def clear_prices(self) -> None:
        """Forget all prices."""
        self._model.clear_prices()
        self._changed()

    # What the program uses

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Watch exactly these; those without a price yet show a skeleton."""
        self._model.set_instruments(instruments)
        self._changed()

    def apply_ticks(self, ticks: Iterable[Tick]) -> None:
        """Show vetted prices."""
        self._model.apply_ticks(ticks)
        self._changed()

    def apply_freshness(self, changes: Iterable[FreshnessChange]) -> None:
        """Let prices grow old."""
        self._model.apply_freshness(changes)
        self._changed()

    def set_feed_status(self, status: FeedStatus) -> None:
        """Tell what the feed is doing."""
        self._told_by_feed = True
        self._connection.set_status(status)
        self._status = status
        self._relink(status.connected, trying=status.state in _TRYING, simulated=status.state == "simulated")

    def mark_unknown(self, key: str) -> None:
        """Say at this instrument that the provider does not know it."""
        self._model.mark_unknown(key)
        self._changed()

    def dispute(self, conflict: SourceConflict) -> None:
        """Say at this instrument that two sources contradict each other, or no longer do."""
        self._model.dispute(conflict)
        self._changed()

    def set_calendar(self, calendar: MarketCalendar) -> None:
        """Let tooltips tell when a closed market opens."""
        clock = self._model.clock
        self._model.opens_at = lambda exchange: calendar.state(exchange, clock.time()).opens_at

    def set_flash(self, on: bool) -> None:
        """Whether a changed price lights up for a moment."""
        self._view.flash = on

    def set_sort(self, key: SortKey, descending: bool = False) -> None:
        """Sort the list; `SortKey.LIST` is the order given to `set_instruments`."""
        self._model.set_sort(key, descending=descending)
        self._header.set_sort(key, descending)
        self._changed()

    def focus_filter(self) -> None:
        """Put the cursor into the filter (Ctrl+F)."""
        self._filter.setFocus(Qt.ShortcutFocusReason)
        self._filter.selectAll()

    def model(self) -> TickModel:
        """The rows, in the order in which they are shown."""
        return self._model

    def view(self) -> PriceView:
        """The list itself."""
        return self._view

    def visible_keys(self) -> frozenset[str]:
        """The instruments whose rows can be seen at the moment."""
        if not self.isVisible():
            return frozenset()
        return frozenset(self._model.row_at(number).key for number in self._view.visible_rows())

    def select(self, key: str) -> None:
        """Make the row of this instrument the current one, if it is shown."""
        index = self._model.index_of(key)
        if index.isValid():
            self._view.setCurrentIndex(index)

    def current_key(self) -> str:
        """The instrument of the current row, or of the first one; "" if there is none."""
        index = self._view.currentIndex()
        if not index.isValid():
            index = self._model.index(0, 0)
        return str(index.data(KEY_ROLE)) if index.isValid() else ""

    # Frames

    def _changed(self) -> None:
        """Have what changed painted: at once if the last frame is long past, else with the next one."""
        self._order_is_old = self._order_is_old or self._model.sort_key.moves
        self._wake(FRAME_MS)

    def _wake(self, apart_ms: int) -> None:
        if not self.isVisible():
            return
        now = time.monotonic()
        due = max(now, self._painted + apart_ms / 1000)
        if self._frame.isActive() and self._due <= due:
            return
        self._due = due
        self._frame.start(round((due - now) * 1000))

    def _paint_frame(self) -> None:
        self._painted = time.monotonic()
        self._resort_if_due()
        self._show_band()
        if self._view.refresh():
            self._wake(FADE_MS)

    def _resort_if_due(self) -> None:
        if not self._order_is_old or self._painted - self._sorted < RESORT_SECONDS or self._view.busy:
            return
        self._order_is_old = False
        self._sorted = self._painted
        self._model.resort()

    def _refresh_ages(self) -> None:
        self._view.refresh_ages()
        if self._status.replay_speed:
            self._show_band()
        if self._order_is_old:
            self._wake(FRAME_MS)

    def _relink(self, connected: bool, *, trying: bool, simulated: bool = False) -> None:
        if self._model.set_link(connected, trying=trying, simulated=simulated):
            self._changed()

    def _show_band(self) -> None:
        model = self._model
        count = model.simulated
        replayed = self._status.replay_speed > 0
        shown = count > 0 or model.link.simulated or replayed
        if replayed:
            self._band.setText(replay_sentence(self._status, self._model.clock.time()))
        elif shown:
            some = 0 < count < model.total and not model.link.simulated
            text = tr("ticker.band_some", count=count, total=model.total) if some else tr("ticker.band_all")
            if text != self._band.text():
                self._band.setText(text)
        if shown is self._band.isHidden():
            self._band.setVisible(shown)

    def showEvent(self, event: QShowEvent) -> None:
        """See Qt."""
        super().showEvent(event)
        self._view.forget_flashes()
        self._ages.start()
        self._changed()

    def hideEvent(self, event: QHideEvent) -> None:
        """See Qt."""
        self._ages.stop()
        self._frame.stop()
        super().hideEvent(event)

    # Filter, menu, keys

    def _filter_changed(self, text: str) -> None:
        self._model.set_filter(text)
        self._say_empty()
        self._changed()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """See Qt."""
        if event.matches(QKeySequence.Find):
            self.focus_filter()
        elif event.key() == Qt.Key_Escape and self._filter.text():
            self._filter.clear()
            self._view.setFocus()
        elif event.key() == Qt.Key_Down and self._filter.hasFocus():
            self._view.setFocus()
        else:
            super().keyPressEvent(event)

    def _show_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        index = self._view.indexAt(where)
        if index.isValid():
            key = index.data(KEY_ROLE)
            symbol = index.data(Qt.DisplayRole)
            menu.addAction(tr("ticker.open", symbol=symbol), lambda: self.symbol_activated.emit(key))
            menu.addAction(tr("ticker.copy"), lambda: QApplication.clipboard().setText(symbol))
            menu.addSeparator()
        self._add_sort_actions(menu)
        menu.popup(self._view.viewport().mapToGlobal(where))

    def _add_sort_actions(self, menu: QMenu) -> None:
        group = QActionGroup(menu)
        for key in (SortKey.LIST, *COLUMNS):
            own = key is SortKey.LIST
            text = (
                tr("ticker.sort_list") if own else tr("ticker.sort_by", column=tr(f"ticker.head_{key.value}"))
            )
            action = menu.addAction(text, lambda key=key: self.set_sort(key, key in FALLING_FIRST))
            action.setCheckable(True)
            action.setChecked(key is self._model.sort_key)
            group.addAction(action)

    # Language and theme

    def retranslate(self) -> None:
        """Say everything again in the present language."""
        self._filter.setPlaceholderText(tr("ticker.filter"))
        self._filter.setToolTip(tr("ticker.filter_tip"))
        self._filter.setAccessibleName(tr("ticker.filter"))
        self._view.setAccessibleName(tr("ticker.title"))
        self._header.retranslate()
        self._connection.retranslate()
        self._say_empty()
        self._model.touch_all()
        self._changed()

    def _say_empty(self) -> None:
        text = self._filter.text()
        self._view.empty_text = tr("ticker.none_found", text=text) if text else tr("ticker.none_yet")
        if self._model.rowCount() == 0:
            self._view.viewport().update()

    def changeEvent(self, event: QEvent) -> None:
        """See Qt."""
        if event.type() == QEvent.LanguageChange:
            self.retranslate()
        super().changeEvent(event)

    def _rethemed(self) -> None:
        self._view.delegate.rethemed()
        self._view.viewport().update()
        self._connection.update()
