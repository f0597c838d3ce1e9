"""Symbols, positions, signals and trades as CSV files.

Reading takes what spreadsheets and brokers write (Turkish or English headings, `;`, `,` or tabs, UTF-8,
UTF-16 or Windows-1254, `1.234,56` or `1,234.56`), line by line: each line becomes a row or a problem. Writing
follows the interface's language, so that the file opens well in that language's spreadsheet.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from core import csv_text
from core.atomic import write_atomically
from core.bots.model import BotTrade
from core.csv_text import Line
from core.errors import InputError
from core.exchanges import EXCHANGES, exchange_of, iso_time
from core.i18n import language, tr
from core.instruments import ascii_upper, fold, parse_instrument
from core.model import ClosedTrade, Instrument, Position, Signal

T = TypeVar("T")
_DAY_SECONDS = 86_400.0

_HEADINGS = {
    "symbol": "symbol ticker code instrument stock sembol hisse kod hissekodu hissesenedi sembolkodu "
    "islemkodu menkul menkulkiymet",
    "exchange": "exchange market borsa piyasa pazar",
    "quantity": "quantity qty shares units adet miktar lot nominal",
    "entry_price": "entryprice price cost avgcost averagecost averageprice avgprice costprice unitcost "
    "buyprice maliyet birimmaliyet ortalamamaliyet ortmaliyet maliyetfiyati alisfiyati girisfiyati fiyat "
    "ortalamafiyat",
    "opened_at": "date opened openedat opendate entrydate buydate purchasedate tarih acilistarihi alistarihi "
    "giristarihi acilis islemtarihi",
    "stop": "stop stoploss stopprice zarardurdur stopfiyati",
    "target": "target targetprice takeprofit hedef hedeffiyat karal",
    "side": "side direction yon islemyonu alsat",
    "note": "note notes comment memo not notlar aciklama",
}
_FIELD_OF = {heading: field for field, headings in _HEADINGS.items() for heading in headings.split()}
_LONG = frozenset(("buy", "long", "b", "al", "alis", "uzun", "a"))
_SHORT = frozenset(("sell", "short", "s", "sat", "satis", "kisa", "aciga", "acigasatis"))
_NUMERIC = ("quantity", "entry_price", "stop", "target")
_NEEDED = ("symbol", "quantity", "entry_price")
_EXIT_REASONS = ("signal", "stop", "trailing_stop", "target", "daily_loss", "daily_target", "flatten")


class CsvProblem(msgspec.Struct, frozen=True):
    """A line that was not taken: its number, one sentence that says why, and its cells."""

    line: int
    text: str
    cells: tuple[str, ...] = ()

    def __str__(self) -> str:
        return tr("csv.on_line", line=self.line, text=self.text)


class CsvResult(msgspec.Struct, Generic[T], frozen=True):
    """What was read: `rows`, the lines that were not taken, and the headings that mean nothing to us."""

    rows: tuple[T, ...]
    problems: tuple[CsvProblem, ...]
    ignored: tuple[str, ...] = ()


def read_symbols(source: Path | bytes, default_exchange: str) -> CsvResult[Instrument]:
    """The instruments in a file (a path, or its content), with or without a line of headings.

    Raises `InputError` if the file as a whole cannot be read.
    """
    lines = csv_text.split_lines(csv_text.read_text(source), _is_heading)
    columns, ignored = _columns(lines[0].cells) if lines else ({}, ())
    if "symbol" in columns:
        lines = lines[1:]
    else:
        columns, ignored = {"symbol": 0, "exchange": 1}, ()
        if any(ascii_upper(_cell(line, columns, "exchange")) not in (*EXCHANGES, "") for line in lines):
            del columns["exchange"]
    seen: dict[Instrument, int] = {}

    def instrument(line: Line) -> Instrument:
        found = _instrument(line, columns, default_exchange)
        if found in seen:
            raise InputError(tr("csv.repeated", key=found.key, line=seen[found]))
        seen[found] = line.number
        return found

    return _collect(lines, instrument, ignored)


def read_positions(
    source: Path | bytes, default_exchange: str, *, now: float | None = None
) -> CsvResult[Position]:
    """The positions in a file (a path, or its content); those without a date are opened at `now`.

    Raises `InputError` if the file as a whole cannot be read, or lacks a column that is needed.
    """
    lines = csv_text.split_lines(csv_text.read_text(source), _is_heading)
    columns, ignored = _columns(lines[0].cells) if lines else ({}, ())
    missing = [tr(f"csv.head_{field}") for field in _NEEDED if field not in columns]
    if missing:
        raise InputError(tr("csv.missing_columns", missing=", ".join(missing)))
    texts = [[_cell(line, columns, field) for line in lines[1:]] for field in _NUMERIC]
    marks = dict(zip(_NUMERIC, csv_text.column_marks(texts), strict=True))
    moment = time.time() if now is None else now

    def position(line: Line) -> Position:
        if any(map(str.strip, line.cells[len(lines[0].cells) :])):
            raise InputError(tr("csv.too_many_cells", cells=len(line.cells), headings=len(lines[0].cells)))
        return _position(line, columns, marks, default_exchange, moment)

    return _collect(lines[1:], position, ignored)


def _collect(lines: Iterable[Line], convert: Callable[[Line], T], ignored: tuple[str, ...]) -> CsvResult[T]:
    """Each line as a row or as a problem."""
    rows: list[T] = []
    problems: list[CsvProblem] = []
    for line in lines:
        try:
            if line.fault:
                raise InputError(line.fault)
            rows.append(convert(line))
        except InputError as error:
            problems.append(CsvProblem(line.number, str(error), line.cells))
    return CsvResult(tuple(rows), tuple(problems), ignored)


def _normal(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", fold(heading))


def _is_heading(cell: str) -> bool:
    return _normal(cell) in _FIELD_OF


def _columns(cells: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each field stands, and the headings that are not ours; `InputError` if two mean the same."""
    columns: dict[str, int] = {}
    ignored = []
    for index, cell in enumerate(cells):
        field = _FIELD_OF.get(_normal(cell))
        if field is None:
            ignored.append(cell.strip())
        elif field in columns:
            raise InputError(tr("csv.same_column", first=cells[columns[field]].strip(), second=cell.strip()))
        else:
            columns[field] = index
    return columns, tuple(filter(None, ignored))


