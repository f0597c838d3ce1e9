"""Writes down what enters the engine while the configuration says so, for later replays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import Clock
from core.config import Config
from core.engine.worlds import replays
from core.feed.messages import SourceLost
from core.model import FeedStatus
from core.sources.base import DailyCloses
from core.sources.push_base import PushSource

if TYPE_CHECKING:
    from core.feed.live_feed import PushFactory
    from core.replay.recorder import Recorder


class Recording:
    """Belongs to the engine's thread; only the sources' frames come from theirs."""

    def __init__(
        self, folder: Path | None, clock: Clock, engine_clock: Clock, post: Callable[[Any], None]
    ) -> None:
        """Into `folder`, without which nothing is recorded. Frames are stamped by `clock`, the rest by
        `engine_clock`; `post` gets a `Notice` when recording is in trouble."""
        self._folder = folder
        self._clock = clock
        self._engine_clock = engine_clock
        self._post = post
        self.recorder: Recorder | None = None
        """There while something is recorded."""

    def follow(self, config: Config) -> None:
        """Record, or stop recording, as `config` says; what is replayed is not recorded again."""
        wanted = config.real_time.record and not replays(config)
        if not wanted or self._folder is None:
            self.end()
        elif self.recorder is None:
            from core.replay.recorder import Recorder

            self.recorder = Recorder(self._folder, self._post)

    def end(self) -> None:
        """Write what is waiting and stop. Idempotent."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()

    def message(self, message: FeedStatus | DailyCloses | SourceLost) -> None:
        """What the feed told besides quotes."""
        if self.recorder is not None:
            self.recorder.message(self._engine_clock.time(), self._engine_clock.monotonic(), message)

    def tapped(self, create_push: PushFactory) -> PushFactory:
        """Makes the sources of `create_push`, with their frames recorded."""

        def create(name: str, config: Config, clock: Clock) -> PushSource:
            source = create_push(name, config, clock)
            source.on_frame = self._frame
            return source

        return create

    def _frame(self, source: str, data: str) -> None:
        """From a source's thread."""
        recorder = self.recorder
        if recorder is not None:
            recorder.frame(self._clock.time(), self._clock.monotonic(), source, data)
