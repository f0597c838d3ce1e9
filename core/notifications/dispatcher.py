"""Fan-out of messages to the channels; nobody waits for anybody."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from core.clock import Clock, SystemClock
from core.i18n import tr
from core.notifications.batch import LIMITS, Limits
from core.notifications.channels.base import Channel
from core.notifications.lane import Lane, Report
from core.notifications.message import Kind, Message

WINDOWS = {Kind.SIGNAL: 600.0, Kind.RISK: 60.0, Kind.ERROR: 300.0, Kind.TEST: 0.0}
"""For how many seconds a message with the same `dedup_key` counts as the same."""
_REMEMBERED = 5000
_STOP_SECONDS = 2.0


class Dispatcher:
    """Sends messages through `channels`, each in a thread of its own that starts with its first message.

    `on_delivery` gets every message's fate in each channel. It is called from the sender's thread and the
    channels', must be quick and must not call back. `limits` are by channel name, beside the known ones.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        *,
        clock: Clock | None = None,
        on_delivery: Report,
        limits: Mapping[str, Limits] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock or SystemClock()
        known = {**LIMITS, **(limits or {})}
        self._lanes = {
            channel.name: Lane(channel, known.get(channel.name, Limits()), self._clock, on_delivery, jitter)
            for channel in channels
        }
        self._off: dict[str, str] = {}
        self._simulated_outside = False
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels in use."""
        return tuple(lane.channel for lane in self._lanes.values())

    def configure(self, off: Mapping[str, str], *, simulated_outside: bool) -> None:
        """Turn channels off, by name with the reason, all others on.

        `simulated_outside` allows messages on simulated prices to leave the computer.
        """
        self._off = dict(off)
        self._simulated_outside = simulated_outside

    def replace(self, channel: Channel) -> None:
        """Use `channel` instead of the one of the same name; what waits goes out through it."""
        self._lanes[channel.name].swap(channel)

    def send(self, message: Message, only: str | None = None) -> None:
        """Send `message` through every channel that is on, or through `only`, on or off. Returns at once.

        Raises KeyError if there is no channel `only`.
        """
        lanes = self._lanes.values() if only is None else (self._lanes[only],)
        repeated = self._is_repeated(message)
        for lane in lanes:
            why = tr("notify.duplicate") if repeated else self._objection(lane, message, only)
            if why:
                lane.refuse(message, why)
            else:
                lane.offer(message)

    def _objection(self, lane: Lane, message: Message, only: str | None) -> str:
        if message.simulated and lane.channel.external and not self._simulated_outside:
            return tr("notify.off_simulated")
        return "" if only else self._off.get(lane.name, "")

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
