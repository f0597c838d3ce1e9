"""`swing_config.json`: every problem at once, nothing guessed, nothing lost in writing."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import atomic, config_check, config_file, secrets
from core.config import BIST30, BotConfig, Config, Problem, ServerConfig
from core.config_check import Rule, check_value, examine, rule_of, shown, with_value
from core.config_file import (
    all_paths,
    as_config,
    get_value,
    load_config,
    parse_config,
    peek_language,
    resolve_instruments,
    save_changes,
    save_config,
)
from core.errors import ConfigError, InputError, StorageError
from core.i18n import set_language
from core.instruments import ascii_upper, fold, parse_instrument
from core.model import Instrument
from core.paths import SHIPPED_CONFIG

BOT_TOKEN = "123456789:AAF-this_is_a_secret_token_of_35_chars"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer whose keyring is empty."""
    monkeypatch.setattr(secrets, "_keyring_password", lambda name: "")


def problems_of(data: object) -> dict[str, Problem]:
    """The problems of `data` by their paths."""
    with pytest.raises(ConfigError) as caught:
        parse_config(data)  # type: ignore[arg-type]
    return {problem.path: problem for problem in caught.value.problems}


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# ---------------------------------------------------------------- judging


def test_the_defaults_and_the_shipped_file_are_valid_and_the_same() -> None:
    assert parse_config({}) == Config()
    assert load_config(SHIPPED_CONFIG) == Config()
    shipped = json.loads(SHIPPED_CONFIG.read_text("utf-8"))
    for path in all_paths():
        get_value(Config(), path)
        value = shipped
        for name in path.split("."):
            value = value[name]  # every key of the specification stands in the shipped file


def test_every_problem_is_told_at_once() -> None:
    found = problems_of({
        "exchange": "BISTT", "languag": "tr", "poll_interval_sec": 4, "websocket": 5, "bots": [1],
        "server": 3, "log_level": "Info", "symbols": ["ASELS", "asels", "şişe", 5, "LSE:VOD", "ASELS.IS", ""],
        "extra_closures": ["BIST:2026-02-30", "CRYPTO:2026-01-01", "2026-01-01"],
        "real_time": {"poll_interval_sec": 2, "signal_threshold_pct": 0, "update_interval_ms": True,
                      "live_data_source": "tradingviev", "poll_intervall_sec": 6,
                      "email": {"recipients": ["x", "a@b.c"], "host": "a b"}},
    })  # fmt: skip
    assert set(found) == {
        "exchange", "languag", "poll_interval_sec", "websocket", "bots[0]", "server", "log_level",
        "symbols[1]", "symbols[2]", "symbols[3]", "symbols[4]", "symbols[5]", "symbols[6]",
        "extra_closures[0]", "extra_closures[1]", "extra_closures[2]", "real_time.poll_interval_sec",
        "real_time.signal_threshold_pct", "real_time.update_interval_ms", "real_time.live_data_source",
        "real_time.poll_intervall_sec", "real_time.email.recipients[0]", "real_time.email.host",
    }  # fmt: skip
    assert found["languag"].nearest == "language"
    assert found["poll_interval_sec"].nearest == "real_time.poll_interval_sec"
    assert found["real_time.poll_intervall_sec"].nearest == "real_time.poll_interval_sec"
    assert found["log_level"].nearest == '"INFO"'
    assert found["real_time.update_interval_ms"].found == "true"
    assert "3" in found["real_time.poll_interval_sec"].accepted
    assert '"yfinance"' in found["real_time.live_data_source"].accepted
    assert "SISE" in found["symbols[2]"].accepted


def test_the_sentences_speak_the_language_of_the_interface() -> None:
    english = str(problems_of({"languag": 1})["languag"])
    set_language("tr")
    turkish = str(problems_of({"languag": 1})["languag"])
    assert english == "languag: found 1; accepted: only known keys. Did you mean language?"
    assert turkish.endswith("Şunu mu demek istediniz: language?")
    assert not str(problems_of({"symbols": ["ş"]})["symbols[0]"]).endswith("..")


