"""One client's stream, and the response that sends it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from server.frames import NO_ID, encode, frame

if TYPE_CHECKING:
    from server.channel import Channel
    from server.hub import Hub

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


DIRECT_SEND = "swing_hunter.send"
"""Where a request's scope holds the server's own `send`."""


class Stream:
    """Where one client is in its channel: a number, and nothing that could grow.

    A client that is too slow for the ring gets a snapshot instead of what it has missed.
    """

    __slots__ = (
        "_beat",
        "_cursor",
        "_ending",
        "_waiter",
        "_whole",
        "bot_id",
        "channel",
        "credential",
        "gone",
        "hub",
        "told_ready",
    )

    def __init__(
        self, hub: Hub, channel: Channel, bot_id: str | None, cursor: int | None, credential: str
    ) -> None:
        self.hub = hub
        self.channel = channel
        self.bot_id = bot_id
        self.credential = credential
        self.gone = False
        """The client is gone: there is nobody to send to."""
        self._cursor = cursor
        self._beat = (
            cursor is not None
        )  # who comes back and has missed nothing shall see at once that it lives
        self._whole = cursor is not None
        """Whether the client knows of all bots, so that events can go on from there."""
        self.told_ready = self._whole
        """Whether the client was told last that all is known and heard."""
        self._ending = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """There is something to send."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def beat(self) -> None:
        """Show the client that the stream lives."""
        self._beat = True
        self.wake()

    def end(self) -> None:
        """Send what is left, then end cleanly."""
        self._ending = True
        self.wake()

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        self.wake()

    def take(self) -> bytes:
        """What is to be sent now, b"" if nothing."""
        channel = self.channel
        if not self._whole or self._cursor is None or not channel.reaches(self._cursor):
            ready = self.hub.knows_all_of(channel.owner)
            if ready or self._whole or self._cursor is None:
                return self._snapshot(ready)
            self._cursor = channel.seq  # the snapshot that is to come will tell of that
        if self._cursor != channel.seq:
            parts = b"".join(channel.since(self._cursor, self.bot_id))
            self._cursor = channel.seq
            if parts:
                return parts
        if self._beat:
            self._beat = False
            return self._beat_frame()
        return b""

    def _snapshot(self, ready: bool) -> bytes:
        channel = self.channel
        self._cursor, self._beat = channel.seq, False
        self._whole = self.told_ready = ready
        return channel.snapshot(self.bot_id, self.hub.ages(channel.engines(self.bot_id)), ready=ready)

    def _beat_frame(self) -> bytes:
        channel = self.channel
        self.told_ready = self.hub.knows_all_of(channel.owner)
        ages = self.hub.ages(channel.engines(self.bot_id))
        data = b'{"at":%.3f,"engines":%s,"ready":%s}' % (time.time(), ages, encode(self.told_ready))
        return frame("beat", channel.last_id if self._whole else NO_ID, data)

    @property
    def ended(self) -> bool:
        """Whether nothing is sent any more."""
        return self._ending or self.gone

    async def wait(self) -> None:
        """Until there may be something to send."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


async def serve_stream(
    hub: Hub, wish: tuple[str, str | None, str, str], scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer with a stream (see `Hub.subscribe` for the wish) until it ends or its client is gone.

    The slot is claimed here, where it is sure to be given back. Bare ASGI, in one task and a small second one
    that listens for the client's end. Raises `TooManyStreamsError` before anything is sent.
    """
    stream = hub.subscribe(*wish)
    watcher = asyncio.create_task(_watch(stream, receive))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        # Every layer on the way out would cost each event a little, and has nothing to say any more.
        direct: Send = scope.get(DIRECT_SEND, send)
        await _feed(stream, direct)
        if not stream.gone:
            await direct({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        hub.unsubscribe(stream)
        watcher.cancel()


async def _feed(stream: Stream, send: Send) -> None:
    while not stream.gone:
        chunk = stream.take()
        if chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        elif stream.ended:
            return
        else:
            await stream.wait()


async def _watch(stream: Stream, receive: Receive) -> None:
    """Notice that the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.leave()
