"""What `doctor` says about the status server: who could log in, where it would listen, its certificate."""

from __future__ import annotations

import socket

from cli.doctor_checks import FAIL, OK, WARN, Finding, Patient
from core.accounts import DATABASE_NAME, AccountStore
from core.config import ServerConfig
from core.errors import SwingHunterError
from core.i18n import tr
from core.network import is_loopback


def check_server(patient: Patient) -> Finding:
    """The settings of `server`, whether it is to start with the desktop or by `serve`."""
    from server.setup import check_tls

    config = patient.config.server
    try:
        check_tls(config)
        users = _users(patient)
    except SwingHunterError as problem:
        return Finding(FAIL, str(problem))
    where = f"{config.host}:{config.port}"
    if not users and not is_loopback(config.host):
        return Finding(FAIL, tr("server.no_users_no_network", host=config.host), tr("server.doctor_add"))
    if not _is_free(config):
        return Finding(WARN, tr("server.doctor_port_used", where=where), tr("server.doctor_port_mend"))
    if not users:
        return Finding(WARN if config.enabled else OK, tr("server.doctor_no_users"), tr("server.doctor_add"))
    if not is_loopback(config.host) and not config.tls_cert:
        return Finding(WARN, tr("server.no_tls", host=config.host))
    return Finding(OK, tr("server.doctor_ok", where=where, users=users))


def _users(patient: Patient) -> int:
    """How many may log in; nothing is made here, so where no database is there are none."""
    url = patient.config.storage.url
    if not url and not (patient.data_dir / f"{DATABASE_NAME}.db").exists():
        return 0
    store = AccountStore(url, patient.data_dir)
    try:
        return sum(account.active for account in store.accounts())
    finally:
        store.close()


def _is_free(config: ServerConfig) -> bool:
    try:
        with socket.create_connection((config.host, config.port), 1.0):
            return False
    except OSError:
        return True
