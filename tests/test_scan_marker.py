"""Whether the scan was on outlives a crash, and only a crash: told once, where bots wait for prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.commands import ApplyConfig, ScanInterrupted, StartFeed, StopFeed
from core.engine.scan_marker import KEY
from core.errors import StorageError
from core.storage import open_store
from tests.bot_rig import Puppet, add_puppet, bot
from tests.scripted import Events
from tests.test_bots_engine import BotLoop, LastingStore
from tests.test_engine_loop import config


@pytest.fixture(autouse=True)
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    return add_puppet(monkeypatch)


def opened(store: Any, *commands: Any, with_bots: bool = True) -> tuple[BotLoop, Events]:
    """A loop on `store`, after its first turns."""
    made = BotLoop(*((bot("b1"),) if with_bots else ()), store=store)
    told = Events(made.loop.bus, ScanInterrupted)
    made.do(*commands)
    made.step()
    return made, told


def killed(rig: BotLoop) -> None:
    """The loop's feed ends, and nothing is said to anybody any more."""
    rig.loop._live.close()  # type: ignore[union-attr]


def ended(rig: BotLoop) -> None:
    rig.loop.stop()
    rig.loop.close()


def test_a_scan_that_a_crash_cut_off_is_told_at_the_next_start() -> None:
    store = LastingStore()
    killed(opened(store, StartFeed())[0])
    rig, told = opened(store)
    assert len(told.of(ScanInterrupted)) == 1
    killed(rig)  # before anybody did something about it
    rig, told = opened(store)
    assert len(told.of(ScanInterrupted)) == 1
    rig.do(StartFeed())
    rig.step()
    ended(rig)
    assert opened(store)[1].of(ScanInterrupted) == []


@pytest.mark.parametrize("commands", [(), (StartFeed(), StopFeed())], ids=["never begun", "stopped"])
def test_a_scan_that_was_not_on_is_not_told(commands: Any) -> None:
    store = LastingStore()
    rig, _ = opened(store, *commands)
    rig.step()
    killed(rig)
    assert opened(store)[1].of(ScanInterrupted) == []


def test_an_end_in_good_order_is_none(puppet: Puppet) -> None:
    store = LastingStore()
    rig, _ = opened(store, StartFeed())
    rig.buy(puppet)
    ended(rig)
    assert opened(store)[1].of(ScanInterrupted) == []


def test_an_engine_that_failed_has_crashed() -> None:
    store = LastingStore()
    rig, _ = opened(store, StartFeed())
    rig.loop.close()  # as `run` does when something escapes it
    rig, told = opened(store)
    assert len(told.of(ScanInterrupted)) == 1
    ended(rig)


def test_without_bots_nobody_has_to_know() -> None:
    store = LastingStore()
    killed(opened(store, StartFeed(), with_bots=False)[0])
    rig, told = opened(store, with_bots=False)
    assert told.of(ScanInterrupted) == []
    assert store.value(KEY) is False
    ended(rig)


def test_who_scans_from_the_start_needs_not_be_told() -> None:
    store = LastingStore()
    killed(opened(store, StartFeed())[0])
    rig, told = opened(store, StartFeed())
    assert told.of(ScanInterrupted) == []
    assert store.value(KEY) is True
    ended(rig)


def test_another_world_has_a_mark_of_its_own() -> None:
    store = LastingStore()
    rig, _ = opened(store, StartFeed())
    settings = replace(config(), bots=(bot("b1"),))
    simulated = replace(settings, real_time=replace(settings.real_time, live_data_source="simulation"))
    rig.do(ApplyConfig(config=simulated))
    rig.step()
    assert store.value(KEY) is False
    assert rig.stores[-1].value(KEY) is True
    ended(rig)


@pytest.mark.allow_log("whether the scan is on cannot be stored")
def test_a_store_that_cannot_write_stops_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    store = LastingStore()
    write = store.set_value

    def full(key: str, value: Any) -> None:
        if key == KEY:
            raise StorageError("The disk is full.")
        write(key, value)

    monkeypatch.setattr(store, "set_value", full)
    rig, _ = opened(store, StartFeed())
    assert rig.loop._feed.running  # type: ignore[union-attr]
    ended(rig)


def test_the_mark_is_in_the_file(data_dir: Path) -> None:
    store = open_store("", data_dir)
    store.set_value(KEY, True)
    store.close()
    again = open_store("", data_dir)
    assert again.value(KEY) is True
    again.close()
