"""A split or a bonus issue over night is no crash: nothing is sold on it before the owner has looked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.bots.model import BotAlertKind
from core.bots.split import may_be_split
from core.commands import StartBot, StopBot
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import ASELS, THYAO, at

D = Decimal
DAY = 86_400.0


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


def split_rig(**fields: Any) -> BotRig:
    """A bot that holds 100 ASELS from 100, of which there are twice as many at 50 the next day."""
    rig = BotRig(bot(stop_loss_pct=3.0, max_daily_loss=2_000.0, daily_target=2_000.0, **fields))
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(50.5, 50.6, previous_close=50.0)
    return rig


def test_nothing_is_sold_on_a_split_and_its_owner_is_told_once():
    rig = split_rig()
    rig.settle()
    assert rig.trades() == []
    state = rig.state()
    assert (state.status, state.price_freshness, state.daily_pnl) == ("error", "stale", 0.0)
    assert "previous close changed from 100.00 to 50.00" in (state.last_error or "")
    assert len(rig.alerts(BotAlertKind.ERROR)) == 1
    again = rig.reborn()
    again.pass_by(50.7, previous_close=50.0)
    assert again.trades() == [] and again.alerts(BotAlertKind.ERROR) == []


def test_who_starts_the_bot_believes_the_price():
    rig = split_rig()
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().daily_pnl == 0.0
    rig.pass_by(50.7, previous_close=50.0)
    assert [each.reason for each in rig.trades()] == ["stop"]
    assert rig.state().daily_pnl == 70.0 and rig.alerts(BotAlertKind.LIMIT) == []


def test_who_stops_and_sells_gets_the_price_of_now():
    rig = split_rig()
    rig.execute(StopBot(bot_id="b1", flatten=True))
    rig.pass_by(50.7, previous_close=50.0)
    assert [(each.reason, each.exit_price) for each in rig.trades()] == [("flatten", D("50.7"))]


def test_neither_stop_nor_edit_hides_that_nothing_is_sold():
    rig = split_rig()
    rig.apply(bot(stop_loss_pct=4.0))
    assert rig.state().status == "error" and "A split" in (rig.state().last_error or "")
    rig.execute(StopBot(bot_id="b1"))
    assert rig.state().status == "stopped" and "A split" in (rig.state().last_error or "")
    rig.pass_by(50.7, previous_close=50.0)
    assert rig.trades() == []


def test_a_split_of_one_instrument_leaves_the_others_stops_alone():
    rig = BotRig(bot("b1", "ASELS", "THYAO", stop_loss_pct=3.0, max_open_positions=2))
    rig.buy(100.0)
    rig.buy(50.0, on=THYAO)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(50.5, previous_close=50.0)
    rig.pass_by(48.0, on=THYAO, previous_close=49.0)
    assert [each.key for each in rig.trades()] == [THYAO.key]
    assert [each.key for each in rig.state().positions] == [ASELS.key]


def test_a_crash_is_sold():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-19 10:30"))
    rig.pass_by(60.0, previous_close=99.0)
    assert [each.reason for each in rig.trades()] == ["stop"]


@pytest.mark.parametrize(
    ("seen", "apart", "close", "price", "expected"),
    [
        (100.0, 0.7 * DAY, 50.0, 50.5, True),
        (100.0, 2.7 * DAY, 33.3, 33.0, True),
        (10.0, 0.7 * DAY, 100.0, 98.0, True),  # shares are put together
        (100.0, 0.7 * DAY, 90.0, 85.0, False),  # the limit of a session
        (100.0, 0.7 * DAY, 50.0, 30.0, False),
        (100.0, 9.0 * DAY, 50.0, 50.5, False),
    ],
)
def test_what_looks_like_a_split(seen: float, apart: float, close: float, price: float, expected: bool):
    assert may_be_split(seen, apart, close, price) is expected
