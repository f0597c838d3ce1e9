"""The composition of an engine whose bots run in workers: its desk, and the threads behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.bots.elsewhere import BotsMoved
from core.bots.model import BotState
from core.bots.surroundings import Surroundings
from core.cluster.dispatcher import Dispatcher, Postbox
from core.cluster.link import Timings
from core.cluster.listener import FleetListener
from core.cluster.messages import StepsMessage
from core.cluster.remote_desk import RemoteDesk
from core.cluster.tasks import close_app, lock_seconds, make_app, send_cycle
from core.config import Config


class RemoteBots:
    """Carries an engine's words to the workers and theirs back. `start` and `stop` belong to the engine's
    thread; a stopped one is done with."""

    def __init__(
        self, url: str, engine_id: str, post: Callable[[Any], object], *, timings: Timings | None = None,
        on_serving: Callable[[bool], None] = lambda serving: None,
        lock_for: Callable[[float], float] = lock_seconds, postbox: Postbox | None = None,
    ) -> None:  # fmt: skip
        """`post` puts a message into the engine's inbox; `on_serving` hears whether workers live."""
        self._app = app = make_app(url)
        self._engine_id = engine_id
        self._post = post
        self.dispatcher = Dispatcher(
            url, engine_id, lambda bot_id, limit: send_cycle(app, bot_id, limit), timings=timings,
            on_serving=on_serving, lock_for=lock_for, postbox=postbox,
        )  # fmt: skip
        self._listener = FleetListener(url, self, timings=timings, on_steps=self._on_steps)

    def desk(self, config: Config, around: Surroundings) -> RemoteDesk:
        """The desk for `config`; begins to carry. Raises `StorageError`."""
        desk = RemoteDesk(config, around, self.dispatcher)
        self.dispatcher.start()
        self._listener.start()
        return desk

    def stop(self) -> None:
        """Take what waits to Redis and end. Idempotent."""
        self._listener.stop()
        self.dispatcher.stop()
        close_app(self._app)

    # --- in the listener's thread ---------------------------------------------------------------------

    def on_bots(self, engine: str, states: Sequence[BotState]) -> None:
        """See `FleetSink.on_bots`."""
        if engine == self._engine_id and states:
            self._post(BotsMoved(states=tuple(states)))

    def on_state(self, engine: str, state: BotState) -> None:
        """See `FleetSink.on_state`."""
        if engine == self._engine_id:
            self._post(BotsMoved(states=(state,)))

    def on_alive(self, engine: str, age: float = 0.0) -> None:
        """See `FleetSink.on_alive`; of no interest here."""

    def on_silent(self, engine: str) -> None:
        """See `FleetSink.on_silent`; of no interest here."""

    def on_ready(self, ready: bool) -> None:
        """See `FleetSink.on_ready`; of no interest here."""

    def _on_steps(self, steps: StepsMessage) -> None:
        if steps.engine == self._engine_id:
            self._post(BotsMoved(
                fills=steps.fills, trades=steps.trades, alerts=steps.alerts, results=steps.results
            ))  # fmt: skip
