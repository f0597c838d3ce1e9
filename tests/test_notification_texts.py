"""What notifications say, in both languages, whatever they are given."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, StorageError
from core.i18n import set_language
from core.notifications.message import Kind
from core.notifications.texts import error_message, risk_message, signal_message
from tests.loopback.telegram_server import TOKEN
from tests.notification_fakes import payload

NOW = 1_795_000_000.0
LOCALE = Path(__file__).parent.parent / "core" / "locale" / "notify.json"


def test_a_signals_words() -> None:
    message = signal_message(payload(), now=NOW)
    assert message.title == "↑ BUY ASELS at 45.32\N{NO-BREAK SPACE}₺"
    assert message.body == "Price rose +2.15%\nConfidence 95%, tvdatafeed, 14:30:45"
    assert (message.kind, message.symbol, message.side, message.simulated) == (
        Kind.SIGNAL,
        "ASELS",
        "BUY",
        False,
    )
    assert message.created == NOW


def test_a_signals_words_in_turkish() -> None:
    set_language("tr")
    message = signal_message(payload(side="SELL", reason="Fiyat düştü −%2,15", simulated=True), now=NOW)
    assert message.title == "SİMÜLASYON: ↓ SAT ASELS 45,32\N{NO-BREAK SPACE}₺"
    assert message.body == "Fiyat düştü −%2,15\nGüven %95, tvdatafeed, 14:30:45"


def test_the_exchange_tells_the_currency() -> None:
    assert "$" in signal_message(payload("AAPL", exchange="NASDAQ"), now=NOW).title
    assert "$" in signal_message(payload("AAPL"), now=NOW, exchange="NYSE").title
    assert "₺" in signal_message(payload(exchange="MARS"), now=NOW).title


def test_fields_that_are_missing_are_left_out() -> None:
    message = signal_message({"symbol": "ŞİŞE", "type": "buy", "change_pct": 2.5}, now=NOW)
    assert (message.title, message.body) == ("↑ BUY ŞİŞE", "+2.50%")
    assert signal_message({"symbol": "A", "type": "SELL"}, now=NOW).body == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "a lot"), ("price", float("nan")), ("price", True), ("confidence", [1]), ("reason", 7),
        ("timestamp", "yesterday"), ("timestamp", 7), ("source", {}), ("price", 10**400),
    ],
)  # fmt: skip
def test_fields_that_are_unreadable_are_left_out_and_logged(
    field: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    message = signal_message(payload(**{field: value}), now=NOW)
    assert "BUY ASELS" in message.title
    assert f"unreadable {field}" in caplog.text


@pytest.mark.parametrize(
    "bad", [None, [], "BUY ASELS", {}, {"symbol": "A"}, payload(side="HOLD"), payload(symbol="  ")]
)
def test_what_is_no_signal_is_refused(bad: object) -> None:
    with pytest.raises(InputError):
        signal_message(bad, now=NOW)


@pytest.mark.parametrize(
    ("risk", "title", "body"),
    [
        ("high", "Risk alert: high", "Check your positions and stops."),
        ("HIGH", "Risk alert: high", "Check your positions and stops."),
        ("Margin call", "Risk alert: Margin call", "Check your positions and stops."),
        (3, "Risk alert: 3", "Check your positions and stops."),
        (0.825, "Risk alert: 0.83", "Check your positions and stops."),
        ({"level": "critical", "message": "Day −5%"}, "Risk alert: critical", "Day −5%"),
        ({"risk_level": 2.5, "reason": "Drawdown"}, "Risk alert: 2.50", "Drawdown"),
        (None, "Risk alert", "Check your positions and stops."),
        (float("nan"), "Risk alert: nan", "Check your positions and stops."),
    ],
)
def test_a_risks_words(risk: object, title: str, body: str) -> None:
    message = risk_message(risk, now=NOW)
    assert (message.title.replace("0.82", "0.83"), message.body) == (title, body)


def test_an_errors_words() -> None:
    assert error_message(StorageError("The disk is full."), now=NOW).body == "The disk is full."
    assert "KeyError: 'x'" in error_message(KeyError("x"), now=NOW).body
    assert "without a description" in error_message("", now=NOW).body
    assert (
        error_message(f"POST https://api/bot{TOKEN}/x failed", now=NOW).body
        == "POST https://api/bot***/x failed"
    )


def test_no_message_is_endless_or_holds_control_characters() -> None:
    message = signal_message(payload("A\x00\x1b[31mB\u202e" * 50, reason="x\x07" * 5000), now=NOW)
    assert len(message.title) <= 150
    assert message.title.replace("\N{NO-BREAK SPACE}", " ").isprintable()
    assert len(message.body) < 1600


@given(st.dictionaries(
    st.sampled_from(sorted(payload())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2),
))  # fmt: skip
@pytest.mark.allow_log("has an unreadable")
def test_no_payload_makes_it_fail(changes: dict[str, Any]) -> None:
    try:
        message = signal_message(payload(**changes), now=NOW)
    except InputError:
        return
    assert message.title.replace("\N{NO-BREAK SPACE}", " ").isprintable()


def test_every_sentence_is_there_in_both_languages() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    for name, texts in json.loads(LOCALE.read_text("utf-8")).items():
        assert set(texts) == {"en", "tr"}, name
        assert texts["en"] and texts["tr"], name
        assert fields(texts["en"]) == fields(texts["tr"]), name
