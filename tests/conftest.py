"""The frame around every test: private directories, no network, no leaks, no unexpected warnings.

The marker `allow_log("regex", ...)` expects log records of level WARNING and above whose line "LEVEL logger:
text" matches one of the patterns (any at all, without a pattern). A test that asks for
`caplog` judges its log itself.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partialmethod
from itertools import count
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,127.0.0.0/8,::1"
for _name in (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
):  # libcurl is no Python socket
    os.environ[_name] = os.environ[_name.lower()] = "http://127.0.0.1:9"
for _name in [name for name in os.environ if name.startswith("SWING_")]:
    del os.environ[_name]

import pytest  # noqa: E402 - the environment comes first
from hypothesis import HealthCheck, settings  # noqa: E402
from pytestqt.qtbot import QtBot  # noqa: E402

from tests.guards import LeakGuard, NetworkGuard, QtTracker, watch_log  # noqa: E402
from tests.patience import PATIENCE  # noqa: E402

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
HOME_VARIABLES = {
    "HOME": "", "USERPROFILE": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share",
    "XDG_CACHE_HOME": ".cache", "XDG_STATE_HOME": ".local/state", "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local", "SWING_DATA_DIR": "swing-data",
}  # fmt: skip

ENDS = (
    ("cli.engine_run", "JOIN_SECONDS", 1.0), ("core.feed.live_feed", "JOIN_SECONDS", 1.0),
    ("gui.main_window.alerts", "STOP_SECONDS", 1.0), ("gui.workers.server_host", "STOP_SECONDS", 1.0),
    ("gui.workers.websocket_worker", "JOIN_MS", 1000),
)  # fmt: skip
"""How long the program waits for its threads at the end, and the unit in seconds."""

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "dev")

_network = NetworkGuard()
_tracker = QtTracker()
_numbers = count(1)
_passed = pytest.StashKey[bool]()


@pytest.fixture(scope="session", autouse=True)
def _frame() -> Iterator[Path]:
    """Guard the network and watch Qt for the whole run; the value is the directory of all private homes."""
    undo = _network.install()
    _tracker.install()
    base = Path(tempfile.mkdtemp(prefix="swing-tests-"))
    os.environ["XDG_RUNTIME_DIR"] = str(base)
    yield base
    undo()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(autouse=True)
def home(_frame: Path) -> Iterator[Path]:
    """A private home directory; `SWING_DATA_DIR` lies in it and does not exist yet."""
    path = _frame / str(next(_numbers))
    path.mkdir()
    before = {name: os.environ.get(name) for name in HOME_VARIABLES}
    os.environ.update({name: str(path / rest) for name, rest in HOME_VARIABLES.items()})
    yield path
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data_dir(home: Path) -> Path:
    """The private data directory, made."""
    path = home / HOME_VARIABLES["SWING_DATA_DIR"]
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Every test begins in English."""
    from core.i18n import set_language

    set_language("en")
    yield
    set_language("en")


@pytest.fixture(autouse=True)
def _guards(request: pytest.FixtureRequest, home: Path) -> Iterator[None]:
    """Fail a passing test that left something behind, tried the network or logged an unexpected warning."""
    marks = list(request.node.iter_markers("allow_log"))
    judges_itself = "caplog" in request.fixturenames or any(not mark.args for mark in marks)
    leak_guard = LeakGuard(_tracker)
    _network.attempts.clear()
    with watch_log(pattern for mark in marks for pattern in mark.args) as log_guard:
        yield
        passed = request.node.stash.get(_passed, False)
        leaks = leak_guard.leaks() if passed else []
    leak_guard.forget()
    problems = [f"left behind: {leak}" for leak in leaks] + _network.attempts
    if not judges_itself:
        problems += [f"unexpected log: {line}" for line in log_guard.unexpected]
    if passed and problems:
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture(autouse=True)
def _patient_ends() -> Iterator[None]:
    """Let threads that were told to end take the time that a busy machine needs; one that does not end at all
    is waited for in vain, and logged. A module that is not there yet has no thread to end, either."""
    with pytest.MonkeyPatch.context() as patch:
        for name, limit, unit in ENDS:
            if name in sys.modules:
                patch.setattr(sys.modules[name], limit, type(unit)(PATIENCE * unit))
        yield


@pytest.fixture(autouse=True)
def _process_state() -> Iterator[None]:
    """No log handler, exception hook, style sheet or learnt secret outlives its test."""
    from core.secrets import redactor

    redactor.forget()
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    sys.excepthook, threading.excepthook = hooks
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    widgets = sys.modules.get("PyQt5.QtWidgets")
    app = widgets.QApplication.instance() if widgets else None
    if app is not None and app.styleSheet():
        app.setStyleSheet("")


class PatientQtBot(QtBot):
    """pytest-qt's, which by itself gives up after five seconds; a busy machine may need longer."""

    _patience = int(1000 * PATIENCE)
    waitActive = partialmethod(QtBot.waitActive, timeout=_patience)
    waitExposed = partialmethod(QtBot.waitExposed, timeout=_patience)
    waitSignal = partialmethod(QtBot.waitSignal, timeout=_patience)
    waitSignals = partialmethod(QtBot.waitSignals, timeout=_patience)
    waitUntil = partialmethod(QtBot.waitUntil, timeout=_patience)
    waitCallback = partialmethod(QtBot.waitCallback, timeout=_patience)


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> QtBot:
    """pytest-qt's fixture, with our patience."""
    return PatientQtBot(request)


@pytest.fixture(scope="session")
def xvfb() -> Iterator[str]:
    """The DISPLAY of an X server without a screen, for programs that a test starts."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (package xvfb)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        yield f":{number}"
        server.terminate()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL server (`tests.loopback.postgres.PostgresServer`), started once it is wanted."""
    from tests.loopback.postgres import PostgresServer, missing

    why = missing()
    if why:
        pytest.skip(why)
    server = PostgresServer()
    yield server
    server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember whether the test passed; with CI=true a test may be skipped only for another system's sake."""
    report = yield
    if report.when == "call":
        item.stash[_passed] = report.passed
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "only on" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped in CI: {reason}"
    return report
