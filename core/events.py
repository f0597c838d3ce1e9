"""The bus on which the engine publishes what happened.

Events are the immutable values of `core.model`; a subscriber names the type it wants. Delivery is in the
publisher's thread, in the order of subscription. A subscriber that raises is logged and the rest go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)
E = TypeVar("E")
Unsubscribe = Callable[[], None]


class EventBus:
    """Fan-out by exact event type."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], tuple[Callable[[Any], None], ...]] = {}

    def subscribe(self, event_type: type[E], handler: Callable[[E], None]) -> Unsubscribe:
        """Call `handler` with each event of exactly `event_type`; the result ends that, idempotently."""
        self._handlers[event_type] = (*self._handlers.get(event_type, ()), handler)

        def unsubscribe() -> None:
            rest = tuple(h for h in self._handlers.get(event_type, ()) if h is not handler)
            self._handlers[event_type] = rest

        return unsubscribe

    def publish(self, event: object) -> None:
        """Hand `event` to its subscribers; never raises."""
        try:
            handlers = self._handlers[type(event)]
        except KeyError:
            return
        for handler in handlers:
            try:
                handler(event)
            except Exception:
                log.exception("a subscriber of %s failed", type(event).__name__)
