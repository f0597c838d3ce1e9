"""A real Celery worker for tests, with short locks: `python -m tests.cluster_worker URL FOLDER [DATABASE]`.

It is what `run.py worker` is, except for the times. `FOLDER` is the data directory.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from core.bots.registry import USER_FOLDER, load_user_strategies
from core.cluster.runner import BotRunner
from core.cluster.worker import make_worker_app, run_worker
from core.storage import open_store

LOCK_SECONDS = 1.0


def lock_for(_limit: float) -> float:
    """A bot's lock, much shorter than the real one."""
    return LOCK_SECONDS


def main(url: str, folder: Path, database: str) -> None:
    """Work until SIGTERM."""
    logging.basicConfig(level="WARNING", format="%(process)d %(levelname)s %(name)s %(message)s")
    load_user_strategies(folder / USER_FOLDER)
    app = make_worker_app(
        url, lambda: BotRunner(url, lambda: open_store(database, folder), lock_for=lock_for),
        too_long="too long",
    )  # fmt: skip
    run_worker(app, url, pool="solo", processes=1, log_level="WARNING")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
