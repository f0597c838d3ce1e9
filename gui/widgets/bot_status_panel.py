"""The bots: what each is doing this second, with start and stop in place."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from PyQt5.QtCore import QEvent, QPoint, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QHideEvent, QShowEvent
from PyQt5.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from core.bots.model import BotState
from core.clock import Clock, SystemClock
from core.exchanges import EXCHANGES
from core.i18n import format_number, tr
from gui import theme
from gui.formatting import duration
from gui.models.bot_card import LIVELY, BotCard, card_key, state_of
from gui.models.bots_model import BotFilter, BotsModel, BotSort
from gui.models.cells import tint_of
from gui.widgets.bot_list import BotList
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.panel_tools import ActionBar, PanelAction, TotalsBar, action_button, fill_combo, set_role

FRAME_MS = 25
"""Frames are at least so far apart; what changes after a rest is painted at once."""
LOOK_MS = 500
SILENT_AFTER = 2.5
"""Seconds without a sign of life from the engine, after which its bots are no longer shown as live."""
RESORT_MS = 1000


class BotStatusPanel(QWidget):
    """A card per bot. `key`s are those of `gui.models.bot_card.card_key`.

    `start_requested` and `stop_requested` are wishes that the owner of the panel carries out (after asking);
    so are the others. `beat` tells that the engine is alive; without one for 3 s every dot turns.
    """

    start_requested = pyqtSignal(str)
    stop_requested = pyqtSignal(str)
    sell_requested = pyqtSignal(str)
    """Of a bot that does not work any more, and still holds something."""
    stop_all_requested = pyqtSignal()
    new_requested = pyqtSignal()
    edit_requested = pyqtSignal(str)
    clone_requested = pyqtSignal(str)
    delete_requested = pyqtSignal(str)
    servers_requested = pyqtSignal()
    chart_requested = pyqtSignal(str)
    """With an instrument's key."""

    def __init__(self, parent: QWidget | None = None, *, clock: Clock | None = None) -> None:
        super().__init__(parent)
        self._clock = clock or SystemClock()
        self._model = BotsModel(self._clock, self)
        self._beats: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._painted = 0.0
        self._make_parts()
        self._frame = _timer(self, FRAME_MS, self._next_frame, single=True)
        self._frame.setTimerType(Qt.PreciseTimer)
        self._look = _timer(self, LOOK_MS, self._look_around)
        self._resort = _timer(self, RESORT_MS, self._sort_again)
        theme.theme_signals().changed.connect(self._rethemed)
        self.retranslate()
        self._show_whether_empty()

    def _make_parts(self) -> None:
        self._actions = (
            PanelAction(self, "add", "bots_view.new", self.new_requested.emit, "Ctrl+B"),
            PanelAction(self, "stop", "bots_view.stop_all", self.stop_all_requested.emit),
        )
        self.bar = ActionBar(self._actions, self)
        self._servers = PanelAction(self, "plug", "bots_view.servers", self.servers_requested.emit)
        servers = action_button(self._servers, self)
        servers.setToolButtonStyle(Qt.ToolButtonIconOnly)
        self.bar.row.addWidget(servers)
        self.filter = QLineEdit(self)
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(lambda text: self._set_view(text=text))
        self.shown, self.sort = QComboBox(self), QComboBox(self)
        self.shown.currentIndexChanged.connect(lambda n: self._set_view(shown=list(BotFilter)[n]))
        self.sort.currentIndexChanged.connect(lambda n: self._set_view(sort_by=list(BotSort)[n]))
        row = QHBoxLayout()
        row.setContentsMargins(8, 2, 8, 6)
        row.setSpacing(6)
        row.addWidget(self.shown)
        row.addWidget(self.sort)
        row.addStretch(1)
        self._stack = TableOrEmpty(self)
        self.list = BotList(self._model, self._stack)
        self.list.toggled.connect(self._toggle)
        self.list.error_clicked.connect(self.show_error)
        self.list.opened.connect(self.edit_requested)
        self.list.delete_pressed.connect(lambda: self._with_current(self.delete_requested.emit))
        self.list.setContextMenuPolicy(Qt.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._open_menu)
        self.empty = EmptyState(
            "bot", "bots_view.none_title", "bots_view.none_text", "bots_view.none_button", self._stack
        )
        self.empty.pressed.connect(self._empty_pressed)
        self._stack.fill(self.list, self.empty)
        self.totals = TotalsBar(self)
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.PlainText)
        self.note.setContentsMargins(10, 5, 10, 5)
        self.note.hide()
        set_role(self.note, "warning")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        filter_row = QHBoxLayout()
        filter_row.setContentsMargins(8, 2, 8, 4)
        filter_row.addWidget(self.filter)
        column.addLayout(filter_row)
        column.addLayout(row)
        column.addWidget(self._stack, 1)
        column.addWidget(self.totals)
        column.addWidget(self.note)

    # --- the contract -------------------------------------------------------------------------------

    def update_bot(self, payload: Mapping[str, Any], server: str = "") -> None:
        """Show a bot's state, given as a `BotState` payload (SPEC section 8). Older versions are ignored."""
        state = state_of(payload)
        if state is not None:
            self.update_states((state,), server)

    def update_states(self, states: Iterable[BotState], server: str = "") -> None:
        """The quick way for many states."""
        if self._model.update(states, server):
            self._show_whether_empty()
        if self.isVisible() and not self._frame.isActive():
            due = self._painted + FRAME_MS / 1000 - time.monotonic()
            self._frame.start(max(0, round(due * 1000)))

    def set_bots(self, states: Collection[BotState], server: str = "") -> None:
        """Exactly these bots are there from now on; versions may begin anew."""
        self._model.keep_only([state.bot_id for state in states], server)
        for state in states:
            card = self._model.card(card_key(state.bot_id, server))
            if card is not None and card.state.version > state.version:
                card.state, card.dirty = state, True
        self.update_states(states, server)
        self._show_whether_empty()

    def remove_server(self, server: str) -> None:
        """Forget a server and its bots."""
        self._beats.pop(server, None)
        self.set_server_note(server, "")
        self._model.set_silent(server, None)
        self._model.set_may_command(server, True)
        self.set_bots((), server)

    def set_may_command(self, server: str, may: bool) -> None:
        """Tell whether the user may start and stop the bots of `server`; they may until this is called."""
        self._model.set_may_command(server, may)
        self.list.refresh()

    def beat(self, server: str = "") -> None:
        """The engine (or the stream of `server`) gives a sign of life."""
        self._beats[server] = self._clock.monotonic()
        if server in self._model.silent:
            self._look_around()

    def set_silent(self, server: str, since: float | None = None) -> None:
        """Nothing comes from `server` any more (since a monotonic time): show it at once."""
        latest = self._clock.monotonic() - SILENT_AFTER
        self._beats[server] = latest if since is None else min(since, latest)
        self._look_around()

    def set_unpriced(self, unpriced: bool) -> None:
        """Tell whether the scan of this computer's engine is stopped: then its bots must not look live."""
        self._model.set_unpriced("", unpriced)
        self.list.refresh()

    def set_server_note(self, server: str, sentence: str) -> None:
        """Say at the foot of the panel what is wrong with a server, "" if nothing is."""
        if sentence:
            self._notes[server] = sentence
        else:
            self._notes.pop(server, None)
        self.note.setText("\n".join(self._notes.values()))
        self.note.setVisible(bool(self._notes))

    # --- what the owner asks ------------------------------------------------------------------------

    def model(self) -> BotsModel:
        """The model under the list."""
        return self._model

    def card(self, key: str) -> BotCard | None:
        """The card named `key`."""
        return self._model.card(key)

    def current_key(self) -> str:
        """The selected card's key, "" if there is none."""
        number = self.list.current_row()
        return self._model.row_at(number).key if number >= 0 else ""

    def show_error(self, key: str) -> None:
        """Show a bot's last error in full, in a window that blocks nobody."""
        card = self._model.card(key)
        if card is None or not card.state.last_error:
            return
        title = tr("bots_view.error_title", name=card.state.name)
        box = QMessageBox(QMessageBox.Warning, title, card.state.last_error, QMessageBox.Ok, self)
        box.setTextFormat(Qt.PlainText)
        box.setTextInteractionFlags(Qt.TextSelectableByMouse)
        box.setAttribute(Qt.WA_DeleteOnClose)
        box.open()

    # --- inside -------------------------------------------------------------------------------------

    def _toggle(self, key: str) -> None:
        card = self._model.card(key)
        if card is not None and self._model.commands(card):
            self._wish(key, stop=card.state.status in LIVELY)

    def _wish(self, key: str, *, stop: bool) -> None:
        (self.stop_requested if stop else self.start_requested).emit(key)

    def _with_current(self, act: Any) -> None:
        key = self.current_key()
        if key:
            act(key)

    def _open_menu(self, where: QPoint) -> None:
        found = self.list.card_at(where)
        if found is None:
            return
        card = found[0]
        menu = QMenu(self)
        menu.setAttribute(Qt.WA_DeleteOnClose)
        if self._model.commands(card):
            self._add_commands(menu, card)
        chart = menu.addAction(tr("bots_view.show_chart", symbol=card.state.symbol))
        chart.triggered.connect(lambda: self.chart_requested.emit(card.state.key))
        if card.state.last_error:
            menu.addAction(tr("bots_view.show_error")).triggered.connect(lambda: self.show_error(card.key))
        if not card.server:
            menu.addSeparator()
            for name in ("edit", "clone", "delete"):
                wish = getattr(self, f"{name}_requested")
                menu.addAction(tr(f"bots_view.{name}")).triggered.connect(
                    lambda _checked=False, wish=wish: wish.emit(card.key)
                )
        menu.popup(self.list.viewport().mapToGlobal(where))

    def _add_commands(self, menu: QMenu, card: BotCard) -> None:
        stops = card.state.status in LIVELY
        toggle = menu.addAction(tr("bots_view.stop_button" if stops else "bots_view.start"))
        toggle.triggered.connect(lambda: self._wish(card.key, stop=stops))
        if card.state.positions and not stops:
            sell = menu.addAction(tr("bots_view.sell"))
            sell.triggered.connect(lambda: self.sell_requested.emit(card.key))

    def _set_view(self, **view: Any) -> None:
        self._model.set_view(**view)
        self._show_whether_empty()
        self.list.viewport().update()

    def _empty_pressed(self) -> None:
        if self._model.total == 0:
            self.new_requested.emit()
            return
        self.filter.clear()
        self.shown.setCurrentIndex(0)

    def _show_whether_empty(self) -> None:
        name = "none" if self._model.total == 0 else "none_found"
        self.empty.set_keys(*(f"bots_view.{name}_{part}" for part in ("title", "text", "button")))
        self._stack.show_table(self._model.rowCount() > 0)
        self._sum_up()

    def _next_frame(self) -> None:
        self._painted = time.monotonic()
        self.list.refresh()

    def _look_around(self) -> None:
        """Twice a second: whose engine has fallen silent, and which ages read otherwise by now."""
        now = self._clock.monotonic()
        for server, heard in self._beats.items():
            self._model.set_silent(server, heard if now - heard >= SILENT_AFTER else None)
        self.list.refresh_ages()
        self._sum_up()

    def _sort_again(self) -> None:
        if not self.list.busy:
            self._model.rearrange()
            self._stack.show_table(self._model.rowCount() > 0)

    def _sum_up(self) -> None:
        """The line at the foot: how many work, the day's and the open P&L per currency."""
        cards = self._model.cards()
        if not cards:
            self.totals.set_lines([])
            return
        active = sum(card.state.status in LIVELY for card in cards)
        errors = sum(card.state.last_error is not None for card in cards)
        line = [("", tr("bots_view.summary_active", active=active, total=len(cards)), "text", "")]
        if errors:
            line.append(("", tr("bots_view.summary_errors", count=errors), "down", ""))
        lines = [line, *_money_lines(cards)]
        since = self._model.silent.get("")
        if since is not None:
            text = tr("bots_view.summary_silent", duration=duration(self._clock.monotonic() - since))
            lines.append([("", text, "warning", "")])
        self.totals.set_lines(lines)

    def _rethemed(self) -> None:
        self.list.delegate.rethemed()
        self.list.viewport().update()

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.filter.setPlaceholderText(tr("bots_view.filter"))
        self.filter.setAccessibleName(tr("bots_view.filter"))
        fill_combo(self.shown, "bots_view.shown", [f"shown_{each.value}" for each in BotFilter])
        fill_combo(self.sort, "bots_view.sort", [f"sort_{each.value}" for each in BotSort])
        self.sort.blockSignals(True)
        self.sort.setCurrentIndex(list(BotSort).index(self._model.sort_by))
        self.sort.blockSignals(False)
        self.list.setAccessibleName(tr("bots_view.title"))
        self._model.touch_all()
        self._sum_up()

    def changeEvent(self, event: QEvent) -> None:
        """See Qt."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self._servers.retranslate()
            self.retranslate()

    def showEvent(self, event: QShowEvent) -> None:
        """Ages and order are only kept fresh while somebody can see them."""
        super().showEvent(event)
        self._look.start()
        self._resort.start()
        self._look_around()

    def hideEvent(self, event: QHideEvent) -> None:
        """See `showEvent`."""
        for timer in (self._look, self._resort, self._frame):
            timer.stop()
        super().hideEvent(event)


def _timer(parent: QWidget, milliseconds: int, call: Any, *, single: bool = False) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(milliseconds)
    timer.setSingleShot(single)
    timer.timeout.connect(call)
    return timer


def _money_lines(cards: list[BotCard]) -> list[list[tuple[str, str, str, str]]]:
    sums: dict[str, tuple[float, float]] = {}
    for card in cards:
        currency = EXCHANGES[card.state.key.partition(":")[0]].currency
        day, opened = sums.get(currency, (0.0, 0.0))
        sums[currency] = (day + card.state.daily_pnl, opened + card.state.open_pnl)
    return [
        [
            (tr("bots_view.summary_day"), f"{format_number(day, sign=True)} {currency}", tint_of(day), ""),
            (
                tr("bots_view.summary_open"),
                f"{format_number(opened, sign=True)} {currency}",
                tint_of(opened),
                "",
            ),
        ]
        for currency, (day, opened) in sorted(sums.items())
    ]
