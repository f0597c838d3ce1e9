"""A program of the tests' own that runs beside them and is spoken to line by line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class LineProcess:
    """`python -m module`, until `close`."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def close(self) -> None:
        """End it; it must end well."""
        self._process.communicate(timeout=10)
        assert self._process.returncode == 0

    def _say(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\t".join(map(str, words)) + "\n")

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the program has ended"
        return line.strip()
