"""The tape: an engine's entries in Redis keep their order and their numbers, whatever happens to Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cluster.entries import Priced, Told, topic_of
from core.cluster.link import Names, connect, faults
from core.cluster.tape import TapeWriter, last_number, read_tape
from tests.cluster_helpers import QUICK, redis_server  # noqa: F401
from tests.loopback.redis_server import RedisServer
from tests.scripted import AAPL, ASELS, THYAO, quote, tick

TOPICS = (ASELS.key, THYAO.key, topic_of("b1"))


class Tape:
    """A writer and a client that reads."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.now = 1_795_000_000.0
        self.names = Names.of(server.url)
        self.client = connect(server.url, QUICK)
        self.writer = self.new_writer()

    def new_writer(self, **options: Any) -> TapeWriter:
        return TapeWriter(self.names, "e1", now=lambda: self.now, **options)

    def price(self, price: float, instrument: Any = ASELS) -> int:
        entry = Priced(
            tick(instrument, price),
            quote(instrument, price),
            effective=self.now,
            newest=self.now,
            session=0.0,
        )
        return self.writer.add(instrument.key, entry, self.now)

    def read(self, after: int = 0, topics: tuple[str, ...] = TOPICS, most: int = 500) -> list[Any]:
        found, more = [], True
        while more:
            items, more, last = read_tape(self.client, self.names, "e1", topics, after, most)
            found += items
            after = items[-1].number if items else after
        assert last >= after
        return found


@pytest.fixture
def tape(redis_server: RedisServer) -> Iterator[Tape]:  # noqa: F811
    made = Tape(redis_server)
    yield made
    made.client.close()


def _prices(items: list[Any]) -> list[float]:
    return [item.entry.tick.price for item in items if isinstance(item.entry, Priced)]


def test_a_reader_gets_the_entries_of_its_topics_in_the_engines_order(tape: Tape) -> None:
    for number in range(7):
        tape.price(number, (ASELS, THYAO, AAPL)[number % 3])
    tape.writer.add(topic_of("b1"), Told(action="stop", command=5), tape.now)
    tape.price(7, THYAO)
    tape.writer.write(tape.client)
    items = tape.read()
    assert _prices(items) == [0, 1, 3, 4, 6, 7]
    assert items[-2].entry == Told(action="stop", command=5)
    assert [item.number for item in items] == sorted({item.number for item in items})
    assert tape.read(items[2].number) == items[3:]
    assert items[0].before == 0
    assert items[2].before == items[0].number


@given(sizes=st.lists(st.integers(0, 30), min_size=3, max_size=3), most=st.integers(1, 12))
def test_reading_in_portions_of_any_size_skips_nothing(sizes: list[int], most: int) -> None:
    server = _shared_redis()
    tape = Tape(server)
    tape.client.flushall()
    instruments = (ASELS, THYAO, AAPL)
    told = [(n, i) for i, size in zip(instruments, sizes, strict=True) for n in range(size)]
    numbers = [tape.price(n + 1.0, i) for n, i in sorted(told, key=lambda pair: (pair[0], pair[1].key))]
    tape.writer.write(tape.client)
    keys = tuple(instrument.key for instrument in instruments)
    assert [item.number for item in tape.read(0, keys, most)] == numbers
    tape.client.close()


_servers: list[RedisServer] = []


def _shared_redis() -> RedisServer:
    if not RedisServer.available():
        pytest.skip("needs redis-server (package redis-server)")
    if not _servers:
        _servers.append(RedisServer())
    return _servers[0]


@pytest.fixture(scope="module", autouse=True)
def _end_shared() -> Iterator[None]:
    yield
    while _servers:
        _servers.pop().stop()


def test_a_redis_that_lost_its_memory_gets_everything_again_under_the_same_numbers(tape: Tape) -> None:
    for number in range(5):
        tape.price(number)
    tape.writer.write(tape.client)
    before = tape.read()
    tape.server.kill()
    tape.price(5)
    with pytest.raises(faults()):
        tape.writer.write(tape.client)
    tape.server.start()
    tape.price(6)
    tape.writer.write(tape.client)
    assert tape.read()[:5] == before
    assert _prices(tape.read()) == [0, 1, 2, 3, 4, 5, 6]
    tape.client.flushall()
    tape.writer.write(tape.client)
    assert _prices(tape.read()) == [0, 1, 2, 3, 4, 5, 6]


def test_what_was_written_though_the_answer_was_lost_counts_once(tape: Tape) -> None:
    tape.price(1)
    tape.writer.write(tape.client)
    real = tape.client.eval

    def lossy(*args: Any) -> Any:
        real(*args)
        raise ConnectionError("the answer was lost")

    tape.client.eval = lossy
    tape.price(2)
    with pytest.raises(ConnectionError):
        tape.writer.write(tape.client)
    tape.client.eval = real
    tape.price(3)
    tape.writer.write(tape.client)
    assert _prices(tape.read()) == [1, 2, 3]


def test_numbers_rise_though_the_clock_goes_back_and_after_a_restart(tape: Tape) -> None:
    tape.price(1)
    tape.now -= 1000
    tape.price(2)
    tape.writer.write(tape.client)
    tape.writer = tape.new_writer()
    tape.writer.begin_after(last_number(tape.client, tape.names, "e1", TOPICS))
    tape.price(3)
    tape.writer.write(tape.client)
    assert _prices(tape.read()) == [1, 2, 3]


def test_what_waits_is_numbered_anew_behind_what_an_earlier_run_has_written(tape: Tape) -> None:
    tape.price(1)
    tape.writer.write(tape.client)
    tape.now -= 1000  # the clock was set back
    tape.writer = tape.new_writer()
    first = tape.price(2)
    tape.price(3)
    last = last_number(tape.client, tape.names, "e1", TOPICS)
    assert tape.writer.begin_after(last) == last + 1 - first
    tape.price(4)
    tape.writer.write(tape.client)
    items = tape.read()
    assert _prices(items) == [1, 2, 3, 4]
    assert items[2].before == items[1].number


def test_a_tape_that_waits_too_long_for_redis_drops_the_oldest_and_counts_them(tape: Tape) -> None:
    tape.writer = tape.new_writer(most=10)
    for number in range(25):
        tape.price(number)
    assert tape.writer.lost == 15
    tape.writer.write(tape.client)
    items = tape.read()
    assert _prices(items) == list(range(15, 25))
    assert items[0].before > 0  # so a reader sees that something is missing


def test_the_streams_are_bounded(tape: Tape) -> None:
    tape.writer = tape.new_writer(most=100)
    for batch in range(30):
        for number in range(100):
            tape.price(batch * 100 + number + 1)
        tape.writer.write(tape.client)
    assert tape.client.xlen(tape.names.tape("e1", ASELS.key)) <= 300


def test_an_entry_that_cannot_be_read_is_told(tape: Tape) -> None:
    tape.client.xadd(tape.names.tape("e1", ASELS.key), {"b": 0, "d": b"?"}, id="7-0")
    with pytest.raises(ValueError, match="cannot be read"):
        tape.read()
