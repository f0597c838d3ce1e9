"""A price in doubt is not traded on and does not look live; nor is an answer that came too late taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.bots.host import Outcome
from core.bots.strategy import Action, Decision, View
from core.commands import StopAllBots, StopBot
from core.errors import StorageError
from core.model import Notice
from tests.bot_rig import BotRig, add_puppet, bot
from tests.scripted import ASELS, at

D = Decimal


@pytest.fixture(autouse=True)
def _strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    add_puppet(monkeypatch)


# --- sources disagree -----------------------------------------------------------------------------------


def disputed_rig() -> BotRig:
    """A bot that holds ASELS, of which one source tells 100 and another 80."""
    rig = BotRig(bot(stop_loss_pct=3.0), cross_check_pct=3.0)
    rig.buy(100.0, source="alpha")
    for number in range(5):
        rig.pass_by(80.0 + number * 0.01, source="beta")
        rig.pass_by(100.0 + number * 0.01, source="alpha")
    rig.settle()
    return rig


def test_a_disputed_price_does_not_look_live_and_its_owner_is_told_once():
    rig = disputed_rig()
    assert rig.trades() == []
    assert rig.state().price_freshness == "stale" and rig.stored().price_freshness == "stale"
    (notice,) = [each for each in rig.events.of(Notice) if each.key == "bots.disputed"]
    assert (notice.level, notice.params) == ("error", {"symbol": "ASELS", "told": "alpha 100 / beta 80"})


def test_when_they_agree_again_it_is_live_and_guarded():
    rig = disputed_rig()
    rig.pass_by(98.0, source="beta")
    rig.pass_by(98.0, source="alpha")
    rig.settle()
    assert (rig.state().last_price, rig.state().price_freshness) == (98.0, "live")
    rig.pass_by(96.9, source="alpha")
    assert [each.reason for each in rig.trades()] == ["stop"]


def test_each_dispute_is_told_anew_but_only_of_what_is_held():
    rig = disputed_rig()
    for price in (98.0, 80.0):
        rig.pass_by(price, source="beta")
        rig.pass_by(98.0, source="alpha")
    assert rig.notices().count("bots.disputed") == 2
    free = BotRig(bot(), cross_check_pct=3.0)
    free.pass_by(100.0, source="alpha")
    free.pass_by(80.0, source="beta")
    free.settle()
    assert free.notices() == [] and free.state().price_freshness == "stale"


# --- nobody has looked at it again ----------------------------------------------------------------------


@pytest.mark.parametrize("command", [StopBot(bot_id="b1", flatten=True), StopAllBots(flatten=True)])
def test_nothing_is_sold_by_command_after_the_close(command: StopBot | StopAllBots):
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-18 17:59") + 59.0)
    rig.see(101.0)
    rig.clock.advance(1.8)
    rig.execute(command)
    assert rig.trades() == [] and rig.state().price_freshness == "closed"
    rig.clock.set_time(at("2026-11-19 10:00") + 5.0)
    rig.see(102.0)
    assert [each.exit_price for each in rig.trades()] == [D(102)]


def test_a_computer_that_slept_sells_at_the_next_price():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-18 17:00"))  # 14:00 before
    rig.execute(StopBot(bot_id="b1", flatten=True))
    assert rig.trades() == [] and rig.state().price_freshness == "stale"
    rig.pass_by(95.0)
    assert [each.exit_price for each in rig.trades()] == [D(95)]


@pytest.mark.allow_log("cannot be stored yet")
def test_a_command_that_waited_for_the_disk_sells_at_no_old_price():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-18 17:59") + 59.0)
    rig.see(101.0)
    rig.store.broken = True
    rig.clock.advance(0.3)
    rig.see(101.5)
    with pytest.raises(StorageError):
        rig.execute(StopBot(bot_id="b1", flatten=True))
    rig.store.broken = False
    rig.clock.advance(0.9)
    rig.engine.bots.end_batch(rig.clock.monotonic() + 1.0)
    assert rig.trades() == [] and rig.state().status == "stopped"


# --- an answer that comes late --------------------------------------------------------------------------


class SlowHost:
    """Answers when the test does."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.answers: list[Outcome] = []

    def begin(self, strategy: Any, view: View, *_: Any) -> SlowHost:
        """See `Host.begin`."""
        self.views.append(view)
        return self

    def poll(self) -> Outcome | None:
        """See `PendingAnswer.poll`."""
        return self.answers.pop() if self.answers else None

    def close(self) -> None:
        """See `Host.close`."""

    def answer(self, rig: BotRig, action: Action, **memory: Any) -> None:
        """To what was asked last."""
        self.answers.append(Outcome(Decision(action=action), memory))
        rig.engine.end_batch()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowHost:
    host = SlowHost()
    monkeypatch.setattr("core.bots.cycles.StrategyHost", lambda clock: host)
    return host


def test_a_late_answer_buys_nothing_after_the_close(slow: SlowHost):
    rig = BotRig(bot(time_limit_sec=60.0))
    rig.clock.set_time(at("2026-11-18 17:59") + 59.0)
    rig.see(100.0)
    rig.clock.advance(1.5)
    rig.engine.end_batch()
    rig.clock.set_time(at("2026-11-19 10:00") + 59.0)
    rig.see(100.0)
    rig.clock.set_time(at("2026-11-19 17:59") + 59.9)
    rig.see(100.0)
    rig.clock.advance(0.5)
    slow.answer(rig, Action.BUY)
    assert rig.fills() == []


def test_an_answer_about_a_position_that_is_gone_is_asked_for_anew(slow: SlowHost):
    rig = BotRig(bot(direction="both", stop_loss_pct=3.0, time_limit_sec=60.0))
    rig.see(100.0)
    slow.answer(rig, Action.BUY, bought=1)
    rig.pass_by(100.1)  # asked while long, and thinks about it
    rig.pass_by(96.0)  # meanwhile the stop sells
    assert [each.reason for each in rig.trades()] == ["stop"]
    slow.answer(rig, Action.SELL, sold=1)  # meant: out of the long position
    assert len(rig.fills()) == 2
    assert slow.views[-1].position is None and slow.views[-1].price == 96.0
    slow.answer(rig, Action.HOLD)
    rig.settle()
    assert rig.store.bots()[0].memory["spots"][ASELS.key].get("memory", {}) == {}


def test_a_signal_that_was_answered_too_late_is_shown_again(slow: SlowHost):
    rig = BotRig(bot(strategy="threshold", stop_loss_pct=3.0, time_limit_sec=60.0))
    rig.see(100.0)
    rig.pass_by(103.0)
    slow.answer(rig, Action.BUY)
    rig.pass_by(106.5, every=10.0)
    rig.pass_by(99.0)  # the stop; within the cooldown, so no signal of its own
    asked = slow.views[-1]
    assert asked.signal is not None and asked.position is not None
    slow.answer(rig, Action.HOLD)
    again = slow.views[-1]
    assert again is not asked and again.signal == asked.signal and again.position is None
