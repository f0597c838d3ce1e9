"""Which world the engine trades in: real prices, the simulator's or a recording's. They share nothing."""

from __future__ import annotations

from collections.abc import Callable

from core.config import Config
from core.storage.base import Store

StoreFactory = Callable[[Config], Store]


def trades_simulation(config: Config) -> bool:
    """Whether the user chose the simulator, so that its prices count as far as they can."""
    return config.real_time.live_data_source == "simulation"


def replays(config: Config) -> bool:
    """Whether prices come from a recording."""
    return config.real_time.live_data_source == "replay"


def counts_simulated(config: Config) -> bool:
    """Whether prices that are marked as not real give signals and value positions."""
    return trades_simulation(config) or replays(config)


def works_remotely(config: Config) -> bool:
    """Whether bots run in workers: only for true prices."""
    return config.bot_executor == "celery" and not counts_simulated(config)


def world_of(config: Config) -> tuple[object, ...]:
    """What has to be the same for prices, signals and positions to have to do with each other."""
    return trades_simulation(config), replays(config), config.storage.url, works_remotely(config)


def noise_of(config: Config) -> tuple[str, int]:
    """The noise filter's kind and its window in prices."""
    return config.real_time.noise_filter, config.real_time.noise_window


def feed_settings(config: Config) -> tuple[object, ...]:
    """What the feed works by: a change of anything else leaves it running."""
    live = config.real_time
    if replays(config):
        return live.live_data_source, live.replay_file, live.replay_speed, config.exchange
    return (
        config.websocket, live.live_data_source, live.use_tvdata, live.update_interval_ms,
        live.poll_interval_sec, live.max_live_symbols, live.stale_after_sec, live.allow_simulation,
        live.yahoo_base, live.yahoo_stream,
    )  # fmt: skip
