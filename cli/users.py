"""`python3 run.py users`: who may use the status server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from cli.arguments import Options
from core.accounts import Account, AccountStore
from core.i18n import tr
from core.session import prepare_session


def run_users(options: Options) -> int:
    """Add, list or revoke; raises `UserError` or `StorageError` for what cannot be done."""
    session = prepare_session(options.config_path, options.data_dir)
    store = AccountStore(session.config.storage.url, session.data_dir)
    try:
        what, *name = options.names
        if what == "add":
            _add(store, name[0], options)
        elif what == "revoke":
            store.revoke(name[0])
            print(tr("server.revoked", name=name[0]))
        else:
            _list(store.accounts())
    finally:
        store.close()
    return 0


def _add(store: AccountStore, name: str, options: Options) -> None:
    """The token alone goes to standard output, so that it can be piped into a password manager."""
    token = store.add(name, options.role)
    print(tr("server.added", name=name, role=options.role), file=sys.stderr, flush=True)
    print(token)
    print(tr("server.token_once"), file=sys.stderr)


def _list(accounts: Iterable[Account]) -> None:
    rows = [(account.name, account.role, _day(account.created), _state(account)) for account in accounts]
    if not rows:
        print(tr("server.no_users"))
        return
    head = tuple(tr(f"server.column_{name}") for name in ("user", "role", "created", "state"))
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def _state(account: Account) -> str:
    if account.revoked is None:
        return tr("server.state_valid")
    return tr("server.state_revoked", day=_day(account.revoked))


def _day(stamp: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(stamp))
