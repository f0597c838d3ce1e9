"""The list of bots in the configuration: every problem with its path, and what is written back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.bots.folder import use_folder
from core.config import BotConfig, Config
from core.config_bots import LEAST
from core.config_check import check_value, examine, rule_of
from core.config_file import load_config, save_changes, save_config
from core.errors import ConfigError

GOOD = {"id": "b1", "name": "One", "symbols": ["ASELS", "BIST:THYAO"]}


def problems(*bots: Any) -> dict[str, str]:
    result = examine({"bots": list(bots)})
    return {each.path: f"{each.accepted}|{each.nearest}" for each in (*result.problems, *result.unknown)}


def test_a_good_bot_gets_the_defaults():
    (bot,) = examine({"bots": [GOOD]}).config.bots
    assert (bot.owner, bot.strategy, bot.stop_loss_pct, bot.autostart) == ("local", "threshold", 3.0, False)
    assert problems(GOOD) == {}


def test_every_problem_of_every_bot_is_told_with_its_path():
    found = problems(
        GOOD,
        {"id": "B 2", "name": "", "symbols": ["ASELS"], "fee_pct": 99, "direction": "up", "owner": "Ayşe"},
        {"id": "b3", "symbols": "ASELS"},
        "b4",
    )
    assert set(found) == {
        "bots[1].id", "bots[1].name", "bots[1].fee_pct", "bots[1].direction", "bots[1].owner",
        "bots[2].name", "bots[2].symbols", "bots[3]",
    }  # fmt: skip
    assert found["bots[1].fee_pct"].startswith("a number from 0 to 10")


def test_an_unknown_key_names_the_nearest_known_one():
    assert problems({**GOOD, "stop_los_pct": 2})["bots[0].stop_los_pct"].endswith("|bots[0].stop_loss_pct")


def test_two_bots_may_not_share_an_id():
    assert "bots[0]" in problems(GOOD, {**GOOD, "name": "Two"})["bots[1].id"]


@pytest.mark.parametrize(
    ("symbols", "path"),
    [
        (["ŞİŞE"], "symbols[0]"), (["ASELS", "BIST:ASELS"], "symbols[1]"),
        (["ASELS", "NASDAQ:AAPL"], "symbols[1]"),
        ([], "symbols"), (["ASELS", 5], "symbols[1]"),
    ],
)  # fmt: skip
def test_symbols_exist_once_and_share_a_currency(symbols: list[Any], path: str):
    assert list(problems({**GOOD, "symbols": symbols})) == [f"bots[0].{path}"]


def test_us_and_crypto_symbols_may_stand_together():
    assert problems({**GOOD, "symbols": ["NASDAQ:AAPL", "NYSE:KO", "CRYPTO:BTC"]}) == {}


def test_something_must_be_bought():
    assert list(problems({**GOOD, "size": 0})) == ["bots[0].size"]
    assert problems({**GOOD, "size": 0, "quantity": 5}) == {}


@pytest.mark.parametrize("name", ["stop_loss_pct", "trailing_stop_atr", "cash", "fee_min"])
def test_what_is_too_small_to_be_meant_is_refused(name: str):
    assert list(problems({**GOOD, name: 3e-260})) == [f"bots[0].{name}"]
    assert problems({**GOOD, name: LEAST}) == {}


def test_an_unknown_strategy_is_refused_with_the_nearest_one():
    assert problems({**GOOD, "strategy": "ema_kross"}) == {
        "bots[0].strategy": '"threshold" | "ema_cross" | "rsi_pullback"|"ema_cross"'
    }


def test_parameters_are_judged_by_the_strategy():
    found = problems(GOOD, {**GOOD, "id": "b2", "strategy": "ema_cross", "params": {"fsat": 5, "slow": 9999}})
    assert set(found) == {"bots[1].params.fsat", "bots[1].params.slow"}
    assert found["bots[1].params.fsat"].endswith('fast"') or found["bots[1].params.fsat"].endswith("fast")


def test_a_users_own_strategy_is_judged_when_its_bot_is_set_up(tmp_path: Path):
    (tmp_path / "mine.py").write_text("x = 1\n", "utf-8")
    use_folder(tmp_path)
    try:
        assert problems({**GOOD, "strategy": "mine"}) == {}
    finally:
        use_folder(None)
    assert list(problems({**GOOD, "strategy": "mine"})) == ["bots[0].strategy"]


def test_the_settings_judge_bots_by_the_same_rules():
    assert rule_of("bots").kind == "data"
    assert check_value("bots", (BotConfig(id="b1", name="One", symbols=("ASELS",)),)) is None
    problem = check_value("bots", [{**GOOD, "fee_pct": 99}])
    assert problem is not None and problem.path == "bots[0].fee_pct"
    twice = BotConfig(id="b1", name="One", symbols=("ASELS",))
    problem = check_value("bots", (twice, twice))
    assert problem is not None and problem.path == "bots[1].id"


def test_saving_bots_keeps_what_the_program_does_not_know(tmp_path: Path):
    path = tmp_path / "swing_config.json"
    text = {"bots": [{**GOOD, "note": "my first", "fee_pct": 0.1}], "theme": "dark"}
    path.write_text(json.dumps(text), "utf-8")
    with pytest.raises(ConfigError):
        load_config(path)
    known = BotConfig(id="b1", name="Renamed", symbols=("ASELS",))
    other = BotConfig(id="b2", name="Two", symbols=("THYAO",), cash=5000.0)
    saved = save_changes(path, {"bots": (known, other)})
    assert saved.bots == (known, other)
    assert json.loads(path.read_text("utf-8"))["bots"] == [
        {"id": "b1", "name": "Renamed", "symbols": ["ASELS"], "note": "my first", "fee_pct": 0.1},
        {"id": "b2", "name": "Two", "symbols": ["THYAO"], "cash": 5000},
    ]


def test_a_configuration_with_bots_comes_back_as_it_was(tmp_path: Path):
    path = tmp_path / "swing_config.json"
    bots = (
        BotConfig(id="b1", name="One", symbols=("ASELS",), strategy="ema_cross", params={"fast": 5}),
        BotConfig(id="b2", name="Two", symbols=("NYSE:KO",), direction="both", max_daily_loss=100.0),
    )
    save_config(path, Config(bots=bots))
    assert load_config(path).bots == bots
    save_config(path, Config(bots=bots[1:]))
    assert load_config(path).bots == bots[1:]
