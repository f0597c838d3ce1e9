"""Yahoo's stream over a real socket, through the real package."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.clock import Clock, FakeClock
from core.errors import CancelledError, RateLimitedError, SourceError
from core.model import Instrument, Quote
from core.sources.yahoo_answer import yahoo_symbol
from core.sources.yahoo_push import YahooPush
from tests.loopback.yahoo_stream_server import EXTENDED, POST, PRE, REGULAR, YahooStreamServer, pricing
from tests.patience import FOREVER, PATIENCE
from tests.scripted import at

THYAO, AAPL = Instrument("BIST", "THYAO"), Instrument("NASDAQ", "AAPL")
THYAO_US, BTC = Instrument("NASDAQ", "THYAO"), Instrument("CRYPTO", "BTC")


@pytest.fixture
def server() -> Iterator[YahooStreamServer]:
    with YahooStreamServer() as made:
        made.set_price("BIST:THYAO", 299.25, 297.0)
        made.set_price("NASDAQ:AAPL", 230.5, 228.0)
        made.set_price("NASDAQ:THYAO", 12.5, 12.0)
        yield made


class Client:
    """A source that gathers what comes."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.source = YahooPush(url, PATIENCE, clock)
        self.quotes: list[Quote] = []
        self.unknown: list[str] = []
        self.heard = 0

    def open(self, *instruments: Instrument) -> Client:
        self.source.connect()
        self.source.subscribe(instruments, ())
        return self

    def look(self, timeout: float = 0.02) -> None:
        received = self.source.receive(timeout)
        self.quotes += received.quotes
        self.unknown += received.unknown
        self.heard += received.heard

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "in vain"
            self.look()

    def last(self, instrument: Instrument) -> Quote | None:
        return next((quote for quote in self.quotes[::-1] if quote.key == instrument.key), None)


@pytest.fixture
def client(server: YahooStreamServer) -> Iterator[Client]:
    made = Client(server.url)
    yield made
    made.source.disconnect()


class Days(Client):
    """A client in the course of days, on a server that tells only what the test says."""

    def __init__(self, server: YahooStreamServer, on: Instrument = AAPL) -> None:
        super().__init__(server.url, FakeClock())
        self._server = server
        self._on = on
        server.silent = True
        self.open(on)
        self.until(lambda: server.subscribed)

    def told(self, moment: str, price: float, after: float = 0.0, **fields: Any) -> Quote | None:
        """What becomes of a print that is stamped at the local `moment` and told `after` seconds later."""
        stamp = at(moment, self._on.exchange)
        self.source._clock.set_time(stamp + after)
        self.quotes.clear()
        heard = self.heard
        self._server.say(pricing(yahoo_symbol(self._on), price=price, time=int(stamp * 1000), **fields))
        self.until(lambda: self.heard > heard)
        return self.last(self._on)


@pytest.fixture
def days(server: YahooStreamServer) -> Iterator[Callable[..., Days]]:
    made: list[Days] = []

    def make(on: Instrument = AAPL) -> Days:
        made.append(Days(server, on))
        return made[-1]

    yield make
    for each in made:
        each.source.disconnect()


def test_prices_come_with_their_time_and_close(server, client):
    client.open(THYAO, AAPL, Instrument("BIST", "BAD SYMBOL"))
    client.until(lambda: client.last(THYAO) and client.last(AAPL))
    told = client.last(THYAO)
    assert (told.price, told.previous_close, told.source) == (299.25, 297.0, "yahoo")
    assert abs(told.stamp - time.time()) < 5 and told.volume == 1_000_000.0 and told.declared_delay == 900.0
    assert client.last(AAPL).declared_delay is None and client.unknown == ["BIST:BAD SYMBOL"]
    server.set_price("NASDAQ:AAPL", 231.0)
    client.until(lambda: client.last(AAPL).price == 231.0)


