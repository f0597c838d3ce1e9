"""`run.py serve` as a program of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parent.parent
CODE = f"""
import sys
import cli.engine_run
from cli.main import main
cli.engine_run.JOIN_SECONDS = {PATIENCE}
sys.exit(main(sys.argv[1:]))
"""
"""The program without a window. It must end, but a busy machine may let it take its time."""
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, {}); "


@contextmanager
def serving(
    data_dir: Path, *arguments: str, files: tuple[int, int] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and the address it says it serves at. `files`: limits, soft and hard."""
    words = ["serve", "--port", "0", "--data-dir", str(data_dir), *arguments]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", LIMITED.format(files) + CODE if files else CODE, *words],
        cwd=ROOT, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"live at (http\S+) ", process.stdout.readline())
        assert found, process.communicate()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()
