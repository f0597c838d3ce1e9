"""A price in doubt is not traded on and does not look live; nor is an answer that came too late taken."""

from __future__ import annotations

import pytest

from core.model import Notice
from tests.bot_rig import BotRig, add_puppet, bot


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
