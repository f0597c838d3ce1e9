"""The desktop as a program of its own: its start, its ends, two of them at once, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gui import app
from tests.patience import PATIENCE

ROOT = Path(__file__).parent.parent
HEAVY = ("sqlalchemy", "requests", "pandas", "numpy", "yfinance", "tvDatafeed", "smtplib", "qtawesome",
         "keyring", "websocket", "curl_cffi", "alembic", "core.engine.engine", "core.feed.live_feed",
         "hashlib", "difflib", "html", "multiprocessing")  # fmt: skip
RUN = """
import sys
from pathlib import Path
import gui.app as app
from PyQt5.QtCore import QTimer
{extra}
sys.exit(app.run_desktop({config!r}, Path({data_dir!r}), demo={demo}, duration={duration}))
"""
PATIENT_END = """
from gui.workers import websocket_worker
websocket_worker.JOIN_MS = 40_000
"""
"""It must end by itself; on a busy machine that may take longer than the program waits, which it logs."""
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals as here only on Unix")


def start(
    data_dir: Path, *, config: Path | None = None, demo: bool = False, duration: float | None = None,
    extra: str = "",
) -> subprocess.Popen[str]:  # fmt: skip
    """The desktop in a process of its own, on no screen."""
    code = RUN.format(
        extra=extra, config=None if config is None else str(config), data_dir=str(data_dir), demo=demo,
        duration=duration,
    )  # fmt: skip
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", app.STARTED_VARIABLE: str(time.time())}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@contextmanager
def running(data_dir: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The desktop, painted; killed at the end if it is still there."""
    process = start(data_dir, **options)
    try:
        wait_for(data_dir, "the window was painted", process)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def log_of(data_dir: Path) -> str:
    path = data_dir / "swing_hunter.log"
    return path.read_text("utf-8") if path.exists() else ""


def wait_for(data_dir: Path, words: str, process: subprocess.Popen[str]) -> None:
    """Wait until the log says `words`."""
    end = time.monotonic() + PATIENCE
    while words not in log_of(data_dir):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"no {words!r} in {log_of(data_dir)!r}; {process.communicate()[1]}")
        time.sleep(0.02)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and what was said on the error stream, without the platform's own remarks."""
    _, errors = process.communicate(timeout=PATIENCE)
    said = [line for line in errors.splitlines() if "propagateSizeHints" not in line and "XDG_" not in line]
    return process.returncode, "\n".join(said)


def test_it_paints_tells_when_and_ends_in_time(data_dir: Path) -> None:
    before = time.time()
    code, errors = finish(start(data_dir, duration=0.5, extra=PATIENT_END))
    assert (code, errors) == (0, "")
    found = re.search(r"INFO .* the window was painted (\d+\.\d{3}) s after the start", log_of(data_dir))
    assert found
    assert 0.0 < float(found[1]) < time.time() - before
    assert not re.search(r" (WARNING|ERROR|CRITICAL) ", log_of(data_dir))
    assert (data_dir / "window.ini").exists()


def test_nothing_heavy_is_imported_before_the_paint(data_dir: Path) -> None:
    extra = f"app._note_painted = lambda: print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    process = start(data_dir, duration=0.3, extra=extra)
    out, _ = process.communicate(timeout=PATIENCE)
    assert out.splitlines() == ["HEAVY []"]


def test_the_start_looks_for_no_garbage_and_the_window_does(data_dir: Path) -> None:
    extra = """
import gc
gc.disable()  # as `cli.main` does before it imports anything of the desktop
app._note_painted = lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000)
"""
    out, _ = start(data_dir, duration=0.3, extra=extra).communicate(timeout=PATIENCE)
    assert out.splitlines() == ["True True"]


def test_a_refusal_looks_for_garbage_again(tmp_path: Path) -> None:
    extra = """
import atexit, gc
gc.disable()
atexit.register(lambda: print(gc.isenabled()))
"""
    process = start(tmp_path, config=tmp_path / "missing.json", duration=0.2, extra=extra)
    assert process.communicate(timeout=PATIENCE)[0].splitlines() == ["True"]


@pytest.mark.parametrize("chosen", [None, "xcb_glx"])
def test_only_the_window_comes_up_without_opengl(monkeypatch: pytest.MonkeyPatch, chosen: str | None) -> None:
    monkeypatch.delenv(app.GL_VARIABLE, raising=False)
    if chosen:
        monkeypatch.setenv(app.GL_VARIABLE, chosen)
    with app.without_opengl():
        assert os.environ[app.GL_VARIABLE] == (chosen or "none")
    assert os.environ.get(app.GL_VARIABLE) == chosen


