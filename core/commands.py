"""Commands: what other threads ask of the engine, as immutable messages into its inbox.

The engine answers with events: the changed state, and a `CommandResult` that bears the command's `id`.
"""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec

from core.bots.model import BotDay, BotFill, BotState, BotTrade
from core.config import BotConfig, Config
from core.model import Bar, ClosedTrade, Delivery, Instrument, OutboxLine, Position, Signal
from core.notifications.message import Message

_ids = itertools.count(1)


def next_id() -> int:
    """A number that no other command of this process bears."""
    return next(_ids)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all commands."""

    id: int = msgspec.field(default_factory=next_id)


class SetInstruments(Command, frozen=True, kw_only=True):
    """Watch exactly these instruments, in this order."""

    instruments: tuple[Instrument, ...]


class StartFeed(Command, frozen=True, kw_only=True):
    """Start the live feed (does nothing while it runs)."""


class StopFeed(Command, frozen=True, kw_only=True):
    """Stop the live feed (does nothing while it rests)."""


class LookAt(Command, frozen=True, kw_only=True):
    """These instruments are on the screen: where prices must be asked for, they come first."""

    keys: frozenset[str]


class ApplyConfig(Command, frozen=True, kw_only=True):
    """Work by another configuration from now on; the feed restarts if it runs and its part changed."""

    config: Config


class OpenPosition(Command, frozen=True, kw_only=True):
    """Enter one position."""

    position: Position


class ImportPositions(Command, frozen=True, kw_only=True):
    """Enter several positions, all or none."""

    positions: tuple[Position, ...]


class EditPosition(Command, frozen=True, kw_only=True):
    """Replace the position that has the same id."""

    position: Position


class ClosePosition(Command, frozen=True, kw_only=True):
    """Close a position, or `quantity` of it (a positive number), at `price`; the realised P&L is booked."""

    position_id: int
    price: Decimal
    quantity: Decimal | None = None


class DeletePosition(Command, frozen=True, kw_only=True):
    """Remove a position that was entered by mistake; nothing is booked."""

    position_id: int


class RecordDeliveries(Command, frozen=True, kw_only=True):
    """Write lines of the notification log, oldest first."""

    deliveries: tuple[Delivery, ...]


class AcceptMessage(Command, frozen=True, kw_only=True):
    """Take a message that tells of nothing stored (an error, a risk) into the outbox, for `channels`."""

    message: Message
    channels: tuple[str, ...]


class RequestSnapshot(Command, frozen=True, kw_only=True):
    """Publish everything that a newcomer needs: positions, trades, recent signals, deliveries, last ticks."""


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a command: `error` is "" when it was carried out, else one sentence for the user."""

    command_id: int
    error: str = ""


class PositionsChanged(msgspec.Struct, frozen=True):
    """All open positions after a change, by id."""

    positions: tuple[Position, ...]


class InstrumentsChanged(msgspec.Struct, frozen=True):
    """The instruments that are watched from now on."""

    instruments: tuple[Instrument, ...]


class TradesChanged(msgspec.Struct, frozen=True):
    """The latest closed trades, newest first."""

    trades: tuple[ClosedTrade, ...]


class History(msgspec.Struct, frozen=True):
    """What happened before: signals and deliveries, newest first."""

    signals: tuple[Signal, ...]
    deliveries: tuple[Delivery, ...]


class OutboxDue(msgspec.Struct, frozen=True):
    """Messages that nobody has delivered yet, of an earlier run or of a process without channels."""

    lines: tuple[OutboxLine, ...]


class ScanInterrupted(msgspec.Struct, frozen=True):
    """There are bots, and the last run was scanning when it ended without closing in good order."""


class WatchBars(Command, frozen=True, kw_only=True):
    """Publish the bars of `seconds` each of the instrument `key` until `UnwatchBars`.

    `BarsLoaded` comes at once and again whenever history arrives, `BarUpdated` at each change of the last
    bar.
    """

    key: str
    seconds: int


class UnwatchBars(Command, frozen=True, kw_only=True):
    """Nobody looks at these bars any more."""

    key: str
    seconds: int


class BarsLoaded(msgspec.Struct, frozen=True):
    """All known bars of an instrument, oldest first, the last one perhaps still growing."""

    key: str
    seconds: int
    bars: tuple[Bar, ...]


class BarUpdated(msgspec.Struct, frozen=True):
    """The last bar grew, or a new one began."""

    key: str
    seconds: int
    bar: Bar


class StartBot(Command, frozen=True, kw_only=True):
    """Let a bot trade (does nothing while it does). A bot in error begins anew."""

    bot_id: str


class StopBot(Command, frozen=True, kw_only=True):
    """Let a bot rest; with `flatten` its positions are sold first, at the next price that may be traded on.

    Without it open positions stay, and their stops stay armed.
    """

    bot_id: str
    flatten: bool = False


class StopAllBots(Command, frozen=True, kw_only=True):
    """The panic button: as `StopBot`, for every bot."""

    flatten: bool = False


class RunBotCycle(Command, frozen=True, kw_only=True):
    """Run one cycle of a bot's strategy now."""

    bot_id: str


class RequestBotHistory(Command, frozen=True, kw_only=True):
    """Publish `BotHistory` of one bot, or of all with `bot_id` ""."""

    bot_id: str = ""
    since: float = 0.0
    limit: int = 5000


class BotsLoaded(msgspec.Struct, frozen=True):
    """All bots there are from now on, in the order of the configuration; `states` and `configs` match."""

    states: tuple[BotState, ...]
    configs: tuple[BotConfig, ...]


class BotsRemembered(msgspec.Struct, frozen=True, kw_only=True):
    """All bots that the store knows, removed ones included. `trades_before` tells, by id, how many trades
    were made by an earlier bot of the same id; those numbered higher are its own."""

    configs: tuple[BotConfig, ...]
    trades_before: dict[str, int] = {}


class BotHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What bots did, newest first; `days` are per bot and day, newest first."""

    bot_id: str
    trades: tuple[BotTrade, ...]
    fills: tuple[BotFill, ...]
    days: tuple[BotDay, ...]
