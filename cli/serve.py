"""`python3 run.py serve`: the status server, with the engine in the same process unless told otherwise."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from cli.arguments import Options
from cli.engine_run import EngineRun, ended_after, ended_by_signals, owned
from core.accounts import Account, hash_token, new_token
from core.config import ServerConfig
from core.config_check import require_value
from core.errors import UserError, WorldError
from core.i18n import tr
from core.model import Notice
from core.session import Session, prepare_session

if TYPE_CHECKING:
    from server.bus import StatusBus
    from server.setup import Prepared

log = logging.getLogger(__name__)

LOCAL_USER = "local"
_PATIENCE = 0.5


def run_serve(options: Options) -> int:
    """Serve until Ctrl-C, SIGTERM or `options.duration`; the result is the exit code.

    Raises `ConfigError`, `UserError` or `WorldError` if it cannot start.
    """
    session = prepare_session(options.config_path, options.data_dir, demo=options.demo)
    config = server_config(session.config.server, options)
    whole = msgspec.structs.replace(session.config, server=config)
    session = msgspec.structs.replace(session, config=whole)
    if not options.serve.engine and not config.redis_url:
        raise UserError(tr("server.relay_needs_redis"))
    with owned(session):
        _serve(session, config, options)
    return 0


def server_config(config: ServerConfig, options: Options) -> ServerConfig:
    """The settings file's section, with what the command line says otherwise. Raises `UserError`."""
    told = options.serve
    changes = {
        "host": told.host, "port": told.port, "redis_url": told.redis_url,
        "trusted_proxies": told.trusted_proxy,
        "tls_cert": None if told.tls_cert is None else str(told.tls_cert),
        "tls_key": None if told.tls_key is None else str(told.tls_key),
    }  # fmt: skip
    given = {name: value for name, value in changes.items() if value is not None}
    for name, value in given.items():
        if name != "port":  # 0, which the file does not accept, is any free one
            require_value(f"server.{name}", value)
    return msgspec.structs.replace(config, **given)


def _serve(session: Session, config: ServerConfig, options: Options) -> None:
    from server.setup import Users, prepare

    stop = threading.Event()
    run = EngineRun(session, stop) if options.serve.engine else None
    guests, token = _guests(session)
    users = Users(session.config.storage.url, session.data_dir)
    prepared = prepare(config, _bus(config, run), users, extra=guests)
    _say_hello(prepared, token)
    if run is not None:
        _tell_notices(run)
    try:
        with ended_by_signals(stop), ended_after(options.duration, stop):
            prepared.thread.start()
            if run is not None:
                run.start()
            while not stop.wait(_PATIENCE) and prepared.thread.alive:
                pass
    finally:
        _end(prepared, run)
    if prepared.thread.broken:
        raise WorldError(tr("server.broke"))


def _end(prepared: Prepared, run: EngineRun | None) -> None:
    """Feed, engine and storage first, then the server; but open streams end at once, whatever those take."""
    prepared.thread.begin_to_end()
    try:
        if run is not None:
            run.finish()
    finally:
        prepared.thread.stop()


def _bus(config: ServerConfig, run: EngineRun | None) -> StatusBus:
    if config.redis_url and not (run is not None and run.demo):
        from server.redis_bus import RedisBus

        return RedisBus(config.redis_url)
    from server.bus import InProcessBus

    assert run is not None
    loop = run.loop
    return InProcessBus(loop.bus, loop.post, lambda: loop.alive_at)


def _guests(session: Session) -> tuple[tuple[Account, ...], str]:
    """The demo lets its visitor in by a token that is good for this run only."""
    if not session.demo:
        return (), ""
    token = new_token()
    guest = Account(name=LOCAL_USER, role="trader", token_hash=hash_token(token), created=time.time())
    return (guest,), token


def _say_hello(prepared: Prepared, token: str) -> None:
    print(tr("server.serving", url=prepared.url), flush=True)
    if token:
        print(tr("server.demo_token", token=token), flush=True)
    for remark in prepared.remarks:
        print(remark, flush=True)
        log.warning("%s", remark)


def _tell_notices(run: EngineRun) -> None:
    def tell(notice: Notice) -> None:
        if notice.level != "info":
            print(tr(notice.key, **notice.params), flush=True)

    run.loop.bus.subscribe(Notice, tell)
    for notice in run.remarks():
        tell(notice)
