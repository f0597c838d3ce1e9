"""What the bots' trades came to: a table with filters, per day, the figures, and the equity's course."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace
from PyQt5.QtCore import QEvent, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QShowEvent
from PyQt5.QtWidgets import QComboBox, QLineEdit, QSplitter, QVBoxLayout, QWidget

from core.bots.model import BotTrade
from core.bots.statistics import BotStatistics, by_day, summarise
from core.config import BotConfig
from core.errors import SwingHunterError
from core.i18n import format_number, format_percent, tr
from gui.icons import icon
from gui.models.bot_trades_model import BotDaysModel, BotTradesModel, TradeFilter, currency_of_trade
from gui.models.cells import tint_of
from gui.widgets.empty_state import EmptyState, TableOrEmpty
from gui.widgets.equity_curve import EquityCurve
from gui.widgets.panel_tools import ActionBar, PanelAction, TotalsBar, ask_save_name, fill_combo, tell
from gui.widgets.table_tools import TableView

DAY = 86_400.0
PERIODS = ("all", "today", "week", "month")
_PERIOD_DAYS = {"week": 7.0, "month": 30.0}
OUTCOMES = (0, 1, -1)
SEARCH_WIDTH = 130
TOGETHER_MS = 150
"""New trades are counted in together, at most so often."""
EARLIER = "~earlier"
"""What stands after the id of a bot whose id another one bears now."""
MOST = 20_000
"""Trades kept at the most; older ones stay in the database."""


class BotTradesPanel(QWidget):
    """The bots' finished trades. `history_wanted` when they are looked at for the first time."""

    history_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self._now = now
        self._trades: list[BotTrade] = []
        self._ids: set[str] = set()
        self._known: dict[str, BotConfig] = {}
        self._present: set[str] = set()
        self._before: dict[str, int] = {}
        self._asked = False
        self.model = BotTradesModel(self, now=now)
        self.days = BotDaysModel(self)
        self.totals = TotalsBar(self)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(TOGETHER_MS)
        self._later.timeout.connect(self._take_in)
        self._make_filters()
        self._lay_out()
        self.retranslate()
        self._refresh()

    def _make_filters(self) -> None:
        self.bot, self.period, self.outcome = QComboBox(self), QComboBox(self), QComboBox(self)
        self.search = QLineEdit(self)
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(SEARCH_WIDTH)
        self.search.addAction(icon("search", "secondary"), QLineEdit.LeadingPosition)
        self.search.textChanged.connect(self._refresh)
        for combo in (self.bot, self.period, self.outcome):
            combo.currentIndexChanged.connect(self._refresh)

    def _lay_out(self) -> None:
        self.export_action = PanelAction(self, "export", "positions.export", self.export)
        bar = ActionBar((self.export_action,), self)
        for place, widget in enumerate((self.search, self.bot, self.period, self.outcome)):
            bar.row.insertWidget(place, widget)
        self._make_tables()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self._stack, 1)
        column.addWidget(self.totals)
        self.setFocusProxy(self.table)

    def _make_tables(self) -> None:
        """The trades beside the curve and the days, from the outside in: see `TableOrEmpty`."""
        self._stack = TableOrEmpty(self)
        split = QSplitter(Qt.Horizontal, self._stack)
        side = QWidget(split)
        self.days_table = TableView(self.days, "bot_days", side)
        self.curve = EquityCurve(side)
        right = QVBoxLayout(side)
        right.setContentsMargins(0, 0, 0, 0)
        right.addWidget(self.curve, 1)
        right.addWidget(self.days_table, 1)
        self.table = TableView(self.model, "bot_trades", split)
        split.insertWidget(0, self.table)
        split.setStretchFactor(0, 5)
        split.setStretchFactor(1, 3)
        split.setChildrenCollapsible(True)
        self.empty = EmptyState(
            "history", "bot_trades.empty_title", "bot_trades.empty_text", parent=self._stack
        )  # fmt: skip
        self.empty.pressed.connect(self.clear_filter)
        self._stack.fill(split, self.empty)

    # What the window tells

    def set_bots(self, configs: Sequence[BotConfig]) -> None:
        """The bots there are; their trades stay when they go."""
        self._present = {each.id for each in configs}
        self._known.update((each.id, each) for each in configs)
        self._name_bots()

    def set_remembered(self, configs: Sequence[BotConfig], trades_before: Mapping[str, int]) -> None:
        """All bots that there ever were, with their deposits. By id, so many `trades_before` belong to an
        earlier bot, which is shown as one of its own."""
        self._known = {each.id: each for each in configs}
        self._before = dict(trades_before)
        self._trades = [self._parted(trade) for trade in self._trades]
        self._name_bots()

    def set_trades(self, trades: Sequence[BotTrade]) -> None:
        """Show these trades and no others."""
        self._trades = [self._parted(trade) for trade in trades[:MOST]]
        self._ids = {trade.trade_id for trade in self._trades}
        self._fill_bots()
        self._refresh()

    def add_trade(self, trade: BotTrade) -> None:
        """One more; one that is there already is not counted twice."""
        if trade.trade_id not in self._ids:
            self._ids.add(trade.trade_id)
            self._trades.insert(0, self._parted(trade))
            del self._trades[MOST:]
            if not self._later.isActive():
                self._later.start()

    # What the user wants

    def clear_filter(self) -> None:
        """Show all trades."""
        self.search.clear()
        for combo in (self.bot, self.period, self.outcome):
            combo.setCurrentIndex(0)

    def wanted(self) -> TradeFilter:
        """What the filters ask for."""
        period = PERIODS[max(0, self.period.currentIndex())]
        days = _PERIOD_DAYS.get(period)
        return TradeFilter(
            bot_id=self.bot.currentData() or "", text=self.search.text().strip(),
            since=0.0 if days is None else self._now() - days * DAY,
            today_at=self._now() if period == "today" else 0.0,
            outcome=OUTCOMES[max(0, self.outcome.currentIndex())],
        )  # fmt: skip

    def export(self) -> None:
        """Write the shown trades to a CSV file that the user chooses."""
        from core.csv_io import write_bot_trades

        path = ask_save_name(self, "bot-trades.csv")
        if path is None:
            return
        try:
            write_bot_trades(path, self.model.rows(), self.model.names)
        except (SwingHunterError, OSError) as error:
            tell(self, tr("positions.export_failed", error=error), level="warning")
        else:
            tell(self, tr("positions.export_done", count=self.model.rowCount(), name=path.name))

    # Inside

    def _take_in(self) -> None:
        self._fill_bots()
        self._refresh()

    def _refresh(self) -> None:
        if not self.isVisible():
            return
        wanted = self.wanted()
        shown = [trade for trade in self._trades if wanted.accepts(trade)]
        self.model.set_trades(shown)
        currencies = {trade.bot_id: currency_of_trade(trade) for trade in self._trades}
        self.days.set_days(by_day(shown), self.model.names, currencies)
        self.export_action.setEnabled(bool(shown))
        filtered = bool(self._trades) and not shown
        keys = (
            ("filtered_title", "filtered_text", "filtered_button")
            if filtered
            else ("empty_title", "empty_text")
        )
        self.empty.set_keys(*(f"bot_trades.{key}" for key in keys))
        self._stack.show_table(bool(shown))
        self._sum_up(shown)

    def _sum_up(self, shown: Sequence[BotTrade]) -> None:
        """The figures, a line per currency; the curve is of the currency with the most trades."""
        groups: dict[str, list[BotTrade]] = {}
        for trade in shown:
            groups.setdefault(currency_of_trade(trade), []).append(trade)
        found = {currency: summarise(trades, self._start_cash(trades)) for currency, trades in groups.items()}
        self.totals.set_lines([_figures(currency, each) for currency, each in sorted(found.items())])
        main = max(found, key=lambda currency: found[currency].trades, default="")
        if main:
            self.curve.set_curve(found[main].curve, main, groups[main][0].key.partition(":")[0])
        else:
            self.curve.set_curve((), "")

    def _start_cash(self, trades: Sequence[BotTrade]) -> Decimal:
        """With how much the bots of `trades` began; 0 where that is not known of each."""
        ids = {trade.bot_id for trade in trades}
        if not ids <= self._known.keys():
            return Decimal(0)
        return sum((Decimal(repr(self._known[each].cash)) for each in ids), Decimal(0))

    def _parted(self, trade: BotTrade) -> BotTrade:
        """`trade`, under a name of its own if an earlier bot of the same id has made it."""
        before = self._before.get(trade.bot_id, 0)
        number = trade.trade_id.rpartition("-t")[2]
        if not before or not number.isdigit() or int(number) > before:
            return trade
        return replace(trade, bot_id=f"{trade.bot_id}{EARLIER}")

    def _name_bots(self) -> None:
        names = {each.id: each.name for each in self._known.values()}
        for bot_id in self._before:
            names[f"{bot_id}{EARLIER}"] = tr("bot_trades.earlier", name=names.get(bot_id, bot_id))
        self.model.set_names(names)
        self._fill_bots()
        self._refresh()

    def _fill_bots(self) -> None:
        ids = self._present.union(trade.bot_id for trade in self._trades)
        known = {bot_id: self.model.names.get(bot_id, bot_id) for bot_id in ids}
        items = sorted(known.items(), key=lambda item: item[1].casefold())
        texts = [tr("bot_trades.all_bots"), *(name for _, name in items)]
        if [self.bot.itemText(n) for n in range(self.bot.count())] == texts:
            return
        chosen = self.bot.currentData()
        blocked = self.bot.blockSignals(True)
        self.bot.clear()
        for text, data in zip(texts, ["", *(bot_id for bot_id, _ in items)], strict=True):
            self.bot.addItem(text, data)
        self.bot.setCurrentIndex(max(0, self.bot.findData(chosen)))
        self.bot.blockSignals(blocked)

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.table.setAccessibleName(tr("bot_trades.table_name"))
        self.days_table.setAccessibleName(tr("bot_trades.days_name"))
        self.totals.setAccessibleName(tr("positions.totals_name"))
        self.search.setPlaceholderText(tr("positions.symbol"))
        self.search.setAccessibleName(tr("positions.symbol"))
        self.bot.setAccessibleName(tr("bot_trades.bot"))
        fill_combo(self.period, "bot_trades.period", [f"period_{name}" for name in PERIODS])
        fill_combo(self.outcome, "bot_trades.outcome", ["outcome_all", "outcome_won", "outcome_lost"])
        self._name_bots()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the language."""
        super().changeEvent(event)
        if event.type() == QEvent.LanguageChange:
            self.retranslate()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the past when somebody looks."""
        super().showEvent(event)
        if not self._asked:
            self._asked = True
            self.history_wanted.emit()
        self._refresh()


def _figures(currency: str, found: BotStatistics) -> list[tuple[str, str, str, str]]:
    def money(value: float) -> str:
        return f"{format_number(value, sign=True)}\N{NO-BREAK SPACE}{currency}"

    rate = "–" if found.win_rate is None else format_percent(found.win_rate * 100, 0, sign=False)
    factor = "–" if found.profit_factor is None else format_number(found.profit_factor, 2)
    fall = money(-found.max_drawdown)
    if found.curve and found.curve[0][1] > 0:  # else the deposit is not known, of which it would be a share
        fall += f" ({format_percent(-found.max_drawdown_pct)})"
    fees = f"{format_number(found.fees)}\N{NO-BREAK SPACE}{currency}"
    return [
        (tr("bot_trades.net"), money(found.net_pnl), tint_of(found.net_pnl), ""),
        (tr("bot_trades.trades"), str(found.trades), "text", ""),
        (tr("bot_trades.win_rate"), rate, "text", ""),
        (tr("bot_trades.factor"), factor, "text", ""),
        (tr("bot_trades.drawdown"), fall if found.max_drawdown else "–", "text", ""),
        (tr("bot_trades.fees"), fees, "text", ""),
    ]
