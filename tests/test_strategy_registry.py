"""Strategies are found by name; a user's own files load side by side, and each fault is one sentence."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.arguments import Options
from cli.doctor import admit
from cli.doctor_bots import check_strategies
from cli.doctor_checks import FAIL, OK, Patient
from core.bots import registry, user_strategies
from core.bots.limited import Limited
from core.bots.registry import (
    check_params,
    find_strategy,
    load_user_strategies,
    parameters,
    strategy_about,
    strategy_names,
    strategy_problems,
    with_defaults,
)
from core.bots.strategy import HOLD, Action, View, Wake
from core.bots.user_strategies import UserStrategy, load_file
from core.config import BotConfig, Config
from core.errors import InputError, StrategyError
from core.i18n import set_language
from core.model import Bar

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "strategy_example.py"
GOOD = """
from core.bots.strategies.base import BaseStrategy
from core.bots.strategy import HOLD, Action, Decision, Wake
class Mine(BaseStrategy):
    name = "mine"
    def decide(self, view, params, memory):
        return HOLD
"""


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """No user's strategy outlives its test."""
    before = set(sys.modules)
    yield
    registry._own.clear()
    for name in set(sys.modules) - before:
        if name.startswith("swing_strategy_"):
            del sys.modules[name]


def write(folder: Path, **files: str) -> Path:
    """`folder` with one file per argument."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    return folder


def also(rest: str) -> str:
    """The good file, its strategy called "a" and with another line or more."""
    return GOOD.replace('"mine"', '"a"\n    ' + rest)


def problem_of(folder: Path, text: str) -> str:
    """What the registry says about a file with this text."""
    problems = load_user_strategies(write(folder, bad=text, good=GOOD))
    assert strategy_names()[-1] == "mine", "the other file loads all the same"
    assert len(problems) == 1
    assert "\n" not in str(problems[0])
    return str(problems[0])


def test_the_three_built_in_strategies_are_found_by_name() -> None:
    assert strategy_names() == ("threshold", "ema_cross", "rsi_pullback")
    for name in strategy_names():
        strategy = find_strategy(name)
        assert strategy.name == name
        assert find_strategy(name) is strategy
        assert check_params(strategy, {}) == check_params(strategy, strategy.defaults) == ()
        assert strategy_about(name)
        assert all(each.label and each.accepted for each in parameters(strategy))


@pytest.mark.parametrize(("typed", "meant"), [("ema_cros", "ema_cross"), ("RSI_pullback", "rsi_pullback"),
                                              ("treshold", "threshold")])  # fmt: skip
def test_an_unknown_name_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"“{typed}”.*Did you mean “{meant}”"):
        find_strategy(typed)


def test_a_name_like_no_other_names_all() -> None:
    with pytest.raises(InputError, match="there are: threshold, ema_cross, rsi_pullback"):
        find_strategy("zzz")


@pytest.mark.parametrize(("params", "expected"), [
    ({"fats": 3}, "params.fats: found 3; accepted: one of the strategy's parameters: timeframe_sec, fast, "
                  "slow. Did you mean fast?"),
    ({"fast": 1}, "params.fast: found 1; accepted: a whole number from 2 to 200."),
    ({"fast": 3.5}, "params.fast: found 3.5; accepted: a whole number from 2 to 200."),
    ({"fast": True}, "params.fast: found true; accepted: a whole number from 2 to 200."),
    ({"fast": "12"}, 'params.fast: found "12"; accepted: a whole number from 2 to 200.'),
    ({"timeframe_sec": 61}, "params.timeframe_sec: found 61; accepted: 60 | 300 | 900 | 3600 | 86400."),
    ({"fast": 30}, 'params: found {"fast": 30}; accepted: the fast average (30) must be shorter than the '
                   "slow one (26)."),
])  # fmt: skip
def test_each_fault_of_a_parameter_is_a_sentence(params: dict[str, object], expected: str) -> None:
    assert list(map(str, check_params(find_strategy("ema_cross"), params))) == [expected]


def test_all_faults_are_told_at_once_and_in_both_languages() -> None:
    strategy = find_strategy("rsi_pullback")
    assert len(check_params(strategy, {"x": 1, "trend": 0, "period": None, "entry_below": [40]})) == 4
    set_language("tr")
    assert "bulunan 0" in str(check_params(strategy, {"trend": 0}, "bots[2].params")[0])


def test_a_whole_number_will_do_where_a_fraction_may_stand() -> None:
    assert check_params(find_strategy("rsi_pullback"), {"entry_below": 35}) == ()
    assert check_params(find_strategy("threshold"), {"min_confidence": 1}) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(("fast", "slow", "timeframe_sec", "trend", "period", "min_confidence")) | st.text(
    max_size=6
)


@given(st.sampled_from(("threshold", "ema_cross", "rsi_pullback")), st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_is_given_is_accepted_or_explained(name: str, params: dict[str, object]) -> None:
    strategy = find_strategy(name)
    problems = check_params(strategy, params)
    assert all(str(problem) for problem in problems)
    if not problems:
        assert set(params) <= set(strategy.defaults)
        given = with_defaults(strategy, params)
        assert strategy.lookback(given) >= 0
        bars = (Bar("BIST:ASELS", 60.0, 1.0, 1.0, 1.0, 1.0),)
        view = View(key="BIST:ASELS", price=1.0, at=90.0, position=None, bars=bars)
        assert strategy.decide(view, given, {}) == HOLD


# ---------------------------------------------------------------- the user's own


def test_the_documented_example_loads_and_trades(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "any_name.py")
    assert load_user_strategies(tmp_path) == ()
    strategy = find_strategy("breakout")
    assert strategy.wake is Wake.BAR
    assert strategy.bar_seconds({}) == 3600
    assert strategy.lookback({"entry": 5, "exit": 3}) == 6
    assert [str(each) for each in check_params(strategy, {"entry": 1})] == [
        "params.entry: found 1; accepted: a whole number from 2 to 500."
    ]
    closes = [10.0] * 20 + [11.0]
    bars = tuple(Bar("BIST:ASELS", 60.0 * n, c, c, c, c) for n, c in enumerate(closes))
    memory: dict[str, object] = {}
    view = View(key="BIST:ASELS", price=11.0, at=2000.0, position=None, bars=bars)
    decision = strategy.decide(view, with_defaults(strategy, {}), memory)
    assert decision.action is Action.BUY
    assert memory == {"entries": 1}


def test_the_example_in_the_text_loads_as_well(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "strategies.md").read_text("utf-8")
    lines = text[text.index("    from core.bots.strategies.base import BaseStrategy") :].splitlines()
    code = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        code.append(line[4:])
    assert load_user_strategies(write(tmp_path, example="\n".join(code))) == ()
    assert find_strategy("after_three_falls").lookback({}) == 4


def test_the_text_tells_the_true_defaults() -> None:
    text = (ROOT / "docs" / "strategies.md").read_text("utf-8")
    for name in strategy_names():
        strategy = find_strategy(name)
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        for param, value in strategy.defaults.items():
            assert f"`{param}` ({value:g}" in row
    assert f"`ema_cross`: {find_strategy('ema_cross').lookback({})} bars" in text
    assert f"`rsi_pullback`: {find_strategy('rsi_pullback').lookback({})})" in text


def test_a_missing_folder_holds_no_strategies(tmp_path: Path) -> None:
    assert load_user_strategies(tmp_path / "none") == ()


def test_files_with_an_underscore_are_helpers_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_user_strategies(write(tmp_path, _helper="1/0", mine=GOOD)) == ()
    assert strategy_names()[3:] == ("mine",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_helper.py", "mine.py"]


def test_a_corrected_file_is_in_use_after_the_next_load(tmp_path: Path) -> None:
    load_user_strategies(write(tmp_path, mine=GOOD))
    assert find_strategy("mine").wake is Wake.BAR
    load_user_strategies(write(tmp_path, mine=GOOD.replace('"mine"', '"mine"\n    wake = Wake.TICK')))
    assert find_strategy("mine").wake is Wake.TICK
    (tmp_path / "mine.py").unlink()
    load_user_strategies(tmp_path)
    with pytest.raises(InputError):
        find_strategy("mine")


@pytest.mark.parametrize(("text", "expected"), [
    ("x = 1\ndef (:\n", "bad.py, line 2: this is not valid Python: "),
    ("x = 1\n\n1 / 0\n", "bad.py, line 3: ZeroDivisionError: division by zero"),
    ("\nimport no_such_package\n", "bad.py, line 2: ModuleNotFoundError: No module named 'no_such_package'"),
    ("import sys\nsys.exit(3)\n", "bad.py, line 2: SystemExit: 3"),
    ("x = '\0'", "bad.py: this is not valid Python: "),
    ("# only a remark\n", "bad.py: there is no strategy in it; define one class with a method “decide”."),
    (GOOD + GOOD.replace("Mine", "Other"), "bad.py, line 11: there is more than one strategy in it (Mine, "),
    (GOOD.replace('"mine"', '"threshold"'), "bad.py: “threshold” is the name of a strategy that comes with "),
    (GOOD.replace('"mine"', '"My Strategy"'), "bad.py, line 4: its name is 'My Strategy'; it must be "),
    (GOOD.replace('"mine"', "7"), "bad.py, line 4: its name is 7; it must be "),
    ("class A:\n    def decide(self): ...\n", "bad.py, line 1: the class lacks check, bar_seconds, lookb"),
    (also('wake = "always"'), "bad.py, line 4: its “wake” is 'always'; it must be one of Wake: tick, bar, "),
    (also("defaults = [1]"), "bad.py, line 4: “defaults” must be a dictionary "),
    (also('defaults = {"x": None}'), "bad.py, line 4: the default of “x” is None; "),
    (also('limits = {"x": (1, 2)}'), "bad.py, line 4: “limits” must be "),
    (also('defaults = {"x": 1}\n    limits = {"x": 5}'), "bad.py, line 4: “limits” of “x” is 5; "),
    (also('defaults = {"x": 1}\n    choices = {"x": ()}'), "bad.py, line 4: “choices” of “x” is (); "),
    (also('defaults = {"timeframe_sec": 7}'), "bad.py, line 4: “a” wants bars of 7 s"),
    (also('defaults = {"lookback": 9999}'), "bad.py, line 4: “a” wants to see 9999 "),
    (also('def check(self, params): return "no."'), "bad.py, line 4: it refuses its own defaults: no."),
    (also('def lookback(self, params):\n        return params["y"]'),
     "bad.py, line 4: The strategy “a” failed in bad.py, line 7: KeyError: 'y'"),
    (also("def __init__(self):\n        self.x = {}[1]"), "bad.py, line 7: KeyError: 1"),
])  # fmt: skip
def test_a_bad_file_is_one_sentence_and_the_others_load(tmp_path: Path, text: str, expected: str) -> None:
    assert problem_of(tmp_path, text).startswith(expected)


def test_bytes_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_bytes(b"x = '\xff\xfe'\n")
    assert "not valid Python" in str(load_user_strategies(tmp_path)[0])


def test_of_two_with_one_name_the_first_wins(tmp_path: Path) -> None:
    problems = load_user_strategies(write(tmp_path, a=GOOD, b=GOOD))
    assert [str(each) for each in problems] == [
        "b.py: “mine” is already the name of the strategy in a.py; choose another one."
    ]
    assert Path(find_strategy("mine").file).name == "a.py"  # type: ignore[attr-defined]


def test_a_file_that_never_ends_is_given_up(tmp_path: Path) -> None:
    write(tmp_path, bad="while True:\n    pass\n")
    result = load_file(tmp_path / "bad.py", limit=0.05)
    assert "was not read within 0.05 s" in str(result)


def test_a_method_that_hangs_is_given_up_and_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Limited] = []

    def limited(*given: Any) -> Limited:
        started.append(Limited(*given))
        return started[-1]

    monkeypatch.setattr(user_strategies, "Limited", limited)
    monkeypatch.setattr(user_strategies, "SHAPE_LIMIT", 3600.0)
    slow = GOOD.replace('"mine"', '"mine"\n    defaults = {"lookback": 3}') + (
        "    def check(self, params):\n        while params['lookback'] > 3: pass\n"
    )
    assert load_user_strategies(write(tmp_path, mine=slow)) == ()
    strategy = find_strategy("mine")
    before = len(started)
    with monkeypatch.context() as brief:
        brief.setattr(user_strategies, "SHAPE_LIMIT", 0.05)
        for _ in range(2):
            with pytest.raises(StrategyError, match=r"did not answer within 0\.05 s"):
                strategy.check({"lookback": 4})
    assert len(started) == before + 1
    assert strategy.check({"lookback": 3}) == ""


def test_a_strategy_without_the_base_class_will_do(tmp_path: Path) -> None:
    bare = """
