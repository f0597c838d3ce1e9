"""From TradingView's stream into the window, under every fault that the provider may show.

Whatever happens, no row shows a price that its instrument never had, and none looks live or delayed when
nothing real comes. Then the fault ends, and the window heals by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PyQt5.QtCore import Qt

from core.config import Config, RealTimeConfig, WebSocketConfig
from core.feed.budget import BudgetRegistry
from core.model import Signal, SourceConflict
from gui.main_window.main_window import MainWindow
from gui.models.tick_row import RowState
from tests.loopback.faults import Fault
from tests.loopback.quote_session import call, framed
from tests.loopback.tradingview_server import TradingViewServer
from tests.loopback.yahoo_server import YahooServer
from tests.test_push_faults import SPEED, fast_clock
from tests.window_helpers import show, state_of, wait

PRICES = {"BIST:KCHOL": 180.0, "NASDAQ:KCHOL": 12.5, "CRYPTO:BTC": 90_000.0}
NAMES = {"BIST:KCHOL": "BIST:KCHOL", "NASDAQ:KCHOL": "NASDAQ:KCHOL", "CRYPTO:BTC": "CRYPTO:BTCUSD"}
GOOD = {RowState.LIVE, RowState.DELAYED}


class Rig:
    """A server whose market trades at every look, and a window that must never show anything else."""

    def __init__(self, qtbot: Any, **live: Any) -> None:
        self.qtbot = qtbot
        self.clock = fast_clock()
        self.server = TradingViewServer()
        self.server.market.now = self.clock.time
        self.server.pushes = True
        self.server.heartbeat_seconds = 0.05
        for key, price in PRICES.items():
            self.server.set_price(key, price, price * 0.99)
        self.told = {key: {price} for key, price in PRICES.items()}
        settings: dict[str, Any] = {
            "live_data_source": "tradingview", "allow_simulation": False, "stale_after_sec": 20.0,
            "poll_interval_sec": 3.0, "enable_notifications": False, "update_interval_ms": 10,
        } | live  # fmt: skip
        self.window = show(qtbot, MainWindow(
            Config(
                exchange="BIST", symbols=tuple(PRICES), language="en", real_time=RealTimeConfig(**settings),
                websocket=WebSocketConfig(endpoint=self.server.endpoint, reconnect_delay_ms=1000),
            ),
            clock=self.clock, budgets=BudgetRegistry(self.clock),
        ))  # fmt: skip
        self.step = 0
        self.moving = True
        self.window.start_scan()

    def look(self) -> None:
        """Let the market trade, and check every row."""
        if self.moving:
            self.step += 1
            for key, base in PRICES.items():
                price = round(base + self.step * 0.01, 2)
                self.told[key].add(price)
                self.server.set_price(key, price)
        for key in PRICES:
            row = self.window.desk.ticker.model().row_of(key)
            assert row is not None and not row.simulated
            assert row.price is None or row.price in self.told[key], f"{key} never was {row.price}"

    def until(self, condition: Callable[[], Any]) -> None:
        def looked() -> bool:
            self.look()
            return bool(condition())

        wait(self.qtbot, looked)

    def run_for(self, seconds: float) -> None:
        """Let so many real seconds pass."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def states(self) -> set[RowState]:
        return {state_of(self.window, key) for key in PRICES}

    def all_good(self) -> bool:
        return self.states() <= GOOD

    def none_good(self) -> bool:
        return not self.states() & GOOD

    def health(self, source: str = "tradingview") -> str:
        """What the health page says of a source."""
        model = self.window.desk.feed.model
        line = model.find(source)
        return "" if line < 0 else str(model.index(line, 1).data())

    def feed_text(self) -> str:
        return self.window.control_bar.feed_text()


@pytest.fixture
def rig(qtbot: Any) -> Iterator[Rig]:
    made = Rig(qtbot)
    yield made
    made.window.close()
    made.server.stop()


def heal(rig: Rig) -> None:
    quotes = rig.server.quotes
    quotes.errors, quotes.refuse, quotes.drop_after, quotes.silent = {}, "", None, False
    rig.server.fault(None)
    rig.server.plug_in()


def dead_door(fault: Fault) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.fault(fault)
        rig.server.quotes.drop()

    return begin


def refusing(word: str) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.quotes.refuse = word
        rig.server.quotes.drop()

    return begin


def denying(reason: str) -> Callable[[Rig], None]:
    def begin(rig: Rig) -> None:
        rig.server.quotes.errors = dict.fromkeys(NAMES.values(), reason)
        rig.server.quotes.drop()

    return begin


def silence(rig: Rig) -> None:
    rig.server.quotes.silent = True


