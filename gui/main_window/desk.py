"""All panels of the window, made and wired to the engine in one place."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QObject
from PyQt5.QtWidgets import QWidget

from core.bots.model import BotTrade
from core.clock import Clock
from core.commands import (
    BarsLoaded,
    BarUpdated,
    BotHistory,
    BotsLoaded,
    BotsRemembered,
    ClosePosition,
    DeletePosition,
    EditPosition,
    History,
    ImportPositions,
    LookAt,
    OpenPosition,
    PositionsChanged,
    RequestBotHistory,
    TradesChanged,
    UnwatchBars,
    WatchBars,
)
from core.config import Config
from core.engine.feed_diary import FeedDay
from core.engine.worlds import replays, trades_simulation
from core.feed.messages import InstrumentUnknown
from core.market_calendar import MarketCalendar
from core.model import FeedStatus, PortfolioSnapshot, Signal, SourceConflict
from core.replay.clock import real_clock
from core.sources.registry import all_are_live
from gui.chart.host import ChartHost
from gui.main_window.engine_link import EngineLink
from gui.widgets.bot_status_panel import BotStatusPanel
from gui.widgets.bot_trades_panel import BotTradesPanel
from gui.widgets.feed_health_panel import FeedHealthPanel
from gui.widgets.log_panel import LogPanel
from gui.widgets.notification_log import NotificationLogPanel, channel_states
from gui.widgets.positions_panel import PositionsPanel
from gui.widgets.price_ticker import LivePriceTicker
from gui.widgets.signals_panel import SignalsPanel
from gui.widgets.symbols_panel import SymbolsPanel
from gui.widgets.trades_panel import TradesPanel
from gui.workers.mailbox import Frame

LEAST_WIDTH = 480
"""Of panels with long rows of filters; three zones side by side must fit a small screen."""
LEAST_HEIGHT = 200
"""Of panels with totals, which, wrapped, would otherwise claim more of the window than the chart spares."""


class Desk(QObject):
    """The panels: what the market does, what I hold, what happened.

    Each is made inside of what `place` has for its name, in the order in which Tab shall go through them.
    """

    def __init__(
        self, config: Config, link: EngineLink, clock: Clock, parent: QObject, place: Callable[[str], QWidget]
    ) -> None:
        super().__init__(parent)
        self._link = link
        self._seen: frozenset[str] = frozenset()
        self._wants_bot_history = False
        self.ticker = LivePriceTicker(place("live_prices"), default_exchange=config.exchange, clock=clock)
        self.chart = ChartHost(self.ticker.model(), clock, place("chart"))
        self.symbols = SymbolsPanel(place("symbols"), default_exchange=config.exchange)
        self.positions = PositionsPanel(place("positions"), now=clock.time)
        self.trades = TradesPanel(place("trades"))
        self.signals = SignalsPanel(place("signals"), now=clock.time)
        self.notifications = NotificationLogPanel(place("notifications"), now=clock.time)
        self.feed = FeedHealthPanel(place("feed"), now=real_clock(clock).time)
        self.log = LogPanel(place("log"))
        self.bots = BotStatusPanel(place("bots"), clock=clock)
        self.bot_trades = BotTradesPanel(place("bot_trades"), now=clock.time)
        for panel in (self.positions, self.bot_trades, self.notifications, self.log):
            panel.setMinimumWidth(LEAST_WIDTH)
        for panel in (self.positions, self.bot_trades):
            panel.setMinimumHeight(LEAST_HEIGHT)
        self.configure(config)
        self._wire_events()
        self._wire_commands()

    @property
    def panels(self) -> dict[str, QWidget]:
        """The panels by the names of their docks."""
        return {
            "chart": self.chart, "live_prices": self.ticker, "symbols": self.symbols,
            "positions": self.positions, "trades": self.trades, "signals": self.signals,
            "notifications": self.notifications, "feed": self.feed, "log": self.log, "bots": self.bots,
            "bot_trades": self.bot_trades,
        }  # fmt: skip

    def configure(self, config: Config) -> None:
        """Take over what concerns the panels."""
        self.ticker.set_flash(config.flash_changes)
        self.ticker.set_calendar(MarketCalendar(config.extra_closures))
        self.ticker.model().default_exchange = config.exchange
        self.symbols.set_limit(config.real_time.max_live_symbols, all_live=all_are_live(config))
        self.symbols.set_default_exchange(config.exchange)
        self.positions.set_default_exchange(config.exchange)
        self.positions.set_simulation_chosen(trades_simulation(config) or replays(config))
        self.notifications.set_channels(channel_states(config))

    def _wire_events(self) -> None:
        link = self._link
        link.frame.connect(self._on_frame)
        link.on(FeedStatus, self.ticker.set_feed_status)
        link.on(FeedStatus, self.feed.set_status)
        link.on(FeedDay, self.feed.set_day)
        link.on(PortfolioSnapshot, self.positions.set_snapshot)
        link.on(TradesChanged, lambda event: self.trades.set_trades(event.trades))
        link.on(History, self._on_history)
        link.on(InstrumentUnknown, self._on_unknown)
        link.on(SourceConflict, self.ticker.dispute)
        self._wire_chart()
        self._wire_bots()

    def _wire_bots(self) -> None:
        link, trades, chart = self._link, self.bot_trades, self.chart
        link.on(BotsLoaded, lambda event: chart.set_bots(event.states))
        link.on(BotsLoaded, lambda event: trades.set_bots(event.configs))
        link.on(BotsRemembered, lambda event: trades.set_remembered(event.configs, event.trades_before))
        link.on(BotTrade, chart.add_bot_trade)
        link.on(BotTrade, trades.add_trade)
        link.on(BotHistory, lambda event: trades.set_trades(event.trades))
        link.on(BotHistory, lambda event: chart.set_bot_trades(event.trades))
        trades.history_wanted.connect(self._ask_bot_history)
        chart.bot_history_wanted.connect(self._ask_bot_history)

    def _wire_chart(self) -> None:
        link, chart = self._link, self.chart
        link.on(BarsLoaded, chart.set_bars)
        link.on(BarUpdated, chart.update_bar)
        link.on(PositionsChanged, lambda event: chart.set_positions(event.positions))
        link.on(TradesChanged, lambda event: chart.set_trades(event.trades))
        link.on(History, lambda event: chart.set_signals(event.signals[::-1]))
        link.on(Signal, chart.add_signal)
        link.on(FeedStatus, lambda _: chart.refresh_price())
        link.engine_ended.connect(chart.watch_again)
        chart.watch_wanted.connect(lambda key, seconds: link.post(WatchBars(key=key, seconds=seconds)))
        chart.unwatch_wanted.connect(lambda key, seconds: link.post(UnwatchBars(key=key, seconds=seconds)))

    def _wire_commands(self) -> None:
        post, positions = self._link.post, self.positions
        positions.open_requested.connect(lambda position: post(OpenPosition(position=position)))
        positions.edit_requested.connect(lambda position: post(EditPosition(position=position)))
        positions.import_requested.connect(lambda rows: post(ImportPositions(positions=tuple(rows))))
        positions.delete_requested.connect(lambda number: post(DeletePosition(position_id=number)))
        positions.close_requested.connect(
            lambda number, price, quantity: post(
                ClosePosition(position_id=number, price=price, quantity=quantity)
            )
        )

    def tell_what_is_seen(self) -> None:
        """Let the engine know what is on the screen, so that its prices are asked for first."""
        seen = self.ticker.visible_keys()
        if seen != self._seen:
            self._seen = seen
            self._link.post(LookAt(keys=seen))

    def _on_frame(self, frame: Frame) -> None:
        if frame.ticks:
            self.ticker.apply_ticks(frame.ticks)
        if frame.aged:
            self.ticker.apply_freshness(frame.aged)
        if frame.bots:
            self.chart.update_bots(frame.bots)
        key = self.chart.key
        if any(tick.key == key for tick in frame.ticks) or any(aged.key == key for aged in frame.aged):
            self.chart.refresh_price()

    def _on_history(self, event: History) -> None:
        """The engine begins anew, perhaps in another world, whose bots have another past."""
        self.signals.set_signals(event.signals)
        self.notifications.set_deliveries(event.deliveries)
        if self._wants_bot_history:
            self._ask_bot_history()

    def _ask_bot_history(self) -> None:
        """Somebody looks at what bots did before."""
        self._wants_bot_history = True
        self._link.post(RequestBotHistory())

    def _on_unknown(self, event: InstrumentUnknown) -> None:
        self.ticker.mark_unknown(event.key)
        self.symbols.mark_unknown(event.key)
