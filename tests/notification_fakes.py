"""Stand-ins for the notification tests: a channel that does as told, a log of deliveries, a held clock."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.clock import FakeClock
from core.errors import DeliveryError
from core.model import Delivery
from core.notifications.channels.base import Channel
from core.notifications.message import Kind, Message
from tests.loopback.mail_server import PASSWORD
from tests.loopback.telegram_server import TOKEN
from tests.patience import FOREVER, PATIENCE

NOON = 1_795_000_000.0
"""The fake clock's first moment."""
TURKISH = "İstanbul'da ıslak şığ: ĞÜŞİÖÇ ğüşıöç ₺ ↑"


class FakeChannel:
    """Delivers at once, unless `outcomes` has something to raise; with `hang`, waits for `cancel`."""

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
            self.released.wait(FOREVER)
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
        self.released.wait(FOREVER)
        return super().wait(event, seconds)


def signal(symbol: str = "ASELS", side: str = "BUY", *, title: str = "", simulated: bool = False) -> Message:
    """A signal's message."""
    return Message(
        kind=Kind.SIGNAL, title=title or f"{side} {symbol}", body="because", created=NOON,
        symbol=symbol, side=side, simulated=simulated,
    )  # fmt: skip


def payload(symbol: str = "ASELS", side: str = "BUY", **changes: object) -> dict[str, object]:
    """A signal's payload as in SPEC section 6."""
    return {
        "symbol": symbol, "type": side, "price": 45.32, "confidence": 0.95, "reason": "Price rose +2.15%",
        "timestamp": "2026-02-12T14:30:45.123456+03:00", "source": "tvdatafeed", "simulated": False,
        "reference_price": 44.37, "change_pct": 2.15,
    } | changes  # fmt: skip


def message(title: str = "↑ BUY ASELS at 45.32 ₺", body: str = TURKISH, **fields: Any) -> Message:
    """A message to deliver."""
    return Message(kind=Kind.SIGNAL, title=title, body=body, created=NOON, **fields)


def failure(channel: Channel, timeout: float = 5.0, sent: Message | None = None) -> DeliveryError:
    """The error with which a delivery ends; it must hold no secret, not even in what it is chained to."""
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(sent or message(), timeout)
    shown = "".join(
        str(getattr(error, name, ""))
        for error in (caught.value, caught.value.__cause__)
        for name in ("args", "__dict__", "__cause__")
    )
    assert TOKEN not in shown
    assert PASSWORD not in shown
    return caught.value


@contextmanager
def silent_server() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
