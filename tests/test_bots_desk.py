"""The bots' desk: commands, configuration, cycles, the store's failures, what comes back after a crash."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.bots.desk import MARK_EVERY
from core.bots.folder import use_folder
from core.bots.model import BotAlertKind, BotState
from core.bots.strategy import Action, Decision, Wake
from core.commands import (
    BotHistory,
    BotsLoaded,
    RequestBotHistory,
    RunBotCycle,
    StartBot,
    StopAllBots,
    StopBot,
)
from core.errors import InputError, StorageError
from core.model import Bar, Freshness
from tests.bot_rig import BotRig, BotStore, Puppet, add_puppet, bot
from tests.patience import PATIENCE
from tests.scripted import ASELS, BTC, THYAO, WEDNESDAY, at

D = Decimal


@pytest.fixture(autouse=True)
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    return add_puppet(monkeypatch)


def loaded(rig: BotRig) -> BotsLoaded:
    return rig.events.of(BotsLoaded)[-1]


# --- what is told, and when -------------------------------------------------------------------------------


def test_a_fill_is_stored_before_it_is_told_and_told_in_the_same_batch():
    rig = BotRig(bot())
    stored: list[int] = []
    rig.bus.subscribe(BotState, lambda state: stored.append(rig.stored().version))
    rig.buy(100.0)
    (done,) = rig.fills()
    assert done.price == D(100) and stored == [rig.state().version]
    assert rig.state().position is not None and rig.stored() == rig.state()


def test_mere_prices_are_told_five_times_a_second_at_most_and_end_on_the_latest():
    rig = BotRig(bot(autostart=False))
    rig.see(100.0)  # the day begins: that matters
    rig.settle()
    before = len(rig.events.of(BotState))
    for number in range(100):
        rig.clock.advance(0.01)
        rig.see(100.0 + number * 0.1)
    told = len(rig.events.of(BotState)) - before
    assert 4 <= told <= 6
    rig.clock.advance(MARK_EVERY)
    assert rig.engine.next_wake() == 0.0
    rig.engine.end_batch()
    assert rig.state().last_price == 100.0 + 99 * 0.1


def test_all_bots_of_a_batch_are_one_transaction():
    rig = BotRig(*(bot(f"b{number}") for number in range(5)))
    rig.store.commits.clear()
    rig.see(100.0)
    assert rig.store.commits == [5]


def test_versions_rise_by_one_and_continue_after_a_restart():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.pass_by(101.0, 102.0)
    rig.engine.close()
    again = rig.reborn()
    again.pass_by(103.0)
    versions = [state.version for state in (*rig.events.of(BotState), *again.events.of(BotState))]
    assert versions == list(range(1, len(versions) + 1))


def test_an_aged_price_shows_as_stale():
    rig = BotRig(bot())
    rig.pass_by(100.0)
    rig.wait(70)
    assert rig.state().price_freshness is Freshness.STALE


# --- commands -------------------------------------------------------------------------------------------


def test_start_stop_and_what_does_not_exist():
    rig = BotRig(bot(autostart=False))
    assert rig.state().status == "stopped"
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().status == "running"
    version = rig.state().version
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().version == version
    rig.execute(StopBot(bot_id="b1"))
    rig.execute(StopBot(bot_id="b1"))
    assert (rig.state().status, rig.state().version) == ("stopped", version + 1)
    for command in (StartBot(bot_id="x"), StopBot(bot_id="x"), RunBotCycle(bot_id="x")):
        with pytest.raises(InputError, match="no bot called x"):
            rig.execute(command)


def test_stopping_keeps_the_position_unless_it_is_to_be_sold():
    rig = BotRig(bot(stop_loss_pct=5.0))
    rig.buy(100.0)
    rig.execute(StopBot(bot_id="b1"))
    assert rig.state().position is not None and rig.state().trailing_stop_price == 95.0
    rig.execute(StopBot(bot_id="b1", flatten=True))
    assert rig.state().position is None and [t.reason for t in rig.trades()] == ["flatten"]


def test_flattening_outside_the_session_sells_at_the_next_true_price():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-18 20:00"))
    rig.wait(2)
    assert rig.state().status == "market_closed"
    rig.execute(StopBot(bot_id="b1", flatten=True))
    assert rig.trades() == [] and [o.reason for o in rig.store.bots()[0].orders] == ["flatten"]
    again = rig.reborn()  # the wish outlives the program
    again.clock.set_time(at("2026-11-19 10:01"))
    again.pass_by(97.0)
    assert [(t.exit_price, t.reason) for t in again.trades()] == [(D(97), "flatten")]


def test_a_cycle_can_be_asked_for():
    rig = BotRig(bot(check_interval_sec=3600.0))
    rig.pass_by(100.0)
    rig.want(Action.BUY)
    rig.pass_by(100.0)
    assert rig.fills() == []
    rig.execute(RunBotCycle(bot_id="b1"))
    assert len(rig.fills()) == 1
    rig.execute(StopBot(bot_id="b1"))
    with pytest.raises(InputError, match="does not run"):
        rig.execute(RunBotCycle(bot_id="b1"))


def test_history_is_told_on_request():
    rig = BotRig(bot("b1"), bot("b2", "THYAO"))
    rig.buy(100.0)
    rig.execute(StopAllBots(flatten=True))
    rig.execute(RequestBotHistory(bot_id="b1"))
    history = rig.events.of(BotHistory)[-1]
    assert (len(history.trades), len(history.fills), len(history.days)) == (1, 2, 1)
    rig.execute(RequestBotHistory(bot_id="b2"))
    assert rig.events.of(BotHistory)[-1].trades == ()


# --- the configuration ----------------------------------------------------------------------------------


def test_bots_are_loaded_in_the_order_of_the_configuration():
    rig = BotRig(bot("b2"), bot("b1"))
    assert [config.id for config in loaded(rig).configs] == ["b2", "b1"]
    rig.apply(bot("b1"), bot("b3"), bot("b2"))
    assert [state.bot_id for state in loaded(rig).states] == ["b1", "b3", "b2"]


def test_autostart_is_for_new_bots_the_others_come_back_as_they_were():
    rig = BotRig(bot(autostart=False))
    assert rig.state().status == "stopped"
    rig.apply(bot(autostart=True))
    assert rig.state().status == "running"
    rig.execute(StopBot(bot_id="b1"))
    rig.engine.close()
    again = rig.reborn()
    assert loaded(again).states[0].status == "stopped"


def test_an_edited_bot_works_by_its_new_rules_at_once():
    rig = BotRig(bot(stop_loss_pct=5.0))
    rig.buy(100.0)
    rig.apply(bot(stop_loss_pct=2.0, name="Renamed"))
    state = rig.state()
    assert (state.name, state.trailing_stop_price, state.status) == ("Renamed", 98.0, "in_position")
    assert rig.store.bots()[0].config == rig.config.bots[0]
    assert loaded(rig).configs == rig.config.bots
    rig.pass_by(97.9)
    assert len(rig.trades()) == 1


def test_a_bot_edited_while_the_program_was_down_is_edited_at_the_next_start():
    rig = BotRig(bot(stop_loss_pct=5.0))
    rig.buy(100.0)
    rig.engine.close()
    again = BotRig(bot(stop_loss_pct=1.0), store=rig.store, clock=rig.clock)
    assert again.state().trailing_stop_price == 99.0


def test_more_cash_in_the_configuration_is_a_deposit_not_a_profit():
    rig = BotRig(bot(cash=100_000.0))
    rig.buy(100.0)
    rig.apply(bot(cash=150_000.0))
    assert (rig.state().equity, rig.state().daily_pnl) == (150_000.0, 0.0)


def test_a_removed_bot_that_holds_something_is_kept_until_it_is_flat():
    rig = BotRig(bot("b1", stop_loss_pct=5.0), bot("b2"))
    rig.buy(100.0)
    rig.apply(bot("b2"))
    assert rig.state("b1").status == "stopped" and rig.state("b1").position is not None
    assert [state.bot_id for state in loaded(rig).states] == ["b2", "b1"]
    assert ASELS.key in {each.key for each in rig.engine.priced()}
    with pytest.raises(InputError, match="no longer in the configuration"):
        rig.execute(StartBot(bot_id="b1"))
    rig.engine.close()
    again = BotRig(bot("b2"), store=rig.store, clock=rig.clock)
    assert [state.bot_id for state in loaded(again).states] == ["b2", "b1"]
    again.pass_by(94.0)
    assert [t.reason for t in again.trades()] == ["stop"]
    assert [state.bot_id for state in loaded(again).states] == ["b2"]


def test_a_bot_that_comes_back_under_its_id_begins_anew_but_counts_on():
    rig = BotRig(bot("b1"))
    rig.buy(100.0)
    rig.execute(StopBot(bot_id="b1", flatten=True))
    rig.apply()
    assert loaded(rig).states == ()
    version = rig.stored().version
    rig.apply(bot("b1", cash=5_000.0))
    assert rig.state().version > version and rig.state().equity == 5_000.0
    rig.buy(20.0)
    ids = [fill.fill_id for fill in rig.fills()]
    assert len(set(ids)) == 3
    again = BotRig(store=rig.store, clock=rig.clock)
    again.apply(bot("b1"))
    assert again.state().version > rig.state().version


def test_a_symbol_that_is_dropped_while_held_is_watched_until_it_is_sold():
    rig = BotRig(bot("b1", "ASELS", "THYAO", stop_loss_pct=5.0))
    rig.buy(100.0)
    rig.apply(bot("b1", "THYAO", stop_loss_pct=5.0))
    rig.want(Action.BUY)
    rig.pass_by(94.0)
    assert [t.reason for t in rig.trades()] == ["stop"]
    rig.want(Action.BUY)
    rig.pass_by(94.0)
    assert len(rig.fills()) == 2


def test_a_bot_whose_strategy_is_unknown_is_in_error_and_the_others_go_on():
    rig = BotRig(bot("b1", strategy="nonsense"), bot("b2"))
    assert rig.state("b1").status == "error" and "nonsense" in (rig.state("b1").last_error or "")
    rig.buy(100.0)
    assert rig.state("b2").position is not None
    with pytest.raises(InputError, match="nonsense"):
        rig.execute(StartBot(bot_id="b1"))


# --- cycles ---------------------------------------------------------------------------------------------


def test_a_strategy_that_raises_puts_only_its_bot_into_error():
    rig = BotRig(bot("b1"), bot("b2", "THYAO"))
    rig.want(ZeroDivisionError("division by zero"))
    rig.pass_by(100.0)
    state = rig.state("b1")
    assert state.status == "error" and "ZeroDivisionError" in (state.last_error or "")
    (alert,) = rig.alerts(BotAlertKind.ERROR)
    assert "ZeroDivisionError" in alert.fields["error"]
    rig.buy(50.0, on=THYAO)
    assert rig.state("b2").status == "in_position"
    rig.engine.close()
    again = rig.reborn()
    assert loaded(again).states[0].status == "error"
    again.execute(StartBot(bot_id="b1"))
    assert (again.state("b1").status, again.state("b1").last_error) == ("running", None)


def test_a_strategy_is_asked_at_every_price_or_every_so_often():
    rig = BotRig(bot("b1"), bot("b2", check_interval_sec=10.0))
    for _ in range(21):
        rig.pass_by(100.0)
    assert len(rig.puppet.views) == 21 + 3


def test_without_prices_the_clock_wakes_a_strategy_with_an_interval():
    rig = BotRig(bot(check_interval_sec=10.0))
    rig.pass_by(100.0)
    rig.wait(45)
    assert len(rig.puppet.views) == 5
    rig.wait(60)  # the price is stale by now: there is nothing to decide on
    assert len(rig.puppet.views) <= 7


def test_what_a_strategy_remembers_is_stored_with_the_bot():
    rig = BotRig(bot())
    rig.pass_by(100.0, 100.1, 100.2)
    rig.settle()
    again = rig.reborn()
    again.pass_by(100.3)
    again.settle()
    assert again.store.bots()[0].memory["spots"][ASELS.key]["memory"] == {"asked": 4}


class SlowFile:
    """A user's strategy in a file of the folder of strategies."""

    TEXT = """
import threading
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, Wake

class Mine(BaseStrategy):
    name = "mine"
    wake = Wake.TICK
    defaults = {"hang": False}

    def decide(self, view, params, memory):
        while params["hang"]:
            pass
        return Decision(action=Action.BUY)
"""


