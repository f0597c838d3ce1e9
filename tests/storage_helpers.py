"""What the tests of the stores share: sample values, and a look past the store into the file."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.model import Delivery, Position, Side, Signal
from core.storage.base import Store

NOON = 1_795_000_000.0
D = Decimal


def position(quantity: str = "100", entry: str = "44.10", **fields: Any) -> Position:
    named = {"symbol": "ASELS", "exchange": "BIST", "opened_at": NOON, **fields}
    return Position(quantity=D(quantity), entry_price=D(entry), **named)


def signal(timestamp: float = NOON, **fields: Any) -> Signal:
    named: dict[str, Any] = {
        "key": "BIST:ASELS", "side": Side.SELL, "price": 45.32, "confidence": 0.95, "timestamp": timestamp,
        "source": "yfinance", "simulated": False, "reference_price": 44.37, "change_pct": -2.15, "gap": 61.5,
    }  # fmt: skip
    return Signal(**{**named, **fields})


def delivery(message_id: str = "m1", channel: str = "telegram", **fields: Any) -> Delivery:
    return Delivery(
        message_id=message_id, channel=channel, **{"status": "queued", "title": "ASELS", **fields}
    )


def fill(store: Store) -> dict[str, Any]:
    """Put something of everything into `store`."""
    store.add_positions([position(note="n"), position("-7.5", stop=D("50"))])
    store.close_position(1, D("46"), NOON, D("40"))
    store.add_signals([signal(), signal(NOON + 1)])
    store.record_deliveries([delivery()])
    store.set_value("key", [1])
    return contents(store)


def contents(store: Store) -> dict[str, Any]:
    """Everything that `store` knows."""
    most = 10**6
    return {
        "positions": store.positions(), "trades": store.trades(limit=most),
        "signals": store.signals(limit=most), "deliveries": store.deliveries(limit=most),
        "value": store.value("key"),
    }  # fmt: skip


def query(path: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def build_old(path: Path, rows: int = 1) -> None:
    """A database as the first revision made it, with content."""
    from alembic import command
    from alembic.config import Config

    from core.storage import versions

    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(versions.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        with connection.begin():
            command.upgrade(config, "0001")
            for number in range(1, rows + 1):
                values = "'ASELS', 'BIST', '100.50', '44.10', 5.5, NULL, '60'"
                connection.exec_driver_sql(f"INSERT INTO positions VALUES ({number}, {values})")
                connection.exec_driver_sql(
                    f"INSERT INTO position_events VALUES (NULL, 1.0, 'opened', {number}, {values})"
                )
            connection.exec_driver_sql("""INSERT INTO "values" VALUES ('key', '[1]')""")
    engine.dispose()


def schema_of(path: Path) -> dict[str, Any]:
    """Tables, columns, indices and triggers, in the order in which they were declared."""
    found: dict[str, Any] = {}
    for kind, name, sql in query(
        path, "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    ):
        if kind == "table":
            found[name] = query(
                path, f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{name}')"
            )
            found[f"{name}/links"] = query(path, f"SELECT * FROM pragma_foreign_key_list('{name}')")
            found[f"{name}/autoincrement"] = "AUTOINCREMENT" in sql
        else:
            found[f"{kind} {name}"] = " ".join(sql.split())
    return found
