"""From the settings to a server that is ready to start: its checks, its socket, its parts put together."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.accounts import Account, AccountStore
from core.config import ServerConfig
from core.errors import UserError
from core.i18n import tr
from core.network import is_loopback, is_wildcard
from server import descriptors
from server.account_watch import AccountWatch
from server.app import create_app
from server.auth import Gate
from server.bus import StatusBus
from server.hub import Hub
from server.run import ServerThread, StatusServer, listen
from server.sessions import Sessions, key_is_shared, session_key


class Users(NamedTuple):
    """Where the users are: in the database that `storage.url` names, or beside the data."""

    storage_url: str
    data_dir: Path

    def open(self) -> AccountStore:
        """Open their store. Raises `StorageError`."""
        return AccountStore(self.storage_url, self.data_dir)

    def read(self) -> tuple[tuple[Account, ...], frozenset[str]]:
        """Those who are let in, and the sessions that are ended. Raises `StorageError`."""
        store = self.open()
        try:
            active = tuple(account for account in store.accounts() if account.active)
            return active, store.ended_sessions()
        finally:
            store.close()


class Prepared(NamedTuple):
    """A server that listens already but does not answer yet. `remarks` are for the user to read."""

    thread: ServerThread
    url: str
    remarks: tuple[str, ...]


def prepare(
    config: ServerConfig, bus: StatusBus, users: Users, *, extra: tuple[Account, ...] = ()
) -> Prepared:
    """Check the settings, take the port and put the server together. `extra` are users of this run only.

    Raises `UserError` or `StorageError`.
    """
    check_tls(config)
    descriptors.raise_limit()
    stored, ended = users.read()
    known = stored + extra
    if not known and not is_loopback(config.host):
        raise UserError(tr("server.no_users_no_network", host=config.host))
    listener = listen(config.host, config.port)
    try:
        sessions = Sessions(session_key(users.data_dir), shared=key_is_shared())
        sessions.know_ended(ended)
        return _assemble(config, bus, users, extra, listener, known, sessions)
    except BaseException:
        listener.close()
        raise


def _assemble(
    config: ServerConfig, bus: StatusBus, users: Users, extra: tuple[Account, ...],
    listener: socket.socket, known: tuple[Account, ...], sessions: Sessions,
) -> Prepared:  # fmt: skip
    port = listener.getsockname()[1]
    hub = Hub(config.max_streams_per_user)
    gate = Gate(sessions, port, known)
    gate.guests = extra
    app = create_app(hub, gate, bus, _names(config), AccountWatch(users.open))
    server = StatusServer(
        app, hub, tls_cert=config.tls_cert, tls_key=config.tls_key, trusted_proxies=config.trusted_proxies
    )
    url = f"{'https' if config.tls_cert else 'http'}://{_shown(config.host)}:{port}"
    return Prepared(ServerThread(server, listener), url, tuple(_remarks(config, known)))


def _remarks(config: ServerConfig, known: tuple[Account, ...]) -> Iterator[str]:
    if not known:
        yield tr("server.no_users")
    if not is_loopback(config.host) and not config.tls_cert:
        yield tr("server.no_tls", host=config.host)


def _names(config: ServerConfig) -> tuple[str, ...]:
    return config.allowed_hosts if is_wildcard(config.host) else (*config.allowed_hosts, config.host)


def _shown(host: str) -> str:
    """The host as one writes it in an address bar on this computer."""
    if is_wildcard(host):
        return "localhost"
    return f"[{host.strip('[]')}]" if ":" in host else host


def check_tls(config: ServerConfig) -> None:
    """Whether certificate and key are there, can be read and belong together. Raises `UserError`."""
    if not config.tls_cert:
        if config.tls_key:
            raise UserError(tr("server.key_without_cert"))
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key or None, password="")
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(tr("server.bad_cert", path=config.tls_cert, reason=reason)) from error
