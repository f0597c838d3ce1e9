"""CSV files as traders have them: encodings, headings, numbers that could mean two things, and back again."""

from __future__ import annotations

import csv
import io
import string
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import csv_io
from core.bots.model import BotTrade
from core.csv_io import (
    CsvProblem,
    read_positions,
    read_symbols,
    write_bot_trades,
    write_positions,
    write_signals,
    write_symbols,
    write_trades,
)
from core.csv_text import column_marks, decimal_mark, escape, format_cell, parse_number, parse_time, unescape
from core.errors import InputError, StorageError
from core.i18n import set_language, tr
from core.model import ClosedTrade, Instrument, Position, Side, Signal
from core.symbol_catalog import name_of, search

NOW = 1_795_000_000.0
ISTANBUL = ZoneInfo("Europe/Istanbul")
TURKISH = (
    "Sembol;Adet;Maliyet;Tarih;Son Fiyat;Not\r\n"
    'ASELS;1.000;45,32;12.02.2026;50;"a;b"\r\n'
    "thyao;-10;1.234,56;2026-02-12;300;\r\n"
    "şişe;10;1,5;;;\r\n"
    "GARAN;çok;1,5;;;\r\n"
    "\r\n"
    "AKBNK;10;;;;\r\n"
    "NASDAQ:AAPL;10;190,25 TL;5.2.2026 14:30;;=cmd\r\n"
)


