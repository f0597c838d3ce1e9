"""Marks what comes out of a replay, so that nothing of it is ever taken for live."""

from __future__ import annotations

import msgspec

from core.engine.prices import PriceBook
from core.model import Freshness, Quote, Tick

SOURCE = "replay"
_LIVELY = (Freshness.LIVE, Freshness.DELAYED)


def marked(tick: Tick) -> Tick:
    """`tick` as it is shown and counted during a replay: not real, from "replay", and live by no means.

    What was stale or closed at the recorded time stays so.
    """
    freshness = Freshness.SIMULATED if tick.freshness in _LIVELY else tick.freshness
    return msgspec.structs.replace(tick, simulated=True, source=SOURCE, freshness=freshness)


class ReplayBook(PriceBook):
    """Vets recorded quotes exactly as they were vetted when they were live, and marks the result.

    Made-up prices that stood in for real ones then are left out: they moved nothing.
    """

    def vet(self, quote: Quote) -> Tick | None:
        """See `PriceBook.vet`."""
        tick = super().vet(quote)
        return None if tick is None or tick.simulated else marked(tick)

    def ticks(self) -> list[Tick]:
        """See `PriceBook.ticks`."""
        return [marked(tick) for tick in super().ticks()]
