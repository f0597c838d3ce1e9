"""Which channels are to get a message, decided when it is accepted into the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from core.bots.model import BotAlert, BotAlertKind
from core.config import BotChannelsConfig, Config, RealTimeConfig
from core.exchanges import exchange_of, iso_time
from core.i18n import tr
from core.model import OutboxLine, Signal
from core.notifications.message import Kind, Message, new_id, signal_id

CHANNELS = ("toast", "desktop", "telegram", "email")
EXTERNAL = frozenset(("telegram", "email"))
"""The channels by which a message leaves this computer."""
LEASE = 120.0
"""Seconds for which a process that takes a message in answers for its delivery, unless it says so again."""
_encode = msgspec.json.Encoder().encode


def reasons_off(real_time: RealTimeConfig) -> dict[str, str]:
    """By channel name, the setting that turns it off; the others are on.

    Telegram and e-mail have two switches, the channel's and their own section's, and need both.
    """
    if not real_time.enable_notifications:
        return dict.fromkeys(CHANNELS, "real_time.enable_notifications")
    off = {}
    for name in CHANNELS:
        if not getattr(real_time.notification_channels, name):
            off[name] = f"real_time.notification_channels.{name}"
        elif name in EXTERNAL and not getattr(real_time, name).enabled:
            off[name] = f"real_time.{name}.enabled"
    return off


def bot_channels(real_time: RealTimeConfig, kind: BotAlertKind) -> BotChannelsConfig:
    """How loud each channel tells of `kind`."""
    found: BotChannelsConfig = getattr(real_time.bot_notifications, kind.value)
    return found


def bot_reasons_off(real_time: RealTimeConfig, kind: BotAlertKind) -> dict[str, str]:
    """By channel name, why it is not to tell of `kind`, beside `reasons_off`."""
    chosen = bot_channels(real_time, kind)
    path = f"real_time.bot_notifications.{kind.value}"
    return {
        name: tr("notify.off_channel", key=f"{path}.{name}")
        for name in CHANNELS if getattr(chosen, name) == "off"
    }  # fmt: skip


def bot_silent(real_time: RealTimeConfig, kind: BotAlertKind) -> frozenset[str]:
    """The channels that are to tell of `kind` without disturbing anybody."""
    chosen = bot_channels(real_time, kind)
    return frozenset(name for name in CHANNELS if getattr(chosen, name) == "silent")


def simulation_chosen(config: Config, *, demo: bool) -> bool:
    """Whether simulated prices are the user's own choice, so that messages on them may leave the computer."""
    return demo or config.real_time.live_data_source == "simulation"


class Routes:
    """Makes the outbox's lines, for those of `channels` that are on.

    `holder` is the process that delivers them, "" for one that has no channels of its own (a worker): then
    whoever looks next takes them. Belongs to the engine's thread.
    """

    def __init__(
        self, config: Config, channels: Sequence[str] = CHANNELS, *, demo: bool = False,
        holder: str | None = None, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.channels = tuple(channels)
        self.holder = new_id() if holder is None else holder
        self._demo = demo
        self._now = now
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Work by `config` from now on."""
        real_time = config.real_time
        off = reasons_off(real_time)
        on = tuple(name for name in self.channels if name not in off)
        if real_time.live_data_source == "replay":
            on = ()  # what happened once is told while it is replayed, and never again
        inside = tuple(name for name in on if name not in EXTERNAL)
        self._on = {False: on, True: on if simulation_chosen(config, demo=self._demo) else inside}
        self._muted = {kind: frozenset(bot_reasons_off(real_time, kind)) for kind in BotAlertKind}

    def lines(self, fact: Signal | BotAlert) -> tuple[OutboxLine, ...]:
        """The lines for a signal or a bot's alert."""
        channels = self._on[fact.simulated]
        if isinstance(fact, BotAlert):
            channels = tuple(name for name in channels if name not in self._muted[fact.kind])
            return self._made(fact.alert_id, channels, Kind.BOT, _encode(fact).decode(), self._now())
        name = signal_id(fact.key, fact.side.value, iso_time(fact.timestamp, exchange_of(fact.exchange)))
        return self._made(name, channels, Kind.SIGNAL, _encode(fact).decode(), self._now())

    def message_lines(self, message: Message, channels: Sequence[str]) -> tuple[OutboxLine, ...]:
        """The lines for a message that tells of nothing stored, an error or a risk."""
        payload = _encode({"title": message.title, "body": message.body}).decode()
        known = tuple(name for name in channels if name in self._on[False])
        return self._made(message.id, known, message.kind, payload, message.created)

    def _made(
        self, message_id: str, channels: Sequence[str], kind: Kind, payload: str, created: float
    ) -> tuple[OutboxLine, ...]:
        until = self._now() + LEASE if self.holder else 0.0
        return tuple(
            OutboxLine(
                message_id=message_id, channel=channel, kind=kind.value, payload=payload, created=created,
                held_by=self.holder, held_until=until,
            )
            for channel in channels
        )  # fmt: skip
