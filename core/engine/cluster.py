"""The engine's tie to other machines, as the configuration wants it: none, its bots told of, or run there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import Config
from core.engine.worlds import works_remotely
from core.errors import InputError
from core.events import EventBus
from core.i18n import tr
from core.notifications.routes import Routes

if TYPE_CHECKING:
    from core.bots.surroundings import Surroundings
    from core.cluster.engine_side import EngineSide
    from core.cluster.remote_desk import RemoteDesk


class ClusterTie:
    """Belongs to the engine's thread."""

    def __init__(
        self, data_dir: Path | None, bus: EventBus, post: Callable[[Any], object], routes: Routes | None,
        idle_for: Callable[[], float],
    ) -> None:  # fmt: skip
        """The engine's name is in `data_dir`; without it nothing is told to or heard from other machines.
        `post` puts a message into the engine's inbox; `routes` are as in `Engine`; `idle_for` tells, in any
        thread, for how many seconds the engine has done nothing."""
        self._data_dir = data_dir
        self._bus = bus
        self._post = post
        self._routes = routes
        self._idle_for = idle_for
        self._side: EngineSide | None = None

    def follow(self, config: Config) -> None:
        """Tell of the bots on other machines, and have workers run them, as `config` says.

        Raises `InputError` if bots shall run in workers and there is no way to them.
        """
        url, remote = config.server.redis_url, works_remotely(config)
        if remote and not url:
            raise InputError(tr("cluster.celery_needs_redis"))
        if self._data_dir is None or not url:
            self.leave()
            return
        known = self._side
        if known is not None and (known.url, known.remote) == (url, remote):
            return
        self.leave()
        from core.cluster.dispatcher import Postbox
        from core.cluster.engine_link import engine_id_of
        from core.cluster.engine_side import EngineSide

        routes = self._routes
        self._side = EngineSide(
            url, engine_id_of(self._data_dir), self._bus, self._post, remote=remote,
            idle_for=self._idle_for,
            postbox=None if routes is None else Postbox(routes.holder, routes.channels),
        )  # fmt: skip
        self._side.open()

    def desk(self, config: Config, around: Surroundings) -> RemoteDesk:
        """The desk of bots that run in workers. Raises `StorageError`."""
        assert self._side is not None, "bots in workers need a data directory"
        return self._side.desk(config, around)

    def leave(self) -> None:
        """Send what waits and end. Idempotent."""
        side, self._side = self._side, None
        if side is not None:
            side.close()