def test_a_configuration_may_come_in_any_of_its_shapes() -> None:
    config = Config(theme="dark")
    assert as_config(config) is config
    assert as_config({"theme": "dark"}) == config
    assert as_config(None) == Config()


@pytest.mark.parametrize("data", [[], 5, None, "text"])
def test_the_whole_must_be_an_object(data: object) -> None:
    assert "braces" in problems_of(data)["the whole file"].accepted


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 10**400, "5", True, None, [5], {}]
)
def test_a_number_is_a_finite_number(value: object) -> None:
    assert list(problems_of({"real_time": {"poll_interval_sec": value}})) == ["real_time.poll_interval_sec"]


def test_a_whole_number_may_stand_for_a_fraction_but_not_the_reverse() -> None:
    assert parse_config({"real_time": {"poll_interval_sec": 7}}).real_time.poll_interval_sec == 7.0
    assert "real_time.max_live_symbols" in problems_of({"real_time": {"max_live_symbols": 7.5}})


def test_text_that_cannot_be_written_is_refused_everywhere() -> None:
    found = problems_of({"storage": {"url": "sqlite:///\ud800"}, "server": {"allowed_hosts": ["\ud800"]}})
    assert set(found) == {"storage.url", "server.allowed_hosts[0]"}
    str(ConfigError(list(found.values()))).encode("utf-8")


def test_fields_that_need_others() -> None:
    email = {"enabled": True, "username": "me"}
    found = problems_of(
        {"real_time": {"telegram": {"enabled": True}, "email": email, "poll_interval_sec": 90}}
    )
    assert set(found) == {
        "real_time.telegram.bot_token", "real_time.telegram.chat_id", "real_time.email.host",
        "real_time.email.sender", "real_time.email.recipients", "real_time.email.password",
        "real_time.stale_after_sec",
    }  # fmt: skip
    assert "SWING_TELEGRAM_BOT_TOKEN" in found["real_time.telegram.bot_token"].accepted


def test_a_broken_field_is_not_reported_as_missing_too() -> None:
    email = {"enabled": True, "host": 5, "sender": "a@b.c", "recipients": ["x"]}
    assert set(problems_of({"real_time": {"email": email}})) == {
        "real_time.email.host", "real_time.email.recipients[0]",
    }  # fmt: skip


def test_secrets_may_come_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"real_time": {"telegram": {"enabled": True, "chat_id": "1"}}}
    monkeypatch.setattr(secrets, "_keyring_password", lambda name: "from the keyring")
    assert parse_config(data).real_time.telegram.enabled
    monkeypatch.setattr(secrets, "_keyring_password", lambda name: None)  # it is locked: nothing can be said
    assert parse_config(data).real_time.telegram.enabled
    monkeypatch.setattr(secrets, "_keyring_password", lambda name: "")
    monkeypatch.setenv("SWING_TELEGRAM_BOT_TOKEN", BOT_TOKEN)
    assert parse_config(data).real_time.telegram.enabled


def test_no_problem_shows_a_secret() -> None:
    found = problems_of({
        "storage": {"url": "bad url://user:hunter2-db@host"}, "server": [{"api_token": "hunter2-api"}],
        "real_time": {
            "telegram": {"bot_tokn": "hunter2-tokn", "sifre": "hunter2-sifre", "bot_token": BOT_TOKEN + " "},
            "email": {"password": ["hunter2-list"], "passwrd": {"": "hunter2-dict"}, "host": f"{BOT_TOKEN}@"},
        },
    })  # fmt: skip
    text = str(ConfigError(list(found.values())))
    assert "hunter2" not in text
    assert BOT_TOKEN not in text
    assert len(found) == 8


def test_long_values_are_cut_short() -> None:
    assert len(shown("x" * 10_000)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(all_paths()), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(all_paths()), JSON)
