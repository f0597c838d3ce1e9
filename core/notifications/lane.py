"""One channel's lane: its queue, its thread and its patience.

Messages that follow each other and are alike become one; once `MAX_BATCHES` wait, whatever comes joins the
last of them. So the queue cannot grow, and nothing overtakes what arose before it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from core.clock import Clock
from core.errors import ChannelFaultError, DeliveryError
from core.i18n import tr
from core.model import Delivery
from core.notifications.batch import Batch, Bucket, Limits
from core.notifications.channels.base import Channel, fault
from core.notifications.message import Kind, Message
from core.notifications.texts import dated, moment_text

log = logging.getLogger(__name__)
Report = Callable[[Delivery], None]
_JITTER = 0.3
MAX_BATCHES = 6
"""As many wait at most, beside tests; what comes then joins the newest, of whatever kind that is."""


class _Sending:
    """A message whose turn has come: how often it was tried, and when it is tried next (monotonic)."""

    def __init__(self, message: Message, newest: float, now: float) -> None:
        self.message = message
        self.newest = newest
        self.started = self.due = now
        self.attempt = 0
        self.last_error = ""


class Lane:
    """Delivers messages through one channel, in their order, from a thread of its own.

    `report` gets every message's fate; it is called from several threads, one at a time, and must be quick.
    `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self, channel: Channel, limits: Limits, clock: Clock, report: Report, jitter: Callable[[], float],
        *, kept: bool = False,
    ) -> None:  # fmt: skip
        """`kept` tells that there is an outbox: what the channel cannot deliver waits for it, with all that
        came after, until it is too old; what was not delivered at the end is kept for the next start."""
        self.name = channel.name
        self.limits = limits
        self._channel = channel
        self._clock = clock
        self._report_to = report
        self._jitter = jitter
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._batches: deque[Batch] = deque()
        self._bucket = Bucket(limits, clock.monotonic())
        self._inflight: Message | None = None
        self._held: _Sending | None = None
        self._off = ""
        self._closed = False
        self._kept = kept
        self._thread: threading.Thread | None = None

    @property
    def channel(self) -> Channel:
        """The channel in use."""
        return self._channel

    def offer(self, message: Message) -> None:
        """Queue `message`; returns at once."""
        with self._lock:
            if self._closed:
                self._report_end(message)
                return
            self._enqueue(message, self._clock.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"notify-{self.name}", daemon=True)
                self._thread.start()

    def refuse(self, message: Message, why: str, status: str = "skipped") -> None:
        """Report that `message` is not sent through this channel."""
        with self._lock:
            self._report(status, message, why)

    def swap(self, channel: Channel) -> None:
        """Use `channel` from now on; a try that is under way is broken off and made anew through it."""
        with self._lock:
            old, self._channel = self._channel, channel
            self._hurry()
        old.cancel()

    def turn_off(self, why: str) -> None:
        """Send nothing more of what waits, but tests; "" turns it on again."""
        with self._lock:
            self._off = why
            if why:
                self._hurry()

    def close(self) -> None:
        """Take no more messages, give up those that wait and break off the one under way. Does not wait."""
        with self._lock:
            self._closed = True
            if self._held is not None:
                self._report_end(self._held.message, self._held.attempt)
                self._held = None
            for batch in self._batches:
                self._report_end(batch.message())
            self._batches.clear()
            self._wake.set()
        self._channel.cancel()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end after `close`; False if it hangs, and then its message has failed."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(seconds)
        with self._lock:
            if not thread.is_alive():
                return True
            if self._inflight is not None:
                self._report_end(self._inflight)
                self._inflight = None
        log.warning("the notification channel %s did not end in time", self.name)
        return False

    # The rest runs under the lock, or in the lane's thread.

    def _enqueue(self, message: Message, now: float) -> None:
        batch = self._newest_for(message)
        if batch is None:
            idle = not self._batches
            self._batches.append(Batch(message, now))
            self._report("queued", message)
            if idle or self._batches[-1].is_test:
                self._wake.set()
            return
        batch.add(message, now)
        into = tr("notify.into_summary", id=batch.id[:8])
        if batch.count == 2:
            self._report("coalesced", batch.first, into, summary=batch.id)
            self._report("queued", batch.message())
        self._report("coalesced", message, into, summary=batch.id)

    def _newest_for(self, message: Message) -> Batch | None:
        """The batch that `message` joins: only ever the newest, for it must not overtake what is in that."""
        newest = self._batches[-1] if self._batches else None
        if newest is None or newest.is_like(message):
            return newest
        is_full = len(self._batches) >= MAX_BATCHES
        return newest if is_full and not newest.is_test and message.kind is not Kind.TEST else None

    def _hurry(self) -> None:
        """What waits for the channel is looked at now."""
        if self._held is not None:
            self._held.due = self._clock.monotonic()
        self._wake.set()

    def _run(self) -> None:
        while (sending := self._next()) is not None:
            self._deliver(sending)
            with self._lock:
                self._inflight = None

    def _next(self) -> _Sending | None:
        """Wait for the next message that may go out; None once the lane is closed."""
        while True:
            with self._lock:
                if self._closed:
                    return None
                now = self._clock.monotonic()
                wait = self._wait(now) if self._held is None else self._held_wait(self._held, now)
                if wait is not None and wait <= 0:
                    return self._take(now)
                self._wake.clear()
            if wait is None:
                self._wake.wait()
            else:
                self._clock.wait(self._wake, wait)

    def _wait(self, now: float) -> float | None:
        """Seconds until the oldest batch may go out; None if there is none."""
        if not self._batches:
            return None
        batch = self._batches[0]
        gathering = batch.wait(self.limits, now)
        if gathering > 0:
            return gathering
        pause = self._bucket.wait(now)
        if pause > 0 and not batch.throttled:
            batch.throttled = True
            self._report("throttled", batch.message(), tr("notify.throttled_until", seconds=_seconds(pause)))
        return pause

    def _held_wait(self, held: _Sending, now: float) -> float:
        """Seconds until what waits for the channel is tried again; a test does not wait for it."""
        return 0.0 if self._test() is not None else held.due - now

    def _test(self) -> Batch | None:
        return next((batch for batch in self._batches if batch.is_test), None)

    def _take(self, now: float) -> _Sending:
        held, test = self._held, self._test()
        if held is not None and test is None:
            self._held, sending = None, held
        else:
            batch = self._batches[0] if held is None or test is None else test
            self._batches.remove(batch)
            self._bucket.take(now)
            sending = _Sending(batch.message(), batch.newest, now)
        self._inflight = sending.message
        return sending

    def _deliver(self, sending: _Sending) -> None:
        """Try until it is delivered, is hopeless, has to wait for the channel or the lane is closed."""
        message = sending.message
        while not self._is_unwanted(sending):
            channel, sending.attempt = self._channel, sending.attempt + 1
            try:
                remark = channel.deliver(dated(message, self._clock.time()), self.limits.timeout)
            except DeliveryError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - a channel's bug must not end its lane
                failure = fault(self.name, error)
            else:
                self._settle("delivered", message, remark, sending.attempt)
                with self._lock:
                    self._hurry()  # the channel works again
                return
            if channel is not self._channel and not self._closed:
                sending.attempt -= 1
                continue
            sending.last_error = str(failure)
            if not self._try_again(sending, failure):
                return

    def _is_unwanted(self, sending: _Sending) -> bool:
        """Whether it is not to be sent any more, and its fate told: too old, or the channel turned off."""
        if sending.message.kind is Kind.TEST or self._closed:
            return False
        status, why = "", self._off
        if why:
            status = "skipped"
        elif self._kept and self._rest(sending) <= 0:
            status, why = "expired", " ".join(filter(None, (sending.last_error, tr("notify.expired"))))
        if status:
            self._settle(status, sending.message, why, sending.attempt)
        return bool(status)

    def _rest(self, sending: _Sending) -> float:
        """Seconds until it is too old to be of use."""
        return sending.newest + self.limits.expires - self._clock.time()

    def _try_again(self, sending: _Sending, failure: DeliveryError) -> bool:
        """Report the failure and wait for the next try; False if there is to be none for now."""
        message, attempt, limits = sending.message, sending.attempt, self.limits
        if self._closed:
            with self._lock:
                if self._inflight is not None:
                    self._report_end(message, attempt)
            return False
        if failure.permanent:
            self._settle("failed", message, str(failure), attempt)
            return False
        pause, spent = self._pause(failure, attempt, limits.backoff_cap), self._clock.monotonic()
        if attempt >= limits.tries or spent - sending.started + pause > limits.total:
            if not self._hold(sending, failure):
                self._give_up(message, failure, attempt, pause)
            return False
        why = tr("notify.retry_in", why=str(failure), seconds=_seconds(pause))
        self._settle("retrying", message, why, attempt)
        return self._sleep(pause, message, attempt)

    def _hold(self, sending: _Sending, failure: DeliveryError) -> bool:
        """Let it wait for the channel, ahead of all others; False if it is not worth that."""
        if not self._kept or sending.message.kind is Kind.TEST or isinstance(failure, ChannelFaultError):
            return False
        rest = self._rest(sending)
        if (failure.retry_after or 0.0) > rest:
            return False
        pause = min(self._pause(failure, sending.attempt, self.limits.longest_pause), rest)
        now = self._clock.time()
        why = tr(
            "notify.waits", why=str(failure), seconds=_seconds(pause), until=moment_text(now + rest, now)
        )
        with self._lock:
            if self._inflight is None:
                return True  # `join` has given it up already
            if self._closed:
                self._report_end(sending.message, sending.attempt)
            else:
                sending.due = self._clock.monotonic() + pause
                self._held = sending
                self._report("retrying", sending.message, why, sending.attempt)
            self._inflight = None
        return True

    def _give_up(self, message: Message, failure: DeliveryError, attempt: int, pause: float) -> None:
        asked = failure.retry_after is not None and attempt < self.limits.tries
        key = "notify.gave_up_pause" if asked else "notify.gave_up"
        why = tr(key, why=str(failure), attempts=attempt, seconds=_seconds(pause))
        self._settle("failed", message, why, attempt)

    def _pause(self, failure: DeliveryError, attempt: int, cap: float) -> float:
        backoff = min(self.limits.backoff * 2.0 ** min(attempt - 1, 60), cap)
        return max(failure.retry_after or 0.0, backoff) * (1.0 + _JITTER * self._jitter())

    def _sleep(self, seconds: float, message: Message, attempt: int) -> bool:
        """Wait, or less if the channel is swapped; False, with the fate told, once the lane is closed."""
        end, channel = self._clock.monotonic() + seconds, self._channel
        while True:
            with self._lock:
                if self._closed:
                    self._report_end(message, attempt)
                    self._inflight = None
                    return False
                rest = end - self._clock.monotonic()
                if rest <= 0 or channel is not self._channel:
                    return True
                self._wake.clear()
            self._clock.wait(self._wake, rest)

    def _settle(self, status: str, message: Message, detail: str, attempt: int) -> None:
        with self._lock:
            if self._inflight is not None:  # else `join` has given the message up already
                self._report(status, message, detail, attempt)

    def _report_end(self, message: Message, attempt: int = 0) -> None:
        """It was not delivered, as the program ends."""
        if self._kept and message.kind is not Kind.TEST:
            self._report("kept", message, tr("notify.kept"), attempt)
        else:
            self._report("failed", message, tr("notify.closed"), attempt)

    def _report(
        self, status: str, message: Message, detail: str = "", attempt: int = 0, summary: str = ""
    ) -> None:
        delivery = Delivery(
            message_id=message.id, channel=self.name, status=status, title=message.title, detail=detail,
            attempt=attempt, created=message.created, updated=self._clock.time(), into=summary,
        )  # fmt: skip
        try:
            self._report_to(delivery)
        except Exception:  # a listener's bug must not cost the message
            log.exception("a notification's fate could not be reported")


def _seconds(seconds: float) -> int:
    """Whole seconds as shown: never 0, which would read as "now"."""
    return max(1, round(seconds))
