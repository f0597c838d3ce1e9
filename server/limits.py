"""How often a wrong token may be tried from one address."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

FAILURES = 10
WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 10_000


class FailureLimiter:
    """Counts failures per address within a sliding window; keeps a bounded number of addresses.

    An IPv6 address counts as its /64 network: who has one has them all.
    """

    def __init__(
        self, failures: int = FAILURES, window: float = WINDOW_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._failures = failures
        self._window = window
        self._monotonic = monotonic
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """For how many seconds the address has to wait before its next try; 0 if it need not."""
        times = self._seen.get(network_of(address))
        if times is None or len(times) < self._failures:
            return 0
        left = times[0] + self._window - self._monotonic()
        return int(left) + 1 if left > 0 else 0

    def failed(self, address: str) -> None:
        """Note a failure."""
        key = network_of(address)
        times = self._seen.setdefault(key, deque(maxlen=self._failures))
        times.append(self._monotonic())
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_ADDRESSES:
            self._seen.popitem(last=False)


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, however it is written, or an IPv6 network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
        parsed = parsed.ipv4_mapped
    return str(parsed)
