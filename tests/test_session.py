"""One run of the program: its configuration, its databases, the demo; and what is said of the feed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from core.clock import FakeClock
from core.config import ChannelsConfig, Config, RealTimeConfig
from core.config_file import parse_config, resolve_instruments
from core.errors import ConfigError, StorageError, UserError
from core.feed_text import duration, feed_sentence, source_lines
from core.i18n import language, set_language
from core.model import FeedStatus, Instrument, SourceStatus
from core.paths import SHIPPED_CONFIG
from core.session import ConfigStore, Session, demo_config, demo_positions, prepare_session
from core.sources.simulation import BASES, SimulationSource

NOW = 1_795_000_000.0


def write(path: Path, **content: object) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


# --- starting -----------------------------------------------------------------------------------------


def test_a_first_start_takes_the_shipped_settings_and_saves_its_own(data_dir: Path) -> None:
    shipped = SHIPPED_CONFIG.read_text("utf-8")
    session = prepare_session(None, None)
    assert (session.data_dir, session.demo) == (data_dir, False)
    store = session.config_store
    assert store is not None
    assert (store.source, store.target) == (SHIPPED_CONFIG, data_dir / "swing_config.json")
    store.save(replace(session.config, theme="light"))
    assert SHIPPED_CONFIG.read_text("utf-8") == shipped
    again = prepare_session(None, None)
    assert again.config.theme == "light"
    assert again.config_store is not None
    assert again.config_store.load() == again.config
    store.save_changes({"symbols": ["ASELS"]})
    assert prepare_session(None, None).config == replace(again.config, symbols=("ASELS",))


def test_a_given_file_and_folder_are_used(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.json", language="tr", exchange="NASDAQ")
    session = prepare_session(path, tmp_path / "new" / "data")
    assert session.config.exchange == "NASDAQ"
    assert (tmp_path / "new" / "data").is_dir()
    assert session.config_store == ConfigStore(path, path)
    assert language() == "tr"


def test_what_is_wrong_is_said_in_the_users_language(tmp_path: Path, data_dir: Path) -> None:
    path = write(tmp_path / "mine.json", language="tr", theme="pembe", exchange="LSE")
    with pytest.raises(ConfigError) as caught:
        prepare_session(path, data_dir)
    assert {problem.path for problem in caught.value.problems} == {"theme", "exchange"}
    assert language() == "tr"
    with pytest.raises(UserError):
        prepare_session(tmp_path / "none.json", data_dir)
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    set_language("en")
    with pytest.raises(StorageError, match="file"):
        prepare_session(None, blocked)


# --- databases ----------------------------------------------------------------------------------------


def test_real_simulated_and_demo_trading_never_meet(data_dir: Path) -> None:
    real = Config()
    simulated = replace(real, real_time=RealTimeConfig(live_data_source="simulation"))
    session = Session(config=real, data_dir=data_dir)
    demo = Session(config=demo_config(real), data_dir=data_dir, demo=True)
    names = [session.store_name(real), session.store_name(simulated), demo.store_name(demo.config)]
    assert names == ["swing_hunter", "simulation", "demo"]
    for one, config in ((session, real), (session, simulated), (demo, demo.config)):
        one.open_store(config).close()
    assert {path.stem for path in data_dir.glob("*.db")} == set(names)


def test_the_demo_begins_with_positions_and_keeps_the_users(data_dir: Path) -> None:
    session = Session(config=demo_config(Config()), data_dir=data_dir, demo=True)
    store = session.open_store(session.config)
    held = store.positions()
    assert len(held) == 6
    for position in held:
        store.close_position(position.id, position.entry_price, NOW)
    store.close()
    again = session.open_store(session.config)
    assert again.positions() == ()
    again.close()


# --- the demo -----------------------------------------------------------------------------------------


def test_the_demos_positions_are_near_its_prices() -> None:
    for position in demo_positions(NOW):
        base = Decimal(BASES[position.key])
        assert abs(position.entry_price / base - 1) < Decimal("0.1"), position.key
        assert position.opened_at <= NOW
        if position.stop is not None:
            assert (position.stop < position.entry_price) is (position.quantity > 0)
    assert any(position.quantity < 0 for position in demo_positions(NOW))


def test_the_demos_config_leaves_the_rest_as_it_was_and_the_outside_alone() -> None:
    mine = Config(
        theme="light", symbols=("ASELS", "THYAO"),
        real_time=RealTimeConfig(
            max_live_symbols=5, notification_channels=ChannelsConfig(telegram=True, email=True)
        ),
    )  # fmt: skip
    demo = demo_config(mine)
    instruments = resolve_instruments(demo)
    assert demo.theme == "light"
    assert demo.real_time.live_data_source == "simulation"
    assert demo.real_time.max_live_symbols >= len(instruments)
    assert not demo.real_time.notification_channels.telegram
    assert not demo.real_time.notification_channels.email
    assert Instrument("BIST", "THYAO") in instruments
    assert Instrument("NASDAQ", "AAPL") in instruments
    assert {position.key for position in demo_positions(NOW)} <= set(BASES)


@pytest.mark.parametrize("seed", range(5))
def test_the_demo_signals_within_a_minute_and_does_not_flood(seed: int) -> None:
    config = demo_config(Config())
    clock = FakeClock(NOW)
    source, instruments = SimulationSource(seed, clock), resolve_instruments(config)
    threshold = config.real_time.signal_threshold_pct
    reference: dict[str, float] = {}
    times: list[int] = []
    for second in range(180):
        for quote in source.fetch(instruments, lambda: None):
            base = reference.setdefault(quote.key, quote.previous_close or quote.price)
            if abs(quote.price / base - 1) * 100 >= threshold:
                reference[quote.key] = quote.price
                times.append(second)
        clock.advance(1.0)
    assert times[0] < 60
    assert len(times) < 3 * 15


# --- what is said of the feed ---------------------------------------------------------------------------

TV = SourceStatus(name="tvdatafeed", state="ok", lag=0.24)
YAHOO_DOWN = SourceStatus(name="yfinance", state="failing", last_error="refused", next_try=NOW + 12.4)
CASES = [
    (FeedStatus(state="stopped"), "Scan stopped"),
    (FeedStatus(state="connecting"), "Starting…"),
    (
        FeedStatus(state="connecting", sources=(
            replace(TV, state="connecting"), SourceStatus(name="simulation", state="connecting"),
        )),
        "Connecting to tvdatafeed…",
    ),
    (FeedStatus(state="running", active="tvdatafeed", sources=(TV,)), "Feed: tvdatafeed, 0.2 s behind"),
    (FeedStatus(state="running", active="tvdatafeed", sources=(replace(TV, lag=None),)), "Feed: tvdatafeed"),
    (
        FeedStatus(state="running", active="tvdatafeed", sources=(TV, YAHOO_DOWN)),
        "Feed: tvdatafeed, 0.2 s behind (yfinance fails)",
    ),
    (FeedStatus(state="running", active="simulation"), "Simulator: made-up prices"),
    (FeedStatus(state="offline"), "No connection."),
    (
        FeedStatus(state="offline", sources=(replace(TV, state="blocked", next_try=NOW + 60), YAHOO_DOWN)),
        "No connection. Trying yfinance again in 12 s",
    ),
    (
        FeedStatus(state="offline", sources=(replace(YAHOO_DOWN, next_try=NOW - 1),)),
        "No connection. Trying yfinance now…",
    ),
    (
        FeedStatus(state="simulated", active="simulation", sources=(YAHOO_DOWN,)),
        "Simulated: no real prices. Trying yfinance again in 12 s",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "sentence"), CASES, ids=[sentence for _, sentence in CASES])
def test_the_feeds_sentence(status: FeedStatus, sentence: str) -> None:
    assert feed_sentence(status, NOW) == sentence
    set_language("tr")
    assert feed_sentence(status, NOW) != sentence


def test_the_feeds_details_and_durations() -> None:
    status = FeedStatus(state="running", active="tvdatafeed", sources=(TV, YAHOO_DOWN))
    assert source_lines(status) == ["tvdatafeed: working", "yfinance: failing (refused)"]
    assert [duration(seconds) for seconds in (0.24, 9.96, 45.2, 89.4, 900)] == [
        "0.2 s", "10.0 s", "45 s", "89 s", "15 min",
    ]  # fmt: skip
    set_language("tr")
    assert duration(0.24) == "0,2 sn"


def test_the_demo_has_bots_that_the_configuration_would_accept(data_dir: Path) -> None:
    config = demo_config(Config())
    assert [bot.autostart for bot in config.bots] == [True, True, True]
    assert parse_config({"bots": msgspec.to_builtins(config.bots)}).bots == config.bots