def test_any_value_is_taken_or_told_and_the_file_and_the_dialog_agree(path: str, value: object) -> None:
    result = examine(with_value({}, path, value))
    for problem in (*result.problems, *result.unknown):
        assert problem.found and problem.accepted
        str(problem).encode("utf-8")
    told = check_value(path, value)
    direct = [problem for problem in result.problems if problem.path.startswith(path)]
    assert (told is None) == (not direct)
    if not result.problems:
        kept = get_value(result.config, path)
        assert (list(kept) if isinstance(kept, tuple) else kept) == value


@given(JSON)
def test_nothing_makes_the_examination_fail(value: object) -> None:
    examine(value)
    examine({"real_time": value, "symbols": value, "extra_closures": [value], "storage": {"url": value}})


# ---------------------------------------------------------------- one field


def test_a_field_is_judged_by_the_same_rules_in_the_dialog() -> None:
    assert check_value("real_time.poll_interval_sec", 3) is None
    problem = check_value("real_time.poll_interval_sec", 2.9)
    assert problem is not None
    assert problem.path == "real_time.poll_interval_sec"
    assert check_value("symbols", ("ASELS", "NASDAQ:AAPL")) is None
    assert check_value("symbols", ("ASELS", "BIST:ASELS")) is not None
    assert check_value("extra_closures", ["BIST:2026-02-30"]) is not None
    with pytest.raises(KeyError):
        check_value("real_time.nothing", 1)


def test_a_field_is_judged_beside_the_others() -> None:
    assert check_value("real_time.poll_interval_sec", 70) is None
    problem = check_value("real_time.poll_interval_sec", 70, Config())
    assert problem is not None
    assert problem.path == "real_time.stale_after_sec"
    assert check_value("theme", "dark", Config()) is None
    enabled = check_value("real_time.telegram.enabled", True, Config())
    assert enabled is not None
    assert (
        enabled.path == "real_time.telegram.chat_id"
    )  # the keyring may have the token: it is not asked here


def test_a_dialog_learns_what_a_field_accepts() -> None:
    assert rule_of("real_time.signal_threshold_pct") == Rule(
        path="real_time.signal_threshold_pct", kind="float", default=2.0, minimum=0, maximum=100, above=True,
        accepted="a number above 0, at most 100",
    )  # fmt: skip
    assert rule_of("theme").choices == ("system", "dark", "light")
    assert rule_of("real_time.email.password").secret
    kinds = {rule_of(path).kind for path in all_paths()}
    assert kinds == {"bool", "int", "float", "text", "choice", "texts", "data"}
    for path in all_paths():
        assert check_value(path, rule_of(path).default) is None


# ---------------------------------------------------------------- reading


