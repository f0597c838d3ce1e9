"""Pytest fixtures; import them into a test module (or name this module in `pytest_plugins`).

    from tests.loopback.fixtures import market, tradingview_server, yahoo_server  # noqa: F401

Both servers of one test tell the prices of one `market`. Each has `.set_price(key, price, prev_close)`,
`.fault(Fault | None)`, `.unplug()`, `.plug_in()` and `.requests`; their addresses are `.endpoint` and
`.base_url`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.loopback.market import Market
from tests.loopback.tradingview_server import TradingViewServer
from tests.loopback.yahoo_server import YahooServer


@pytest.fixture
def market() -> Market:
    """The prices that the servers tell."""
    return Market()


@pytest.fixture
def tradingview_server(market: Market) -> Iterator[TradingViewServer]:
    """TradingView on 127.0.0.1."""
    with TradingViewServer(market) as server:
        yield server


@pytest.fixture
def yahoo_server(market: Market) -> Iterator[YahooServer]:
    """Yahoo on 127.0.0.1."""
    with YahooServer(market) as server:
        yield server
