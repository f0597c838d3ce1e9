"""From the provider's answer to the painted cell, with the real yfinance against a loopback server.

The server puts the moment at which it answers into the price itself, so the window's side can tell how old
what it has just painted is. The same run tells the memory with a data library loaded and 235 symbols live.
"""

from __future__ import annotations

import time
from typing import Any

from bench.children import measure, screen
from bench.figures import Figure
from bench.market import instruments
from tests.loopback.yahoo_server import YahooServer

SYMBOLS = 235
SECONDS = 8.0


class _TellingServer(YahooServer):
    """Every price is the number of seconds since `epoch`, when the answer was made."""

    epoch = 0.0

    def _quote(self, key: str, symbol: str) -> dict[str, Any]:
        quote = super()._quote(key, symbol)
        quote["regularMarketPrice"] = time.time() - self.epoch
        return quote


def run() -> list[Figure]:
    """One window, polled five times a second."""
    server = _TellingServer()
    server.epoch = round(time.time()) - 1000.0
    for instrument in instruments(SYMBOLS):
        server.market.set_price(instrument.key, 1000.0, 1000.0)
    try:
        result = measure("bench.answer_child", (server.base_url, server.epoch, SYMBOLS, SECONDS))
    finally:
        server.stop()
    return [
        Figure("answer to painted cell, p50", result["p50_ms"], "ms", note=screen()[2]),
        Figure(
            "answer to painted cell, p99", result["p99_ms"], "ms", 60, note=f"{result['count']:.0f} prices"
        ),
        Figure("private memory, yfinance loaded, 235 symbols live", result["uss_mb"], "MB", 200),
    ]