def test_the_demo_runs_in_a_database_of_its_own(data_dir: Path) -> None:
    with running(data_dir, demo=True, duration=1.5, extra=PATIENT_END) as process:
        assert finish(process) == (0, "")
    assert {path.name for path in data_dir.glob("*.db")} == {"demo.db"}
    assert not re.search(r" (ERROR|CRITICAL) ", log_of(data_dir))


@unix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0(data_dir: Path, number: signal.Signals) -> None:
    with running(data_dir) as process:
        process.send_signal(number)
        assert finish(process) == (0, "")


@unix_only
def test_a_signal_ends_it_while_a_dialog_is_open(data_dir: Path) -> None:
    extra = """
from gui.main_window.main_window import MainWindow
def ask(window):
    window.settings.open()
    window.desk.positions.new_position()
    app.log.info("dialogs are open")
MainWindow.first_shown = property(lambda self: QTimer.singleShot(300, lambda: ask(self)))
whole = MainWindow._after_first_paint
MainWindow._after_first_paint = lambda self: (whole(self), self.first_shown)
"""
    with running(data_dir, extra=extra) as process:
        wait_for(data_dir, "dialogs are open", process)
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (0, "")


def test_the_second_instance_says_so_and_brings_the_first_to_the_front(data_dir: Path) -> None:
    with running(data_dir) as first:
        code, errors = finish(start(data_dir, duration=0.2))
        assert code == app.EXIT_REFUSED
        assert "already" in errors
        assert len(errors.splitlines()) == 1
        wait_for(data_dir, "comes to the front", first)
        assert first.poll() is None


def test_it_starts_again_after_it_was_killed(data_dir: Path) -> None:
    with running(data_dir) as process:
        process.kill()
        process.communicate()
    assert finish(start(data_dir, duration=0.2)) == (0, "")


def test_a_broken_config_is_refused_with_all_its_problems(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    content = {"exchange": "LSE", "real_time": {"poll_interval_sec": 1, "signal_treshold_pct": 2}}
    config.write_text(json.dumps(content), "utf-8")
    code, errors = finish(start(data_dir, config=config, duration=0.2))
    assert code == app.EXIT_CONFIG
    for part in ("exchange", "LSE", "poll_interval_sec", "signal_treshold_pct", "signal_threshold_pct"):
        assert part in errors
    assert json.loads(config.read_text("utf-8")) == content
    assert not list(data_dir.glob("*.db"))


@unix_only
def test_a_signal_ends_the_list_of_problems(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    config.write_text("{", "utf-8")
    process = start(data_dir, config=config)
    assert process.stderr is not None
    line = ""
    while "mine.json" not in line:
        line = process.stderr.readline()
        assert line, "it ended before it said what is wrong"
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == app.EXIT_CONFIG


@pytest.mark.parametrize("what", ["data_dir", "config"])
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, what: str) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be", "utf-8")
    missing = tmp_path / "missing.json"
    options: dict[str, Any] = {"config": missing} if what == "config" else {}
    code, errors = finish(start(tmp_path if options else blocked, duration=0.2, **options))
    assert code == app.EXIT_REFUSED
    assert len(errors.splitlines()) == 1
    assert ("missing.json" if options else "blocked") in errors


def test_a_bug_in_a_slot_is_logged_and_shown_and_not_fatal(data_dir: Path) -> None:
    extra = """
from gui.main_window.main_window import MainWindow
def bug():
    raise ZeroDivisionError("in a slot")
def in_a_thread():
    import threading
    threading.Thread(target=bug, name="stray").start()
whole = MainWindow._after_first_paint
def after(self):
    whole(self)
    QTimer.singleShot(50, bug)
    QTimer.singleShot(100, in_a_thread)
    QTimer.singleShot(900, lambda: print(self.notice_bar.sentence))
MainWindow._after_first_paint = after
"""
    process = start(data_dir, duration=1.2, extra=extra)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "ZeroDivisionError: in a slot" in out
    log = log_of(data_dir)
    assert log.count("Traceback") == 2
    assert "stray" in log


def test_the_whole_program_by_its_command_line(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cli.main` and the desktop agree on what is passed on."""
    from cli.main import main

    passed: list[Any] = []

    def run_desktop(*arguments: Any, **options: Any) -> int:
        passed.append((arguments, options))
        return 7

    monkeypatch.setattr("gui.app.run_desktop", run_desktop)
    monkeypatch.setattr("cli.main.has_display", lambda: True)
    assert main(["--demo", "--data-dir", str(data_dir), "--for", "3"]) == 7
    assert passed == [((None, data_dir), {"demo": True, "duration": 3.0})]
