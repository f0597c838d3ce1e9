"""All price sources by name. A new source is one file beside this one and one line in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable

from core.clock import Clock
from core.config import Config
from core.errors import InputError
from core.i18n import tr
from core.sources.base import PolledSource
from core.sources.push_base import PushSource

Factory = Callable[[Config, Clock], PolledSource]
PushFactory = Callable[[Config, Clock], PushSource]
LONGEST_DEADLINE = 10.0


def _deadline(config: Config) -> float:
    """Seconds one request may take: `websocket.timeout_ms` within 1 s and 10 s."""
    return min(LONGEST_DEADLINE, max(1.0, config.websocket.timeout_ms / 1000))


def _tvdatafeed(config: Config, clock: Clock) -> PolledSource:
    from core.sources.tvdatafeed_source import TvDatafeedSource

    return TvDatafeedSource(config.websocket.endpoint, _deadline(config), clock)


def _yfinance(config: Config, clock: Clock) -> PolledSource:
    from core.sources.yfinance_source import YFinanceSource

    return YFinanceSource(config.real_time.yahoo_base, LONGEST_DEADLINE, clock)


def _simulation(_config: Config, clock: Clock) -> PolledSource:
    from core.sources.simulation import SimulationSource

    return SimulationSource(None, clock)


SOURCES: dict[str, Factory] = {
    "tvdatafeed": _tvdatafeed,
    "yfinance": _yfinance,
    "simulation": _simulation,
}
"""A source's module is imported when it is first made, so that the window need not wait for it."""


def _tradingview(config: Config, clock: Clock) -> PushSource:
    from core.sources.tradingview_push import TradingViewPush

    return TradingViewPush(config.websocket.endpoint, _deadline(config), clock)


def _yahoo(config: Config, clock: Clock) -> PushSource:
    from core.sources.yahoo_push import YahooPush

    return YahooPush(config.real_time.yahoo_stream, _deadline(config), clock)


PUSH_SOURCES: dict[str, PushFactory] = {
    "tradingview": _tradingview,
    "yahoo": _yahoo,
}
"""The sources that push, in the same way."""


def create_push(name: str, config: Config, clock: Clock) -> PushSource:
    """A new push source. Raises `InputError` for a name that is not in `PUSH_SOURCES`."""
    factory = PUSH_SOURCES.get(name)
    if factory is None:
        raise InputError(tr("sources.unknown_source", name=name))
    return factory(config, clock)


def push_order(config: Config) -> tuple[str, ...]:
    """The push sources that a configuration wants: the chosen one, or the best if `auto` may push."""
    chosen = config.real_time.live_data_source
    if chosen == "auto":
        return ("tradingview",) if config.websocket.enabled else ()
    return (chosen,) if chosen in PUSH_SOURCES else ()


def all_are_live(config: Config) -> bool:
    """Whether prices are pushed, for all symbols at once: `max_live_symbols` limits what is polled."""
    return bool(push_order(config))


def create_source(name: str, config: Config, clock: Clock) -> PolledSource:
    """A new source. Raises `InputError` for a name that is not in `SOURCES`."""
    factory = SOURCES.get(name)
    if factory is None:
        raise InputError(tr("sources.unknown_source", name=name))
    return factory(config, clock)


def auto_order(config: Config) -> tuple[str, ...]:
    """The sources that `live_data_source: "auto"` polls, best first."""
    tvdata = config.real_time.use_tvdata and config.websocket.use_tvdata
    return ("tvdatafeed", "yfinance") if tvdata else ("yfinance",)
