"""Fan-out of messages to the channels; nobody waits for anybody."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from core.clock import Clock, SystemClock
from core.i18n import tr
from core.notifications.batch import LIMITS, Limits
from core.notifications.channels.base import Channel
from core.notifications.lane import Lane, Report
from core.notifications.message import Kind, Message, new_id

WINDOWS = {Kind.SIGNAL: 600.0, Kind.RISK: 60.0, Kind.ERROR: 300.0, Kind.BOT: 0.0, Kind.TEST: 0.0}
"""For how many seconds a message with the same `dedup_key` counts as the same."""
NOTHING: Mapping[str, str] = MappingProxyType({})
_REMEMBERED = 5000
_STOP_SECONDS = 2.0


class Dispatcher:
    """Sends messages through `channels`, each in a thread of its own that starts with its first message.

    `on_delivery` gets every message's fate in each channel. It is called from the sender's thread and the
    channels', must be quick and must not call back. `limits` are by channel name, beside the known ones.
    `on_offer` gets a message and the channels that are to deliver it, before they do. `kept` is as in `Lane`.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        *,
        clock: Clock | None = None,
        on_delivery: Report,
        limits: Mapping[str, Limits] | None = None,
        jitter: Callable[[], float] = random.random,
        on_offer: Callable[[Message, Sequence[str]], None] = lambda message, channels: None,
        kept: bool = False,
    ) -> None:
        self._clock = clock or SystemClock()
        known = {**LIMITS, **(limits or {})}
        self._lanes = {
            channel.name: Lane(
                channel, known.get(channel.name, Limits()), self._clock, on_delivery, jitter, kept=kept
            )
            for channel in channels
        }
        self._on_offer = on_offer
        self._off: dict[str, str] = {}
        self._simulated_outside = False
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels in use."""
        return tuple(lane.channel for lane in self._lanes.values())

    def configure(self, off: Mapping[str, str], *, simulated_outside: bool) -> None:
        """Turn channels off, by name with the reason, all others on. What waits for one is not sent.

        `simulated_outside` allows messages on simulated prices to leave the computer.
        """
        self._off = dict(off)
        for lane in self._lanes.values():
            lane.turn_off(off.get(lane.name, ""))
        self._simulated_outside = simulated_outside

    def replace(self, channel: Channel) -> None:
        """Use `channel` instead of the one of the same name; what waits goes out through it."""
        self._lanes[channel.name].swap(channel)

    def send(
        self, message: Message, only: str | None = None, *, off: Mapping[str, str] = NOTHING,
        silent: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Send `message` through every channel that is on, or through `only`, on or off. Returns at once.

        `off` are the channels, with the reason, that are not to get this one, and `silent` those that are to
        tell it without disturbing anybody. Raises KeyError if there is no channel `only`.
        """
        lanes = tuple(self._lanes.values()) if only is None else (self._lanes[only],)
        if self._is_repeated(message):
            same = message.id == message.dedup_key  # then the first one's line in the log must stay
            repeated = replace(message, id=new_id()) if same else message
            for lane in lanes:
                lane.refuse(repeated, tr("notify.duplicate"))
            return
        objections = {lane.name: self._objection(lane, message, only, off) for lane in lanes}
        self._on_offer(message, tuple(name for name, why in objections.items() if not why))
        for lane in lanes:
            why = objections[lane.name]
            if why:
                lane.refuse(message, why)
            else:
                lane.offer(replace(message, silent=True) if lane.name in silent else message)

    def resend(
        self, message: Message, channel: str, *, off: Mapping[str, str] = NOTHING,
        silent: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Send a message of an earlier run through `channel`, if that is on and known, and it not too old."""
        lane = self._lanes.get(channel)
        if lane is None:
            return
        too_old = self._clock.time() - message.created > lane.limits.expires
        why = tr("notify.expired") if too_old else self._objection(lane, message, None, off)
        if why:
            lane.refuse(message, why, "expired" if too_old else "skipped")
        else:
            lane.offer(replace(message, silent=True) if channel in silent else message)

    def _objection(self, lane: Lane, message: Message, only: str | None, off: Mapping[str, str]) -> str:
        if message.simulated and lane.channel.external and not self._simulated_outside:
            return tr("notify.off_simulated")
        return "" if only else self._off.get(lane.name, "") or off.get(lane.name, "")

    def _is_repeated(self, message: Message) -> bool:
        window = WINDOWS[message.kind]
        if not message.dedup_key or not window:
            return False
        now = self._clock.monotonic()
        with self._lock:
            last = self._seen.pop(message.dedup_key, None)
            repeated = last is not None and now - last < window
            self._seen[message.dedup_key] = last if repeated and last is not None else now
            if len(self._seen) > _REMEMBERED:
                del self._seen[next(iter(self._seen))]
        return repeated

    def stop(self, timeout: float = _STOP_SECONDS) -> bool:
        """End all threads within `timeout` seconds; what was not delivered has failed. Idempotent.

        False if a channel hangs all the same; its thread is left behind as a daemon.
        """
        end = time.monotonic() + timeout  # threads live in real time, whatever the clock says
        for lane in self._lanes.values():
            lane.close()
        hanging = [lane for lane in self._lanes.values() if not lane.join(max(0.0, end - time.monotonic()))]
        return not hanging
