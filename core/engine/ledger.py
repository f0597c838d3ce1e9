"""Commands that change the ledger, and the snapshot for a newcomer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.commands import (
    AcceptMessage,
    BotsRemembered,
    ClosePosition,
    DeletePosition,
    EditPosition,
    History,
    ImportPositions,
    OpenPosition,
    PositionsChanged,
    RecordDeliveries,
    RequestSnapshot,
    TradesChanged,
)
from core.model import Position

if TYPE_CHECKING:
    from core.engine.engine import Engine


class Ledger:
    """Carries out commands against the store. Belongs to the engine's thread.

    Each method raises `UserError` or `WorldError` and then has changed nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            OpenPosition: lambda c: self._add((c.position,)),
            ImportPositions: lambda c: self._add(c.positions),
            EditPosition: self._edit,
            ClosePosition: self._close,
            DeletePosition: self._delete,
            RecordDeliveries: lambda c: self._engine.outbox.record(c.deliveries),
            AcceptMessage: lambda c: self._engine.outbox.accept(c.message, c.channels),
            RequestSnapshot: lambda _: self.publish_all(),
        }

    def handles(self, command: object) -> bool:
        """Whether `command` is one of the ledger's."""
        return type(command) in self._handlers

    def execute(self, command: object) -> None:
        """Carry out `command`."""
        self._handlers[type(command)](command)

    def publish_all(self) -> None:
        """Everything that a newcomer needs to know."""
        engine, store = self._engine, self._engine.store
        engine.outbox.flush()
        self._publish_ledger()
        engine.bus.publish(History(store.signals(limit=1000), store.deliveries()))
        self._publish_bots()
        for tick in engine.prices.ticks():
            engine.bus.publish(tick)

    def _publish_bots(self) -> None:
        """Who there ever was: their ids are not free, and their trades need a deposit to be held against."""
        from core.bots.roster import trades_before  # here, for it takes time before the first paint

        records = self._engine.store.bots()
        before = {record.config.id: trades_before(record) for record in records}
        self._engine.bus.publish(BotsRemembered(
            configs=tuple(record.config for record in records),
            trades_before={bot_id: count for bot_id, count in before.items() if count},
        ))  # fmt: skip

    def _add(self, positions: tuple[Position, ...]) -> None:
        self._engine.store.add_positions(positions)
        self._changed()

    def _edit(self, command: EditPosition) -> None:
        self._engine.store.replace_position(command.position)
        self._changed()

    def _close(self, command: ClosePosition) -> None:
        now = self._engine.clock.time()
        self._engine.store.close_position(command.position_id, command.price, now, command.quantity)
        self._changed()

    def _delete(self, command: DeletePosition) -> None:
        self._engine.store.delete_position(command.position_id)
        self._changed()

    def _changed(self) -> None:
        self._engine.refresh_ledger()
        self._publish_ledger()

    def _publish_ledger(self) -> None:
        engine, store = self._engine, self._engine.store
        engine.bus.publish(PositionsChanged(store.positions()))
        engine.bus.publish(TradesChanged(store.trades()))
        engine.publish_portfolio()
