"""Yahoo's stream over a real socket, through the real package."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.errors import CancelledError, RateLimitedError, SourceError
from core.model import Instrument, Quote
from core.sources.yahoo_push import YahooPush
from tests.loopback.yahoo_stream_server import YahooStreamServer, pricing
from tests.patience import FOREVER, PATIENCE

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

    def __init__(self, url: str, deadline: float = PATIENCE) -> None:
        self.source = YahooPush(url, deadline)
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
