"""Many rows by one statement, with less between us and the database than SQLAlchemy puts there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


class Bulk:
    """A statement that is compiled once per kind of database.

    `statement` takes named parameters of plain types: what a column's type would convert (a `Decimal`) must
    have been converted by the caller.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...]]] = {}

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute it once per row, in order; how many rows of the table were touched in all."""
        name = connection.dialect.name
        if name not in self._compiled:
            made = self._made_for(name).compile(dialect=connection.dialect)
            self._compiled[name] = (str(made), tuple(made.positiontup or ()))
        text, order = self._compiled[name]
        values: list[Any] = [tuple(row[key] for key in order) for row in rows] if order else list(rows)
        return connection.exec_driver_sql(text, values).rowcount

    def _made_for(self, name: str) -> Any:
        return self._statement


class BulkInsert(Bulk):
    """Adds rows to `table`, all columns but the generated one named.

    A row whose `unique` column has a known value overwrites the columns `later` of the one that is there;
    with none of these it is left out.
    """

    def __init__(self, table: sa.Table, unique: Sequence[str] = (), later: Sequence[str] = ()) -> None:
        super().__init__(table)
        self._unique, self._later = list(unique), later

    def _made_for(self, name: str) -> Any:
        table: sa.Table = self._statement
        insert: Any = _INSERTS[name](table)
        generated = table.autoincrement_column
        columns: dict[str, Any] = {
            column.name: sa.bindparam(column.name) for column in table.c if column is not generated
        }
        insert = insert.values(columns).inline()  # nobody asks for the generated numbers
        if self._later:
            later = {column: insert.excluded[column] for column in self._later}
            return insert.on_conflict_do_update(index_elements=self._unique, set_=later)
        return insert.on_conflict_do_nothing(index_elements=self._unique) if self._unique else insert


_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""By the dialect's name, an `insert` that knows what to do with a row that is there already."""


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with each `Decimal` as the text that `ExactDecimal` stores. Changes it in place."""
    for name, value in row.items():
        if type(value) is Decimal:
            row[name] = str(value)
    return row


def insert_numbered(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> list[int]:
    """Add `rows`; the result are the ids that the database gave them, in the same order."""
    if not rows:
        return []
    query = table.insert().returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.execute(query, rows).scalars())
