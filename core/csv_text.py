"""From the bytes of somebody's spreadsheet to cells, numbers and times, without guessing where money is at
stake.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path

import msgspec

from core.atomic import why
from core.errors import InputError
from core.i18n import tr

_DELIMITERS = (";", "\t", ",")
_LARGEST = 20_000_000
_GROUPS = re.compile(r"^\d{1,3}(?:[ '’]\d{3})+(?=[.,]|$)")
_NUMBER = re.compile(r"\d*(?:[.,]\d+)*")
_CURRENCY = re.compile(r"(?i)^(?:₺|\$|TL|TRY|USD)\s*|\s*(?:₺|\$|TL|TRY|USD)$")
_SPACES = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "\N{THIN SPACE}": " "})
_MOST_DIGITS = 12
_MOST_DECIMALS = 10
_DATE = re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?P<rest>[ T].*)?")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_RISKY = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_EARLIEST_YEAR = 1970


class Line(msgspec.Struct, frozen=True):
    """One record: the number of the line on which it begins, and its cells, or what makes it unreadable."""

    number: int
    cells: tuple[str, ...]
    fault: str = ""


def read_text(source: Path | bytes) -> str:
    """The text of a file: UTF-8, UTF-16 or Windows-1254. Raises `InputError` if it is none of them."""
    try:
        raw = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise InputError(tr("csv.unreadable", path=str(source), reason=why(error))) from error
    if len(raw) > _LARGEST:
        raise InputError(tr("csv.too_large", megabytes=_LARGEST // 1_000_000))
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(tr("csv.workbook"))
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(tr("csv.not_text"))


def _encodings(raw: bytes) -> tuple[str, ...]:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    half = len(raw) // 4  # in UTF-16 without a mark, at least half of one half of the bytes is zero
    if half and raw[1::2].count(0) > half:
        return ("utf-16-le",)
    if half and raw[0::2].count(0) > half:
        return ("utf-16-be",)
    return ("utf-8-sig", "cp1254")


def split_lines(text: str, is_heading: Callable[[str], bool]) -> list[Line]:
    """The records of `text`, blank ones left out.

    The delimiter is the one that finds most headings in the first line, or else most cells; Excel's `sep=`
    line is obeyed.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    skipped = 0
    if re.fullmatch(r"(?i)sep=[;,\t]", first):
        delimiter = first[4]
        skipped = text.index(first) + len(first)
    else:
        delimiter = max(_DELIMITERS, key=lambda mark: _yield_of(first, mark, is_heading))
    before = text.count("\n", 0, skipped)
    return [line for line in _records(text[skipped:], delimiter, before) if any(map(str.strip, line.cells))]


def _yield_of(line: str, delimiter: str, is_heading: Callable[[str], bool]) -> tuple[int, int]:
    cells = line.split(delimiter)
    return sum(is_heading(cell.strip(' "')) for cell in cells), len(cells)


def _records(text: str, delimiter: str, before: int) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raw = list(io.StringIO(text, newline=""))[number - before - 1 : reader.line_num]
            yield Line(number, ("".join(raw).strip(),), tr("csv.bad_quotes"))
        else:
            yield Line(number, tuple(unescape(cell) for cell in cells))