def test_a_missing_file_means_the_defaults_and_is_not_made(tmp_path: Path) -> None:
    assert load_config(tmp_path / "none.json") == Config()
    assert not list(tmp_path.iterdir())


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", b'\xef\xbb\xbf{"theme": "dark"}')
    assert load_config(path).theme == "dark"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"theme": "dark"\n "language": "tr"}', "line 2, column 2"),
        ('{"theme" "dark"}', "colon"),
        ('{"theme": }', "a value"),
        ('{"theme": "dark",}', "comma after the last"),
        ("{theme: 1}", "double quotes"),
        ('{"theme": "dark"} x', "nothing after"),
        ('{"theme": "dark}', "closing quote"),
        ('{"theme": "da\nrk"}', "line break"),
        ('{"theme": "\\x"}', "valid JSON"),
        ("", "a value"),
        ("[1]", "braces"),
        ("[" * 100_000, "too deep"),
        ('{"server": {"a": ' + "[" * 200 + "]" * 200 + "}}", "too deep"),
        ('{"websocket": {"timeout_ms": ' + "9" * 5000 + "}}", "too long"),
        ('{"theme": "dark", "theme": "light"}', "theme: found the key more than once"),
        ('{"bots": [{}, {"a": 1, "a": 2}]}', "bots[1].a: found the key more than once"),
        ('{"websocket": {"timeout_ms": NaN}}', "websocket.timeout_ms: found NaN"),
        ('{"real_time": {"poll_interval_sec": 1e999}}', "found Infinity"),
        (b'{"theme": "\xfe"}', "line 1"),
        ("{}".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_broken_file_is_explained_and_never_overwritten(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    path = write(tmp_path / "c.json", text)
    before = path.read_bytes()
    for attempt in (
        lambda: load_config(path),
        lambda: save_changes(path, {"theme": "dark"}),
        lambda: save_config(path, Config(theme="dark")),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert words in str(caught.value)
        assert path.read_bytes() == before


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        load_config(tmp_path)


@pytest.mark.parametrize(("text", "language"), [
    ('{"language": "tr", "x": 1}', "tr"), ('{"language": "fr"}', "auto"), ('{"language": ["tr"]}', "auto"),
    ("{", "auto"), ("{}", "auto"),
])  # fmt: skip
def test_the_language_of_the_problems_is_known_before_they_are(
    tmp_path: Path, text: str, language: str
) -> None:
    assert peek_language(write(tmp_path / "c.json", text)) == language


# ---------------------------------------------------------------- writing


def test_saving_keeps_order_and_unknown_keys(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.json",
        '{"zebra": {"a": [1, 2]}, "theme": "dark", "real_time": {"x": 1, "use_tvdata": true}}',
    )
    config = save_changes(path, {"real_time.poll_interval_sec": 6, "theme": "light"})
    assert (config.real_time.poll_interval_sec, config.theme) == (6.0, "light")
    save_config(path, msgspec.structs.replace(config, language="tr"))
    data = json.loads(path.read_text("utf-8"))
    assert list(data) == ["zebra", "theme", "real_time", "language"]
    assert data["zebra"] == {"a": [1, 2]}
    assert data["real_time"] == {"x": 1, "use_tvdata": True, "poll_interval_sec": 6}


def test_a_change_that_is_not_valid_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", '{"theme": "dark"}')
    for changes in (
        {"theme": "pink"},
        {"real_time.nonsense": 1},
        {"real_time.poll_interval_sec": float("nan")},
    ):
        with pytest.raises(ConfigError):
            save_changes(path, changes)
    assert path.read_text() == '{"theme": "dark"}'


@pytest.mark.parametrize("text", ['{"theme": 5}', '{"real_time": 5}'])
def test_a_file_with_problems_is_not_saved_over(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "c.json", text)
    for save in (lambda: save_config(path, Config()), lambda: save_changes(path, {"theme": "dark"})):
        with pytest.raises(ConfigError):
            save()
    assert path.read_text() == text


def test_a_new_file_holds_everything_and_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    bot = BotConfig(id="b1", name="x" * 80, symbols=("ASELS",), cash=5.5)
    config = Config(theme="dark", symbols=("ASELS", "NASDAQ:AAPL"), bots=(bot,))
    save_config(path, config)
    assert load_config(path) == config
    assert set(json.loads(path.read_text("utf-8"))) == set(Config.__struct_fields__)
    assert save_changes(tmp_path / "d.json", {"theme": "dark"}).theme == "dark"


def test_changes_to_a_file_that_stays_go_elsewhere(tmp_path: Path) -> None:
    shipped = write(tmp_path / "shipped.json", '{"theme": "dark", "own": 1}')
    own = tmp_path / "own.json"
    save_changes(own, {"language": "tr"}, read_from=shipped)
    assert json.loads(own.read_text()) == {"theme": "dark", "own": 1, "language": "tr"}
    assert shipped.read_text() == '{"theme": "dark", "own": 1}'


@given(
    symbols=st.lists(st.sampled_from(BIST30), unique=True).map(tuple),
    threshold=st.floats(0.01, 100, allow_nan=False),
    theme=st.sampled_from(("system", "dark", "light")),
    server=st.builds(
        ServerConfig, port=st.integers(1, 65535), tls_key=st.sampled_from(("", "a key.pem", "ş\\ö"))
    ),
    params=st.dictionaries(st.sampled_from(("min_confidence", "max_gap_sec")), st.floats(0.0, 1.0)),
)
def test_what_is_saved_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    symbols: tuple[str, ...],
    threshold: float,
    theme: Literal["system", "dark", "light"],
    server: ServerConfig,
    params: dict[str, object],
) -> None:
    path = tmp_path_factory.mktemp("c") / "c.json"
    live = msgspec.structs.replace(Config().real_time, signal_threshold_pct=threshold)
    bot = BotConfig(id="b", name="b", symbols=("ASELS",), params=params)
    config = Config(symbols=symbols, real_time=live, theme=theme, server=server, bots=(bot,))
    save_config(path, config)
    assert load_config(path) == config
    save_config(path, Config())
    assert load_config(path) == Config()


@pytest.mark.skipif(sys.platform == "win32", reason="only on systems with permission bits")
@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("server.redis_url", "redis://:hunter2@10.0.0.5:6379/0"),
        ("storage.url", "postgresql://swing:hunter2@10.0.0.6/swing"),
    ],
)
def test_an_address_with_a_password_is_private(tmp_path: Path, setting: str, address: str) -> None:
    path = write(tmp_path / "c.json", "{}")
    path.chmod(0o644)
    save_changes(path, {setting: address})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="only on systems with permission bits")
