"""TradingView's framing, and what a transcript makes of a conversation."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Instrument
from core.sources.tradingview_wire import (
    Transcript,
    chart_url,
    frame,
    message,
    payloads,
    tradingview_ticker,
    utf16_length,
)

THYAO = Instrument("BIST", "THYAO")


def heard(*messages: tuple[str, list[Any]]) -> Transcript:
    transcript = Transcript()
    transcript.add("".join(message(name, *params) for name, params in messages))
    return transcript


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
def test_frames_come_apart_as_they_were_put_together(texts: list[str]) -> None:
    assert list(payloads("".join(frame(text) for text in texts))) == texts


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_length_counts_utf16_code_units(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le")) // 2


@given(st.text(max_size=80))
def test_no_text_breaks_a_transcript(text: str) -> None:
    transcript = Transcript()
    transcript.add(text)
    transcript.add(frame(text))
    assert transcript.closes == {}


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["m", "p", "s", "v", "n"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_no_json_breaks_a_transcript(content: Any) -> None:
    transcript = Transcript()
    for name in ("timescale_update", "du", "symbol_resolved", "qsd", "series_error", "critical_error"):
        transcript.add(frame(json.dumps({"m": name, "p": content})))
    transcript.add(frame(json.dumps(content)))


@pytest.mark.parametrize("text", ["x", "~m~5~m~abc", "~m~x~m~abc", frame("{}") + "tail"])
def test_what_is_not_framed_is_garbled(text: str) -> None:
    transcript = Transcript()
    transcript.add(text)
    assert transcript.garbled
    with pytest.raises(ValueError):
        list(payloads(text))


def test_beats_and_unknown_messages_are_ignored() -> None:
    transcript = heard(("study_loading", ["cs_1"]), ("series_completed", ["cs_1", "s1"]))
    transcript.add(frame("~h~17") + frame('{"session_id":"x","protocol":"json"}'))
    assert not transcript.garbled
    assert not transcript.failed


def test_bars_of_all_updates_are_remembered() -> None:
    first = {"s1": {"s": [{"i": 0, "v": [60, 1, 2, 0.5, 1.5, 9]}, {"i": 1, "v": [120, 1, 2, 1, None, 9]}]}}
    second = {"s1": {"s": [{"i": 0, "v": [60.0, 1, 2, 0.5, 1.75]}]}, "other": 7}
    transcript = heard(("timescale_update", ["cs_1", first]), ("du", ["cs_1", second]))
    assert transcript.closes == {60.0: {1.5, 1.75}}
    assert not transcript.garbled
    assert not math.isnan(max(transcript.closes[60.0]))


@pytest.mark.parametrize(
    ("content", "unknown", "refused"),
    [
        (("symbol_error", ["cs_1", "sym_1", "invalid symbol"]), True, False),
        (("series_error", ["cs_1", "s1", "s1", "resolve error"]), True, False),
        (("series_error", ["cs_1", "s1", "s1", "custom_resolution"]), False, True),
        (("protocol_error", ["bad auth token"]), False, True),
        (("critical_error", ["cs_1", "invalid_parameters", "create_series"]), False, True),
        (("critical_error", ["qs_1", "invalid_parameters", "quote_add_symbols"]), False, False),
    ],
)
def test_errors_are_told_apart(content: tuple[str, list[Any]], unknown: bool, refused: bool) -> None:
    transcript = heard(content)
    assert (transcript.unknown, bool(transcript.refusal)) == (unknown, refused)
    assert transcript.failed == (unknown or refused)


@pytest.mark.parametrize(
    ("asked", "resolved", "same"),
    [
        (THYAO, {"full_name": "BIST:THYAO", "name": "THYAO"}, True),
        (THYAO, {"pro_name": "BIST_DLY:THYAO"}, True),
        (THYAO, {"name": "THYAO"}, True),
        (THYAO, {}, True),
        (THYAO, {"full_name": "BIST:AKBNK", "name": "AKBNK"}, False),
        (Instrument("NASDAQ", "AAPL"), {"full_name": "BATS:AAPL", "name": "AAPL"}, True),
        (Instrument("NASDAQ", "AAPL"), {"full_name": "BIST:AAPL", "name": "AAPL"}, False),
        (THYAO, {"full_name": "NYSE:THYAO", "name": "THYAO"}, False),
        (Instrument("CRYPTO", "BTC"), {"full_name": "CRYPTO:BTCUSD"}, True),
    ],
)
def test_another_instrument_is_noticed(asked: Instrument, resolved: dict[str, str], same: bool) -> None:
    assert heard(("symbol_resolved", ["cs_1", "sym_1", resolved])).matches(asked) is same


def test_the_declared_delay_is_read() -> None:
    def quote(mode: str) -> float | None:
        return heard(("qsd", ["qs_1", {"n": "BIST:THYAO", "s": "ok", "v": {"update_mode": mode}}])).delay

    assert quote("delayed_streaming_900") == 900.0
    assert quote("streaming") is None
    assert quote("delayed_streaming_soon") is None


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("wss://data.tradingview.com/socket.io/websocket", "wss://data.tradingview.com/socket.io/websocket"),
        ("wss://data.tradingview.com/socket.io", "wss://data.tradingview.com/socket.io/websocket"),
        ("wss://data.tradingview.com", "wss://data.tradingview.com/socket.io/websocket"),
        (
            "ws://127.0.0.1:8/socket.io/websocket?type=chart",
            "ws://127.0.0.1:8/socket.io/websocket?type=chart",
        ),
        ("ws://127.0.0.1:8/other", "ws://127.0.0.1:8/other"),
    ],
)
def test_the_endpoint_may_lack_its_last_segment(endpoint: str, url: str) -> None:
    assert chart_url(endpoint) == url


def test_tickers() -> None:
    assert tradingview_ticker(THYAO) == "THYAO"
    assert tradingview_ticker(Instrument("CRYPTO", "BTC")) == "BTCUSD"
    assert tradingview_ticker(Instrument("CRYPTO", "ETH-USD")) == "ETHUSD"
    assert tradingview_ticker(Instrument("NYSE", "BRK.B")) == "BRK.B"