def storm(rig: Rig) -> None:
    rig.server.quotes.silent = True
    rig.server.quotes.drop_after = 0
    rig.server.quotes.drop()


DEADLY: dict[str, Callable[[Rig], None]] = {
    "silence with heartbeats": silence, "HTTP 403": dead_door(Fault.HTTP_403),
    "HTTP 429": dead_door(Fault.HTTP_429), "HTTP 500": dead_door(Fault.HTTP_500),
    "a web page": dead_door(Fault.HTML), "garbage": dead_door(Fault.GARBAGE),
    "critical_error": refusing("critical_error"), "protocol_error": refusing("protocol_error"),
    "permission_denied": denying("permission_denied"), "reconnect storm": storm,
}  # fmt: skip


@pytest.mark.parametrize("name", DEADLY)
def test_what_kills_the_stream_leaves_nothing_that_looks_live(rig, name):
    rig.until(rig.all_good)
    DEADLY[name](rig)
    rig.until(rig.none_good)
    rig.run_for(0.5)
    assert rig.none_good()
    if name in ("HTTP 403", "HTTP 429"):
        rig.until(lambda: "again in" in rig.feed_text())
        rig.until(lambda: rig.health() == "told to wait")
        asked = len(rig.server.requests)
        rig.run_for(60.0 / SPEED)
        assert len(rig.server.requests) == asked, "it backs off for minutes"
        assert "No connection" in rig.feed_text() and "tradingview" in rig.feed_text()
    heal(rig)
    if name == "permission_denied":
        rig.server.quotes.drop()
    rig.until(rig.all_good)
    rig.until(lambda: rig.health() == "working")


def test_all_pushed_symbols_are_live_whatever_the_limit_for_polling(qtbot):
    rig = Rig(qtbot, max_live_symbols=1)
    try:
        assert rig.window.notice_bar.sentence == ""
        rig.until(rig.all_good)
        assert "3 of 3" in rig.window.desk.symbols._count.text()
    finally:
        rig.window.close()
        rig.server.stop()


def test_an_unknown_symbol_is_said_so_and_the_others_live_on(rig):
    rig.server.quotes.errors = {"NASDAQ:KCHOL": "no_such_symbol"}
    rig.server.quotes.drop()
    row = rig.window.desk.ticker.model().row_of("NASDAQ:KCHOL")
    rig.until(lambda: row.unknown)
    rig.until(lambda: {state_of(rig.window, key) for key in ("BIST:KCHOL", "CRYPTO:BTC")} <= GOOD)
    assert state_of(rig.window, "NASDAQ:KCHOL") not in GOOD


def noise(rig: Rig) -> list[str]:
    """Messages that must change nothing: unknown, foreign, garbled, with letters beyond the BMP."""
    now = int(rig.clock.time())
    price = {"lp": 666.0, "lp_time": now}
    return [
        call("du", "cs_1", {"s1": {}}), call("series_loading", "x"), '~m~5~m~{"m":', "~m~99~m~x", "junk",
        framed('{"m":"\U0001f680","p":["\U0001f4c8\U0001f4c9"]}') + framed("~h~77"),
        framed('{"m":"qsd","p":["QS",{"n":"BIST:KCHOL","s":"ok","v":{"description":"\U0001d54f \u015f"}}]}'),
        call("qsd", "QS", {"n": "KCHOL", "s": "ok", "v": price}),
        call("qsd", "QS", {"n": "AMEX:KCHOL", "s": "ok", "v": price}),
        call("qsd", "qs_other", {"n": "BIST:KCHOL", "s": "ok", "v": price}),
        call("qsd", "QS", {"n": "BIST:KCHOL", "s": "ok", "v": {"lp": 666.0, "lp_time": now + 90_000}}),
        call("qsd", "QS", {"n": "BIST:KCHOL", "s": "ok", "v": {"lp": None, "lp_time": now}}),
        call("qsd", "QS", {"n": "BIST:KCHOL", "s": "ok", "v": {"lp": -1.0}}),
    ]  # fmt: skip


def test_noise_on_the_line_changes_nothing(rig):
    rig.until(rig.all_good)
    sessions = len(rig.server.quotes.sessions)
    for _ in range(3):
        for text in noise(rig):
            rig.server.quotes.say(text)
            rig.look()
        rig.run_for(0.2)
    rig.until(rig.all_good)
    assert len(rig.server.quotes.sessions) == sessions, "nothing of that ends a connection"
    rig.until(lambda: {"~h~77", "~h~1"} <= set(rig.server.quotes.echoes))


