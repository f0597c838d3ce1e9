"""The engine in a thread of its own, with its notifications: what all modes without a window share."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.bots.model import BotAlert
from core.clock import SystemClock
from core.commands import AcceptMessage, OutboxDue, RecordDeliveries, SetInstruments, StartFeed
from core.config_file import resolve_instruments
from core.engine.loop import EngineLoop
from core.errors import AlreadyRunningError, SwingHunterError
from core.i18n import tr
from core.instance_lock import InstanceLock
from core.log_setup import setup_logging
from core.model import Delivery, Notice, Signal
from core.notifications.message import Message
from core.notifications.notifier import Notifier
from core.notifications.routes import Routes
from core.replay.clock import ReplayClock
from core.session import RECORDINGS, Session
from core.signal_text import reason
from core.sources.registry import all_are_live

log = logging.getLogger(__name__)

JOIN_SECONDS = 3.0
_END = (signal.SIGINT, signal.SIGTERM)


class EngineRun:
    """Scans from `start` to `finish`. Subscribe to `loop.bus` before the start.

    `stop` is set when the engine ends by itself, because it failed.
    """

    def __init__(self, session: Session, stop: threading.Event) -> None:
        self.demo = session.demo
        self.clock = ReplayClock(SystemClock())
        self.loop = EngineLoop(
            session.config, session.open_store, self.clock, recordings=session.data_dir / RECORDINGS,
            routes=Routes(session.config, ("telegram", "email"), demo=session.demo),
            data_dir=None if session.demo else session.data_dir,
        )  # fmt: skip
        self.notifier = Notifier(
            session.config, demo=session.demo, on_delivery=self._record, on_accept=self._accept
        )
        self.instruments = resolve_instruments(session.config)
        self._config = session.config
        self._stop = stop
        self._failure: list[Exception] = []
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._subscribe()

    def start(self) -> None:
        """Begin to scan; returns at once."""
        self.loop.post(SetInstruments(instruments=self.instruments))
        self.loop.post(StartFeed())
        self._thread.start()

    def finish(self) -> None:
        """End everything. Raises what the engine failed with."""
        self.notifier.stop()  # its last words are stored
        self.loop.stop()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            log.error("the engine's thread did not end within %g s", JOIN_SECONDS)
        if self._failure:
            raise self._failure[0]

    def remarks(self) -> Iterator[Notice]:
        """What is to be said of the number of symbols."""
        symbols, limit = len(self.instruments), self._config.real_time.max_live_symbols
        if not symbols:
            yield Notice("warning", "window.no_symbols_file")
        elif symbols > limit and not all_are_live(self._config):
            yield Notice("warning", "window.over_limit", {"count": symbols, "limit": limit})

    def _run(self) -> None:
        """The engine's thread; what ends it early ends the program."""
        try:
            self.loop.run()
        except SwingHunterError as error:
            self._failure.append(error)
        except Exception as bug:
            log.exception("the engine broke")
            self._failure.append(bug)
        finally:
            self._stop.set()

    def _record(self, delivery: Delivery) -> None:
        self.loop.post(RecordDeliveries(deliveries=(delivery,)))

    def _accept(self, message: Message, channels: Sequence[str]) -> None:
        self.loop.post(AcceptMessage(message=message, channels=tuple(channels)))

    def _subscribe(self) -> None:
        bus, notifier = self.loop.bus, self.notifier
        bus.subscribe(Signal, lambda event: notifier.send_signal(event.payload(reason(event))))
        bus.subscribe(Notice, lambda event: alert_error(event, notifier))
        bus.subscribe(BotAlert, notifier.send_bot_alert)
        bus.subscribe(OutboxDue, lambda event: notifier.resend(event.lines))


def alert_error(notice: Notice, notifier: Notifier) -> None:
    """Tell by the notification channels what went wrong."""
    if notice.level == "error":
        notifier.send_error(tr(notice.key, **notice.params))


@contextmanager
def owned(session: Session) -> Iterator[None]:
    """The data directory is this process's own, and its log is written, for as long as the block lasts.

    Raises `AlreadyRunningError` if another instance has it; that one is asked to come to the front.
    """
    lock = InstanceLock(session.data_dir)
    try:
        lock.acquire()
    except AlreadyRunningError:
        lock.notify_first()
        raise
    logs = setup_logging(session.data_dir, session.config.log_level, debug=session.config.debug_mode)
    logs.catch_crashes()
    try:
        yield
    finally:
        lock.release()
        logs.close()


@contextmanager
def ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at Ctrl-C and SIGTERM."""

    def end(*_: object) -> None:
        stop.set()

    old: dict[int, Callable[..., object] | int | None] = {
        number: signal.signal(number, end) for number in _END
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def ended_after(duration: float | None, stop: threading.Event) -> Iterator[None]:
    """Set `stop` after so many seconds."""
    if duration is None:
        yield
        return
    timer = threading.Timer(duration, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
