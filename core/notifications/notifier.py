"""What the rest of the program calls: tell the user of a signal, a risk, an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core.clock import Clock, SystemClock
from core.config import Config
from core.errors import InputError
from core.i18n import tr
from core.model import Delivery
from core.notifications.batch import Limits
from core.notifications.channels.base import Channel
from core.notifications.dispatcher import Dispatcher
from core.notifications.factory import email_channel, external_channels, reasons_off, telegram_channel
from core.notifications.message import Message, new_id
from core.notifications.texts import clean, error_message, risk_message, signal_message, trial_message

log = logging.getLogger(__name__)


class Notifier:
    """Turns what happened into messages and sends them by the configuration.

    `local` are the channels of this screen, beside Telegram and e-mail. With `demo` the simulated prices are
    the user's choice, as they are with `live_data_source` "simulation". `on_delivery` is as in `Dispatcher`.
    No `send_...` method blocks or raises, whatever it is given: what cannot be read is logged and reported.
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
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._demo = demo
        self._on_delivery = on_delivery
        channels = (*local, *external_channels(config.real_time))
        self._dispatcher = Dispatcher(channels, clock=self._clock, on_delivery=on_delivery, limits=limits)
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

    def _tell(self, make: Callable[[], Message]) -> None:
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
            self._dispatcher.send(message)

    def _configure(self) -> None:
        real_time = self._config.real_time
        off = {name: tr("notify.off_channel", key=key) for name, key in reasons_off(real_time).items()}
        chosen = self._demo or real_time.live_data_source == "simulation"
        self._dispatcher.configure(off, simulated_outside=chosen)

    def _report_failure(self, title: str, why: str) -> None:
        now = self._clock.time()
        delivery = Delivery(
            message_id=new_id(),
            channel="all",
            status="failed",
            title=title,
            detail=why,
            created=now,
            updated=now,
        )
        self._on_delivery(delivery)
