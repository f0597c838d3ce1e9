"""The outbox of notifications in the database. All of it in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from core.bots.model import BotAlert
from core.storage import schema
from core.storage.bulk import BulkInsert

_insert = BulkInsert(schema.outbox, ["message_id", "channel"])


def accept_alerts(connection: sa.Connection, alerts: Sequence[BotAlert]) -> None:
    """Take bots' messages into the outbox."""
    rows = [
        {"message_id": alert.alert_id, "channel": "", "kind": "bot", "created": alert.at, "status": "open",
         "payload": msgspec.json.encode(alert).decode()}
        for alert in alerts
    ]  # fmt: skip
    if rows:
        _insert.run(connection, rows)
