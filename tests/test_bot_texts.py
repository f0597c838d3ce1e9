"""What a bot's owner reads."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.bots.model import BotAlert, BotAlertKind
from core.exchanges import EXCHANGES
from core.i18n import set_language
from core.notifications.bot_texts import bot_message, duration
from core.notifications.message import Message

AT = datetime(2026, 11, 18, 14, 2, 10, tzinfo=EXCHANGES["BIST"].zone).timestamp()


def told(kind: str, *, simulated: bool = False, key: str = "BIST:ASELS", **fields: Any) -> Message:
    alert = BotAlert(
        alert_id="x-a1", kind=BotAlertKind(kind), bot_id="x", owner="local", name="Şişe dip", key=key,
        at=AT, simulated=simulated, fields=fields,
    )  # fmt: skip
    message = bot_message(alert, now=AT + 1)
    return replace(message, title=_plain(message.title), body=_plain(message.body))


def _plain(text: str) -> str:
    return re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", text)


SOLD = {"side": "SELL", "quantity": "100", "price": "45.32", "pnl": "122.005", "reason": "target"}
BLINDLY_SOLD = {**SOLD, "pnl": "-80", "reason": "trailing_stop", "blind_sec": 200.0, "crashed": True}

ENGLISH = {
    ("entry", ("side", "BUY"), ("quantity", 250), ("price", 44.1), ("stop", 42.78), ("reason", "signal")): (
        "Şişe dip: bought 250 ASELS at 44.10 ₺",
        "Reason: the strategy's signal\nStop: 42.78 ₺\nBIST:ASELS, 14:02:10",
    ),
    ("entry", ("side", "SELL"), ("quantity", "0.05"), ("price", "44.1")): (
        "Şişe dip: sold 0.05 ASELS short at 44.10 ₺", "BIST:ASELS, 14:02:10",
    ),
    ("exit", *SOLD.items()): (
        "Şişe dip: sold 100 ASELS at 45.32 ₺, +122.00 ₺", "Reason: take profit\nBIST:ASELS, 14:02:10",
    ),
    ("exit", ("side", "BUY"), ("quantity", -7), ("price", 40), ("pnl", -12.5), ("reason", "flatten")): (
        "Şişe dip: bought back 7 ASELS at 40.00 ₺, \N{MINUS SIGN}12.50 ₺",
        "Reason: closed by hand\nBIST:ASELS, 14:02:10",
    ),
    ("stop", *BLINDLY_SOLD.items()): (
        "Şişe dip: stop hit, sold 100 ASELS at 45.32 ₺, \N{MINUS SIGN}80.00 ₺",
        "Reason: trailing stop\nThe program was not running for a while. The price crossed the stop at most "
        "4 min ago; sold at 45.32 ₺, the first price after that.\nBIST:ASELS, 14:02:10",
    ),
    ("limit", ("reason", "daily_loss"), ("pnl", -1234.5)): (
        "Şişe dip: daily loss limit reached, the bot has stopped",
        "Today's result: \N{MINUS SIGN}1,234.50 ₺\nBIST:ASELS, 14:02:10",
    ),
    ("error", ("error", "ZeroDivisionError in line 7")): (
        "Şişe dip: error, the bot has stopped",
        "ZeroDivisionError in line 7\nIts open positions keep their stops. The other bots go on.\n"
        "BIST:ASELS, 14:02:10",
    ),
    ("recovered", ("blind_sec", 61), ("crashed", True), ("positions", 2), ("stop", 42.5)): (
        "Şişe dip: restored after a break of 61 s",
        "The program had ended without closing it properly. Its state and its stops are restored; stops "
        "are checked at each price, so only while the scan runs.\n"
        "Open positions: 2\nStop of ASELS: 42.50 ₺\nBIST:ASELS, 14:02:10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENGLISH, ids=lambda case: case[0])
def test_in_english(case: tuple[Any, ...]) -> None:
    set_language("en")
    message = told(case[0], **dict(case[1:]))
    assert (message.title, message.body) == ENGLISH[case]
    assert message.id == "x-a1"


def test_in_turkish() -> None:
    set_language("tr")
    message = told("stop", **{**SOLD, "reason": "stop", "blind_sec": 300})
    assert message.title == "Şişe dip: stop çalıştı, 100 ASELS 45,32 ₺ fiyattan satıldı, +122,00 ₺"
    assert message.body == (
        "Neden: zarar durdur\nBir süre fiyat gelmedi. Stop en çok 5 dk önce aşıldı; sonraki ilk fiyattan, "
        "45,32 ₺, satıldı.\nBIST:ASELS, 14:02:10"
    )


def test_a_pause_between_two_prices_is_not_worth_a_word() -> None:
    set_language("en")
    assert "no price" not in told("stop", **SOLD, blind_sec=59.0).body
    assert "no price for 2 min before" in told("exit", **SOLD, blind_sec=61.0 + 30).body
    assert "not running for 5 s" in told("exit", **SOLD, blind_sec=5.0, crashed=False).body


def test_simulated_is_marked_before_everything_else() -> None:
    set_language("en")
    message = told("exit", simulated=True, **SOLD)
    assert message.simulated
    assert message.title.startswith("SIMULATED: Şişe dip: sold")


def test_a_message_of_another_day_says_of_which() -> None:
    set_language("en")
    alert = BotAlert(
        alert_id="a", kind=BotAlertKind.EXIT, bot_id="b", owner="o", name="", key="NASDAQ:AAPL", at=AT
    )
    message = bot_message(alert, now=AT + 86_400)
    assert message.title == "b: closed its position in AAPL"
    assert message.body == "NASDAQ:AAPL, 2026-11-18 06:02:10"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (90, "90 s"), (91, "2 min"), (5400, "90 min"), (5401, "2 h")]
)
def test_a_length_of_time_is_rounded_up(seconds: float, text: str) -> None:
    set_language("en")
    assert duration(seconds) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
FIELDS = ("side", "quantity", "price", "pnl", "stop", "reason", "error", "blind_sec")


@given(
    st.sampled_from(list(BotAlertKind)), st.dictionaries(st.sampled_from(FIELDS), JSON), st.text(max_size=20)
)
def test_whatever_an_alert_holds_it_is_told(kind: BotAlertKind, fields: dict[str, Any], key: str) -> None:
    alert = BotAlert(alert_id="a", kind=kind, bot_id="b", owner="o", name="n", key=key, at=AT, fields=fields)
    for language in ("en", "tr"):
        set_language(language)
        assert bot_message(alert, now=AT).title
