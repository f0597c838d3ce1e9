"""The same engine in the terminal: a live table, signals and P&L, until Ctrl-C."""

from __future__ import annotations

import threading

from cli.arguments import Options
from cli.engine_run import EngineRun, ended_after, ended_by_signals, owned
from cli.terminal_view import TerminalView
from core.bots.model import BotAlert, BotState
from core.commands import BotsLoaded
from core.events import EventBus
from core.model import (
    FeedStatus,
    FreshnessChange,
    Notice,
    PortfolioSnapshot,
    Signal,
    SourceConflict,
    Tick,
)
from core.session import Session, prepare_session


def run_headless(options: Options) -> int:
    """Scan until Ctrl-C, SIGTERM or `options.duration`; the result is the exit code.

    Raises `ConfigError`, `UserError` or `WorldError` if it cannot start.
    """
    session = prepare_session(options.config_path, options.data_dir, demo=options.demo)
    with owned(session):
        _scan(session, options.duration)
    return 0


def _scan(session: Session, duration: float | None) -> None:
    stop = threading.Event()
    run = EngineRun(session, stop)
    view = TerminalView(run.instruments, session.config, clock=run.clock)
    _subscribe(run.loop.bus, view)
    for notice in run.remarks():
        view.on_notice(notice)
    try:
        with ended_by_signals(stop), ended_after(duration, stop):
            run.start()
            view.run(stop)
    finally:
        run.finish()


def _subscribe(bus: EventBus, view: TerminalView) -> None:
    bus.subscribe(Tick, view.on_tick)
    bus.subscribe(FreshnessChange, view.on_freshness)
    bus.subscribe(SourceConflict, view.on_conflict)
    bus.subscribe(Signal, view.on_signal)
    bus.subscribe(PortfolioSnapshot, view.on_portfolio)
    bus.subscribe(FeedStatus, view.on_feed_status)
    bus.subscribe(Notice, view.on_notice)
    bus.subscribe(BotsLoaded, view.on_bots)
    bus.subscribe(BotState, view.on_bot)
    bus.subscribe(BotAlert, view.on_bot_alert)