@pytest.mark.parametrize("encoding", ["cp1254", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_a_turkish_spreadsheet_in_any_encoding(encoding: str, ending: str) -> None:
    result = read_positions(TURKISH.replace("\r\n", ending).encode(encoding), "BIST", now=NOW)
    opened = datetime(2026, 2, 12, 10, tzinfo=ISTANBUL).timestamp()
    assert result.rows == (
        Position(symbol="ASELS", exchange="BIST", quantity=Decimal(1000), entry_price=Decimal("45.32"),
                 opened_at=opened, note="a;b"),
        Position(symbol="THYAO", exchange="BIST", quantity=Decimal(-10), entry_price=Decimal("1234.56"),
                 opened_at=opened),
        Position(symbol="AAPL", exchange="NASDAQ", quantity=Decimal(10), entry_price=Decimal("190.25"),
                 note="=cmd",
                 opened_at=datetime(2026, 2, 5, 14, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()),
    )  # fmt: skip
    assert [problem.line for problem in result.problems] == [4, 5, 7]
    assert "SISE" in result.problems[0].text
    assert result.problems[1].cells == ("GARAN", "çok", "1,5", "", "", "")
    assert str(result.problems[2]) == "Line 7: “Entry price” is empty; fill it in."
    assert result.ignored == ("Son Fiyat",)


def test_an_english_spreadsheet() -> None:
    head = "Ticker\tShares\tAvg. cost\tStop\tTarget\tSide\n"
    text = head + 'AAPL\t"1,000.5"\t190.25\t180\t\tLong\nF\t5\t12.3\t\t14\tSHORT\n'
    rows = read_positions(text.encode(), "NASDAQ", now=NOW).rows
    assert [(row.key, row.quantity, row.entry_price, row.stop, row.target) for row in rows] == [
        ("NASDAQ:AAPL", Decimal("1000.5"), Decimal("190.25"), Decimal(180), None),
        ("NASDAQ:F", Decimal(-5), Decimal("12.3"), None, Decimal(14)),
    ]
    assert rows[0].opened_at == NOW


@pytest.mark.parametrize(("cells", "words"), [
    ("ASELS;0;1", "zero"), ("ASELS;1;0", "above zero"), ("ASELS;1;-5", "above zero"),
    ("ASELS;;5", "Quantity"),
    ("ASELS;1;5;31.02.2026", "not a date"), ("ASELS;1;5;01/02/2026", "not a date"),
    ("ASELS;1;5;2026-W01-1", "not a date"), ("ASELS;1;5;1.1.1950", "not a date"),
    ("ASELS;1;5;2099-01-01", "future"),
    ("ASELS;1;5;;x", "not a side"), ("ASELS;-1;5;;Long", "contradicts"), ("ASELS;1;5;;;LSE", "no exchange"),
    ("NYSE:F;1;5;;;BIST", "another exchange"), ("ASELS;1;5;;;;;x", "8 cells under 6"),
    ("ASELS;1;nan", "not a number"),
    ("ASELS;1;1e5", "not a number"), ("ASELS;1.2.3;5", "not a number"),
    ("ASELS;1;" + "9" * 13, "too many digits"),
    ("ASELS;1;0.12345678901", "too many digits"), ("ASELS;1.234;5", "write 1234 or 1.2340"),
    ('"ASELS;1;5', "quotation"), ('"ASELS"x;1;5', "quotation"),
])  # fmt: skip
def test_a_bad_line_is_told_and_the_good_ones_are_kept(cells: str, words: str) -> None:
    text = f"Symbol;Quantity;Price;Date;Side;Exchange\nGARAN;1;5\n{cells}\n"
    result = read_positions(text.encode(), "BIST", now=NOW)
    assert [row.symbol for row in result.rows] == ["GARAN"]
    assert [problem.line for problem in result.problems] == [3]
    assert words in result.problems[0].text
    assert ";".join(result.problems[0].cells).startswith(cells[:5])


@pytest.mark.parametrize(("source", "words"), [
    (b"PK\x03\x04rest", "Excel workbook"), (b"\xd0\xcf\x11\xe0rest", "Excel workbook"),
    (b"a\0b\0\0", "not a text"),
    (b"\x81\x8d", "not a text"), (b"", "lacks: Symbol, Quantity, Entry price"),
    (b"Symbol\nA\n", "lacks: Quantity"),
    (b"Symbol;Quantity;Price;Cost\n", "“Price” and “Cost”"), (b"x" * 20_000_001, "20 MB"),
])  # fmt: skip
def test_a_file_that_is_none_is_refused_as_a_whole(source: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_positions(source, "BIST")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_symbols(tmp_path / "none.csv", "BIST")
    with pytest.raises(StorageError):
        write_symbols(tmp_path / "none" / "x.csv", [])


@pytest.mark.parametrize(("text", "keys"), [
    ("ASELS\nTHYAO\n", ["BIST:ASELS", "BIST:THYAO"]),
    ("Symbol,Exchange\nAAPL,NASDAQ\n", ["NASDAQ:AAPL"]),
    ("Hisse;Borsa\nGARAN;\nNYSE:F;NYSE\n", ["BIST:GARAN", "NYSE:F"]),
    ("AAPL,nasdaq\nTHYAO,BIST\nX\n", ["NASDAQ:AAPL", "BIST:THYAO", "BIST:X"]),
    ("ASELS,Aselsan\nNYSE,x\n", ["BIST:ASELS", "BIST:NYSE"]),
    ("sep=;\r\nSymbol;Borsa\r\nAAPL;NASDAQ\r\n", ["NASDAQ:AAPL"]),
    ("", []),
])  # fmt: skip
def test_symbols_with_and_without_headings(text: str, keys: list[str]) -> None:
    assert [row.key for row in read_symbols(text.encode(), "BIST").rows] == keys


def test_a_repeated_or_bad_symbol_is_told_with_its_line() -> None:
    result = read_symbols(b"sep=,\nASELS\nTHYAO\nasels\nA B\n", "BIST")
    assert [(problem.line, problem.cells) for problem in result.problems] == [(4, ("asels",)), (5, ("A B",))]
    assert "line 2" in result.problems[0].text


@pytest.mark.parametrize("language", ["en", "tr"])
def test_each_heading_that_is_written_is_understood(language: str) -> None:
    set_language(language)
    fields = ("symbol", "exchange", "quantity", "entry_price", "opened_at", "stop", "target", "note", "side")
    for field in fields:
        assert csv_io._FIELD_OF[csv_io._normal(tr(f"csv.head_{field}"))] == field


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(("text", "mark"), [
    ("12", ""), ("1.234,56", ","), ("1,234.56", "."), ("1.234.567", ","), ("1,234,567", "."), ("45,3", ","),
    ("45.32", "."), ("1234.567", "."), ("0.123", "."), (".125", "."), ("1.234", "?"), ("1,234", "?"),
    ("12.34.56", None), ("1.23,45", None), ("1,23,4.5", None), ("", None), ("x", None), ("1.2e3", None),
    ("1 234,5", ","), ("1'234.5", "."), ("12 34", None), ("1.", None), ("−5", ""), ("-", None),
    ("012.345", "."),
])  # fmt: skip
def test_what_a_number_tells_of_its_mark(text: str, mark: str | None) -> None:
    assert decimal_mark(text) == mark


@pytest.mark.parametrize(("text", "value"), [
    ("₺1.234,50", "1234.50"), ("-$5.2", "-5.2"), ("$-5.2", "-5.2"), ("(7)", "-7"), ("+7", "7"),
    ("1\u00a0234,5", "1234.5"),
    ("1\u202f234\u202f567", "1234567"), ("12,5 TL", "12.5"), ("USD 12.5", "12.5"), ("0005", "5"),
    (".5", "0.5"),
])  # fmt: skip
def test_numbers_with_all_that_people_put_around_them(text: str, value: str) -> None:
    assert parse_number(text) == Decimal(value)


def test_an_ambiguous_number_is_decided_by_its_column_or_refused() -> None:
    marks = column_marks([["1.234", "5,5"], ["1,234", "1.5"], ["1.234"], []])
    assert marks == [(",", False), (".", False), ("", False), ("", False)]
    assert parse_number("1.234", marks[0]) == 1234
    assert parse_number("1,234", marks[1]) == 1234
    with pytest.raises(InputError):
        parse_number("1.234", marks[2])
    assert parse_number("1.234", (".", False)) == Decimal("1.234")


def test_other_columns_can_make_a_thousand_but_not_a_fraction() -> None:
    quantity, price = column_marks([["1.000"], ["45,32"]])
    assert (quantity, price) == ((",", True), (",", False))
    assert parse_number("1.000", quantity) == 1000
    quantity, _ = column_marks([["1.000"], ["45.32"]])
    with pytest.raises(InputError, match="1000"):
        parse_number("1.000", quantity)


MONEY = st.decimals("0.0000000001", "999999999999", places=10).map(lambda value: value.normalize())


def written(value: Decimal, mark: str, grouped: bool) -> str:
    """`value` as a spreadsheet with this mark shows it."""
    text = f"{value:,f}" if grouped else f"{value:f}"
    return text.translate(str.maketrans(",.", ".,")) if mark == "," else text


@given(MONEY, st.sampled_from(".,"), st.booleans(), st.booleans())
def test_a_number_is_read_right_or_refused_never_wrong(
    value: Decimal, mark: str, grouped: bool, told: bool
) -> None:
    text = written(value, mark, grouped)
    try:
        assert parse_number(text, (mark, False) if told else ("", False)) == value
    except InputError:
        assert not told
        assert decimal_mark(text) == "?"


@given(MONEY | st.decimals(-(10**9), 10**9, places=4), st.sampled_from(".,"))
def test_what_is_written_is_never_ambiguous(value: Decimal, mark: str) -> None:
    assert parse_number(format_cell(value, mark)) == value


@given(st.text())
def test_any_text_is_a_number_or_one_sentence(text: str) -> None:
    try:
        assert parse_number(text).is_finite()
    except InputError as error:
        assert str(error)


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-02-12", (2026, 2, 12, 7, 0)), ("12.2.2026", (2026, 2, 12, 7, 0)),
    ("12.02.2026 14:30", (2026, 2, 12, 11, 30)),
    ("2026-02-12T14:30:45+00:00", (2026, 2, 12, 14, 30, 45)), (" 2026-02-12 14:30 ", (2026, 2, 12, 11, 30)),
])  # fmt: skip
def test_times(text: str, expected: tuple[int, ...]) -> None:
    assert parse_time(text, ISTANBUL, 600) == datetime(*expected, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@given(st.text() | st.text("0123456789.-T: +"))
def test_any_text_is_a_time_or_one_sentence(text: str) -> None:
    try:
        parse_time(text, ISTANBUL, 600)
    except InputError as error:
        assert str(error)


@given(st.binary(max_size=300) | st.text("Symbol;,\"\n1.5'", max_size=100).map(str.encode))
def test_any_bytes_are_rows_problems_or_one_sentence(raw: bytes) -> None:
    for head in (b"", b"Symbol;Quantity;Price\n"):
        try:
            result = read_positions(head + raw, "BIST", now=NOW)
            assert all(isinstance(problem, CsvProblem) and problem.text for problem in result.problems)
            read_symbols(head + raw, "BIST")
        except InputError as error:
            assert str(error)


# ---------------------------------------------------------------- writing

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.text(
    "=+-@'\"\t\r\n;,", max_size=5
)
POSITIONS = st.builds(
    Position,
    symbol=st.text(string.ascii_uppercase, min_size=1, max_size=6),
    exchange=st.sampled_from(("BIST", "NASDAQ", "CRYPTO")),
    quantity=MONEY | MONEY.map(lambda value: -value),
    entry_price=MONEY,
    opened_at=st.integers(10**9 * 1000, int(NOW * 1000)).map(lambda milliseconds: milliseconds / 1000),
    stop=st.none() | MONEY,
    target=st.none() | MONEY,
    note=TEXT,
)


@given(st.lists(POSITIONS, max_size=5), st.sampled_from(("en", "tr")))
def test_positions_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, positions: list[Position], language: str
) -> None:
    set_language(language)
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    write_positions(path, positions)
    set_language("en")
    result = read_positions(path, "NYSE", now=NOW)
    assert result.problems == ()
    assert list(result.rows) == positions


@given(TEXT)
def test_no_cell_is_a_formula(text: str) -> None:
    assert escape(text)[:1] not in tuple("=+-@\t\r\n＝＋－＠")
    assert unescape(escape(text)) == text


def test_symbols_survive_the_round_trip(tmp_path: Path) -> None:
    instruments = [Instrument("BIST", "ASELS"), Instrument("NASDAQ", "AAPL")]
    write_symbols(tmp_path / "s.csv", instruments)
    assert list(read_symbols(tmp_path / "s.csv", "NYSE").rows) == instruments


@pytest.mark.parametrize(("language", "delimiter", "price"), [("en", ",", "45.32"), ("tr", ";", "45,32")])
def test_signals_and_trades_open_in_the_language_s_spreadsheet(
    tmp_path: Path, language: str, delimiter: str, price: str
) -> None:
    set_language(language)
    signal = Signal(key="BIST:ASELS", side=Side.BUY, price=45.32, confidence=0.951234, timestamp=NOW,
                    source="demo",
                    simulated=True, reference_price=44.37, change_pct=2.14108)  # fmt: skip
    trade = ClosedTrade(position_id=1, symbol="ASELS", exchange="BIST", quantity=Decimal(-5),
                        entry_price=Decimal("45.32"),
                        exit_price=Decimal(40), opened_at=NOW, closed_at=NOW,
                        realised_pnl=Decimal("26.60"))  # fmt: skip
    write_signals(tmp_path / "s.csv", [signal], lambda each: "=HYPERLINK(1)")
    write_trades(tmp_path / "t.csv", [trade])
    for name in ("s.csv", "t.csv"):
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader((tmp_path / name).read_text("utf-8-sig").splitlines(), delimiter=delimiter))
        assert len(rows) == 2
        assert len(rows[0]) == len(rows[1])
        assert price in rows[1]
    assert "'=HYPERLINK(1)" in (tmp_path / "s.csv").read_text("utf-8-sig")


@given(st.lists(st.builds(
    BotTrade, trade_id=TEXT, bot_id=TEXT, owner=TEXT, key=st.sampled_from(("BIST:ASELS", "NYSE:F")),
    quantity=MONEY | MONEY.map(lambda value: -value), entry_price=MONEY, exit_price=MONEY,
    opened_at=st.just(NOW), closed_at=st.just(NOW), fees=MONEY,
    pnl=MONEY | MONEY.map(lambda value: -value), reason=st.sampled_from(("stop", "flatten")) | TEXT,
    simulated=st.booleans(),
), max_size=4), st.sampled_from(("en", "tr")))  # fmt: skip
def test_bot_trades_keep_their_figures_and_are_no_formulas(
    tmp_path_factory: pytest.TempPathFactory, trades: list[BotTrade], language: str
) -> None:
    set_language(language)
    path = tmp_path_factory.mktemp("csv") / "b.csv"
    write_bot_trades(path, trades)
    delimiter, mark = (";", ",") if language == "tr" else (",", ".")
    rows = list(
        csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=delimiter)
    )
    assert len(rows) == len(trades) + 1
    for row, trade in zip(rows[1:], trades, strict=True):
        assert len(row) == len(rows[0])
        figures = (trade.quantity, trade.entry_price, trade.exit_price, trade.pnl, trade.fees)
        assert tuple(Decimal(cell.replace(mark, ".")) for cell in row[3:8]) == figures
        assert unescape(row[0]) == trade.bot_id
        texts = [row[0], *row[8:]]
        assert not any(cell[:1] in tuple("=+-@\t\r\n＝＋－＠") for cell in texts if cell)


