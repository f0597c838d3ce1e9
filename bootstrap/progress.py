"""The set-up's progress on the console: a numbered step, a bar, a count and what is being done."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_BAR_WIDTH = 20
_TITLE_WIDTH = 27
_REDRAW_SECONDS = 0.1
_PLAIN_SECONDS = 10.0


class Progress:
    """Redraws one line on a terminal; elsewhere (a log) says a line now and then."""

    def __init__(self, steps: int, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._steps = steps
        self._number = 0
        self._title = ""
        self._drawn = 0.0
        self._line_length = 0
        self._step_began = time.monotonic()
        self._terminal = self._stream is not None and self._stream.isatty()
        self._full, self._empty = "█░" if self._can_write("█░") else "#-"

    def _can_write(self, characters: str) -> bool:
        try:
            characters.encode(getattr(self._stream, "encoding", None) or "ascii")
        except UnicodeError:
            return False
        return True

    def say(self, sentence: str) -> None:
        """A line of its own."""
        self._redraw(sentence, end="\n")

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._number += 1
        self._title = f"[{self._number}/{self._steps}] {title}"
        self._step_began = time.monotonic()
        self._drawn = 0.0
        if self._terminal:
            self.update(0.0)
        else:
            self._write(f"{self._title} ...\n")
            self._drawn = time.monotonic()

    def update(self, share: float, detail: str = "") -> None:
        """Show that `share` (0 to 1) of the step is done, with a few words."""
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_SECONDS if self._terminal else _PLAIN_SECONDS):
            return
        self._drawn = now
        if self._terminal:
            self._redraw(self._status(share, detail))
        else:
            self._write(f"    {share:.0%} {detail}\n")

    def end_step(self, detail: str = "") -> None:
        """The step is done."""
        seconds = time.monotonic() - self._step_began
        if self._terminal:
            self._redraw(self._status(1.0, detail), end="\n")
        elif detail:
            self._write(f"    {detail}, {seconds:.0f} s\n")

    def _status(self, share: float, detail: str) -> str:
        seconds = time.monotonic() - self._step_began
        line = f"{self._title:<{_TITLE_WIDTH}} {self._bar(share)} {seconds:4.0f} s  {detail}"
        return line[: shutil.get_terminal_size().columns - 1]

    def _bar(self, share: float) -> str:
        filled = round(_BAR_WIDTH * min(1.0, max(0.0, share)))
        return self._full * filled + self._empty * (_BAR_WIDTH - filled)

    def _redraw(self, line: str, end: str = "") -> None:
        """Put `line` over the one that stands there, without escape codes: old Windows consoles know none."""
        rubbed_out = " " * (self._line_length - len(line))
        self._write(("\r" if self._terminal else "") + line + rubbed_out + end)
        self._line_length = 0 if end else len(line)

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
