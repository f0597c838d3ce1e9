"""All of an engine's dealings with Redis: what its bots do goes out, and where wanted they run in workers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from core.bots.surroundings import Surroundings
from core.cluster.dispatcher import Postbox
from core.cluster.engine_link import EngineLink
from core.cluster.link import Timings
from core.cluster.remote_bots import RemoteBots
from core.cluster.remote_desk import RemoteDesk
from core.config import Config
from core.events import EventBus
from core.model import Notice

log = logging.getLogger(__name__)


class EngineSide:
    """Belongs to the engine's thread."""

    def __init__(
        self, url: str, engine_id: str, bus: EventBus, post: Callable[[Any], object], *, remote: bool,
        idle_for: Callable[[], float], timings: Timings | None = None, postbox: Postbox | None = None,
    ) -> None:  # fmt: skip
        """`post` puts a message into the engine's inbox; with `remote` the bots run in workers, and `postbox`
        tells who delivers their alerts. `idle_for` is as in `EngineLink`."""
        self.url = url
        self.remote = remote
        self._post = post
        self._link = EngineLink(
            url, engine_id, bus, post, timings=timings, alone=not remote, idle_for=idle_for
        )
        self._bots: RemoteBots | None = None
        if remote:
            self._bots = RemoteBots(
                url, engine_id, post, timings=timings, on_serving=self._on_serving, postbox=postbox
            )
        self._missing = False

    def open(self) -> None:
        """Begin to publish; does not wait for Redis."""
        self._link.open()

    def desk(self, config: Config, around: Surroundings) -> RemoteDesk:
        """The desk of bots that run in workers. Raises `StorageError`."""
        assert self._bots is not None
        return self._bots.desk(config, around)

    def close(self) -> None:
        """Send what waits and end, within two seconds or so whatever Redis does. Idempotent."""
        stops = [self._link.close] if self._bots is None else [self._link.close, self._bots.stop]
        threads = [threading.Thread(target=stop, name="redis-end", daemon=True) for stop in stops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _on_serving(self, serving: bool) -> None:
        """From the dispatcher's thread: whether anybody works for the bots."""
        self._link.publisher.set_serving(serving)
        if not serving and not self._missing:
            log.warning("no worker works for the bots")
            self._post(Notice("warning", "cluster.no_workers"))
        elif serving and self._missing:
            self._post(Notice("info", "cluster.workers_back"))
        self._missing = not serving