def test_bot_trades_bear_the_bots_names_and_the_reason_in_words(tmp_path: Path) -> None:
    set_language("tr")
    trade = BotTrade(
        trade_id="b1-t1", bot_id="b1", owner="local", key="BIST:ASELS", quantity=Decimal(10),
        entry_price=Decimal("45.32"), exit_price=Decimal("44.1"), opened_at=NOW, closed_at=NOW,
        fees=Decimal("0.894"), pnl=Decimal("-13.094"), reason="trailing_stop",
    )  # fmt: skip
    write_bot_trades(tmp_path / "b.csv", [trade], {"b1": "Salınım"})
    heads, row = csv.reader((tmp_path / "b.csv").read_text("utf-8-sig").splitlines(), delimiter=";")
    cells = dict(zip(heads, row, strict=True))
    assert (cells["Bot"], cells["Çıkış nedeni"], cells["Net K/Z"]) == (
        "Salınım",
        "izleyen stop",
        "-13,0940",
    )
    assert (cells["Komisyon"], cells["Para birimi"]) == ("0,8940", "₺")


# ---------------------------------------------------------------- the catalogue


def test_the_catalogue_finds_tickers_first_and_knows_turkish() -> None:
    assert search("isctr")[0].symbol == "ISCTR"
    assert search("İSCTR")[0].symbol == search("ıscTR")[0].symbol == "ISCTR"
    assert search("şişe")[0].key == "BIST:SISE"
    assert {entry.key for entry in search("ford")} == {"BIST:FROTO", "NYSE:F"}
    assert search("f", "NYSE")[0].symbol == "F"
    assert {entry.exchange for entry in search("nasdaq:a")} == {"NASDAQ"}
    assert len(search("", limit=7)) == 7
    assert search("no such company") == []
    assert name_of("NASDAQ:AAPL") == "Apple"
    assert name_of("NASDAQ:NONE") == ""


def test_the_catalogue_is_large_and_every_ticker_is_valid() -> None:
    from core.config import BIST30
    from core.instruments import parse_instrument

    entries = search("", limit=10_000)
    counts = {
        code: sum(entry.exchange == code for entry in entries) for code in ("BIST", "NYSE", "NASDAQ", "AMEX")
    }
    assert counts["BIST"] >= 150
    assert counts["NYSE"] + counts["NASDAQ"] + counts["AMEX"] >= 150
    assert all(parse_instrument(entry.key, "BIST").key == entry.key for entry in entries)
    assert all(name_of(f"BIST:{symbol}") for symbol in BIST30)
