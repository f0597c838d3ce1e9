"""A bot in a worker, each entry of the tape by another one: edits, disputes and days as in one process."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.model import BotAlertKind, BotRecord
from core.bots.strategy import Action, Decision
from core.clock import FakeClock
from core.cluster.bot_session import BotSession
from core.cluster.entries import Disputed, Entry, Looked, Priced, Told
from core.cluster.tape import Item
from core.config import BotConfig, Config
from core.engine.prices import PriceBook
from core.market_calendar import MarketCalendar
from core.storage.memory_store import MemoryStore
from tests.bot_rig import Puppet, add_puppet, bot
from tests.scripted import ASELS, WEDNESDAY, at, quote


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    return add_puppet(monkeypatch)


class Workers:
    """Takes entries in, one worker each, and stores what comes of them."""

    def __init__(self, config: BotConfig) -> None:
        self.clock = FakeClock(WEDNESDAY)
        self.book = PriceBook(MarketCalendar(), self.clock, 60.0)
        self.store = MemoryStore()
        self.numbers = itertools.count(1)
        self.results: list[tuple[int, str]] = []
        self.alerts: list[BotAlertKind] = []
        self.configure(config)

    def feed(self, entry: Entry) -> BotRecord:
        """Let the next worker take the entry in; what is stored then."""
        session = BotSession("b1", self.store.bot("b1"))
        session.feed(Item(next(self.numbers), self.clock.time(), entry))
        batch = session.take()
        session.close()
        self.store.commit_bots(batch.changes)
        self.results += batch.results
        self.alerts += [alert.kind for change in batch.changes for alert in change.alerts]
        record = self.store.bot("b1")
        assert record is not None
        return record

    def configure(self, config: BotConfig) -> BotRecord:
        return self.feed(Told(action="configure", settings=replace(Config(), bots=(config,))))

    def price(self, price: float, **fields: Any) -> BotRecord:
        self.clock.advance(1.0)
        self.book.read_clocks()
        now = self.clock.time()
        told = quote(ASELS, price, stamp=now, received=now, previous_close=100.0, **fields)
        tick = self.book.vet(told)
        assert tick is not None
        state = self.book.states[ASELS.key]
        return self.feed(Priced(tick, told, state.effective, state.newest, state.session, state.gap))


def holding(puppet: Puppet, **fields: Any) -> Workers:
    workers = Workers(bot(**fields))
    puppet.wants[ASELS.key] = Decision(action=Action.BUY)
    assert workers.price(100.0).state.positions
    return workers


def test_an_edit_to_another_currency_is_refused_once_whatever_follows(puppet: Puppet):
    workers = holding(puppet, stop_loss_pct=3.0)
    state = workers.configure(bot("b1", "NASDAQ:AAPL")).state
    assert state.status == "error" and "holds ASELS" in (state.last_error or "")
    workers.price(99.0)
    assert workers.feed(Told(action="stop", command=7)).state.status == "stopped"
    assert workers.price(99.5).state.status == "stopped"
    workers.feed(Told(action="start", command=8))
    assert [each[0] for each in workers.results if "holds ASELS" in each[1]] == [8]
    assert workers.alerts.count(BotAlertKind.ERROR) == 1
    assert workers.price(96.0).state.positions == ()
    state = workers.feed(Told(action="start", command=9)).state
    assert (state.keys, workers.results[-1]) == (("NASDAQ:AAPL",), (9, ""))


def test_a_disputed_price_is_stored_as_stale(puppet: Puppet):
    workers = holding(puppet)
    assert workers.feed(Disputed(ASELS.key)).state.price_freshness == "stale"
    assert workers.price(99.0).state.price_freshness == "live"


def test_the_day_begins_when_the_exchange_opens(puppet: Puppet):
    workers = holding(puppet, max_daily_loss=5_000.0)
    assert workers.price(96.0).state.daily_pnl == -400.0
    workers.clock.set_time(at("2026-11-19 10:00") + 0.5)
    state = workers.feed(Looked()).state
    assert (state.daily_pnl, state.daily_trades) == (0.0, 0)
