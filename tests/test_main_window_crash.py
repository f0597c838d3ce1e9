"""The window after a crash: bots get prices again if the scan was on, and do not look live if not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.bots.model import BotStatus
from core.i18n import set_language
from core.storage import open_store
from gui.main_window.main_window import MainWindow
from gui.models.bot_text import spoken_text, tooltip_text
from gui.models.tick_row import RowState
from gui.widgets.bot_delegate import dot_of
from tests.test_main_window_bots import bot, buy, status, with_bots
from tests.window_helpers import BTC, StubMarket, says, stub_window, wait


@pytest.fixture
def market() -> StubMarket:
    return StubMarket(BTC=100.0, ETH=10.0)


def window_on(qtbot: Any, market: StubMarket, folder: Path, **options: Any) -> MainWindow:
    options.setdefault("config", with_bots(bot()))
    return stub_window(qtbot, market, open_store=lambda _: open_store("", folder), **options)


def holding(qtbot: Any, market: StubMarket, folder: Path) -> MainWindow:
    """A window that scans and whose bot holds something."""
    window = window_on(qtbot, market, folder)
    buy(qtbot, window, market)
    return window


def killed(folder: Path, image: Path) -> Path:
    """What is on the disk were the program killed now."""
    shutil.copytree(folder, image)
    return image


def loaded(qtbot: Any, window: MainWindow) -> None:
    wait(qtbot, lambda: status(window) is BotStatus.IN_POSITION)


def card_says(window: MainWindow) -> tuple[RowState, str, str]:
    panel = window.desk.bots
    card, now = panel.card("trend"), panel.model().clock.time()
    return (
        dot_of(card, panel.model().silence(card) is not None),
        spoken_text(card, now, None),
        tooltip_text(card, now, None),
    )


def after_crash(qtbot: Any, market: StubMarket, folder: Path, **options: Any) -> MainWindow:
    """The window at the start after it was killed while it scanned, with the price below the bot's stop."""
    first = holding(qtbot, market, folder / "a")
    image = killed(folder / "a", folder / "b")
    first.close()
    market.set(BTC.key, 90.0)
    again = window_on(qtbot, market, image, **options)
    wait(qtbot, lambda: scans(again))
    return again


def scans(window: MainWindow) -> bool:
    return "Stop" in window.control_bar.scan_button.text()


def test_a_scan_that_a_crash_cut_off_is_taken_up_again(
    qtbot: Any, market: StubMarket, tmp_path: Path
) -> None:
    again = after_crash(qtbot, market, tmp_path)
    wait(qtbot, says(again, "started again"))
    wait(qtbot, lambda: again.desk.bots.card("trend").state.realised_pnl < 0)


def test_it_is_taken_up_for_the_bots_though_no_symbol_is_watched(
    qtbot: Any, market: StubMarket, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(with_bots(bot()), symbols=())
    again = after_crash(qtbot, market, tmp_path, config=config)
    wait(qtbot, lambda: again.desk.bots.card("trend").state.realised_pnl < 0)


def test_a_scan_that_the_user_had_stopped_rests_and_the_bots_do_not_look_live(
    qtbot: Any, market: StubMarket, tmp_path: Path
) -> None:
    first = holding(qtbot, market, tmp_path / "a")
    first.stop_scan()
    wait(qtbot, lambda: card_says(first)[0] is RowState.LOST)
    image = killed(tmp_path / "a", tmp_path / "b")
    first.close()
    again = window_on(qtbot, market, image)
    loaded(qtbot, again)
    wait(qtbot, says(again, "nothing guards"))
    assert not scans(again)
    dot, text, tip = card_says(again)
    assert dot is RowState.LOST
    assert "no prices: scan stopped" in text
    assert "no stop is checked" in tip
    set_language("tr")
    assert "fiyat yok: tarama durdu" in card_says(again)[1]
    set_language("en")
    again.start_scan()
    wait(qtbot, lambda: card_says(again)[0] is RowState.LIVE)
    assert "no prices" not in card_says(again)[1]


def test_after_an_end_in_good_order_nothing_scans(qtbot: Any, market: StubMarket, tmp_path: Path) -> None:
    holding(qtbot, market, tmp_path / "a").close()
    again = window_on(qtbot, market, tmp_path / "a")
    loaded(qtbot, again)
    assert not scans(again)
    assert card_says(again)[0] is RowState.LOST


def test_bots_that_rest_and_hold_nothing_need_no_scan(qtbot: Any, market: StubMarket, tmp_path: Path) -> None:
    idle = with_bots(bot(autostart=False))
    first = window_on(qtbot, market, tmp_path / "a", config=idle)
    wait(qtbot, lambda: status(first) is BotStatus.STOPPED)
    first.start_scan()
    wait(qtbot, lambda: first.desk.bots.card("trend").state.last_price == 100.0)
    image = killed(tmp_path / "a", tmp_path / "b")
    first.close()
    again = window_on(qtbot, market, image, config=idle)
    wait(qtbot, lambda: status(again) is BotStatus.STOPPED)
    wait(qtbot, lambda: again.worker._loop._unguarded._scan._interrupted)
    assert not scans(again)
    assert card_says(again)[0] is RowState.EMPTY