@pytest.fixture
def own(tmp_path: Path) -> Any:
    (tmp_path / "mine.py").write_text(SlowFile.TEXT, "utf-8")
    use_folder(tmp_path)
    yield tmp_path
    use_folder(None)
    from core.bots.registry import load_user_strategies

    load_user_strategies(tmp_path / "nothing")


def test_a_users_strategy_answers_from_a_thread_and_the_engine_does_not_wait(own: Path):
    rig = BotRig(bot(strategy="mine"))
    answered = threading.Event()
    rig.engine.on_wake = answered.set
    rig.pass_by(100.0)
    assert answered.wait(PATIENCE)
    rig.engine.end_batch()
    assert [each.price for each in rig.fills()] == [D(100)]
    rig.engine.close()


def test_a_users_strategy_that_hangs_puts_only_its_bot_into_error(own: Path):
    rig = BotRig(
        bot("b1", strategy="mine", params={"hang": True}, time_limit_sec=0.05, stop_loss_pct=5.0),
        bot("b2", "THYAO"),
    )
    rig.pass_by(100.0, every=0.01)
    rig.want(Action.BUY, THYAO)
    rig.pass_by(50.0, on=THYAO, every=0.01)
    assert rig.state("b2").status == "in_position" and rig.state("b1").status == "running"
    rig.clock.advance(0.1)
    assert rig.engine.next_wake() == 0.0
    rig.engine.end_batch()
    assert rig.state("b1").status == "error" and "did not answer" in (rig.state("b1").last_error or "")
    rig.engine.close()


