"""Makes the channels that need no window from the configuration."""

from __future__ import annotations

from core.config import EmailConfig, RealTimeConfig, TelegramConfig
from core.notifications.channels.base import Channel
from core.notifications.channels.email import EmailChannel
from core.notifications.channels.telegram import TelegramChannel
from core.secrets import find_secret


def telegram_channel(settings: TelegramConfig) -> TelegramChannel:
    """The Telegram channel; its token is looked up when it is first needed, in the channel's thread."""
    return TelegramChannel(settings, lambda: find_secret("telegram_bot_token", settings.bot_token))


def email_channel(settings: EmailConfig) -> EmailChannel:
    """The e-mail channel; its password is looked up when it is first needed, in the channel's thread."""
    return EmailChannel(settings, lambda: find_secret("email_password", settings.password))


def external_channels(real_time: RealTimeConfig) -> tuple[Channel, ...]:
    """The channels that leave the computer, whether they are turned on or not."""
    return telegram_channel(real_time.telegram), email_channel(real_time.email)