def _cell(line: Line, columns: Mapping[str, int], field: str) -> str:
    index = columns.get(field, -1)
    return line.cells[index].strip() if 0 <= index < len(line.cells) else ""


def _instrument(line: Line, columns: Mapping[str, int], default_exchange: str) -> Instrument:
    symbol = _cell(line, columns, "symbol")
    exchange = ascii_upper(_cell(line, columns, "exchange"))
    if not exchange:
        return parse_instrument(symbol, default_exchange)
    name = symbol.rpartition(":")
    if name[0] and ascii_upper(name[0]) != exchange:
        raise InputError(tr("csv.two_exchanges", symbol=symbol, exchange=exchange))
    return parse_instrument(f"{exchange}:{name[2]}", default_exchange)


def _position(
    line: Line, columns: Mapping[str, int], marks: Mapping[str, tuple[str, bool]], default: str, now: float
) -> Position:
    instrument = _instrument(line, columns, default)
    exchange = exchange_of(instrument.exchange)
    numbers = {field: _number(line, columns, field, marks[field]) for field in _NUMERIC}
    quantity, entry_price = numbers["quantity"], numbers["entry_price"]
    if quantity is None or entry_price is None:
        lacking = "quantity" if quantity is None else "entry_price"
        raise InputError(tr("csv.empty_cell", heading=tr(f"csv.head_{lacking}")))
    for field in ("entry_price", "stop", "target"):
        price = numbers[field]
        if price is not None and price <= 0:
            raise InputError(tr("csv.not_positive", heading=tr(f"csv.head_{field}")))
    opened = _cell(line, columns, "opened_at")
    opened_at = csv_text.parse_time(opened, exchange.zone, exchange.open_minute or 0) if opened else now
    if opened_at > now + _DAY_SECONDS:
        raise InputError(tr("csv.future_date", text=opened))
    note = line.cells[columns["note"]] if 0 <= columns.get("note", -1) < len(line.cells) else ""
    return Position(
        symbol=instrument.symbol, exchange=instrument.exchange,
        quantity=_signed(quantity, _cell(line, columns, "side")), entry_price=entry_price,
        opened_at=opened_at, stop=numbers["stop"], target=numbers["target"], note=note,
    )  # fmt: skip


def _number(line: Line, columns: Mapping[str, int], field: str, mark: tuple[str, bool]) -> Decimal | None:
    text = _cell(line, columns, field)
    return csv_text.parse_number(text, mark) if text else None


