"""What `doctor` looks at: one small function per matter that says ok, warn or fail, and how to mend it.

A check may raise anything; `run_check` makes that a failed line of the report, so that none hides another.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from bootstrap import system
from bootstrap.environment import CODE_DIR, WINDOWS, Environment, has_display
from core.config import Config
from core.errors import ConfigError, DeliveryError, SwingHunterError
from core.i18n import tr
from core.sources.registry import auto_order, push_order

OK, WARN, FAIL = "ok", "warn", "fail"
CONNECT_SECONDS = 3.0
CHANNEL_SECONDS = 10.0
_QT_SECONDS = 30
_MEGABYTE = 1_000_000
_TIGHT_MB, _TOO_TIGHT_MB = 500, 50
_DAYS_AHEAD = 60
_YAHOO_STREAM = "wss://streamer.finance.yahoo.com"
_YAHOO = "https://query1.finance.yahoo.com"
T = TypeVar("T")


class Finding(NamedTuple):
    """One line of the report; `mend` is empty where there is nothing to do."""

    status: str
    text: str
    mend: str = ""


class Patient(NamedTuple):
    """What is examined. `config` is the defaults where the file could not be read (`config_error`)."""

    config: Config
    config_path: Path
    data_dir: Path
    config_error: SwingHunterError | None = None
    offline: bool = False


class Check(NamedTuple):
    """A matter, named by the catalogue's key, and the function that looks at it."""

    name: str
    look: Callable[[Patient], Finding]


def run_check(check: Check, patient: Patient) -> Finding:
    """Look, whatever happens."""
    try:
        return check.look(patient)
    except Exception as error:  # noqa: BLE001 - shown as the finding; the other checks must go on
        return Finding(FAIL, tr("doctor.check_failed", error=f"{type(error).__name__}: {error}"))


def check_versions(_patient: Patient) -> Finding:
    """Python, the system, and whether the pinned packages are the ones installed."""
    wrong = []
    for line in (Path(CODE_DIR) / "requirements.txt").read_text("utf-8").splitlines():
        requirement, _, marker = line.partition("#")[0].partition(";")
        name, pinned, version = requirement.strip().partition("==")
        if not pinned or ("win32" in marker and not WINDOWS):
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "-"
        if installed != version:
            wrong.append(f"{name} {installed} ({version})")
    if wrong:
        return Finding(FAIL, tr("doctor.packages_wrong", names=", ".join(wrong)), tr("doctor.packages_mend"))
    return Finding(OK, tr("doctor.versions_ok", python=sys.version.split()[0], system=sys.platform))


def check_config(patient: Patient) -> Finding:
    """The settings file."""
    error = patient.config_error
    if isinstance(error, ConfigError):
        problems = "\n".join(f"- {problem}" for problem in error.problems)
        return Finding(FAIL, f"{patient.config_path}\n{problems}", tr("doctor.config_mend"))
    if error is not None:
        return Finding(FAIL, str(error), tr("doctor.config_mend"))
    if not patient.config_path.exists():
        return Finding(OK, tr("doctor.config_defaults"))
    return Finding(OK, tr("doctor.config_ok", path=patient.config_path, symbols=len(patient.config.symbols)))


def check_data_dir(patient: Patient) -> Finding:
    """The data directory: there, writable, with room."""
    from core.paths import prepare_data_dir

    folder = patient.data_dir
    try:
        prepare_data_dir(folder)
    except SwingHunterError as error:
        return Finding(FAIL, str(error), tr("doctor.data_dir_mend"))
    free = shutil.disk_usage(folder).free // _MEGABYTE
    if free < _TIGHT_MB:
        status = FAIL if free < _TOO_TIGHT_MB else WARN
        return Finding(status, tr("doctor.disk_tight", path=folder, free=free), tr("doctor.disk_mend"))
    return Finding(OK, tr("doctor.data_dir_ok", path=folder, free=f"{free / 1000:.1f}"))


