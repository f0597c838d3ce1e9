"""A real PostgreSQL server on the loopback network, in a folder of its own, for as long as the tests run.

PostgreSQL refuses to run as root, so there it runs as another user, to whom its folder belongs.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bootstrap.system import find_tool

USER = "swing"
PASSWORD = "loopback-password-sentinel"
_SERVER_USERS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "127.0.0.1", "fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB",
    "max_connections": "40", "max_wal_size": "64MB", "autovacuum": "off", "logging_collector": "off",
}  # fmt: skip
_PATIENCE = 60
_PR_SET_PDEATHSIG = 1


def missing() -> str:
    """Why the server cannot run here, "" if it can."""
    if os.name != "posix":
        return "the loopback PostgreSQL runs only on POSIX"
    if find_tool("initdb") is None:
        return "needs PostgreSQL's server (package postgresql)"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL refuses root, and there is no user postgres or nobody"
    return ""


def _other_user() -> pwd.struct_passwd | None:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next((known[name] for name in _SERVER_USERS if name in known), None)


class PostgresServer:
    """Started when it is made. `database()` makes an empty one and tells its URL; `close` at the end."""

    def __init__(self) -> None:
        initdb = find_tool("initdb")
        assert initdb is not None
        self._bin = Path(initdb).resolve().parent  # a link may stand alone
        self._root = Path(tempfile.mkdtemp(prefix="swing-pg-", dir=tempfile.gettempdir()))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            other = _other_user()
            assert other is not None
            self._as = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
            os.chown(self._root, other.pw_uid, other.pw_gid)
        self._data = self._root / "data"
        self._numbers = itertools.count(1)
        self._shared = ""
        self._server: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def _initialise(self) -> None:
        secret = self._root / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", USER, "--pwfile", str(secret),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers; again after `stop`."""
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self._root)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._root / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *options], cwd=self._root,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent, **self._as,  # noqa: PLW1509 - it only asks the kernel
            )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while not self._answers():
            told = (self._root / "log").read_text(errors="replace")
            assert self._server.poll() is None and time.monotonic() < end, told

    def _answers(self) -> bool:
        asked = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: "fast" throws its clients out, "immediate" is a crash."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        self._server.wait(_PATIENCE)
        self._server = None

    def freeze(self) -> None:
        """Have every process of the server stand still, as if its computer hung."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        assert self._server is not None
        parent = self._server.pid
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
        )
        return [parent, *map(int, children.stdout.split())]

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def fresh(self) -> str:
        """The URL of a database that is there already if it can be: emptied, which is quicker than made."""
        url = self._shared = self._shared or self.database()
        query = (
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        tables = [row[0] for row in self.execute(query, url)]
        if tables:
            names = ", ".join(f'"{name}"' for name in tables)
            # As a replica would: without the trigger that guards the journal.
            self.execute("ALTER ROLE swing SET session_replication_role = replica")
            self.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE", url)
            self.execute("ALTER ROLE swing RESET session_replication_role")
        return url

    def url(self, name: str = "postgres", password: str = PASSWORD) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, url: str = "") -> list[Any]:
        """Carry out one statement as the superuser, outside of any transaction; its rows."""
        import psycopg

        target = (url or self.url()).replace("+psycopg", "")
        with psycopg.connect(target, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Stop it and remove its folder."""
        if self._server is not None:
            self.thaw()
            self.stop("immediate")
        shutil.rmtree(self._root, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        # The server inherits what is open, so nothing may wait for the end of a pipe: it goes into a file.
        with tempfile.TemporaryFile() as told:
            done = subprocess.run(
                [str(self._bin / program), *arguments], cwd=self._root, stdin=subprocess.DEVNULL, stdout=told,
                stderr=subprocess.STDOUT, check=False, timeout=_PATIENCE, **self._as,
            )  # fmt: skip
            told.seek(0)
            assert done.returncode == 0, told.read().decode(errors="replace")


def _die_with_parent() -> None:
    """In the child: end, as a crash would, when the tests are killed (Linux only; elsewhere it stays)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
