"""Gathering and pacing: how many messages become one, and how often one may go out.

Everything here is plain arithmetic on monotonic seconds; threads and locks are the lane's business.
"""

from __future__ import annotations

import msgspec

from core.notifications.message import Kind, Message, new_id
from core.notifications.texts import summary_body, summary_title

KEPT_LINES = 30
KEPT_SYMBOLS = 1000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel is used (times in seconds).

    `burst` messages may follow each other at once, then one per `spacing`. A message waits until none has
    joined it for `gather_quiet`, at most `gather_max`. One that fails is tried `tries` times within `total`,
    after `backoff`, twice that, ... at most `backoff_cap`; a single try takes at most `timeout`. After those
    tries one that is kept in an outbox waits for the channel, with pauses that go on growing up to
    `longest_pause`, until it `expires`: so long after it arose it is of no use to anybody.
    """

    burst: int = 3
    spacing: float = 1.0
    gather_quiet: float = 0.3
    gather_max: float = 1.5
    tries: int = 6
    backoff: float = 1.0
    backoff_cap: float = 60.0
    total: float = 600.0
    timeout: float = 10.0
    longest_pause: float = 300.0
    expires: float = 86_400.0


LIMITS = {
    "toast": Limits(spacing=1.0, tries=2, backoff=0.5, total=10.0, timeout=3.0, expires=600.0),
    "desktop": Limits(burst=2, spacing=5.0, tries=3, total=60.0, expires=600.0),
    # The Bot API's documented limits: one message a second in a chat, 20 a minute in a group.
    "telegram": Limits(spacing=3.0),
    # Greylisting servers want minutes between tries; mailboxes are no place for one mail per tick.
    "email": Limits(
        burst=2, spacing=60.0, tries=8, backoff=10.0, backoff_cap=300.0, total=1800.0, timeout=30.0
    ),
}
"""The limits of the channels that the program knows."""


class Bucket:
    """A token bucket: `burst` at once, then one each `spacing` seconds."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._tokens = float(limits.burst)
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until one may go out; 0 if now."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) * self._limits.spacing)

    def take(self, now: float) -> None:
        """One goes out."""
        self._fill(now)
        self._tokens -= 1.0

    def _fill(self, now: float) -> None:
        if self._limits.spacing > 0:
            earned = (now - self._at) / self._limits.spacing
            self._tokens = min(float(self._limits.burst), self._tokens + earned)
        else:
            self._tokens = float(self._limits.burst)
        self._at = now


class Batch:
    """Messages that will go out as one. Its size does not grow with their number."""

    def __init__(self, first: Message, now: float) -> None:
        self.first = first
        self.id = first.id
        self.count = 0
        self.throttled = False
        self.newest = first.created
        self._started = self._latest = now
        self._sides = {"BUY": 0, "SELL": 0}
        self._symbols: dict[str, None] = {}
        self._told: list[str] = []
        self._moments: list[float] = []
        self._mixed = False
        self._silent = self._simulated = True
        self._count(first)

    def is_like(self, message: Message) -> bool:
        """Whether a summary of it and `message` would be of one kind, as loud and as real as each."""
        return not self._mixed and _nature(self.first) == _nature(message)

    @property
    def is_test(self) -> bool:
        """Whether it is what the user sent to try the channel."""
        return self.first.kind is Kind.TEST

    def add(self, message: Message, now: float) -> None:
        """Let `message` join; the batch becomes a summary with an id of its own."""
        if self.count == 1:
            self.id = new_id()
        self._latest = now
        self._count(message)

    def _count(self, message: Message) -> None:
        self.count += 1
        self.newest = max(self.newest, message.created)
        first = self.first
        self._mixed |= (message.kind, message.simulated) != (first.kind, first.simulated)
        self._silent &= message.silent
        self._simulated &= message.simulated
        if message.side in self._sides:
            self._sides[message.side] += 1
        if message.symbol and len(self._symbols) < KEPT_SYMBOLS:
            self._symbols[message.symbol] = None
        if len(self._told) < KEPT_LINES:
            is_error = message.kind is Kind.ERROR  # all errors bear one title
            self._told.append(message.body.partition("\n")[0] if is_error else message.title)
            self._moments.append(0.0 if message.late else message.created)

    def wait(self, limits: Limits, now: float) -> float:
        """Seconds until the batch is complete; 0 or less if it is."""
        return min(self._latest + limits.gather_quiet, self._started + limits.gather_max) - now

    def message(self) -> Message:
        """The message itself if it is alone, else the summary."""
        first = self.first
        if self.count == 1:
            return first
        symbols = () if self._mixed else tuple(self._symbols)
        return Message(
            kind=first.kind, title=self._title(), body=summary_body(symbols, self._told, self.count),
            created=first.created, id=self.id, simulated=self._simulated, lines=tuple(self._told),
            count=self.count, silent=self._silent, moments=tuple(self._moments),
        )  # fmt: skip

    def _title(self) -> str:
        kind = None if self._mixed else self.first.kind
        buys, sells = (0, 0) if self._mixed else (self._sides["BUY"], self._sides["SELL"])
        return summary_title(kind, self.count, buys, sells, simulated=self._simulated)


def _nature(message: Message) -> tuple[Kind, bool, bool, bool]:
    return message.kind, message.simulated, message.silent, message.late
