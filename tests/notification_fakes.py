"""Stand-ins for the notification tests: a channel that does as told, a log of deliveries, a held clock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from core.clock import FakeClock
from core.errors import DeliveryError
from core.model import Delivery
from core.notifications.message import Kind, Message

PATIENCE = 10.0


class FakeChannel:
    """Delivers at once, unless `outcomes` has something to raise; with `hang`, waits until it is cancelled."""

    def __init__(
        self,
        name: str = "telegram",
        *,
        external: bool = True,
        outcomes: Iterable[Exception | None] = (),
        hang: bool = False,
    ) -> None:
        self.name = name
        self.external = external
        self.outcomes = deque(outcomes)
        self.delivered: list[Message] = []
        self.tries: list[Message] = []
        self.hang = hang
        self.deaf = False
        self.entered = threading.Event()
        self.released = threading.Event()

    def deliver(self, message: Message, timeout: float) -> str:
        self.tries.append(message)
        self.entered.set()
        if self.hang:
            self.released.wait(PATIENCE)
            raise DeliveryError("cut off")
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.delivered.append(message)
        return ""

    def check(self, timeout: float) -> str:
        return "fine"

    def cancel(self) -> None:
        if not self.deaf:
            self.released.set()


class Log:
    """Collects deliveries and lets a test wait for one."""

    def __init__(self) -> None:
        self.all: list[Delivery] = []
        self._changed = threading.Condition()

    def __call__(self, delivery: Delivery) -> None:
        with self._changed:
            self.all.append(delivery)
            self._changed.notify_all()

    def wait_for(self, status: str, count: int = 1, channel: str | None = None) -> list[Delivery]:
        """The deliveries with `status`, once there are `count`."""

        def found() -> list[Delivery]:
            return [d for d in self.all if d.status == status and channel in (None, d.channel)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, PATIENCE), self.all
            return found()

    def statuses(self, message_id: str, channel: str | None = None) -> list[str]:
        """What befell one message, in order."""
        return [d.status for d in self.all if d.message_id == message_id and channel in (None, d.channel)]


class HeldClock(FakeClock):
    """A fake clock that stands still until it is released; from then on it jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.released.wait(PATIENCE)
        return super().wait(event, seconds)


def signal(symbol: str = "ASELS", side: str = "BUY", *, title: str = "", simulated: bool = False) -> Message:
    """A signal's message."""
    return Message(
        kind=Kind.SIGNAL, title=title or f"{side} {symbol}", body="because", created=1_795_000_000.0,
        symbol=symbol, side=side, simulated=simulated,
    )  # fmt: skip


def payload(symbol: str = "ASELS", side: str = "BUY", **changes: object) -> dict[str, object]:
    """A signal's payload as in SPEC section 6."""
    return {
        "symbol": symbol, "type": side, "price": 45.32, "confidence": 0.95, "reason": "Price rose +2.15%",
        "timestamp": "2026-02-12T14:30:45.123456+03:00", "source": "tvdatafeed", "simulated": False,
        "reference_price": 44.37, "change_pct": 2.15,
    } | changes  # fmt: skip
