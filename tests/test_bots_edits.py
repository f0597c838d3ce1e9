"""A bot that is edited while it holds something keeps its protection, its money and its limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.bots.model import BotAlertKind
from core.commands import StopBot
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import at

D = Decimal


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


# --- the trailing stop ----------------------------------------------------------------------------------


def calm_rig(**fields: Any) -> BotRig:
    """A bot that has seen 17 quarter-hours with a range of 0.5 each, and holds 100 from 100.5 and 104 on."""
    rig = BotRig(bot(trailing_stop_atr=2.0, **fields))
    rig.clock.set_time(at("2026-11-17 10:05"))
    for number in range(17 * 15):
        rig.pass_by(100.5 if number % 2 else 100.0, every=60.0)
    rig.buy(100.5)
    rig.pass_by(104.0)
    assert rig.state().trailing_stop_price == 103.0
    return rig


def trailing_stop(rig: BotRig) -> Decimal | None:
    rig.settle()
    position = rig.state().position
    assert position is not None
    return position.trailing_stop


def test_another_stop_loss_does_not_loosen_the_trailing_stop():
    rig = calm_rig(stop_loss_pct=20.0)
    for number in range(60):  # it has become restless since, so a stop of now would lie further away
        rig.pass_by(104.0 if number % 15 < 7 else 103.3, every=60.0)
    rig.apply(bot(trailing_stop_atr=2.0, stop_loss_pct=19.0))
    assert trailing_stop(rig) == D(103)


def test_another_target_and_other_bars_do_not_take_the_trailing_stop_away():
    rig = calm_rig()
    rig.apply(bot(
        trailing_stop_atr=2.0, take_profit_pct=50.0, strategy="ema_cross", params={"timeframe_sec": 86_400}
    ))  # fmt: skip
    assert trailing_stop(rig) == D(103)
    rig.pass_by(102.9)
    assert [each.reason for each in rig.trades()] == ["trailing_stop"]


def test_another_trailing_stop_is_in_force_at_once_looser_ones_too():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.buy(100.0)
    rig.pass_by(110.0)
    assert trailing_stop(rig) == D("107.8")
    rig.apply(bot(trailing_stop_pct=5.0))
    assert trailing_stop(rig) == D("104.5")
    rig.apply(bot(stop_loss_pct=1.0))
    assert trailing_stop(rig) is None
    assert rig.state().trailing_stop_price == 99.0


def test_the_former_trailing_stop_stays_until_the_new_one_is_known():
    rig = BotRig(bot(trailing_stop_pct=2.0))
    rig.clock.set_time(at("2026-11-17 10:05"))
    rig.buy(100.0)
    rig.pass_by(104.0)
    rig.apply(bot(trailing_stop_atr=8.0))
    assert trailing_stop(rig) == D(102)
    rig = rig.reborn()
    for number in range(16 * 15):
        rig.pass_by(103.5 if number % 2 else 103.0, every=60.0)
    assert trailing_stop(rig) == D(100), "8 ranges of 0.5 under 104"


# --- what went wrong ------------------------------------------------------------------------------------


def test_a_stopped_bot_is_no_longer_in_error_but_its_alert_stays():
    rig = BotRig(bot())
    rig.want(ValueError("boom"))
    rig.pass_by(100.0)
    assert rig.state().status == "error" and "boom" in (rig.state().last_error or "")
    rig.execute(StopBot(bot_id="b1"))
    assert (rig.state().status, rig.state().last_error) == ("stopped", None)
    assert "boom" in rig.alerts(BotAlertKind.ERROR)[0].fields["error"]
