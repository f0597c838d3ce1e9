"""Files that are either wholly written or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from core.errors import StorageError
from core.i18n import tr

_REASONS = {
    errno.ENOSPC: "disk_full", getattr(errno, "EDQUOT", -1): "disk_full",
    errno.EACCES: "no_permission", errno.EPERM: "no_permission",
    errno.EROFS: "read_only", errno.EISDIR: "is_folder", errno.EEXIST: "is_file",
    errno.ENOENT: "no_folder", errno.ENOTDIR: "no_folder",
}  # fmt: skip


def why(error: OSError) -> str:
    """The reason of a failed file operation in a few words of the interface's language."""
    name = _REASONS.get(error.errno or 0)
    return tr(f"config.os_{name}") if name else (error.strerror or str(error))


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace the content of `path` by `data`; after a crash at any moment it holds the old or the new one.

    The file keeps its permissions, except that nobody but its owner may read a `private` one; a new file
    belongs to its owner alone. A symbolic link stays one. Raises `StorageError`.
    """
    target = path.resolve()
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
        _replace(target, data, mode & 0o700 if private else mode)
    except OSError as error:
        raise StorageError(tr("config.not_written", path=str(path), reason=why(error))) from error


def _replace(target: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself last; Windows cannot, and needs not."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
