"""What every mode of the program shares: one run's configuration, data directory and database."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from core.bots.folder import use_folder
from core.config import BotConfig, Config
from core.config_file import load_config, peek_language, save_changes, save_config
from core.engine.worlds import replays, trades_simulation
from core.i18n import set_language, tr
from core.model import Position
from core.paths import config_target, prepare_data_dir, resolve_config_path, resolve_data_dir
from core.storage.base import Store

DEMO_NAME = "demo"
SIMULATION_NAME = "simulation"
REPLAY_NAME = "replay"
REAL_NAME = "swing_hunter"
STRATEGIES = "strategies"
"""The folder of the user's own strategies in the data directory."""
RECORDINGS = "recordings"
"""The folder of the recordings in the data directory."""
_DAY = 86_400.0
_DEMO_NAMES = (
    "ASELS", "THYAO", "GARAN", "AKBNK", "SISE", "EREGL", "FROTO", "ISCTR", "PETKM", "SAHOL", "SASA", "HEKTS",
)  # fmt: skip


class ConfigStore(msgspec.Struct, frozen=True):
    """Where the configuration was read from and where changes go; the shipped file itself stays as it is."""

    source: Path
    target: Path

    def load(self) -> Config:
        """Read it. Raises `ConfigError`."""
        return load_config(self.source)

    def save(self, config: Config) -> None:
        """Write what has changed. Raises `ConfigError` or `StorageError` and then has changed nothing."""
        save_config(self.target, config, read_from=self._read_from())

    def save_changes(self, changes: Mapping[str, Any]) -> None:
        """Write some dotted fields. Raises as `save`."""
        save_changes(self.target, changes, read_from=self._read_from())

    def _read_from(self) -> Path:
        return self.target if self.target.exists() else self.source


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the program.

    `demo`: a simulated market, sample positions and bots, in a database of its own.
    """

    config: Config
    data_dir: Path
    config_store: ConfigStore | None = None
    demo: bool = False

    def open_store(self, config: Config) -> Store:
        """The database for `config`: real, simulated, replayed and demo trading never share one.

        Raises `StorageError`.
        """
        from core.storage import open_store

        store = open_store(config.storage.url, self.data_dir, name=self.store_name(config))
        if self.demo and not store.positions() and not store.trades(limit=1):
            store.add_positions(demo_positions(time.time()))
        return store

    def store_name(self, config: Config) -> str:
        """The database's name for `config`."""
        if self.demo:
            return DEMO_NAME
        if replays(config):
            return REPLAY_NAME
        return SIMULATION_NAME if trades_simulation(config) else REAL_NAME


def demo_config(config: Config) -> Config:
    """`config` with a simulated market, quick to signal, and a mix of Turkish and American symbols.

    The market moves a session in six minutes: at 2.5 % there is a signal within half a minute and then one
    about every ten seconds. Nothing of it leaves the computer.
    """
    channels = msgspec.structs.replace(config.real_time.notification_channels, telegram=False, email=False)
    real_time = msgspec.structs.replace(
        config.real_time, live_data_source="simulation", signal_threshold_pct=2.5, signal_cooldown_sec=20.0,
        max_live_symbols=max(60, config.real_time.max_live_symbols), notification_channels=channels,
    )  # fmt: skip
    symbols = (*config.symbols[:24], "NASDAQ:AAPL", "NASDAQ:MSFT", "NASDAQ:NVDA", "NYSE:KO", "CRYPTO:BTC")
    return msgspec.structs.replace(config, real_time=real_time, symbols=symbols, bots=demo_bots())


def demo_bots() -> tuple[BotConfig, ...]:
    """Three bots that trade at once and often enough to be watched: two in lira, one in dollars."""
    return (
        BotConfig(
            id="demo-signals", name=tr("bots.demo_signals"), autostart=True,
            direction="both", symbols=tuple(f"BIST:{name}" for name in _DEMO_NAMES),
            size=20_000.0, max_open_positions=3, stop_loss_pct=2.0, trailing_stop_pct=1.5,
        ),
        BotConfig(
            id="demo-averages", name=tr("bots.demo_averages"), autostart=True, direction="both",
            symbols=("BIST:TUPRS", "BIST:BIMAS", "BIST:KCHOL"), strategy="ema_cross",
            params={"timeframe_sec": 60, "fast": 3, "slow": 8}, size=25_000.0, max_open_positions=3,
            stop_loss_pct=3.0, take_profit_pct=4.0,
        ),
        BotConfig(
            id="demo-dollar", name=tr("bots.demo_dollar"), autostart=True, direction="both",
            symbols=("NASDAQ:AAPL", "NASDAQ:NVDA", "CRYPTO:BTC"), cash=50_000.0, size=8_000.0,
            max_open_positions=2, fee_pct=0.05, fee_min=1.0, stop_loss_pct=2.0, trailing_stop_pct=2.0,
            max_daily_loss=2_000.0,
        ),
    )  # fmt: skip


def demo_positions(now: float) -> tuple[Position, ...]:
    """A few positions, one of them short, one opened today, near the simulated prices."""
    rows = (
        ("BIST", "ASELS", "400", "198.50", 12, "190.00"),
        ("BIST", "THYAO", "250", "309.25", 5, "290.00"),
        ("BIST", "GARAN", "-400", "146.20", 3, "152.00"),
        ("NASDAQ", "AAPL", "20", "232.40", 20, "221.00"),
        ("NASDAQ", "MSFT", "8", "478.90", 0, None),
        ("CRYPTO", "BTC", "0.05", "91200.00", 30, None),
    )
    return tuple(
        Position(
            symbol=symbol, exchange=exchange, quantity=Decimal(quantity), entry_price=Decimal(entry),
            opened_at=now - days * _DAY, stop=None if stop is None else Decimal(stop),
        )
        for exchange, symbol, quantity, entry, days, stop in rows
    )  # fmt: skip


def prepare_session(
    config_path: str | Path | None, data_dir: str | Path | None, *, demo: bool = False
) -> Session:
    """Find and read the configuration, and make the data directory usable.

    Raises `ConfigError`, `UserError` or `StorageError`; the language is already the user's then.
    """
    folder = resolve_data_dir(data_dir)
    source = resolve_config_path(config_path, folder)
    use_folder(folder / STRATEGIES)
    set_language(peek_language(source))
    prepare_data_dir(folder)
    store = ConfigStore(source, config_target(source, folder))
    config = store.load()
    if demo:
        return Session(config=demo_config(config), data_dir=folder, demo=True)
    return Session(config=config, data_dir=folder, config_store=store)
