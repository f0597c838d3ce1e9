"""TradingView's quote stream over a real socket, under everything that the provider may do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CancelledError, RateLimitedError, SourceError
from core.model import Instrument, Quote
from core.sources.checks import BadDataTally
from core.sources.tradingview_push import TradingViewPush
from core.sources.tradingview_quotes import FrameStream, QuoteSession, declared_delay, plain_name
from core.sources.tradingview_wire import message, payloads
from tests.loopback.faults import RETRY_AFTER, Fault
from tests.loopback.quote_session import call, framed, websocket_frame
from tests.loopback.tradingview_server import TradingViewServer
from tests.patience import FOREVER, PATIENCE

THYAO, AAPL = Instrument("BIST", "THYAO"), Instrument("NASDAQ", "AAPL")
KCHOL, KCHOL_US = Instrument("BIST", "KCHOL"), Instrument("NASDAQ", "KCHOL")
BTC = Instrument("CRYPTO", "BTC")
NOW = 1_795_000_000.0


@pytest.fixture
def server() -> Iterator[TradingViewServer]:
    with TradingViewServer() as made:
        made.pushes = True
        made.set_price("BIST:THYAO", 299.25, 297.0)
        made.set_price("NASDAQ:AAPL", 230.5, 228.0)
        made.set_price("BIST:KCHOL", 180.0, 178.0)
        made.set_price("NASDAQ:KCHOL", 12.5, 12.0)
        made.set_price("CRYPTO:BTC", 90_000.0, 89_000.0)
        yield made


class Client:
    """A connected source that gathers what comes."""

    def __init__(self, server: TradingViewServer, deadline: float = PATIENCE) -> None:
        self.source = TradingViewPush(server.endpoint, deadline)
        self.quotes: list[Quote] = []
        self.unknown: list[str] = []
        self.refused: list[str] = []
        self.heard = 0

    def open(self, *instruments: Instrument) -> Client:
        self.source.connect()
        self.source.subscribe(instruments, ())
        return self

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "in vain"
            self.look()

    def look(self, timeout: float = 0.02) -> None:
        received = self.source.receive(timeout)
        self.quotes += received.quotes
        self.unknown += received.unknown
        self.refused += received.refused
        self.heard += received.heard

    def last(self, instrument: Instrument) -> Quote | None:
        return next((quote for quote in self.quotes[::-1] if quote.key == instrument.key), None)

    def price(self, instrument: Instrument) -> float | None:
        last = self.last(instrument)
        return last and last.price


@pytest.fixture
def client(server: TradingViewServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.source.disconnect()


# --- the ordinary way -----------------------------------------------------------------------------------


def test_all_exchanges_come_over_one_connection(server, client):
    client.open(THYAO, AAPL, BTC)
    client.until(lambda: all(client.last(i) for i in (THYAO, AAPL, BTC)))
    told = client.last(THYAO)
    assert (told.price, told.previous_close, told.source) == (299.25, 297.0, "tradingview")
    assert told.open and told.high and told.low and told.volume and told.declared_delay == 0.0
    assert abs(told.stamp - time.time()) < 5 and not told.simulated
    assert client.price(BTC) == 90_000.0
    names = {"BIST:THYAO", "NASDAQ:AAPL", "CRYPTO:BTCUSD"}
    client.until(lambda: server.quotes.subscribed == names)
    assert [request.kind for request in server.requests] == ["quotes"]


def test_an_update_is_merged_with_what_was_told(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    server.set_price("BIST:THYAO", 301.0)
    client.until(lambda: client.price(THYAO) == 301.0)
    assert client.last(THYAO).previous_close == 297.0
    stamp = int(time.time()) + 3
    server.quotes.tell("BIST:THYAO", lp_time=stamp)
    client.until(lambda: client.last(THYAO).stamp == stamp)
    assert client.price(THYAO) == 301.0
    server.quotes.tell("BIST:THYAO", lp=302.5)
    client.until(lambda: client.price(THYAO) == 302.5)
    assert client.last(THYAO).stamp == stamp


def test_the_same_ticker_on_two_exchanges_is_never_mixed_up(server, client):
    client.open(KCHOL, KCHOL_US)
    client.until(lambda: client.last(KCHOL) and client.last(KCHOL_US))
    for step in range(20):
        server.set_price("NASDAQ:KCHOL", 12.5 + step)
    client.until(lambda: client.price(KCHOL_US) == 31.5)
    assert {q.price for q in client.quotes if q.key == "BIST:KCHOL"} == {180.0}


def test_symbols_come_and_go_while_it_runs(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    client.source.subscribe([AAPL], [THYAO])
    client.until(lambda: client.last(AAPL))
    client.until(lambda: server.quotes.subscribed == {"NASDAQ:AAPL"})
    seen = len(client.quotes)
    name = json.dumps({"symbol": "BIST:THYAO"}, separators=(",", ":"))
    server.quotes.say(call("qsd", "QS", {"n": "BIST:THYAO", "s": "ok", "v": {"lp": 1.0, "lp_time": 1}}))
    server.quotes.say(call("qsd", "QS", {"n": f"={name}", "s": "ok", "v": {"lp": 1.0}}))
    server.set_price("NASDAQ:AAPL", 231.0)
    client.until(lambda: client.price(AAPL) == 231.0)
    assert {q.key for q in client.quotes[seen:]} == {"NASDAQ:AAPL"}
    assert client.source.bad_data() == {"wrong symbol": 2}


def test_a_new_connection_has_a_new_session_and_remembers_nothing(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    server.quotes.drop()
    with pytest.raises(SourceError, match="broke"):
        client.until(lambda: False)
    server.quotes.silent = True
    client.open(THYAO)
    client.until(lambda: server.quotes.subscribed)
    client.quotes.clear()
    one, two = server.quotes.sessions
    assert one != two and two.startswith("qs_") and len(two) == 15
    server.quotes.silent = False
    server.quotes.tell("BIST:THYAO", lp_time=int(time.time()))
    server.quotes.tell("BIST:THYAO", lp=305.0, lp_time=int(time.time()))
    client.until(lambda: client.quotes)
    assert client.price(THYAO) == 305.0 and client.last(THYAO).previous_close is None


def test_heartbeats_come_back_and_are_no_quotes(server, client):
    server.heartbeat_seconds = 0.02
    server.quotes.silent = True
    client.open(THYAO)
    client.until(lambda: len(server.quotes.echoes) >= 3)
    assert server.quotes.echoes[:3] == ["~h~1", "~h~2", "~h~3"]
    assert client.heard and not client.quotes


# --- what the provider may do ---------------------------------------------------------------------------


def qsd(**values: Any) -> str:
    return call("qsd", "QS", {"n": "BIST:THYAO", "s": "ok", "v": values})


def test_many_frames_in_one_message_and_unknown_ones_and_foreign_letters(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    stamp = int(time.time())
    letters = '{"m":"qsd","p":["QS",{"n":"BIST:THYAO","s":"ok","v":{"description":"😀İş 𝔘","lp":311.0}}]}'
    server.quotes.say(
        framed("~h~77") + qsd(lp=310.0, lp_time=stamp) + call("quote_completed", "QS", "BIST:THYAO")
        + call("du", "cs_x", {}) + framed('{"session_id":"x"}')
        + framed(letters.replace("QS", server.quotes.sessions[0])) + qsd(lp=312.0)
    )  # fmt: skip
    client.until(lambda: client.price(THYAO) == 312.0)
    assert [q.price for q in client.quotes][-3:] == [310.0, 311.0, 312.0]
    client.until(lambda: "~h~77" in server.quotes.echoes)
    assert client.source.bad_data() == {}


def test_a_frame_may_come_in_pieces(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    whole = qsd(lp=321.0).replace("QS", server.quotes.sessions[0])
    whole = framed(whole.split("~m~", 2)[2])
    for cut in (1, 4, 7, len(whole) // 2, len(whole) - 1):
        client.quotes.clear()
        server.quotes.say(whole[:cut])
        server.quotes.say(whole[cut:] + framed("~h~5"))
        client.until(lambda: client.price(THYAO) == 321.0)
    assert client.source.bad_data() == {}


@pytest.mark.parametrize(
    "junk",
    ["~m~400~m~{\"m\":\"qsd\",\"p\":[", "no frame at all",
     "~m~99999999~m~x", framed("{not json"), framed("[]"),
     framed('{"m":"qsd"}'), framed('{"m":"qsd","p":["QS"]}'), framed('{"m":"qsd","p":["QS",7]}'),
     call("qsd", "QS", {"n": 5, "s": "ok", "v": {"lp": 9.0}}), call("qsd", "QS", {"n": "={x", "s": "ok"}),
     call("qsd", "QS", {"n": "={\"symbol\":[]}", "s": "ok", "v": {"lp": 9.0}}),
     call("qsd", "QS", {"n": "BIST:THYAO", "s": "ok", "v": None}),
     call("qsd", "QS", {"n": "BIST:THYAO", "s": "strange", "v": {"lp": 9.0}}),
     call("qsd", "QS", {"n": "THYAO", "s": "ok", "v": {"lp": 9.0}}),
     call("qsd", "QS", {"n": "NASDAQ:THYAO", "s": "ok", "v": {"lp": 9.0}}),
     call("qsd", "qs_another", {"n": "BIST:THYAO", "s": "ok", "v": {"lp": 9.0}})],
)  # fmt: skip
def test_what_cannot_be_read_is_passed_over(server, client, junk):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    client.quotes.clear()
    server.quotes.say(junk)
    server.quotes.say(framed("~h~1"))
    server.quotes.say(qsd(lp=322.0))
    client.until(lambda: client.price(THYAO) == 322.0)
    assert [q.price for q in client.quotes] == [322.0]
    assert sum(client.source.bad_data().values()) == 1


@pytest.mark.parametrize(
    "values",
    [{"lp": None}, {"lp": 0}, {"lp": -3.0}, {"lp": "300"}, {"lp": True}, {"lp": 300.0, "lp_time": None},
     {"lp": 300.0, "lp_time": 60}, {"lp": 300.0, "lp_time": NOW * 5}, {"lp": 300.0, "lp_time": "x"}],
)  # fmt: skip
def test_unbelievable_values_are_no_price(server, client, values):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    client.quotes.clear()
    server.quotes.tell("BIST:THYAO", **values)
    server.quotes.tell("BIST:THYAO", lp=323.0, lp_time=int(time.time()))
    client.until(lambda: client.price(THYAO) == 323.0)
    assert [q.price for q in client.quotes] == [323.0]


def test_metadata_alone_is_no_price(server, client):
    server.quotes.silent = True
    client.open(THYAO)
    client.until(lambda: server.quotes.subscribed)
    server.quotes.silent = False
    server.quotes.tell("BIST:THYAO", description="x", volume=5, bid=1.0)
    client.until(lambda: client.heard >= 2 or server.quotes.lines[0].sent)
    client.look(0.05)
    assert not client.quotes


def test_an_unknown_symbol_is_said_and_the_others_go_on(server, client):
    client.open(Instrument("BIST", "NOPE"), THYAO, Instrument("BIST", "BAD SYMBOL"))
    client.until(lambda: client.last(THYAO))
    assert sorted(client.unknown) == ["BIST:BAD SYMBOL", "BIST:NOPE"]


def test_a_refused_symbol_gets_nobody_elses_price(server, client):
    server.quotes.errors["NASDAQ:AAPL"] = "permission_denied"
    client.open(AAPL, THYAO)
    client.until(lambda: client.last(THYAO))
    assert client.refused == ["NASDAQ:AAPL"] and client.unknown == [] and client.last(AAPL) is None


@pytest.mark.parametrize("refusal", ["critical_error", "protocol_error"])
def test_the_end_of_a_session_is_an_error(server, client, refusal):
    server.quotes.refuse = refusal
    client.open(THYAO)
    with pytest.raises(SourceError, match=refusal):
        client.until(lambda: False)
    server.quotes.refuse = ""
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    assert len(set(server.quotes.sessions)) == 2


def price_frame(price: float, session: str = "QS") -> str:
    """A quote of THYAO."""
    values = {"lp": price, "lp_time": int(time.time())}
    return call("qsd", session, {"n": "BIST:THYAO", "s": "ok", "v": values})


def test_what_came_before_the_end_of_a_session_is_not_lost(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    server.quotes.say(price_frame(305.0) + call("critical_error", "QS", "invalid_parameters", "x"))
    for _ in range(2):  # it is told, and again to whoever asks a connection that is over
        with pytest.raises(SourceError, match="critical_error"):
            client.until(lambda: False)
    assert client.price(THYAO) == 305.0
    client.quotes.clear()
    client.open(THYAO)
    client.until(lambda: client.price(THYAO) == 299.25)


def test_what_came_before_the_line_broke_is_not_lost(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    line = server.quotes.lines[0]
    told = websocket_frame(price_frame(305.0, line.session).encode())
    goodbye = websocket_frame((1000).to_bytes(2, "big"), 8)
    server._loop.call_soon_threadsafe(line.writer.write, told + goodbye)
    with pytest.raises(SourceError, match="broke"):
        client.until(lambda: False)
    assert client.price(THYAO) == 305.0


def test_another_sessions_critical_error_is_not_ours(server, client):
    client.open(THYAO)
    server.quotes.say(call("critical_error", "qs_gone", "invalid_parameters", "x"))
    client.until(lambda: client.last(THYAO))


@pytest.mark.parametrize(("fault", "pause"), [(Fault.HTTP_403, None), (Fault.HTTP_429, float(RETRY_AFTER))])
def test_a_refusal_at_the_door_asks_for_a_pause(server, client, fault, pause):
    server.fault(fault)
    with pytest.raises(RateLimitedError) as caught:
        client.open(THYAO)
    assert caught.value.retry_after == pause


@pytest.mark.parametrize("fault", [Fault.HTTP_500, Fault.HTML, Fault.REFUSE])
def test_an_unusable_door_is_an_error(server, client, fault):
    server.fault(fault)
    with pytest.raises(SourceError):
        client.open(THYAO)


def test_garbage_on_the_wire_ends_the_connection(server, client):
    server.fault(Fault.GARBAGE)
    with pytest.raises(SourceError):
        client.open(THYAO)
        client.until(lambda: False)


@pytest.mark.parametrize(
    ("mode", "delay"),
    [
        ("streaming", 0.0),
        ("delayed_streaming_900", 900.0),
        ("delayed_streaming_60", 60.0),
        ("delayed_streaming", 900.0),
        ("endofday", 900.0),
    ],
)
def test_the_update_mode_tells_the_delay(server, client, mode, delay):
    server.quotes.mode = mode
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    assert client.last(THYAO).declared_delay == delay


# --- ending ---------------------------------------------------------------------------------------------


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


def test_a_cancel_ends_a_handshake_that_hangs(client):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = TradingViewPush(f"ws://127.0.0.1:{listener.getsockname()[1]}", FOREVER)
        timer = threading.Timer(0.1, source.cancel)
        timer.start()
        with pytest.raises(CancelledError):
            source.connect()
        timer.join()


def test_a_silent_server_is_not_waited_for(client):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = TradingViewPush(f"ws://127.0.0.1:{listener.getsockname()[1]}", 0.2)
        with pytest.raises(SourceError, match=r"within 0\.2 s"):
            source.connect()


def test_without_a_connection_there_is_nothing(client):
    with pytest.raises(SourceError):
        client.source.receive(0.0)
    client.source.disconnect()


# --- the protocol by itself -----------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.data())
def test_frames_survive_any_cutting(texts, data):
    whole = "".join(framed(text) for text in texts)
    assert list(payloads(whole)) == texts
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    stream, found = FrameStream(), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got, garbled = stream.feed(whole[start:end])
        assert not garbled
        found += got
    assert found == texts


def test_a_head_in_two_pieces_is_no_new_frame():
    stream = FrameStream()
    assert stream.feed("~m~1") == ([], False)
    assert stream.feed("~m~0~m~0~m~") == (["0", ""], False)
    assert stream.feed("~m~9~m~cut") == ([], False)
    assert stream.feed(framed("whole")) == (["whole"], True)


@given(st.text(max_size=60))
def test_any_text_is_survived(text):
    session = QuoteSession("tradingview", BadDataTally("test"))
    session.add([THYAO])
    session.take(text, NOW)
    session.take(framed(text), NOW)
    assert session.quotes == []


def test_what_is_never_finished_is_given_up():
    stream = FrameStream()
    assert stream.feed("~m~2000000~m~" + "x" * 1_999_999) == ([], True)
    assert stream.feed(framed("a")) == (["a"], False)


def test_the_opening_is_what_the_provider_expects():
    session = QuoteSession("tradingview", BadDataTally("test"))
    sent = [json.loads(text) for frame in session.opening() for text in payloads(frame)]
    assert [content["m"] for content in sent] == [
        "set_auth_token", "quote_create_session", "quote_set_fields",
    ]  # fmt: skip
    assert sent[0]["p"] == ["unauthorized_user_token"] and sent[1]["p"] == [session.id]
    assert {"lp", "lp_time", "prev_close_price", "update_mode"} <= set(sent[2]["p"][1:])
    assert session.add([THYAO, AAPL]) == message("quote_add_symbols", session.id, "BIST:THYAO", "NASDAQ:AAPL")
    assert session.add([THYAO]) == ""
    assert session.remove([THYAO, BTC]) == message("quote_remove_symbols", session.id, "BIST:THYAO")


def test_a_refused_text_frame_and_a_polite_goodbye_end_it(server, client):
    client.open(THYAO)
    client.until(lambda: client.last(THYAO))
    line = server.quotes.lines[0]
    binary, goodbye = websocket_frame(b"x", 2), websocket_frame((1000).to_bytes(2, "big"), 8)
    server._loop.call_soon_threadsafe(line.writer.write, binary + goodbye)
    with pytest.raises(SourceError, match="broke"):
        client.until(lambda: False)
    client.source.disconnect()
    with pytest.raises(SourceError):
        client.source._send("x")


def test_names_and_delays():
    assert plain_name('={"symbol":"BIST:THYAO","adjustment":"splits"}') == "BIST:THYAO"
    assert plain_name(None) == plain_name("={") == plain_name('={"symbol":1}') == ""
    assert declared_delay(None, THYAO) == 900.0 and declared_delay(None, AAPL) is None
    assert declared_delay(7, AAPL) is None and declared_delay("streaming", THYAO) == 0.0


@pytest.mark.parametrize(
    "mode", ["delayed", "delayed_streaming", "delayed_streaming_soon", "delayed_streaming_"]
)
def test_a_delay_that_is_admitted_without_a_figure_is_the_usual_one(mode):
    assert declared_delay(mode, AAPL) == declared_delay(mode, THYAO) == 900.0