def test_the_same_ticker_on_two_exchanges_is_never_mixed_up(server, client):
    client.open(THYAO, THYAO_US)
    client.until(lambda: client.last(THYAO) and client.last(THYAO_US))
    assert {q.price for q in client.quotes if q.key == THYAO_US.key} == {12.5}


def test_symbols_come_and_go(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    client.source.subscribe([AAPL], [THYAO])
    client.until(lambda: client.last(AAPL))
    assert server.subscribed == {"AAPL"}
    server.say(pricing("THYAO.IS", price=1.0, time=int(time.time() * 1000)))
    server.set_price("NASDAQ:AAPL", 232.0)
    client.until(lambda: client.last(AAPL).price == 232.0)
    assert client.last(THYAO).price == 299.25 and client.source.bad_data() == {"wrong symbol": 1}


@pytest.mark.parametrize(
    ("message", "counted"),
    [
        (pricing("AAPL", time=1), 1),
        (pricing("AAPL", price=-1.0, time=1_790_000_000_000), 1),
        (pricing("AAPL", price=1.0), 1),
        (pricing("AAPL", price=1.0, time=1000), 1),
        (pricing("AAPL", price=1.0, time=9_000_000_000_000), 1),
        (json.dumps({"type": "note", "message": ""}), 0),
        (json.dumps({"type": "pricing", "message": "AAAA"}), 1),
    ],
)
def test_what_is_no_price_is_passed_over(server, client, message, counted):
    client.open(AAPL)
    client.until(lambda: client.last(AAPL))
    client.quotes.clear()
    server.say(message)
    server.set_price("NASDAQ:AAPL", 233.0)
    client.until(lambda: client.last(AAPL))
    assert [q.price for q in client.quotes] == [233.0]
    assert sum(client.source.bad_data().values()) == counted


def test_without_a_close_the_change_tells_it(server, client):
    server.silent = True
    client.open(AAPL)
    client.until(lambda: server.subscribed)
    for price, change in ((230.0, 2.0), (231.0, 3.5)):
        server.say(pricing("AAPL", price=price, change=change, time=int(time.time() * 1000)))
    server.say(pricing("AAPL", price=232.0, time=int(time.time() * 1000)))
    client.until(lambda: len(client.quotes) == 3)
    assert [q.previous_close for q in client.quotes] == [228.0] * 3


def test_no_change_and_no_close_is_no_close(server, client):
    server.silent = True
    client.open(AAPL)
    client.until(lambda: server.subscribed)
    server.say(pricing("AAPL", price=232.0, time=int(time.time() * 1000)))
    client.until(lambda: client.quotes)
    assert client.quotes[0].previous_close is None


@pytest.mark.parametrize(
    ("on", "first", "second"),
    [(AAPL, "2026-11-19 15:00", "2026-11-20 09:31"), (BTC, "2026-11-20 23:59", "2026-11-21 00:01")],
)
def test_the_next_session_has_a_close_of_its_own_on_the_same_connection(days, on, first, second):
    client = days(on)
    assert client.told(first, 101.5, change=1.5).previous_close == pytest.approx(100.0, abs=1e-4)
    assert client.told(second, 102.1, change=0.2).previous_close == pytest.approx(101.9, abs=1e-4)
    late = client.told(first, 101.4, after=86_000)
    assert late is None or late.previous_close is None, "a day that is over has no close any more"
    assert client.told(second, 102.3).previous_close == pytest.approx(101.9, abs=1e-4)


def test_a_new_session_without_a_change_has_no_close_yet(days):
    client = days()
    client.told("2026-11-19 15:00", 101.5, change=1.5)
    assert client.told("2026-11-20 09:31", 102.1).previous_close is None


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-11-18 18:00", POST), ("2026-11-18 16:00", POST), ("2026-11-18 15:00", EXTENDED),
        ("2026-11-18 20:30", EXTENDED), ("2026-11-19 03:00", 4), ("2026-11-19 08:00", PRE),
        ("2026-11-18 16:00:30", PRE), ("2026-11-27 14:00", PRE), ("2026-11-26 12:00", PRE),
    ],
)  # fmt: skip
def test_a_price_of_before_or_after_hours_is_not_the_sessions(days, moment, hours):
    client = days()
    assert client.told("2026-11-18 15:59", 101.9, change=1.9).price == 101.9
    assert client.told(moment, 95.0, change=-5.0, market_hours=hours) is None
    assert sum(client.source.bad_data().values()) == 1
    assert client.told("2026-11-30 09:30", 102.0, change=0.5).previous_close == pytest.approx(101.5, abs=1e-4)


