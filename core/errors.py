"""Every error that this program raises on purpose.

    SwingHunterError
    ├── UserError                 the user's fault: one sentence that says what to do
    │   ├── ConfigError           swing_config.json holds problems (all of them, at once)
    │   ├── InputError            a form, a CSV file or a command line cannot be read
    │   ├── AlreadyRunningError   another instance owns the data directory
    │   └── StrategyError         a bot's strategy failed; the sentence names file and line
    │       └── StrategyTimeout   it did not answer in time, and was abandoned
    └── WorldError                the world's fault: worth another try
        ├── StorageError          the data directory cannot be read or written
        │   └── StaleBotError     somebody else has changed a bot's state meanwhile
        ├── DeliveryError         a notification channel refused or did not answer
        │   └── ChannelFaultError     a bug of ours in a channel, which patience does not mend
        └── SourceError           a price provider refused, broke off or did not answer
            ├── RateLimitedError      the provider asks for a pause (`retry_after` seconds)
            ├── UnknownSymbolError    the provider does not know an instrument
            ├── BadDataError          the answer is not what the protocol promises
            └── CancelledError        we ended the request ourselves

Anything else that escapes is our own bug: it is logged with its traceback and shown as a notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.config import Problem


class SwingHunterError(Exception):
    """The root of the tree; its text is one sentence fit to be shown to a person."""


class UserError(SwingHunterError):
    """Something that only the user can mend."""


class ConfigError(UserError):
    """A configuration that is refused as a whole; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InputError(UserError):
    """Input that cannot be read: a form field, a line of a CSV file, an argument."""


class AlreadyRunningError(UserError):
    """Another instance already works on this data directory."""


class StrategyError(UserError):
    """A bot's strategy raised something, or answered what is no answer."""


class StrategyTimeout(StrategyError):  # noqa: N818 - the time is what went out
    """A bot's strategy did not answer within its time limit, or still hangs in an earlier call."""


class WorldError(SwingHunterError):
    """Something outside the program failed; trying again later may help."""


class StorageError(WorldError):
    """The database or the data directory cannot be read or written."""


class StaleBotError(StorageError):
    """A bot's stored state is not the one that a change builds on; read it again."""


class DeliveryError(WorldError):
    """A notification was not delivered.

    `retry_after` is the pause in seconds that the other side asked for, if it did; `permanent` tells that
    another try cannot help (a wrong token, an unknown recipient).
    """

    def __init__(self, message: str, *, retry_after: float | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.permanent = permanent


class ChannelFaultError(DeliveryError):
    """A channel has a bug; a few more tries may help, waiting for better times does not."""


class SourceError(WorldError):
    """A price provider failed to answer."""


class RateLimitedError(SourceError):
    """The provider told us to slow down; `retry_after` is in seconds, None if it gave no figure."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownSymbolError(SourceError):
    """The provider does not know the instrument `key` ("BIST:ASELS")."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is unknown to the provider")
        self.key = key


class BadDataError(SourceError):
    """The provider's answer breaks its own protocol or cannot be a price."""


class CancelledError(SourceError):
    """The request was ended by us, because the feed stops or the deadline passed."""
