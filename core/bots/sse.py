"""Server-Sent Events as they come off the wire, in pieces of any size.

After the HTML standard, "9.2.6 Interpreting an event stream" (https://html.spec.whatwg.org/#event-stream-interpretation).
"""

from __future__ import annotations

import codecs
import re

import msgspec

LONGEST_EVENT = 64 * 1024 * 1024
"""So many characters may one event have; a server that sends more is out of its mind."""
_LINE_END = re.compile("\r\n|\n|\r")


class EventTooLongError(ValueError):
    """The other side does not end an event."""


class SseEvent(msgspec.Struct, frozen=True):
    """One event. `id` is the last one the stream gave, in this event or before."""

    name: str
    id: str
    data: str


class SseParser:
    """Turns a stream's bytes into events. `retry` is the last wish for a pause, in milliseconds, or None."""

    def __init__(self) -> None:
        self.retry: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = False
        self._after_return = False
        self._open: list[str] = []
        """The pieces of the line that has not ended yet."""
        self._size = 0
        self._name = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that `piece` completes. Raises `EventTooLongError`."""
        text = self._decoder.decode(piece)
        if not text:
            return []
        if not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if self._after_return:
            # The line end may have been cut in two.
            text = text.removeprefix("\n")
        self._after_return = text.endswith("\r")
        self._size += len(text)
        first, *others = _LINE_END.split(text)
        self._open.append(first)
        events = []
        for rest in others:
            event = self._line("".join(self._open))
            self._open = [rest]
            if event is not None:
                events.append(event)
                self._size = 0
        if self._size > LONGEST_EVENT:
            raise EventTooLongError
        return events

    def _line(self, line: str) -> SseEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value[:9])
        return None

    def _dispatch(self) -> SseEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return SseEvent(name, self._id, "\n".join(data)) if data else None