def test_a_corrected_file_is_in_use_after_the_next_start_of_the_bot(own: Path):
    (own / "mine.py").write_text("this is no Python", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.bots.folder.log.warning", lambda *a: None)
        rig = BotRig(bot(strategy="mine"))
    assert rig.state().status == "error"
    (own / "mine.py").write_text(SlowFile.TEXT + "\n# corrected", "utf-8")
    rig.execute(StartBot(bot_id="b1"))
    assert rig.state().status == "running"
    rig.engine.close()


def test_a_bug_of_ours_with_one_bot_stops_no_other(caplog: pytest.LogCaptureFixture):
    rig = BotRig(bot("b1"), bot("b2"))
    broken = rig.engine.bots._roster.get("b1")
    assert broken is not None
    broken.on_price = None  # type: ignore[method-assign, assignment]
    rig.buy(100.0)
    rig.pass_by(100.0)
    assert rig.state("b1").status == "error" and rig.state("b2").status == "in_position"
    assert rig.notices() == ["engine.internal"] and len(caplog.records) == 1


# --- a store that fails -----------------------------------------------------------------------------------


@pytest.mark.allow_log("cannot be stored yet")
def test_while_the_store_fails_nothing_is_told_and_nothing_is_traded():
    rig = BotRig(bot("b1", stop_loss_pct=3.0), bot("b2", "THYAO"))
    rig.store.broken = True
    rig.buy(100.0)
    assert rig.fills() == [] and rig.notices() == ["bots.not_stored"]
    asked = len(rig.puppet.views)
    rig.pass_by(96.0)
    rig.buy(50.0, on=THYAO)
    assert len(rig.puppet.views) == asked and rig.fills() == []
    rig.store.broken = False
    rig.clock.advance(1.0)
    rig.engine.end_batch()
    assert [each.price for each in rig.fills()] == [D(100)]
    assert rig.notices() == ["bots.not_stored", "bots.stored_again"]
    rig.pass_by(95.0)  # the first price after it is held against the stop
    assert [each.exit_price for each in rig.trades()] == [D(95)]
    versions = [state.version for state in rig.events.of(BotState) if state.bot_id == "b1"]
    assert versions == list(range(1, len(versions) + 1))


@pytest.mark.allow_log("cannot be stored yet")
def test_the_panic_button_works_as_soon_as_the_store_does():
    rig = BotRig(bot())
    rig.buy(100.0)
    rig.store.broken = True
    rig.pass_by(101.0)
    with pytest.raises(StorageError, match="as soon as it can"):
        rig.execute(StopAllBots(flatten=True))
    rig.store.broken = False
    rig.clock.advance(1.0)
    rig.engine.end_batch()
    assert rig.state().status == "stopped" and len(rig.trades()) == 1


@pytest.mark.allow_log("cannot be stored yet", "never stored")
def test_a_crash_with_a_full_disk_loses_only_what_was_never_told():
    rig = BotRig(bot())
    rig.pass_by(100.0)
    rig.store.broken = True
    rig.buy(100.0)
    rig.store.broken = False
    again = rig.reborn()
    again.pass_by(101.0)
    assert again.state().position is None and again.store.bot_fills() == ()


@pytest.mark.allow_log("moved by somebody else")
def test_bots_that_somebody_else_has_moved_are_read_anew():
    rig = BotRig(bot())
    other = rig.reborn()
    other.buy(100.0)
    rig.pass_by(101.0)
    assert "bots.overtaken" in rig.notices()
    rig.pass_by(102.0)
    assert rig.state().position is not None and rig.state().version == rig.stored().version


@pytest.mark.allow_log("a bot's step cannot be stored", "core.bots")
def test_a_step_that_the_store_refuses_for_good_stops_only_its_bot():
    rig = BotRig(bot("b1"), bot("b2"))
    good = rig.store.commit_bots

    def picky(changes: Any) -> None:
        if any(change.state.bot_id == "b1" and change.fills for change in changes):
            raise ValueError("stored twice")
        good(changes)

    rig.store.commit_bots = picky
    rig.buy(100.0)
    rig.want(Action.BUY)
    rig.pass_by(100.0)
    assert rig.state("b1").status == "error" and rig.state("b1").position is None
    assert rig.state("b2").status == "in_position"


# --- crashes --------------------------------------------------------------------------------------------


def test_after_a_crash_the_owner_is_told_and_the_first_price_is_held_against_the_stop():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    again = rig.reborn()
    (alert,) = again.alerts(BotAlertKind.RECOVERED)
    assert alert.fields["crashed"] is True and alert.fields["stop"] == 97.0
    assert again.state().status == "in_position" and again.state().trailing_stop_price == 97.0
    again.clock.advance(239)
    again.want(Action.BUY)
    again.pass_by(94.0)
    (trade,) = again.trades()
    assert (trade.exit_price, trade.reason) == (D(94), "stop")
    (stop,) = again.alerts(BotAlertKind.STOP)
    assert (stop.fields["blind_sec"], stop.fields["crashed"]) == (240.0, True)
    assert (stop.fields["price"], stop.fields["stop"]) == (94.0, 97.0)


def test_after_a_clean_end_nothing_is_told_unless_something_happened():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.engine.close()
    again = rig.reborn()
    assert again.alerts() == []
    again.clock.advance(3600)
    again.pass_by(96.0)
    (stop,) = again.alerts(BotAlertKind.STOP)
    assert (stop.fields["blind_sec"], stop.fields["crashed"]) == (3601.0, False)


def test_blindness_counts_from_the_last_sign_of_life():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.wait(600)
    again = rig.reborn()
    again.clock.advance(10)
    again.pass_by(90.0)
    (stop,) = again.alerts(BotAlertKind.STOP)
    assert 11 <= stop.fields["blind_sec"] <= 11 + 21


def test_a_bot_that_rested_without_a_position_has_nothing_to_tell():
    rig = BotRig(bot("b1", autostart=False), bot("b2"))
    again = rig.reborn()
    assert [alert.bot_id for alert in again.alerts(BotAlertKind.RECOVERED)] == ["b2"]


def test_a_price_of_a_closed_market_does_not_touch_the_stop_after_a_restart():
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    rig.clock.set_time(at("2026-11-18 19:00"))
    again = rig.reborn()
    again.see(90.0, stamp=at("2026-11-18 17:59:59"))
    again.settle()
    assert again.trades() == [] and again.state().status == "market_closed"
    again.clock.set_time(at("2026-11-19 10:00:05"))
    again.pass_by(89.0)
    assert [each.exit_price for each in again.trades()] == [D(89)]


def test_the_status_follows_the_exchange():
    rig = BotRig(bot("b1"), bot("b2", "CRYPTO:BTC", quantity=0.5), now=at("2026-11-18 17:59:58"))
    assert rig.state("b1").status == "running"
    rig.wait(4)
    assert (rig.state("b1").status, rig.state("b2").status) == ("market_closed", "running")
    rig.buy(90_000.0, on=BTC)
    assert rig.state("b2").status == "in_position"


# --- bars -----------------------------------------------------------------------------------------------


def minutes(count: int, until: float) -> list[Bar]:
    first = until - 60.0 * count
    return [Bar(ASELS.key, first + 60.0 * n, 100.0, 150.0, 99.0, 100.0 + n, 10.0) for n in range(count)]


def test_a_new_bot_sees_the_bars_that_were_there_before_it(puppet: Puppet):
    puppet.wake, puppet.seconds, puppet.count = Wake.BAR, 60, 5
    store = BotStore()
    store.add_bars(minutes(10, WEDNESDAY))
    rig = BotRig(bot(), store=store)
    rig.pass_by(50.0)
    (view,) = puppet.views  # bars of the past have come: the strategy is asked at the next price
    assert [bar.close for bar in view.bars] == [105.0, 106.0, 107.0, 108.0, 109.0]
    rig.pass_by(51.0, every=60)
    assert [bar.close for bar in puppet.views[-1].bars][-2:] == [109.0, 50.0]


def test_missing_history_is_asked_for_and_taken_in_when_it_comes(puppet: Puppet):
    puppet.wake, puppet.seconds, puppet.count = Wake.BAR, 300, 5
    rig = BotRig(bot(autostart=False))
    asked: list[tuple[str, int]] = []
    rig.engine.bars.ask_history = lambda instrument, seconds, count: asked.append((instrument.key, seconds))
    rig.engine.bots.ask_for_history()
    rig.execute(StartBot(bot_id="b1"))
    assert asked == [(ASELS.key, 300)]
    told = [
        replace(bar, start=bar.start - 240 * (9 - n)) for n, bar in enumerate(minutes(10, WEDNESDAY - 240))
    ]
    rig.engine.on_history(ASELS.key, 300, told)
    rig.pass_by(50.0)
    assert len(puppet.views[-1].bars) == 5
    rig.settle()
    assert len(rig.store.bots()[0].series[ASELS.key]) >= 5


def test_bars_are_made_only_of_prices_that_may_be_traded_on(puppet: Puppet):
    puppet.wake, puppet.seconds, puppet.count = Wake.BAR, 60, 5
    rig = BotRig(bot())
    rig.pass_by(100.0, 103.0, 101.0)
    rig.pass_by(500.0, simulated=True, source="simulation")
    rig.pass_by(102.0, every=60)
    (view,) = puppet.views
    (bar,) = view.bars
    assert (bar.open, bar.high, bar.low, bar.close) == (100.0, 103.0, 100.0, 101.0)


def test_a_providers_minutes_count_with_their_highs_and_lows(puppet: Puppet):
    puppet.wake, puppet.seconds, puppet.count = Wake.BAR, 300, 5
    rig = BotRig(bot())
    for number in range(6):
        start = WEDNESDAY + 60 * number
        rig.clock.set_time(start + 60)
        rig.see(100.0 + number, stamp=start, span=60.0, open=99.0, high=110.0, low=95.0, volume=7.0)
    (view,) = puppet.views
    (bar,) = view.bars
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (99.0, 110.0, 95.0, 104.0, 35.0)


def test_signals_wake_the_threshold_strategy():
    rig = BotRig(bot(strategy="threshold", direction="both"), signal_cooldown_sec=0.0)
    rig.pass_by(100.0, 101.0, 102.1)
    assert [(f.side, f.price) for f in rig.fills()] == [("BUY", D("102.1"))]
    rig.pass_by(101.0, 100.0)
    assert [f.side for f in rig.fills()] == ["BUY", "SELL", "SELL"]


def test_a_bot_that_starts_late_does_not_follow_an_old_signal():
    rig = BotRig(bot(strategy="threshold", autostart=False))
    rig.pass_by(100.0, 103.0)
    rig.execute(StartBot(bot_id="b1"))
    rig.pass_by(103.2, every=10)
    assert rig.fills() == []
    rig.pass_by(105.5)
    assert len(rig.fills()) == 1


def test_a_decision_with_a_limit_waits(puppet: Puppet):
    rig = BotRig(bot())
    puppet.wants[ASELS.key] = Decision(action=Action.BUY, limit=99.0)
    rig.pass_by(100.0, 98.5)
    assert [f.price for f in rig.fills()] == [D("98.5")]


def test_a_memory_that_cannot_be_read_costs_neither_the_money_nor_the_stop(caplog: pytest.LogCaptureFixture):
    rig = BotRig(bot(stop_loss_pct=3.0))
    rig.buy(100.0)
    record, memory = rig.store._bots["b1"]
    spoilt = {**json.loads(memory), "spots": {ASELS.key: 5}}
    rig.store._bots["b1"] = (record, json.dumps(spoilt).encode())
    again = rig.reborn()
    state = loaded(again).states[0]
    assert state.status == "error" and state.trailing_stop_price == 97.0
    again.pass_by(96.0)
    assert [t.reason for t in again.trades()] == ["stop"]
    assert len({f.fill_id for f in again.store.bot_fills()}) == 2


def test_plain_symbols_follow_the_configured_exchange():
    rig = BotRig(bot("b1", "KO", strategy="threshold"))
    rig.apply(bot("b1", "KO", strategy="threshold"), exchange="NYSE")
    assert rig.state().keys == ("NYSE:KO",)
    assert [each.key for each in rig.engine.priced()] == ["NYSE:KO"]


def test_a_clock_that_was_ahead_blinds_nobody_once_it_is_right():
    rig = BotRig(bot("b1", "CRYPTO:BTC", quantity=0.5, stop_loss_pct=3.0), now=WEDNESDAY + 7200)
    rig.want(Action.BUY, BTC)
    rig.pass_by(100.0, on=BTC)  # stamped by a clock that is two hours ahead
    rig.engine.close()
    rig.clock.set_time(WEDNESDAY)
    again = rig.reborn()
    again.pass_by(90.0, on=BTC)
    assert [t.reason for t in again.trades()] == ["stop"]