def escape(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return "'" + text if _RISKY.match(text) else text


def unescape(text: str) -> str:
    """What `escape` was given."""
    return text[1:] if _ESCAPED.match(text) else text


def _digits(text: str) -> tuple[bool, str]:
    """Whether a number is negative, and its text without sign, currency and blank separators."""
    body = text.translate(_SPACES).strip()
    negative = body.startswith("(") and body.endswith(")")
    body = body[1:-1].strip() if negative else body
    for _ in range(2):  # the sign may stand before or after the currency
        body = _CURRENCY.sub("", body).strip()
        if body[:1] in ("-", "\N{MINUS SIGN}", "+"):
            negative = negative or body[0] != "+"
            body = body[1:].strip()
    match = _GROUPS.match(body)
    if match:
        body = re.sub(r"[ '’]", "", match.group()) + body[match.end() :]
    return negative, body


def decimal_mark(text: str) -> str | None:
    """What `text` tells of its decimal mark: "." or ",", "" if nothing, "?" if it may be either, None if no
    number.

    "1.234" may be either, as it may be a thousand or a little more than one.
    """
    body = _digits(text)[1]
    if not body or not _NUMBER.fullmatch(body):
        return None
    marks = [char for char in body if char in ".,"]
    if not marks:
        return ""
    last, other = marks[-1], "," if marks[-1] == "." else "."
    if other in marks:
        pattern = rf"\d{{1,3}}(?:\{other}\d{{3}})+\{last}\d+"
        return last if re.fullmatch(pattern, body) else None
    if len(marks) > 1:
        return other if re.fullmatch(rf"[1-9]\d{{0,2}}(?:\{last}\d{{3}})+", body) else None
    whole, _, fraction = body.partition(last)
    ambiguous = len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    return "?" if ambiguous else last


def column_marks(columns: Sequence[Iterable[str]]) -> list[tuple[str, bool]]:
    """The decimal mark of each column, "" if it cannot be told, and whether it is only borrowed from the
    others.
    """
    own = [{mark for mark in map(decimal_mark, column) if mark in (".", ",")} for column in columns]
    everywhere: set[str] = set().union(*own)
    result = []
    for marks in own:
        borrowed = not marks and len(everywhere) == 1
        known = everywhere if borrowed else marks
        result.append((next(iter(known)) if len(known) == 1 else "", borrowed))
    return result


def parse_number(text: str, column: tuple[str, bool] = ("", False)) -> Decimal:
    """The number in a cell of a column with this mark (an entry of `column_marks`).

    "1.234" is read by its own column's other numbers; those of other columns only suffice to make it a
    thousand. Raises `InputError` where it may mean two things, is no number or is too long.
    """
    mark = decimal_mark(text)
    if mark is None:
        raise InputError(tr("csv.not_a_number", text=text))
    negative, body = _digits(text)
    if mark == "?":
        inside = "." if "." in body else ","
        mark, borrowed = column
        if not mark or (borrowed and mark == inside):
            plain, padded = re.sub("[.,]", "", body), body + "0"
            raise InputError(tr("csv.ambiguous_number", text=text, plain=plain, padded=padded))
    thousands = "" if not mark else "," if mark == "." else "."
    plain = (body.replace(thousands, "") if thousands else body).replace(",", ".")
    whole, _, fraction = plain.partition(".")
    if len(whole.lstrip("0")) > _MOST_DIGITS or len(fraction.rstrip("0")) > _MOST_DECIMALS:
        raise InputError(tr("csv.number_too_long", text=text))
    value = Decimal(plain)
    return -value if negative else value


def format_cell(value: Decimal | float, mark: str) -> str:
    """`value` with the decimal mark `mark`, never with three decimals, so that it can be read back."""
    text = format(Decimal(str(value)), "f")
    if len(text.partition(".")[2]) == 3:
        text += "0"
    return text.replace(".", mark)


def parse_time(text: str, zone: tzinfo, open_minute: int) -> float:
    """The Unix time of "2026-02-12", "12.02.2026 14:30" or ISO 8601; local to `zone` unless it has an offset.

    A day alone means the minute `open_minute` of it. Raises `InputError`.
    """
    typed = text.strip()
    if match := _DATE.fullmatch(typed):
        typed = f"{match['y']}-{int(match['m']):02}-{int(match['d']):02}{match['rest'] or ''}"
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise InputError(tr("csv.bad_date", text=text)) from None
    if not _ISO_DAY.match(typed) or moment.year < _EARLIEST_YEAR:
        raise InputError(tr("csv.bad_date", text=text))
    if len(typed) == len("2026-02-12"):
        moment = moment.replace(hour=open_minute // 60, minute=open_minute % 60)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC).timestamp()