def test_permissions_are_kept_and_secrets_are_private(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", "{}")
    path.chmod(0o644)
    save_changes(path, {"theme": "dark"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    save_changes(path, {"real_time.telegram.bot_token": BOT_TOKEN})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = tmp_path / "link.json"
    link.symlink_to(path)
    save_changes(link, {"theme": "light"})
    assert link.is_symlink()
    assert load_config(path).theme == "light"


def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.json", "{}")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_changes(path, {"theme": "dark"})
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        save_config(tmp_path / "none" / "c.json", Config())
    assert atomic.why(OSError("strange")) == "strange"


# ---------------------------------------------------------------- symbols


def test_symbols_become_instruments() -> None:
    config = Config(symbols=("asels", "NASDAQ:aapl", "BIST:ASELS", "nyse: BRK.B", "crypto:btc"))
    assert resolve_instruments(config) == (
        Instrument("BIST", "ASELS"), Instrument("NASDAQ", "AAPL"), Instrument("NYSE", "BRK.B"),
        Instrument("CRYPTO", "BTC"),
    )  # fmt: skip
    assert len(resolve_instruments(Config())) == 30


@pytest.mark.parametrize(("text", "suggestion"), [
    ("ŞİŞE", "SISE"), ("ışctr", "ISCTR"), ("ASELS.IS", "ASELS"), ("THYAO.E", "THYAO"), ("$ASELS", "ASELS"),
    ("CRYPTO:BTC-USD", "BTC"), ("CRYPTO:BTCUSDT", "BTC"), ("i\u0307SCTR", "ISCTR"),
])  # fmt: skip
def test_a_ticker_that_was_probably_meant_is_suggested(text: str, suggestion: str) -> None:
    with pytest.raises(InputError, match=f"did you mean {suggestion}"):
        parse_instrument(text, "BIST")


@pytest.mark.parametrize(
    "text", ["", "  ", "BIST:", ":", "A B", "A/B", "=1+1", "A" * 21, "日本", "LSE:VOD", "A:B:C", "x" * 99]
)
def test_what_cannot_be_a_ticker_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_instrument(text, "BIST")
    assert len(str(caught.value)) < 200


def test_capitals_are_ascii_and_searching_knows_turkish() -> None:
    assert ascii_upper("iış") == "Iış"
    assert fold("ŞİŞECAM Iı") == fold("sisecam ii")


@given(st.text())
def test_any_text_is_an_instrument_or_one_sentence(text: str) -> None:
    try:
        instrument = parse_instrument(text, "NASDAQ")
    except InputError as error:
        assert str(error)
    else:
        assert parse_instrument(instrument.key, "BIST") == instrument


def test_the_modules_agree_on_names() -> None:
    assert set(secrets.SECRET_PATHS) <= set(all_paths())
    assert config_file.check_value is config_check.check_value