class Bare:
    name = "bare"
    wake = "tick"
    defaults = {}
    def check(self, params): return ""
    def bar_seconds(self, params): return 0
    def lookback(self, params): return 0
    def decide(self, view, params, memory): ...
"""
    assert load_user_strategies(write(tmp_path, bare=bare)) == ()
    strategy = find_strategy("bare")
    assert isinstance(strategy, UserStrategy)
    assert strategy.wake is Wake.TICK
    assert str(check_params(strategy, {"a": 1})[0]).startswith("params.a: found 1; accepted: nothing")


# ---------------------------------------------------------------- the configured bots


def bot(**fields: object) -> BotConfig:
    """A bot that is as it should be, but for `fields`."""
    return BotConfig(**{"id": "a", "name": "A", "symbols": ("BIST:ASELS",)} | fields)  # type: ignore[arg-type]


def test_each_bot_s_strategy_and_parameters_are_judged_at_their_path(tmp_path: Path) -> None:
    check = "def check(self, params): return {}[params['x']] if params['x'] else ''"
    load_user_strategies(write(tmp_path, a=also(f'defaults = {{"x": 0}}\n    {check}')))
    bots = (
        bot(), bot(strategy="emacross"), bot(strategy="ema_cross", params={"fast": 0}),
        bot(strategy="a", params={"x": 1}), bot(strategy="a"), bot(strategy="zzz"),
    )  # fmt: skip
    assert [str(each) for each in strategy_problems(bots)] == [
        'bots[1].strategy: found "emacross"; accepted: "threshold" | "ema_cross" | "rsi_pullback" | "a". Did '
        'you mean "ema_cross"?',
        "bots[2].params.fast: found 0; accepted: a whole number from 2 to 200.",
        'bots[3].params: found {"x": 1}; accepted: The strategy “a” failed in a.py, line 7: KeyError: 1.',
        'bots[5].strategy: found "zzz"; accepted: "threshold" | "ema_cross" | "rsi_pullback" | "a".',
    ]


def test_the_doctor_names_the_folder_or_what_is_wrong(data_dir: Path) -> None:
    patient = Patient(Config(bots=(bot(),)), data_dir / "c.json", data_dir)
    finding = check_strategies(patient)
    assert finding.status == OK
    assert str(data_dir / "strategies") in finding.text
    (data_dir / "strategies").mkdir()
    write(data_dir / "strategies", bad="1/0")
    finding = check_strategies(patient._replace(config=Config(bots=(bot(strategy="mine"),))))
    assert finding.status == FAIL
    assert finding.text.startswith(
        "- bad.py, line 1: ZeroDivisionError: division by zero\n- bots[0].strategy: "
    )


def test_the_doctor_lets_a_bot_ask_for_the_user_s_own_strategy(data_dir: Path) -> None:
    (data_dir / "strategies").mkdir()
    write(data_dir / "strategies", mine=GOOD)
    path = data_dir / "swing_config.json"
    path.write_text('{"bots": [{"id": "a", "name": "A", "symbols": ["ASELS"], "strategy": "mine"}]}', "utf-8")
    patient = admit(Options(mode="doctor", data_dir=data_dir, config_path=path))
    assert patient.config_error is None
    assert check_strategies(patient).status == OK
    (data_dir / "strategies" / "mine.py").unlink()
    finding = check_strategies(patient)
    assert finding.text.startswith('- bots[0].strategy: found "mine"; accepted: "threshold"')
