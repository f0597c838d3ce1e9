"""Reads recordings, also those whose writer was killed: what was flushed is read, a torn last line is not."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from core.atomic import why
from core.errors import InputError
from core.i18n import tr
from core.replay.format import FORMAT, VERSION, Header, Record, decode

SUFFIXES = (".jsonl", ".jsonl.gz")
LONGEST_LINE = 4_000_000
"""Bytes; a longer line is no record."""
_CHUNK = 65_536
_GZIP_MAGIC = b"\x1f\x8b"


class Recording:
    """One file; `records` may be read any number of times."""

    def __init__(self, path: Path) -> None:
        """Raises `InputError` if `path` cannot be read or is no recording."""
        self.path = path
        with contextlib.closing(self._lines()) as lines:
            self.header = self._header(next(lines, b""))

    def records(self) -> Iterator[Record]:
        """What was recorded, in its order. Raises `InputError` at a place that is damaged."""
        with contextlib.closing(self._lines()) as lines:
            next(lines, None)
            for number, line in enumerate(lines, 2):
                try:
                    record = decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise self._damaged(number) from None
                if isinstance(record, Header):
                    raise self._damaged(number)
                yield record

    def _header(self, line: bytes) -> Header:
        try:
            header = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            header = None
        if not isinstance(header, Header) or header.format != FORMAT:
            raise InputError(tr("replay.no_recording", file=self.path.name))
        if header.version != VERSION:
            raise InputError(tr("replay.other_version", file=self.path.name, version=header.version))
        return header

    def _damaged(self, number: int) -> InputError:
        return InputError(tr("replay.damaged", file=self.path.name, line=number))

    def _lines(self) -> Generator[bytes, None, None]:
        """All lines that have an end; what follows the last end was being written when the writer died."""
        rest = b""
        number = 1
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            number += len(lines)
            yield from lines
            if len(rest) > LONGEST_LINE:
                raise self._damaged(number)

    def _chunks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                first = file.read(_CHUNK)
                unpack = zlib.decompressobj(wbits=31) if first.startswith(_GZIP_MAGIC) else None
                chunk = first
                while chunk:
                    yield chunk if unpack is None else unpack.decompress(chunk)
                    chunk = file.read(_CHUNK)
        except FileNotFoundError:
            raise InputError(tr("replay.missing", file=str(self.path))) from None
        except OSError as error:
            raise InputError(tr("replay.unreadable", file=str(self.path), reason=why(error))) from None
        except zlib.error:
            raise InputError(tr("replay.damaged_packing", file=self.path.name)) from None


def recordings(folder: Path | None) -> list[Path]:
    """The recordings in `folder`, oldest first (their names begin with the day)."""
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.endswith(SUFFIXES)]
    return sorted(found, key=lambda path: (path.name[:10], path.stat().st_mtime, path.name))


def choose_recording(file: str, folder: Path | None) -> Path:
    """The file that `real_time.replay_file` names: a path, a name in `folder`, or, empty, the newest there.

    Raises `InputError` if there is none.
    """
    if file:
        path = Path(file).expanduser()
        inside = None if folder is None or path.is_absolute() else folder / path
        return inside if inside is not None and inside.exists() and not path.exists() else path
    found = recordings(folder)
    if not found:
        raise InputError(tr("replay.none_yet"))
    return found[-1]
