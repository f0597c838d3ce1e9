"""The engine's parts that are others in each world: the price book, the place of the bars, the bots' desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.clock import Clock
from core.config import Config
from core.engine.prices import PriceBook
from core.engine.worlds import replays, trades_simulation, works_remotely
from core.market_calendar import MarketCalendar
from core.storage.base import Store
from core.storage.memory_store import MemoryStore

if TYPE_CHECKING:
    from core.bots.desk import BotDesk
    from core.bots.surroundings import Surroundings
    from core.cluster.remote_desk import RemoteDesk

RemoteDeskFactory = Callable[[Config, "Surroundings"], "RemoteDesk"]


def make_book(config: Config, calendar: MarketCalendar, clock: Clock) -> PriceBook:
    """An empty book for the prices of the world that `config` chooses."""
    longest = config.real_time.stale_after_sec
    if replays(config):
        from core.replay.book import ReplayBook

        return ReplayBook(calendar, clock, longest)
    return PriceBook(calendar, clock, longest, trade_simulation=trades_simulation(config))


def bar_store(config: Config, store: Store) -> Store:
    """Where bars are kept: in `store`, but those of a replay only as long as it lasts."""
    return MemoryStore() if replays(config) else store


def make_desk(
    config: Config, around: Surroundings, remote: RemoteDeskFactory | None, wake: Callable[[], None]
) -> BotDesk | RemoteDesk:
    """The bots of this world, with their stops armed; only true prices go to workers, and only if there is
    a way to them (`remote`).

    `wake` is called from any thread when the desk wants to go on. Raises `StorageError`.
    """
    if remote is not None and works_remotely(config):
        return remote(config, around)
    from core.bots.desk import BotDesk

    return BotDesk(config, around, wake=wake)
