"""What the rest of the program calls: tell the user of a signal, a risk, an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.bots.model import BotAlert
from core.clock import Clock, SystemClock
from core.config import Config
from core.errors import InputError
from core.i18n import tr
from core.model import Delivery, OutboxLine, Signal
from core.notifications.batch import Limits
from core.notifications.bot_texts import bot_message
from core.notifications.channels.base import Channel
from core.notifications.dispatcher import Dispatcher
from core.notifications.factory import email_channel, external_channels, telegram_channel
from core.notifications.message import Kind, Message, new_id
from core.notifications.routes import bot_reasons_off, bot_silent, reasons_off, simulation_chosen
from core.notifications.texts import (
    clean,
    dated,
    error_message,
    risk_message,
    signal_message,
    trial_message,
)
from core.signal_text import reason

log = logging.getLogger(__name__)

RESENT_LATE_AFTER = 30.0
"""Seconds after which a message of an earlier run says when it arose."""

OnAccept = Callable[[Message, Sequence[str]], None]
"""Takes a message and the channels that are about to deliver it."""


class Notifier:
    """Turns what happened into messages and sends them by the configuration.

    `local` are the channels of this screen, beside Telegram and e-mail. With `demo` the simulated prices are
    the user's choice, as they are with `live_data_source` "simulation". `on_delivery` is as in `Dispatcher`.
    Where there is an outbox, `on_accept` is told of errors and risks, which nobody else puts there (from any
    thread, before they go out), what a channel cannot deliver for the time being waits for it until it is too
    old, and what cannot be delivered before the end waits for the next start. No
    `send_...` method blocks or raises, whatever it is given: what cannot be read is logged and reported.
    """

    def __init__(
        self,
        config: Config,
        local: Iterable[Channel] = (),
        *,
        on_delivery: Callable[[Delivery], None],
        clock: Clock | None = None,
        demo: bool = False,
        limits: Mapping[str, Limits] | None = None,
        on_accept: OnAccept | None = None,
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._demo = demo
        self._on_delivery = on_delivery
        channels = (*local, *external_channels(config.real_time))
        self._on_accept = on_accept
        self._dispatcher = Dispatcher(
            channels, clock=self._clock, on_delivery=on_delivery, limits=limits, on_offer=self._offered,
            kept=on_accept is not None,
        )  # fmt: skip
        self._configure()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels, on or off; their `check` says whether they would work."""
        return self._dispatcher.channels

    def apply_config(self, config: Config) -> None:
        """Work by `config` from now on; what waits for a channel goes out by its new settings."""
        old, self._config = self._config.real_time, config
        if config.real_time.telegram != old.telegram:
            self._dispatcher.replace(telegram_channel(config.real_time.telegram))
        if config.real_time.email != old.email:
            self._dispatcher.replace(email_channel(config.real_time.email))
        self._configure()

    def send_signal(self, payload: Any) -> None:
        """Tell of a signal, given as its payload (SPEC section 6)."""
        exchange = self._config.exchange
        self._tell(lambda: signal_message(payload, now=self._clock.time(), exchange=exchange))

    def send_risk(self, risk: Any) -> None:
        """Tell of a risk level: a word, a number or a mapping with `level` and `message`."""
        self._tell(lambda: risk_message(risk, now=self._clock.time()))

    def send_error(self, error: Any) -> None:
        """Tell of an error: a sentence or an exception."""
        self._tell(lambda: error_message(error, now=self._clock.time()))

    def send_bot_alert(self, alert: BotAlert) -> None:
        """Tell of what a bot did, or of what befell it, as loud as the configuration says."""
        real_time = self._config.real_time
        self._tell(
            lambda: bot_message(alert, now=self._clock.time()),
            lambda message: self._dispatcher.send(
                message, off=bot_reasons_off(real_time, alert.kind), silent=bot_silent(real_time, alert.kind)
            ),
        )

    def resend(self, lines: Sequence[OutboxLine]) -> None:
        """Deliver what is left of an earlier run, in its order: with its real time, or not at all if too old.

        What cannot be read is reported as failed.
        """
        for line in lines:
            try:
                self._resend(line)
            except Exception as error:
                log.exception("a message of an earlier run cannot be sent")
                why = tr("notify.channel_fault", name=type(error).__name__)
                self._report_failure(tr("notify.unreadable_title"), why, line)

    def send_trial(self, channel: str) -> None:
        """Send a test message through `channel`, also if it is turned off."""
        if channel in {known.name for known in self.channels}:
            self._dispatcher.send(trial_message(channel, now=self._clock.time()), only=channel)
        else:
            name = clean(channel, 40, one_line=True)
            self._report_failure(tr("notify.test_title"), tr("notify.no_such_channel", channel=name))

    def stop(self, timeout: float = 2.0) -> bool:
        """End every thread within `timeout` seconds; see `Dispatcher.stop`."""
        return self._dispatcher.stop(timeout)

    def _resend(self, line: OutboxLine) -> None:
        now, real_time = self._clock.time(), self._config.real_time
        message, off, silent = self._read(line), {}, frozenset[str]()
        if line.kind == Kind.BOT:
            kind = msgspec.json.decode(line.payload, type=BotAlert).kind
            off, silent = bot_reasons_off(real_time, kind), bot_silent(real_time, kind)
        late = dated(message, now, RESENT_LATE_AFTER)
        self._dispatcher.resend(late, line.channel, off=off, silent=silent)

    def _read(self, line: OutboxLine) -> Message:
        """The message of an outbox line, in the interface's language, as far as it was not told in words."""
        if line.kind == Kind.BOT:
            message = bot_message(msgspec.json.decode(line.payload, type=BotAlert), now=line.created)
        elif line.kind == Kind.SIGNAL:
            signal = msgspec.json.decode(line.payload, type=Signal)
            message = signal_message(signal.payload(reason(signal)), now=line.created)
        else:
            told = msgspec.json.decode(line.payload, type=dict[str, str])
            message = Message(
                kind=Kind(line.kind), title=told["title"], body=told["body"], created=line.created
            )
        return msgspec.structs.replace(message, id=line.message_id)

    def _offered(self, message: Message, channels: Sequence[str]) -> None:
        if self._on_accept is not None and channels and message.kind in (Kind.ERROR, Kind.RISK):
            self._on_accept(message, channels)

    def _tell(self, make: Callable[[], Message], send: Callable[[Message], None] | None = None) -> None:
        try:
            message = make()
        except InputError as error:
            log.warning("%s", error)
            self._report_failure(tr("notify.unreadable_title"), str(error))
        except Exception as error:  # the caller is the engine or the window, which must go on
            log.exception("a notification could not be written")
            self._report_failure(
                tr("notify.unreadable_title"), tr("notify.channel_fault", name=type(error).__name__)
            )
        else:
            (send or self._dispatcher.send)(message)

    def _configure(self) -> None:
        real_time = self._config.real_time
        off = {name: tr("notify.off_channel", key=key) for name, key in reasons_off(real_time).items()}
        chosen = simulation_chosen(self._config, demo=self._demo)
        self._dispatcher.configure(off, simulated_outside=chosen)

    def _report_failure(self, title: str, why: str, line: OutboxLine | None = None) -> None:
        now = self._clock.time()
        delivery = Delivery(
            message_id=line.message_id if line else new_id(), channel=line.channel if line else "all",
            status="failed", title=title, detail=why, created=line.created if line else now, updated=now,
        )  # fmt: skip
        self._on_delivery(delivery)