def check_database(patient: Patient) -> Finding:
    """The ledger, read only: nothing is made, migrated or repaired here."""
    url = patient.config.storage.url
    if url and not url.startswith("sqlite"):
        return _open_remote(patient)
    path = Path(url.partition(":///")[2]) if url else patient.data_dir / "swing_hunter.db"
    if not path.exists():
        return Finding(OK, tr("doctor.database_new", path=path))
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS)
        try:
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        return Finding(FAIL, tr("doctor.database_bad", path=path, error=answer), tr("doctor.database_mend"))
    return Finding(OK, tr("doctor.database_ok", path=path, size=f"{path.stat().st_size / _MEGABYTE:.1f}"))


def _open_remote(patient: Patient) -> Finding:
    from core.storage import open_store

    try:
        open_store(patient.config.storage.url, patient.data_dir).close()
    except SwingHunterError as error:
        return Finding(FAIL, str(error), tr("doctor.database_remote_mend"))
    return Finding(OK, tr("doctor.database_remote_ok"))


def check_calendars(_patient: Patient) -> Finding:
    """How long the tables of holidays last."""
    from core.exchanges import EXCHANGES
    from core.market_calendar import MarketCalendar

    calendar = MarketCalendar()
    ends = {code: calendar.table_ends(code) for code in EXCHANGES}
    code, last = min(((code, end) for code, end in ends.items() if end), key=lambda pair: pair[1])
    days = (last - date.today()).days
    if days < _DAYS_AHEAD:
        text = tr("doctor.calendars_end", exchange=code, date=last.isoformat())
        return Finding(FAIL if days < 0 else WARN, text, tr("doctor.calendars_mend"))
    return Finding(OK, tr("doctor.calendars_ok", date=last.isoformat()))


def check_clock(_patient: Patient) -> Finding:
    """Whether the computer's clock can be right, and the time zones are known."""
    from core.exchanges import EXCHANGES, iso_time

    now = time.time()
    newest = max(path.stat().st_mtime for path in Path(CODE_DIR, "core").glob("*.py"))
    if now < newest - 86_400:
        return Finding(
            FAIL, tr("doctor.clock_behind", now=time.strftime("%Y-%m-%d")), tr("doctor.clock_mend")
        )
    local = {code: iso_time(now, EXCHANGES[code])[11:16] for code in ("BIST", "NYSE")}
    return Finding(OK, tr("doctor.clock_ok", **{code.lower(): clock for code, clock in local.items()}))


def source_endpoints(config: Config) -> dict[str, str]:
    """The addresses that the configured price sources ask, by source."""
    chosen = config.real_time.live_data_source
    endpoints = {
        "tradingview": config.websocket.endpoint,
        "tvdatafeed": config.websocket.endpoint,
        "yfinance": config.real_time.yahoo_base or _YAHOO,
        "yahoo": config.real_time.yahoo_stream or _YAHOO_STREAM,
    }
    used = push_order(config) + auto_order(config) if chosen == "auto" else (chosen,)
    return {name: endpoints[name] for name in used if name in endpoints}


def source_checks(config: Config) -> list[Check]:
    """One check per price source."""

    def reach(name: str, url: str) -> Check:
        return Check(f"source:{name}", lambda patient: _check_address(url, patient.offline))

    return [reach(name, url) for name, url in source_endpoints(config).items()]


def _check_address(url: str, offline: bool) -> Finding:
    if offline:
        return Finding(WARN, tr("doctor.not_tried"))
    host, port, proxy = _target(url)
    began = time.monotonic()
    try:
        within(CONNECT_SECONDS, lambda: socket.create_connection((host, port), CONNECT_SECONDS).close())
    except OSError as error:
        text = tr("doctor.unreachable", host=f"{host}:{port}", error=error.strerror or error)
        return Finding(FAIL, text, tr("doctor.unreachable_mend"))
    milliseconds = round((time.monotonic() - began) * 1000)
    key = "doctor.proxy_reachable" if proxy else "doctor.reachable"
    return Finding(OK, tr(key, host=f"{host}:{port}", ms=milliseconds))