@pytest.mark.parametrize(
    ("on", "moment", "after", "hours"),
    [
        (AAPL, "2026-11-18 09:30", 0, REGULAR), (AAPL, "2026-11-18 16:00:01", 900, REGULAR),
        (AAPL, "2026-11-18 16:05", 0, REGULAR),
        # A server that does not say: the exchange's hours do.
        (AAPL, "2026-11-18 09:30", 0, PRE), (AAPL, "2026-11-18 12:00", 0, PRE),
        (AAPL, "2026-11-18 16:00", 3600, PRE), (AAPL, "2026-11-18 16:00:02", 60, PRE),
        (AAPL, "2026-11-27 12:59", 0, PRE), (THYAO, "2026-11-18 10:00", 0, PRE),
        (THYAO, "2026-11-18 18:08", 900, PRE), (BTC, "2026-11-21 03:00", 0, PRE),
        (BTC, "2026-11-21 03:00", 0, POST),
    ],
)  # fmt: skip
def test_a_price_of_the_session_counts_however_late_it_comes(days, on, moment, after, hours):
    client = days(on)
    assert client.told(moment, 95.0, after, market_hours=hours).price == 95.0
    assert client.source.bad_data() == {}


def test_a_break_is_told_and_a_new_object_connects(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    server.drop()
    with pytest.raises(SourceError, match="broke"):
        client.until(lambda: False)
    client.quotes.clear()
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    assert len(server.requests) == 2


def test_what_came_before_the_break_is_not_lost(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    server.set_price("BIST:THYAO", 300.0)
    server.drop()
    time.sleep(0.05)
    with pytest.raises(SourceError):
        client.until(lambda: False)
    assert client.last(THYAO).price in (299.25, 300.0)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimitedError), (403, RateLimitedError), (500, SourceError)]
)
def test_a_refusal_at_the_door(server, client, status, kind):
    server.status = status
    with pytest.raises(kind):
        client.open(THYAO)


def test_nobody_there(server, client):
    server.unplug()
    with pytest.raises(SourceError):
        client.open(THYAO)


def test_a_cancel_ends_a_wait_at_once(server, client):
    client.open(THYAO)
    timer = threading.Timer(0.05, client.source.cancel)
    timer.start()
    with pytest.raises(CancelledError):
        while True:
            client.look(FOREVER)
    with pytest.raises(CancelledError):
        client.source.connect()
    timer.join()


def test_without_a_connection_there_is_nothing():
    source = YahooPush("ws://127.0.0.1:9")
    with pytest.raises(SourceError):
        source.receive(0.0)
    with pytest.raises(SourceError):
        source.subscribe([AAPL], [])
    source.cancel()
    source.disconnect()


def test_a_flood_is_taken_in_pieces(server, client):
    client.open(AAPL)
    client.until(lambda: client.last(AAPL))
    for step in range(2500):
        server.say(pricing("AAPL", price=100.0 + step, time=int(time.time() * 1000)))
    line = client.source._line
    end = time.monotonic() + PATIENCE
    while line.heard.qsize() < 2500 and time.monotonic() < end:
        time.sleep(0.01)  # all of it waits: one look must take the first part only, in order
    client.until(lambda: client.last(AAPL).price == 2599.0)
    prices = [quote.price for quote in client.quotes if quote.price >= 100.0][-2500:]
    assert prices == sorted(prices)