def _signed(quantity: Decimal, side: str) -> Decimal:
    """`quantity` with the sign that the column of sides gives it; without one, its own sign stands."""
    word = _normal(side)
    if quantity == 0:
        raise InputError(tr("csv.zero_quantity"))
    if not word:
        return quantity
    if word not in _LONG | _SHORT:
        raise InputError(tr("csv.bad_side", text=side))
    if word in _LONG and quantity < 0:
        raise InputError(tr("csv.side_and_sign", text=side))
    return -abs(quantity) if word in _SHORT else quantity


def write_symbols(path: Path, instruments: Iterable[Instrument]) -> None:
    """Write `instruments` to the file `path`. Raises `StorageError`, as do all these."""
    _write(path, ("symbol", "exchange"), [(each.symbol, each.exchange) for each in instruments])


def write_positions(path: Path, positions: Iterable[Position]) -> None:
    """Write open positions, so that `read_positions` gives them back."""
    fields = ("symbol", "exchange", "quantity", "entry_price", "opened_at", "stop", "target", "note")
    _write(path, fields, [
        (each.symbol, each.exchange, each.quantity, each.entry_price, _time(each.opened_at, each.exchange),
         each.stop, each.target, each.note)
        for each in positions
    ])  # fmt: skip


def write_signals(path: Path, signals: Iterable[Signal], reason: Callable[[Signal], str]) -> None:
    """Write signals; `reason` gives each its sentence in the interface's language."""
    fields = ("time", "symbol", "exchange", "side", "price", "change_pct", "reference_price", "confidence",
              "reason", "source", "simulated")  # fmt: skip
    _write(path, fields, [
        (_time(each.timestamp, each.exchange), each.symbol, each.exchange, each.side.value, each.price,
         round(each.change_pct, 4), each.reference_price, round(each.confidence, 4),
         reason(each), each.source, tr("csv.yes") if each.simulated else tr("csv.no"))
        for each in signals
    ])  # fmt: skip


def write_trades(path: Path, trades: Iterable[ClosedTrade]) -> None:
    """Write closed trades."""
    fields = ("symbol", "exchange", "quantity", "entry_price", "exit_price", "realised_pnl", "currency",
              "opened_at", "closed_at")  # fmt: skip
    _write(path, fields, [
        (each.symbol, each.exchange, each.quantity, each.entry_price, each.exit_price, each.realised_pnl,
         exchange_of(each.exchange).currency, _time(each.opened_at, each.exchange),
         _time(each.closed_at, each.exchange))
        for each in trades
    ])  # fmt: skip


def write_bot_trades(path: Path, trades: Iterable[BotTrade], names: Mapping[str, str] | None = None) -> None:
    """Write bots' finished trades; `names` are the bots' titles by id, the id stands where there is none.

    `reason` is the closing order's, as a word of the interface's language.
    """
    fields = ("bot", "symbol", "exchange", "quantity", "entry_price", "exit_price", "net_pnl", "fees",
              "currency", "opened_at", "closed_at", "exit_reason", "simulated", "trade_id")  # fmt: skip
    titles = names or {}
    _write(path, fields, [
        (titles.get(each.bot_id, each.bot_id), symbol, code, each.quantity, each.entry_price, each.exit_price,
         each.pnl, each.fees, exchange_of(code).currency,
         _time(each.opened_at, code), _time(each.closed_at, code),
         _exit_reason(each.reason), tr("csv.yes") if each.simulated else tr("csv.no"), each.trade_id)
        for each in trades
        for code, _, symbol in [each.key.partition(":")]
    ])  # fmt: skip


def _exit_reason(reason: str) -> str:
    return tr(f"strategies.exit_{reason}") if reason in _EXIT_REASONS else reason


def _time(stamp: float, exchange: str) -> str:
    return iso_time(stamp, exchange_of(exchange))


def _write(path: Path, fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The file in the manner of the interface's language: `;` and decimal commas in Turkish."""
    delimiter, mark = (";", ",") if language() == "tr" else (",", ".")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow([tr(f"csv.head_{field}") for field in fields])
    for row in rows:
        writer.writerow([_text(value, mark) for value in row])
    write_atomically(path, buffer.getvalue().encode("utf-8-sig", "replace"))


def _text(value: Any, mark: str) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal | float):
        return csv_text.format_cell(value, mark)
    return csv_text.escape(str(value).replace("\0", ""))
