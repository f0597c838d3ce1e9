"""The same engine in the terminal: a live table, signals and P&L, until Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.arguments import Options
from cli.terminal_view import TerminalView
from core.clock import SystemClock
from core.commands import RecordDelivery, SetInstruments, StartFeed
from core.config_file import resolve_instruments
from core.engine.loop import EngineLoop
from core.errors import AlreadyRunningError, SwingHunterError
from core.events import EventBus
from core.i18n import tr
from core.instance_lock import InstanceLock
from core.log_setup import setup_logging
from core.model import (
    Delivery,
    FeedStatus,
    FreshnessChange,
    Notice,
    PortfolioSnapshot,
    Signal,
    SourceConflict,
    Tick,
)
from core.notifications.notifier import Notifier
from core.replay.clock import ReplayClock
from core.session import RECORDINGS, Session, prepare_session
from core.signal_text import reason

log = logging.getLogger(__name__)

JOIN_SECONDS = 3.0
_END = (signal.SIGINT, signal.SIGTERM)


def run_headless(options: Options) -> int:
    """Scan until Ctrl-C, SIGTERM or `options.duration`; the result is the exit code.

    Raises `ConfigError`, `UserError` or `WorldError` if it cannot start.
    """
    session = prepare_session(options.config_path, options.data_dir, demo=options.demo)
    lock = InstanceLock(session.data_dir)
    try:
        lock.acquire()
    except AlreadyRunningError:
        lock.notify_first()
        raise
    logs = setup_logging(session.data_dir, session.config.log_level, debug=session.config.debug_mode)
    logs.catch_crashes()
    try:
        _scan(session, options.duration)
    finally:
        lock.release()
        logs.close()
    return 0


def _scan(session: Session, duration: float | None) -> None:
    clock = ReplayClock(SystemClock())
    loop = EngineLoop(
        session.config, session.open_store, clock, recordings=session.data_dir / RECORDINGS
    )  # fmt: skip
    notifier = Notifier(
        session.config, demo=session.demo,
        on_delivery=lambda delivery: _record(loop, delivery),
    )  # fmt: skip
    instruments = resolve_instruments(session.config)
    view = TerminalView(instruments, session.config, clock=clock)
    _subscribe(loop.bus, view, notifier)
    for notice in _remarks(len(instruments), session.config.real_time.max_live_symbols):
        view.on_notice(notice)
    loop.post(SetInstruments(instruments=instruments))
    loop.post(StartFeed())
    stop = threading.Event()
    failure: list[Exception] = []
    engine = threading.Thread(target=_run, args=(loop, stop, failure), name="engine", daemon=True)
    try:
        with _ended_by_signals(stop), _ended_after(duration, stop):
            engine.start()
            view.run(stop)
    finally:
        loop.stop()
        engine.join(JOIN_SECONDS)
        notifier.stop()
    if engine.is_alive():
        log.error("the engine's thread did not end within %g s", JOIN_SECONDS)
    if failure:
        raise failure[0]


def _remarks(symbols: int, limit: int) -> Iterator[Notice]:
    """What is to be said of the number of symbols."""
    if not symbols:
        yield Notice("warning", "window.no_symbols_file")
    elif symbols > limit:
        yield Notice("warning", "window.over_limit", {"count": symbols, "limit": limit})


def _run(loop: EngineLoop, stop: threading.Event, failure: list[Exception]) -> None:
    """The engine's thread; what ends it early ends the program."""
    try:
        loop.run()
    except SwingHunterError as error:
        failure.append(error)
    except Exception as bug:
        log.exception("the engine broke")
        failure.append(bug)
    finally:
        stop.set()


def _record(loop: EngineLoop, delivery: Delivery) -> None:
    loop.post(RecordDelivery(delivery=delivery))


def _subscribe(bus: EventBus, view: TerminalView, notifier: Notifier) -> None:
    bus.subscribe(Tick, view.on_tick)
    bus.subscribe(FreshnessChange, view.on_freshness)
    bus.subscribe(SourceConflict, view.on_conflict)
    bus.subscribe(Signal, view.on_signal)
    bus.subscribe(PortfolioSnapshot, view.on_portfolio)
    bus.subscribe(FeedStatus, view.on_feed_status)
    bus.subscribe(Notice, view.on_notice)
    bus.subscribe(Signal, lambda event: notifier.send_signal(event.payload(reason(event))))
    bus.subscribe(Notice, lambda event: _alert_error(event, notifier))


def _alert_error(notice: Notice, notifier: Notifier) -> None:
    if notice.level == "error":
        notifier.send_error(tr(notice.key, **notice.params))


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
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
def _ended_after(duration: float | None, stop: threading.Event) -> Iterator[None]:
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
