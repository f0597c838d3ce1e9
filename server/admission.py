"""How many connections are let in: all together, and from one address before it has shown a token.

Each connection takes one of the process's file descriptors, of which the engine needs some too: for its
database, its prices, its log.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence

from server.limits import network_of

SHARE_FOR_CONNECTIONS = 0.75
SHARE_OF_ADDRESS = 0.25
"""So much of all connections strangers at one address may hold."""


class Entry:
    """One connection that was let in."""

    __slots__ = ("_admission", "_inside", "_stranger")

    def __init__(self, admission: Admission, stranger: str) -> None:
        self._admission = admission
        self._stranger = stranger
        self._inside = True

    def known(self) -> None:
        """It belongs to a user: it counts for its address no more. Idempotent."""
        stranger, self._stranger = self._stranger, ""
        if stranger:
            self._admission.forget(stranger)

    def leave(self) -> None:
        """It is closed. Idempotent."""
        self.known()
        if self._inside:
            self._inside = False
            self._admission.inside -= 1


class Admission:
    """Counts connections; everything belongs to the event loop's thread.

    `proxies` are addresses and networks that speak for many, so only the total binds them.
    """

    def __init__(self, most: int, most_of_address: int, proxies: Sequence[str] = ()) -> None:
        self.inside = 0
        """How many are open."""
        self._most = most
        self._most_of_address = most_of_address
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._strangers: Counter[str] = Counter()

    def enter(self, address: str) -> Entry | None:
        """Let a connection from `address` in; None if there are too many."""
        stranger = "" if self._speaks_for_many(address) else network_of(address)
        if self.inside >= self._most or self._strangers[stranger] >= self._most_of_address:
            return None
        self.inside += 1
        if stranger:
            self._strangers[stranger] += 1
        return Entry(self, stranger)

    def forget(self, stranger: str) -> None:
        """One of the strangers at an address is none any more."""
        self._strangers[stranger] -= 1
        if self._strangers[stranger] <= 0:
            del self._strangers[stranger]

    def _speaks_for_many(self, address: str) -> bool:
        if not self._proxies:
            return False
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)


def fitting(descriptors: int, proxies: Sequence[str] = ()) -> Admission:
    """What fits into a process that may have so many files open."""
    most = max(1, int(descriptors * SHARE_FOR_CONNECTIONS))
    return Admission(most, max(1, int(most * SHARE_OF_ADDRESS)), proxies)
