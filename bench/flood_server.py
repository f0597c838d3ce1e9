"""The other end of the flood in `bench.feed`: a server in a process of its own. Arguments: symbols, quotes.

It prints its address, and on each line of its input sends that many quotes, many in a message, as fast as the
client takes them. The price of a quote is its number.
"""

from __future__ import annotations

import sys
import time

from bench.market import instruments
from tests.loopback.quote_session import call
from tests.loopback.tradingview_server import TradingViewServer

PER_MESSAGE = 25


def main() -> None:
    """Serve until the input ends."""
    count = int(sys.argv[1])
    server = TradingViewServer()
    server.pushes = True
    keys = [instrument.key for instrument in instruments(count)]
    for key in keys:
        server.market.set_price(key, 100.0, 99.0)
    print(server.endpoint, flush=True)
    try:
        for line in sys.stdin:
            messages = _messages(keys, server.quotes.lines[0].session, int(line))
            print("go", flush=True)
            for text in messages:
                server.quotes.say(text)
    finally:
        server.stop()


def _messages(keys: list[str], session: str, quotes: int) -> list[str]:
    stamp = int(time.time())
    frames = []
    for number in range(quotes):
        name = keys[number % len(keys)] + "USD"
        body = {"n": name, "s": "ok", "v": {"lp": number + 1, "lp_time": stamp}}
        frames.append(call("qsd", session, body))
    return ["".join(frames[at : at + PER_MESSAGE]) for at in range(0, quotes, PER_MESSAGE)]


if __name__ == "__main__":
    main()