def _target(url: str) -> tuple[str, int, bool]:
    """The host and port that a connection to `url` starts with, and whether that is a proxy."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in ("https", "wss")
    proxy = urllib.request.getproxies().get("https" if secure else "http")
    if proxy and not urllib.request.proxy_bypass(host):
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return through.hostname or host, through.port or 80, True
    return host, parts.port or (443 if secure else 80), False


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`, or `TimeoutError` after `seconds`; a name lookup cannot be ended otherwise."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=work, name="doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(tr("doctor.no_answer", seconds=f"{seconds:g}"))
    return results[0]


def check_telegram(patient: Patient) -> Finding:
    """Telegram: whether the bot's token is accepted; nothing is sent."""
    from core.notifications.factory import telegram_channel

    channel = telegram_channel(patient.config.real_time.telegram)
    return _check_channel("telegram", patient, channel.check)


def check_email(patient: Patient) -> Finding:
    """E-mail: whether the server takes us; nothing is sent."""
    from core.notifications.factory import email_channel

    channel = email_channel(patient.config.real_time.email)
    return _check_channel("email", patient, channel.check)


def _check_channel(name: str, patient: Patient, check: Callable[[float], str]) -> Finding:
    from core.notifications.routes import reasons_off

    reason = reasons_off(patient.config.real_time).get(name)
    if reason:
        return Finding(OK, tr("doctor.channel_off", setting=reason))
    if patient.offline:
        return Finding(WARN, tr("doctor.not_tried"))
    try:
        return Finding(OK, check(CHANNEL_SECONDS))
    except DeliveryError as error:
        return Finding(FAIL, str(error), tr("doctor.channel_mend", section=f"real_time.{name}"))


def check_display(_patient: Patient) -> Finding:
    """Whether a window could open: the libraries, then Qt itself in a process of its own."""
    if system.on_linux():
        pyqt = Path(str(metadata.distribution("PyQt5").locate_file("PyQt5")))
        libraries = system.missing_qt_libraries(pyqt)
        if libraries:
            command = system.command_for(system.packages_for(libraries), libraries)
            return Finding(FAIL, tr("doctor.libraries", names=", ".join(sorted(libraries))), command)
    if not has_display():
        return Finding(WARN, tr("doctor.no_display"), tr("doctor.no_display_mend"))
    code = "from PyQt5.QtWidgets import QApplication as A; print(A([]).platformName())"
    qt = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=_QT_SECONDS, check=False
    )
    if qt.returncode:
        lines = (qt.stderr.strip() or str(qt.returncode)).splitlines()
        return Finding(FAIL, tr("doctor.qt_failed", error=lines[0]), tr("doctor.qt_mend"))
    return Finding(OK, tr("doctor.display_ok", platform=qt.stdout.strip()))


def check_fonts(_patient: Patient) -> Finding:
    """Whether there are letters to draw with."""
    if system.on_linux() and not system.has_fonts():
        return Finding(WARN, tr("doctor.no_fonts"), system.command_for(list(system.FONT_PACKAGES), []))
    return Finding(OK, tr("doctor.fonts_ok"))


def check_setup(_patient: Patient) -> Finding:
    """Whether the set-up is complete."""
    environment = Environment.find(("program",))
    if environment.missing():
        return Finding(WARN, tr("doctor.setup_open"), tr("doctor.setup_mend"))
    return Finding(OK, tr("doctor.setup_ok", path=environment.directory))


def all_checks(config: Config) -> list[Check]:
    """The checks in the report's order."""
    from cli.doctor_bots import check_strategies
    from cli.doctor_cluster import check_redis
    from cli.doctor_server import check_server

    return [
        Check("versions", check_versions),
        Check("setup", check_setup),
        Check("config", check_config),
        Check("data_dir", check_data_dir),
        Check("database", check_database),
        Check("calendars", check_calendars),
        Check("clock", check_clock),
        Check("strategies", check_strategies),
        Check("redis", check_redis),
        *source_checks(config),
        Check("telegram", check_telegram),
        Check("email", check_email),
        Check("server", check_server),
        Check("display", check_display),
        Check("fonts", check_fonts),
    ]
