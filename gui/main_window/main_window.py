"""The main window: it assembles the parts and offers the contract's methods, nothing else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QEvent, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QPaintEvent, QShowEvent
from PyQt5.QtWidgets import QFileDialog, QMainWindow

from core.bots.model import BotAlert
from core.clock import Clock, SystemClock
from core.commands import (
    Command,
    OutboxDue,
    PositionsChanged,
    RecordDeliveries,
    SetInstruments,
    StartFeed,
    StopFeed,
)
from core.config import Config
from core.config_file import as_config, resolve_instruments
from core.engine.worlds import StoreFactory, replays, trades_simulation
from core.feed.budget import PROCESS_BUDGETS, BudgetRegistry
from core.i18n import set_language, tr
from core.market_calendar import MarketCalendar
from core.model import Delivery, FeedStatus, Instrument, Notice, PortfolioSnapshot
from core.notifications.routes import Routes
from core.replay.clock import replay_clock
from core.session import RECORDINGS, ConfigStore
from core.sources.registry import all_are_live, create_source
from gui.data.state_manager import StateManager
from gui.icons import icon
from gui.main_window.actions import Actions
from gui.main_window.alerts import Alerts
from gui.main_window.bots_flow import BotsFlow
from gui.main_window.control_bar import ControlBar
from gui.main_window.desk import Desk
from gui.main_window.engine_link import EngineLink
from gui.main_window.layout import Docks, top_column
from gui.main_window.money_bar import MoneyBar
from gui.main_window.notice_bar import NoticeBar
from gui.main_window.payloads import read_signal
from gui.main_window.settings_flow import SettingsFlow
from gui.main_window.views import Views
from gui.workers.websocket_worker import WebSocketWorker, memory_store

if TYPE_CHECKING:
    from core.feed.live_feed import SourceFactory

log = logging.getLogger(__name__)

DEFAULT_SIZE = (1366, 740)
RESTING = ("bots.no_feed", "bots.started_without_feed")
"""Notices that hold only while no scan runs."""


class MainWindow(QMainWindow):
    """The desktop terminal.

    `config` is a `Config` or a mapping in the shape of `swing_config.json`. Without a `config_store` nothing
    is saved; without `open_store` the ledger lives in memory. The engine starts after the window was first
    painted, or with the first `start_scan`. Raises `ConfigError` for a mapping that holds a problem.
    """

    first_painted = pyqtSignal()
    closing = pyqtSignal()

    def __init__(
        self,
        config: Config | Mapping[str, Any] | None = None,
        *,
        config_store: ConfigStore | None = None,
        data_dir: Path | None = None,
        open_store: StoreFactory = memory_store,
        source_factory: SourceFactory = create_source,
        clock: Clock | None = None,
        budgets: BudgetRegistry = PROCESS_BUDGETS,
        demo: bool = False,
    ) -> None:
        super().__init__()
        self._config = as_config(config)
        set_language(self._config.language)
        self._demo = demo
        self._scanning = self._painted = self._closed = False
        self._said_unknown: set[str] = set()
        self._said: dict[str, str] = {}
        self._clock = replay_clock(clock or SystemClock())
        self._recordings = None if data_dir is None else data_dir / RECORDINGS
        self.state = StateManager(self)
        self.worker = WebSocketWorker(
            resolve_instruments(self._config), self._config, open_store=open_store, clock=self._clock,
            autostart=False, source_factory=source_factory, budgets=budgets, recordings=self._recordings,
            routes=None if data_dir is None else Routes(self._config, demo=demo),
            data_dir=None if demo else data_dir,
        )  # fmt: skip
        self.link = EngineLink(self.worker, self)
        self.control_bar = ControlBar(self._config.exchange, MarketCalendar(self._config.extra_closures))
        self.money_bar = MoneyBar(self._config.exchange)
        self.notice_bar = NoticeBar()
        self._top = top_column(self, self.control_bar, self.notice_bar)  # before the panels, for Tab's sake
        self.docks = Docks(self, data_dir)
        self.desk = Desk(self._config, self.link, self._clock, self, self.docks.__getitem__)
        self.alerts = Alerts(self._config, self, demo=demo, outbox=data_dir is not None)
        self.settings = SettingsFlow(self._config, config_store, self, open_store)
        self.bots = BotsFlow(self.desk.bots, self.link, self.settings, self)
        self.views = Views(self, self.desk.chart, data_dir)
        self.actions_ = Actions(self)
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._every_second)
        self._assemble()
        self._connect()
        self.retranslate()

    # --- the contract -------------------------------------------------------------------------------

    def start_scan(self) -> None:
        """Start live prices for the symbols of the Symbols tab, and for those of bots."""
        instruments = self.desk.symbols.instruments()
        if not instruments and not self.bots.need_prices:
            self.notice_bar.say("warning", tr("window.no_symbols"))
            return
        if replays(self._config) and not self._config.real_time.replay_file:
            self._choose_recording()
            return
        limit = self._config.real_time.max_live_symbols
        if len(instruments) > limit and not all_are_live(self._config):
            count = len(instruments)
            self.notice_bar.say("warning", tr("window.over_limit", count=count, limit=limit))
        self.link.post(SetInstruments(instruments=instruments))
        self.start_websocket()
        self._set_scanning(True)

    def stop_scan(self) -> None:
        """Stop live prices; positions and everything else stay as they are."""
        self.stop_websocket()
        self._set_scanning(False)

    def start_websocket(self) -> None:
        """Start the live feed."""
        self.link.ensure_running()
        self.link.post(StartFeed())

    def stop_websocket(self) -> None:
        """Stop the live feed."""
        self.link.post(StopFeed())

    def on_ws_price_updated(self, symbol: str, price: float, change_pct: float) -> None:
        """Show a price that came without its freshness."""
        self.desk.ticker.update_price(symbol, price, change_pct)

    def on_ws_signal_triggered(self, signal: dict[str, Any]) -> None:
        """List a signal and send its alerts; what is none is logged and goes nowhere."""
        listed = read_signal(signal)
        if listed is not None:
            self.state.append_signal(signal)
            self.desk.signals.add_signals([listed])
            self.alerts.signal(signal)

    def on_ws_portfolio_updated(self, portfolio: dict[str, Any]) -> None:
        """Keep the latest portfolio payload for whoever asks the state manager."""
        if isinstance(portfolio, Mapping):
            self.state.set("portfolio", portfolio)
        else:
            log.warning("a portfolio that is none was ignored: %r", portfolio)

    def on_ws_connection_status(self, connected: bool) -> None:
        """Show whether real prices arrive."""
        self.state.set("connected", bool(connected))
        self.desk.ticker.set_connection_status(bool(connected))

    def on_ws_error_occurred(self, error: str) -> None:
        """Say what went wrong, and alert."""
        self.notice_bar.say("error", str(error))
        self.alerts.error(str(error))

    # --- the chart ----------------------------------------------------------------------------------

    def open_chart(self, key: str = "") -> None:
        """Show the chart of the instrument `key`, by default of the one chosen in the price list."""
        chosen = key or self.desk.ticker.current_key()
        if chosen:
            self.docks.open_chart()
            self.desk.chart.show_symbol(chosen)
            self.desk.chart.setFocus(Qt.OtherFocusReason)

    def close_chart(self) -> None:
        """Close the chart and go back to the price list."""
        self.desk.chart.close_chart()
        self.docks.close_chart()
        self.desk.ticker.setFocus(Qt.OtherFocusReason)

    # --- assembling ---------------------------------------------------------------------------------

    def _assemble(self) -> None:
        self.resize(QSize(*DEFAULT_SIZE).boundedTo(QGuiApplication.primaryScreen().availableSize()))
        self.setCorner(Qt.BottomLeftCorner, Qt.LeftDockWidgetArea)
        self.setCorner(Qt.BottomRightCorner, Qt.RightDockWidgetArea)
        self._top.insertWidget(0, self.actions_.menu_bar)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addPermanentWidget(self.money_bar, 1)
        for name, panel in self.desk.panels.items():
            self.docks[name].setWidget(panel)
        self.docks.restore()
        self.views.restore()
        self._show_instruments(resolve_instruments(self._config))

    def _connect(self) -> None:
        bar, link, worker, desk = self.control_bar, self.link, self.worker, self.desk
        bar.start_clicked.connect(self.start_scan)
        bar.stop_clicked.connect(self.stop_scan)
        bar.settings_clicked.connect(self.settings.open)
        bar.theme_clicked.connect(self.settings.toggle_theme)
        bar.language_clicked.connect(self.settings.toggle_language)
        self.settings.applied.connect(self._apply_config)
        self.settings.failed.connect(lambda text: self.notice_bar.say("error", text))
        self.settings.test_requested.connect(self.alerts.test)
        desk.ticker.symbol_activated.connect(self.open_chart)
        for panel in (desk.symbols, desk.signals, desk.bots):
            panel.chart_requested.connect(self.open_chart)
        desk.chart.close_wanted.connect(self.close_chart)
        self.docks["chart"].closed.connect(self.close_chart)
        desk.symbols.instruments_changed.connect(self._on_instruments)
        desk.notifications.test_requested.connect(self.alerts.test)
        self.alerts.delivered.connect(self._on_deliveries)
        self.alerts.accepted.connect(link.post)
        link.on(BotAlert, self.alerts.bot)
        link.on(OutboxDue, self.alerts.left_over)
        link.on(FeedStatus, self._on_feed_status)
        link.on(PortfolioSnapshot, self.money_bar.set_snapshot)
        link.on(Notice, self._on_notice)
        link.on(PositionsChanged, lambda _: self._withdraw("engine.text"))  # the engine works again
        link.frame.connect(lambda _: self.money_bar.set_last_event(self._clock.time()))
        link.command_failed.connect(self._on_command_failed)
        link.engine_ended.connect(self._on_engine_ended)
        link.signal_triggered.connect(self.on_ws_signal_triggered)
        worker.connection_status.connect(self.on_ws_connection_status)

    # --- reacting -----------------------------------------------------------------------------------

    def _on_feed_status(self, status: FeedStatus) -> None:
        self.control_bar.set_feed_status(status)
        self.money_bar.set_feed_status(status)
        if status.state != "stopped":
            for key in RESTING:
                self._withdraw(key)
        self._every_second()

    def _on_notice(self, notice: Notice) -> None:
        sentence = tr(notice.key, **notice.params)
        if notice.key == "engine.unknown_symbol":
            if sentence in self._said_unknown:
                return
            self._said_unknown.add(sentence)
        if notice.key == "engine.text":  # the engine's last words
            sentence = tr("window.engine_down", error=sentence)
        self._said[notice.key] = sentence
        domain, _, name = notice.key.partition(".")
        if name == "stored_again":
            self._withdraw(f"{domain}.not_stored")
        if notice.level == "error":
            self.on_ws_error_occurred(sentence)
        else:
            self.notice_bar.say(notice.level, sentence)

    def _withdraw(self, key: str) -> None:
        sentence = self._said.pop(key, None)
        if sentence is not None:
            self.notice_bar.withdraw(sentence)

    def _on_command_failed(self, command: Command, error: str) -> None:
        self.notice_bar.say("error", tr("window.command_failed", error=error))
        if isinstance(command, StartFeed):
            self._set_scanning(False)

    def _on_engine_ended(self) -> None:
        self.link.tell(FeedStatus(state="stopped", updated=self._clock.time()))
        self._set_scanning(False)

    def _on_deliveries(self, deliveries: tuple[Delivery, ...]) -> None:
        self.desk.notifications.add_deliveries(deliveries)
        self.link.post(RecordDeliveries(deliveries=deliveries))

    def _on_instruments(self, instruments: tuple[Instrument, ...]) -> None:
        self._said_unknown.clear()
        self.desk.ticker.set_instruments(instruments)
        self.link.post(SetInstruments(instruments=tuple(instruments)))
        self.settings.save_symbols(instruments)

    def _apply_config(self, config: Config) -> None:
        old, self._config = self._config, config
        self.settings.push_to(self.link, self.desk, self.alerts, old, config)
        instruments = resolve_instruments(config)
        if instruments != self.desk.symbols.instruments():
            self._show_instruments(instruments)
            self.link.post(SetInstruments(instruments=instruments))
        self.control_bar.set_market(config.exchange, MarketCalendar(config.extra_closures))
        self.money_bar.set_exchange(config.exchange)
        if (trades_simulation(old), replays(old)) != (trades_simulation(config), replays(config)):
            chosen = "window.simulation_chosen" if trades_simulation(config) else "window.real_chosen"
            self.notice_bar.say("info", tr("replay.chosen" if replays(config) else chosen))
        self._every_second()

    def _choose_recording(self) -> None:
        """Ask which recording to replay; the scan starts once one is chosen."""
        folder = str(self._recordings or Path.home())
        dialog = QFileDialog(self, tr("replay.choose"), folder, tr("replay.file_kind"))
        dialog.setFileMode(QFileDialog.ExistingFile)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._replay_file)
        dialog.open()

    def _replay_file(self, path: str) -> None:
        self.settings.choose_recording(path)
        if self._config.real_time.replay_file:
            self.start_scan()

    def _show_instruments(self, instruments: tuple[Instrument, ...]) -> None:
        self.desk.symbols.set_instruments(instruments)
        self.desk.ticker.set_instruments(instruments)

    def _set_scanning(self, scanning: bool) -> None:
        self._scanning = scanning
        self.control_bar.set_scanning(scanning)

    def _every_second(self) -> None:
        self.control_bar.refresh(self._clock.time())
        self.money_bar.refresh()
        if self._scanning:
            self.desk.tell_what_is_seen()

    def retranslate(self) -> None:
        """Speak the language in use."""
        self.setWindowTitle(tr("window.title_demo" if self._demo else "window.title"))
        self.docks.retranslate(tr)
        self.control_bar.retranslate()
        self.money_bar.retranslate()
        self.actions_.retranslate()
        self._every_second()

    # --- Qt -----------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """See Qt."""
        if event.type() == QEvent.LanguageChange and hasattr(self, "_second"):
            self.retranslate()
        super().changeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """See Qt."""
        super().showEvent(event)
        if not self._closed:
            self._second.start()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint first; the engine, the icons and the channels come right after."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self._after_first_paint)

    def _after_first_paint(self) -> None:
        if self._closed:
            return
        self.first_painted.emit()
        self.link.ensure_running()
        self.control_bar.load_icons()
        self.setWindowIcon(icon("signal", "accent"))
        self.alerts.start()
        if self.views.chart_key and not self.docks["chart"].isHidden():
            self.desk.chart.show_symbol(self.views.chart_key)
        if self._demo:
            self.start_scan()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc, unless somebody had a use for it, dismisses the notice."""
        if event.key() == Qt.Key_Escape and self.notice_bar.isVisible():
            self.notice_bar.dismiss()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """End everything within 3 s: feed, channels (their last words are stored), engine, storage."""
        if not self._closed:
            self._closed = True
            self._second.stop()
            self.docks.save()
            self.views.save()
            self.settings.end()
            self.link.post(StopFeed())  # its requests are broken off while the channels end
            self.alerts.stop()
            self.link.close()
            self.closing.emit()
        super().closeEvent(event)
