"""The outbox of notifications in the database. All of it in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from core.model import SETTLED, Delivery, OutboxLine
from core.storage import schema
from core.storage.bulk import Bulk, BulkInsert
from core.storage.rows import to_row

_table = schema.outbox
_put_delivery = BulkInsert(
    schema.deliveries, ["message_id", "channel"],
    ["status", "title", "detail", "attempt", "created", "updated"],
)  # fmt: skip
_insert = BulkInsert(_table, ["message_id", "channel"])
_open = _table.c.status == sa.literal_column("'open'")  # a `Bulk` has named parameters only
_channel = _table.c.channel == sa.bindparam("its_channel")
_by_id, _by_summary = (
    Bulk(
        _table.update()
        .where(column == sa.bindparam("message"), _channel, _open)
        .values(status=sa.bindparam("word"))
    )
    for column in (_table.c.message_id, _table.c.summary)
)
_gather = Bulk(
    _table.update()
    .where(_table.c.message_id == sa.bindparam("message"), _channel, _open)
    .values(summary=sa.bindparam("its_summary"))
)


def accept(connection: sa.Connection, lines: Iterable[OutboxLine]) -> None:
    """Take messages in, each once per channel."""
    rows = []
    for line in lines:
        row = {**msgspec.structs.asdict(line), "status": "open", "summary": ""}
        del row["id"]
        rows.append(row)
    if rows:
        _insert.run(connection, rows)


def log(connection: sa.Connection, deliveries: Sequence[Delivery]) -> None:
    """Write lines of the notification log."""
    _put_delivery.run(connection, [to_row(one) for one in deliveries])


def settle(connection: sa.Connection, deliveries: Sequence[Delivery]) -> None:
    """Note what became of messages: which went into a summary, which are done, by themselves or in one."""
    gathered = [
        {"message": one.message_id, "its_channel": one.channel, "its_summary": one.into}
        for one in deliveries if one.into
    ]  # fmt: skip
    if gathered:
        _gather.run(connection, gathered)
    done = [
        {"message": one.message_id, "its_channel": one.channel, "word": one.status}
        for one in deliveries if one.status in SETTLED
    ]  # fmt: skip
    if done:
        _by_id.run(connection, done)
        _by_summary.run(connection, done)


def claim(
    connection: sa.Connection, holder: str, now: float, until: float, channels: Sequence[str], limit: int,
    *, alone: bool,
) -> tuple[OutboxLine, ...]:  # fmt: skip
    """See `Store.claim_outbox`; `alone` tells that there is no other living holder."""
    mine = _table.c.held_by == holder
    if not alone:
        connection.execute(_table.update().where(_open, mine).values(held_until=until))
    free = [_open, ~mine, _table.c.channel.in_(channels)]
    if not alone:
        free.append(_table.c.held_until < now)
    first = sa.select(_table.c.id).where(*free).order_by(_table.c.id).limit(limit)
    columns = [_table.c[name] for name in OutboxLine.__struct_fields__]
    # The conditions are repeated, so that of two processes at once only one gets a line.
    query = _table.update().where(_table.c.id.in_(first), *free).values(held_by=holder, held_until=until)
    rows = connection.execute(query.returning(*columns)).all()
    return tuple(sorted((OutboxLine(**row._mapping) for row in rows), key=lambda line: line.id))
