"""Where the data and the configuration lie."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from core.atomic import why
from core.config_file import CONFIG_NAME
from core.errors import StorageError, UserError
from core.i18n import tr

DATA_DIR_VARIABLE = "SWING_DATA_DIR"
SHIPPED_CONFIG = Path(__file__).parent.parent / CONFIG_NAME
"""The configuration beside `run.py`."""


def resolve_data_dir(argument: str | Path | None = None) -> Path:
    """The data directory: `argument` (--data-dir), else SWING_DATA_DIR, else the system's place for such
    data.

    Nothing is created; see `prepare_data_dir`.
    """
    given = argument or os.environ.get(DATA_DIR_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("SwingHunter", appauthor=False)


def prepare_data_dir(path: Path) -> Path:
    """Create the data directory, for its owner alone, and try to write in it.

    Raises `StorageError` with one sentence where that fails.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-") as probe:
            probe.write(b"probe")
    except OSError as error:
        raise StorageError(tr("config.data_dir_unusable", path=str(path), reason=why(error))) from error
    return path


def resolve_config_path(argument: str | Path | None, data_dir: Path) -> Path:
    """The configuration to read: `argument` (--config), else the one in `data_dir`, else the one beside
    `run.py`.

    Raises `UserError` if `argument` names no file.
    """
    if argument:
        given = Path(argument).expanduser().absolute()
        if not given.exists():
            raise UserError(tr("config.config_missing", path=str(given)))
        return given
    own = data_dir / CONFIG_NAME
    return own if own.exists() else SHIPPED_CONFIG


def config_target(path: Path, data_dir: Path) -> Path:
    """Where changes to the configuration that was read from `path` are written.

    The shipped file stays as it is: changes to it become the user's own file in `data_dir`, which wins from
    then on.
    """
    with contextlib.suppress(OSError):
        if path.samefile(SHIPPED_CONFIG):
            return data_dir / CONFIG_NAME
    return path if path != SHIPPED_CONFIG else data_dir / CONFIG_NAME
