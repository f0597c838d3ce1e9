"""`python3 run.py worker`: works for bots that run in workers, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from cli.arguments import Options
from core.config_check import require_value
from core.errors import UserError
from core.i18n import tr
from core.log_setup import setup_logging
from core.secrets import redactor
from core.session import Session, prepare_session
from core.storage.base import LinesOf, Store

if TYPE_CHECKING:
    from core.cluster.dispatcher import Postbox

log = logging.getLogger(__name__)

_CHATTY = ("celery.worker.strategy", "celery.app.trace")
"""They log a line or two for every cycle."""


def run_worker_mode(options: Options) -> int:
    """Work; the result is the exit code.

    Raises `ConfigError`, `UserError` or `WorldError` if it cannot start.
    """
    if options.demo:
        raise UserError(tr("cluster.no_demo"))
    session = prepare_session(options.config_path, options.data_dir)
    url = options.serve.redis_url or session.config.server.redis_url
    if not url:
        raise UserError(tr("cluster.worker_needs_redis"))
    require_value("server.redis_url", url)
    config = session.config
    logs = setup_logging(None, config.log_level, debug=config.debug_mode, console=True)
    logs.catch_crashes()
    try:
        _open_store(session).close()  # so that a database that is not there is told at once
        _work(session, url, options)
    finally:
        logs.close()
    return 0


def _work(session: Session, url: str, options: Options) -> None:
    from core.bots.registry import USER_FOLDER, load_user_strategies
    from core.cluster.runner import BotRunner
    from core.cluster.worker import make_worker_app, run_worker

    for problem in load_user_strategies(session.data_dir / USER_FOLDER):
        log.warning("%s", problem)
    for name in () if session.config.debug_mode else _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    app = make_worker_app(
        url, lambda: BotRunner(url, lambda: _open_store(session), route=lambda box: _lines(session, box)),
        too_long=tr("cluster.too_long"),
    )  # fmt: skip
    pool = options.worker.pool or ("solo" if os.name == "nt" else "prefork")
    processes = 1 if pool == "solo" else options.worker.processes or max(1, os.cpu_count() or 1)
    print(tr("cluster.working", redis=redactor.mask(url), processes=processes), flush=True)
    timer = _ender(options.duration)
    try:
        run_worker(
            app, url, pool=pool, processes=processes,
            log_level="DEBUG" if session.config.debug_mode else session.config.log_level,
        )  # fmt: skip
    finally:
        if timer is not None:
            timer.cancel()


def _open_store(session: Session) -> Store:
    """The database of true trading, whatever prices this computer's own engine would work with."""
    from core.storage import open_store

    return open_store(session.config.storage.url, session.data_dir)


def _lines(session: Session, postbox: Postbox) -> LinesOf:
    """The outbox's lines for bots' alerts, which the engine behind `postbox` delivers."""
    from core.notifications.routes import Routes

    return Routes(session.config, postbox.channels, holder=postbox.holder).lines


def _ender(duration: float | None) -> threading.Timer | None:
    """Ends this process in good order after so many seconds."""
    if duration is None:
        return None
    timer = threading.Timer(duration, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    return timer
