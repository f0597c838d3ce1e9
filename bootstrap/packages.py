"""Runs pip and turns its output into progress, and its failures into one sentence."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bootstrap.environment import PROGRAM, WINDOWS, Environment
from bootstrap.errors import SetupError
from bootstrap.messages import text
from bootstrap.progress import Progress
from bootstrap.venv import MARKER_NAME, site_packages

_FETCH_SHARE = 0.7
_TICK_SECONDS = 0.2
_SECTION = {"program": "# -- program", "tests": "# -- tests"}

_OFFLINE = re.compile(
    r"name resolution|NewConnectionError|Network is unreachable|getaddrinfo failed|Connection refused"
    r"|ProxyError|ReadTimeout|ConnectTimeout|Connection aborted|RemoteDisconnected|Name or service not known"
    r"|nodename nor servname|No address associated|Connection reset|IncompleteRead|No route to host",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed")
_DISK_FULL = re.compile(r"No space left|Errno 28|disk full", re.IGNORECASE)


def expected_packages(code_dir: Path, step: str) -> int:
    """How many packages a step brings in all: its own requirements and its part of constraints.txt."""
    own = "requirements.txt" if step == PROGRAM else "requirements-dev.txt"
    direct = [line for line in (code_dir / own).read_text("utf-8").splitlines() if _is_pin(line)]
    constraints = (code_dir / "constraints.txt").read_text("utf-8").partition(_SECTION[step])[2]
    in_turn = [line for line in constraints.partition("# --")[0].splitlines() if _is_pin(line)]
    return len(direct) + len(in_turn)


def _is_pin(line: str) -> bool:
    requirement, _, marker = line.partition(";")
    elsewhere = "win32" in marker and "!=" not in marker
    return "==" in requirement and not requirement.startswith("#") and not elsewhere


class PipOutput:
    """Follows pip's lines: what is being fetched, how many packages so far, how many will be installed."""

    def __init__(self, expected: int) -> None:
        self._expected = max(1, expected)
        self._seen: set[str] = set()
        self.current = ""
        self.to_install = 0

    def feed(self, line: str) -> None:
        """Take one line of `pip install`."""
        words = line.split()
        if words[:1] == ["Collecting"] and len(words) > 1:
            self.current = re.split(r"[<>=!~;\[]", words[1])[0]
            self._seen.add(self.current.lower())
        elif words[:1] == ["Downloading"] and len(words) > 1:
            size = " ".join(words[2:]).strip("()")
            self.current = words[1].rpartition("/")[2].partition("-")[0] + (f" ({size})" if size else "")
        elif line.startswith("Installing collected packages:"):
            self.to_install = line.count(",") + 1

    def state(self, installed: int) -> tuple[float, str]:
        """The share that is done and the words for it; `installed` packages lie in place so far."""
        if not self.to_install:
            done = min(len(self._seen), self._expected)
            words = f"{done}/{self._expected} {text('packages')}, {text('fetching', name=self.current)}"
            return _FETCH_SHARE * done / self._expected, words if self.current else ""
        done = min(installed, self.to_install)
        share = _FETCH_SHARE + (1 - _FETCH_SHARE) * done / self.to_install
        return share, f"{done}/{self.to_install} {text('packages')}, {text('installing')}"


def explain(output: str, log: Path) -> str:
    """The sentence for a failed pip."""
    for pattern, name in ((_DISK_FULL, "disk_full"), (_CERTIFICATE, "certificate"), (_OFFLINE, "offline")):
        if pattern.search(output):
            return text(name, log=log)
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    lines = errors or output.strip().splitlines() or ["pip"]
    return text("failed", reason=lines[-1].removeprefix("ERROR:").strip(), log=log)


def _pip_environment() -> dict[str, str]:
    unwanted = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIREMENT", "PIP_CONSTRAINT")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"PIP_USER": "0", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def _lines(stream: IO[str]) -> Iterator[str | None]:
    """The lines of `stream`, and None whenever `_TICK_SECONDS` pass without one."""
    waiting: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        waiting.put(None)

    reader = threading.Thread(target=read, name="pip output", daemon=True)
    reader.start()
    while reader.is_alive() or not waiting.empty():
        try:
            line = waiting.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            break
        yield line
    reader.join()


def pip_install(
    environment: Environment, options: list[str], expected: int, progress: Progress, log: Path, lock: int
) -> None:
    """`pip install` of `expected` packages, shown on `progress` and written to `log`. Raises `SetupError`.

    `lock` is the set-up's lock, which pip inherits so that it is held as long as pip lives.
    """
    marker = Path(environment.directory) / MARKER_NAME
    marker.touch()
    quiet = "--no-input --disable-pip-version-check --progress-bar off --no-color --no-warn-script-location"
    command = [environment.python, "-m", "pip", "install", *quiet.split(), "--retries", "2", *options]
    packages = site_packages(environment)
    before = len(list(packages.glob("*.dist-info")))
    output = PipOutput(expected)
    said: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace", env=_pip_environment(), cwd=environment.code_dir,
        pass_fds=() if WINDOWS else (lock,),
    ) as process, log.open("a", encoding="utf-8") as file:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in _lines(process.stdout):
                if line is not None:
                    said.append(line)
                    file.write(line)
                    output.feed(line)
                installed = len(list(packages.glob("*.dist-info"))) - before if output.to_install else 0
                progress.update(*output.state(installed))
        except BaseException:
            process.terminate()
            raise
    # A pip that failed by itself has put everything back; only one that was killed leaves the marker.
    if process.returncode >= 0:
        marker.unlink()
    if process.returncode:
        raise SetupError(explain("".join(said), log))
