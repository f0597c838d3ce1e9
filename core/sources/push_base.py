"""The protocol of a price source that pushes.

A source speaks one provider's streaming protocol over one connection. It knows nothing of reconnecting: the
feed's `PushRunner` connects it, tells it what to subscribe to, takes what it receives, and watches over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from core.model import Instrument, Quote

FrameListener = Callable[[str, str], None]
"""Called, in the source's thread, with its name and each message as it was received."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the connection brought.

    `heard` tells whether anything at all arrived, a heartbeat included; only `quotes` make a price fresh.
    `unknown` are the keys of instruments that the provider says it does not know, `refused` of those that it
    knows but does not show to us.
    """

    quotes: tuple[Quote, ...] = ()
    heard: bool = False
    unknown: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class PushSource(Protocol):
    """One provider's stream. Every method but `cancel` is called from one thread.

    After `disconnect` the source may be connected anew; it then begins with nothing subscribed and nothing
    remembered of earlier prices.
    """

    name: str
    """The source's name in `live_data_source`, payloads and on the screen."""
    provider: str
    """Whose servers are asked; sources of one provider share one budget."""
    min_spacing: float
    """The provider's own least spacing between connections in seconds."""
    simulated: bool
    """Whether its prices are made up."""
    heartbeats: bool
    """Whether the provider says something every few seconds, prices or not, so that silence is a fault."""
    on_frame: FrameListener | None
    """Hears what is received before it is understood, so that a recording can hold it."""

    def connect(self) -> None:
        """Open the connection and the session on it, within seconds. Raises `SourceError` or a kind of it."""
        ...

    def subscribe(self, added: Sequence[Instrument], removed: Sequence[Instrument]) -> None:
        """Want these too from now on, and those no more. Raises as `connect`."""
        ...

    def receive(self, timeout: float) -> Received:
        """What has arrived, or arrives within about `timeout` real seconds. Raises `SourceError` when the
        connection is over, whoever ended it."""
        ...

    def disconnect(self) -> None:
        """Drop the connection; returns at once and never raises. Idempotent."""
        ...

    def cancel(self) -> None:
        """From any thread, for good: make a call that is under way end within 2 s."""
        ...