def test_frames_in_pieces_and_many_in_one_message_arrive_whole(rig):
    rig.until(rig.all_good)
    rig.moving = False
    model = rig.window.desk.ticker.model()
    last = {key: round(price + rig.step * 0.01, 2) for key, price in PRICES.items()}
    rig.until(lambda: all(model.row_of(key).price == last[key] for key in PRICES))
    settled = rig.clock.time()
    rig.until(lambda: int(rig.clock.time()) > settled)  # else the frames' whole seconds would be older
    for key, price in PRICES.items():
        rig.told[key].add(price + 0.005)

    def arrived() -> bool:  # said anew at each look: the line may just have broken
        stamp = int(rig.clock.time())
        rig.server.quotes.say("".join(
            call("qsd", "QS", {"n": name, "s": "ok", "v": {"lp": PRICES[key] + 0.005, "lp_time": stamp}})
            for key, name in NAMES.items()
        ), piece=17)  # fmt: skip
        return all(model.row_of(key).price == PRICES[key] + 0.005 for key in PRICES)

    rig.until(arrived)


def test_a_line_that_breaks_after_every_few_messages_shows_no_false_price(rig):
    rig.until(rig.all_good)
    rig.server.quotes.drop_after = 12
    count = len(rig.server.quotes.sessions)
    rig.until(lambda: len(rig.server.quotes.sessions) >= count + 3)
    rig.server.quotes.drop_after = None
    rig.until(rig.all_good)


def test_a_declared_delay_is_a_badge_with_the_measured_lag(rig):
    rig.server.quotes.mode = "delayed_streaming_900"
    rig.server.quotes.drop()
    rig.until(lambda: rig.states() == {RowState.DELAYED})
    model = rig.window.desk.ticker.model()
    tips = [model.data(model.index_of(key), Qt.ToolTipRole) for key in PRICES]
    assert all("15 min" in tip for tip in tips)
    lag = rig.window.desk.feed.model
    rig.until(lambda: str(lag.index(0, 4).data()).endswith(" s"))


def test_two_providers_that_disagree_mark_the_row_and_hold_its_signals(qtbot):
    with YahooServer() as yahoo:
        rig = Rig(
            qtbot, live_data_source="auto", yahoo_base=yahoo.base_url, use_tvdata=False,
            signal_threshold_pct=0.1,
        )  # fmt: skip
        events: list[Any] = []
        for kind in (Signal, SourceConflict):
            rig.window.worker.bus.subscribe(kind, events.append)
        try:
            yahoo.market.now = rig.clock.time
            for key, price in PRICES.items():
                yahoo.set_price(key, price * (0.9 if key == "CRYPTO:BTC" else 1.0), price * 0.99)
                rig.told[key].add(price * (0.9 if key == "CRYPTO:BTC" else 1.0))
            rig.until(lambda: state_of(rig.window, "CRYPTO:BTC") is RowState.DISPUTED)
            rig.run_for(1.0)
            ours = [event for event in events if event.key == "CRYPTO:BTC"]
            disputed = next(at for at, event in enumerate(ours) if isinstance(event, SourceConflict))
            assert not any(isinstance(event, Signal) for event in ours[disputed:])
            model = rig.window.desk.signals.model  # a turn or two behind the engine
            rig.until(lambda: sum(signal.key == "CRYPTO:BTC" for signal in model.signals()) == disputed)
            rig.until(lambda: state_of(rig.window, "BIST:KCHOL") in GOOD)
            tip = rig.window.desk.ticker.model().data(
                rig.window.desk.ticker.model().index_of("CRYPTO:BTC"), Qt.ToolTipRole
            )
            assert "yfinance says" in tip and "no signals" in tip
        finally:
            rig.window.close()
            rig.server.stop()


def test_when_the_stream_is_refused_polling_takes_over_in_the_window(qtbot):
    with YahooServer() as yahoo:
        rig = Rig(
            qtbot, live_data_source="auto", yahoo_base=yahoo.base_url, use_tvdata=False, cross_check_pct=0.0
        )
        try:
            yahoo.market = rig.server.market
            rig.until(rig.all_good)
            rig.until(lambda: rig.health() == "working")
            DEADLY["HTTP 429"](rig)
            rig.until(lambda: rig.health() == "told to wait")
            rig.until(rig.all_good)
            rig.until(
                lambda: rig.feed_text().startswith("Feed: yfinance") and "tradingview" in rig.feed_text()
            )
            sources = {
                rig.window.desk.ticker.model().row_of(key).tick.source for key in ("CRYPTO:BTC",)
            }  # fmt: skip
            assert sources == {"yfinance"}
            heal(rig)
            rig.until(lambda: rig.health() == "working")
            rig.until(lambda: rig.feed_text().startswith("Feed: tradingview"))
        finally:
            rig.window.close()
            rig.server.stop()
