"""The terminal as a program of its own: the same engine, a table, signals, and a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli import headless
from cli.arguments import Options
from cli.engine_run import EngineRun, alert_error
from core.config import Config
from core.errors import AlreadyRunningError, ConfigError, StorageError
from core.instance_lock import InstanceLock
from core.model import Notice
from core.session import Session
from tests.patience import PATIENCE
from tests.serve_helpers import CODE, ROOT

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals as here only on Unix")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CODE, "--headless", *arguments], cwd=ROOT, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_demo_prints_prices_signals_and_profit(data_dir: Path) -> None:
    for seconds in ("3", "12", "25"):  # a busy machine may need longer until the first price
        process = start("--demo", "--data-dir", str(data_dir), "--for", seconds)
        out, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
        if re.search(r"^ASELS .*\d", out, re.MULTILINE):
            break
    assert re.search(r"^ASELS .*\d", out, re.MULTILINE)
    assert "THYAO" in out
    assert "Simulat" in out
    assert {path.name for path in data_dir.glob("*.db")} == {"demo.db"}
    assert not re.search(r" (ERROR|CRITICAL) ", (data_dir / "swing_hunter.log").read_text("utf-8"))


@unix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0(data_dir: Path, number: signal.Signals) -> None:
    process = start("--demo", "--data-dir", str(data_dir))
    assert process.stdout is not None
    assert process.stdout.readline()  # the first line of news
    process.send_signal(number)
    out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert "ASELS" in out  # the table at the end


@unix_only
def test_a_reader_that_goes_away_ends_it(data_dir: Path) -> None:
    process = start("--demo", "--data-dir", str(data_dir))
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=PATIENCE)
    assert process.stderr is not None
    process.stderr.close()


def test_a_broken_config_is_refused_with_all_its_problems(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    config.write_text(json.dumps({"exchange": "LSE", "theme": "pink"}), "utf-8")
    process = start("--config", str(config), "--data-dir", str(data_dir))
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "exchange" in errors
    assert "theme" in errors


# --- in this process ------------------------------------------------------------------------------------


def options(data_dir: Path, **fields: Any) -> Options:
    return Options(mode="headless", data_dir=data_dir, headless=True, **fields)


def test_it_returns_0_and_leaves_nothing_behind(data_dir: Path, capsys: Any) -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests were started in the background
    assert headless.run_headless(options(data_dir, demo=True, duration=0.3)) == 0
    assert "ASELS" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    lock = InstanceLock(data_dir)
    lock.acquire()
    lock.release()


def test_a_second_one_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waved: list[bool] = []
    monkeypatch.setattr(InstanceLock, "notify_first", lambda *_: waved.append(True))
    lock = InstanceLock(data_dir)
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunningError):
            headless.run_headless(options(data_dir, demo=True, duration=0.3))
    finally:
        lock.release()
    assert waved == [True]


def test_what_the_engine_cannot_do_is_the_programs_failure(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refuse(*_: Any) -> Any:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(Session, "open_store", refuse)
    with pytest.raises(StorageError, match="The disk is full"):
        headless.run_headless(options(data_dir, demo=True))


@pytest.mark.allow_log("the engine broke")
def test_a_bug_of_ours_ends_it_and_is_in_the_log(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("in the engine")

    monkeypatch.setattr(Session, "open_store", broken)
    with pytest.raises(ZeroDivisionError):
        headless.run_headless(options(data_dir, demo=True))
    assert "ZeroDivisionError" in (data_dir / "swing_hunter.log").read_text("utf-8")


def test_a_broken_screen_leaves_no_thread(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("in the view")

    monkeypatch.setattr(headless.TerminalView, "run", broken)
    with pytest.raises(ZeroDivisionError):
        headless.run_headless(options(data_dir, demo=True))
    assert "engine" not in {thread.name for thread in threading.enumerate()}


def test_a_bad_config_raises(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text("{", "utf-8")
    with pytest.raises(ConfigError):
        headless.run_headless(options(data_dir, config_path=path))


@pytest.mark.parametrize(
    ("symbols", "words"),
    [((), 'name some under "symbols"'), (("BTC", "ETH"), "only the first 1 are scanned")],
)
def test_the_number_of_symbols_is_remarked_on(
    data_dir: Path, capsys: Any, symbols: tuple[str, ...], words: str
) -> None:
    config = Config(exchange="CRYPTO", symbols=symbols, language="en")
    live = replace(config.real_time, live_data_source="simulation", max_live_symbols=1)
    headless._scan(Session(config=replace(config, real_time=live), data_dir=data_dir), 0.2)
    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("source", "remarks"), [("yfinance", 1), ("tradingview", 0), ("auto", 0)])
def test_pushed_prices_know_no_limit(data_dir: Path, source: Any, remarks: int) -> None:
    config = Config(exchange="CRYPTO", symbols=("BTC", "ETH"), language="en")
    live = replace(config.real_time, live_data_source=source, max_live_symbols=1)
    run = EngineRun(Session(config=replace(config, real_time=live), data_dir=data_dir), threading.Event())
    assert len(list(run.remarks())) == remarks
    run.finish()


def test_errors_are_alerted() -> None:
    told: list[str] = []

    class Notifier:
        def send_error(self, error: str) -> None:
            told.append(error)

    alert_error(Notice("info", "engine.stored_again"), Notifier())  # type: ignore[arg-type]
    alert_error(Notice("error", "engine.clock_wrong"), Notifier())  # type: ignore[arg-type]
    assert len(told) == 1
    assert "clock" in told[0]
