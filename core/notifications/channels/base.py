"""The protocol of a notification channel."""

from __future__ import annotations

import logging
import traceback
from typing import Protocol

from core.errors import ChannelFaultError
from core.i18n import tr
from core.notifications.message import Message

log = logging.getLogger(__name__)


class Channel(Protocol):
    """One way to reach the user.

    `deliver` and `check` are called from the channel's own thread, or from one that may wait; `cancel` from
    any. What they raise never holds a secret.
    """

    name: str
    """The channel's key in `notification_channels`."""
    external: bool
    """Whether messages leave this computer."""

    def deliver(self, message: Message, timeout: float) -> str:
        """Deliver within `timeout` seconds; the result is a remark for the log, mostly "".

        Raises `DeliveryError`; the same message may then be given again.
        """
        ...

    def check(self, timeout: float) -> str:
        """Find out, without sending anything, whether the channel would work; the result says how.

        Raises `DeliveryError` with what is wrong.
        """
        ...

    def cancel(self) -> None:
        """End a call that is under way within a second, and refuse all later ones. Idempotent."""
        ...


def fault(channel: str, error: Exception) -> ChannelFaultError:
    """Log a bug in a channel; what to report instead.

    The exception's own text may hold a URL with a token, so only its kind and place are logged.
    """
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("the channel %s failed with %s at\n%s", channel, type(error).__name__, place)
    return ChannelFaultError(tr("notify.channel_fault", name=type(error).__name__))
