"""What the window's parts share: named values, and word of their changes.

Values are deep-frozen when they are set (lists and dicts become read-only copies), so nobody can change a
value behind the others' backs, and handing one out costs nothing. Nothing is persisted here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NoReturn

import msgspec
from PyQt5.QtCore import QObject, QThread, pyqtSignal

log = logging.getLogger(__name__)

SIGNALS_KEY = "real_time_signals"
MAX_SIGNALS = 1000
Callback = Callable[[Any], None]
Unsubscribe = Callable[[], None]


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError("this is a shared snapshot and cannot be changed; copy it, or use StateManager.set")


class FrozenList(list[Any]):
    """A list that cannot be changed; equal to a list with the same items."""

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class FrozenDict(dict[Any, Any]):
    """A dict that cannot be changed; equal to a dict with the same items."""

    pop = popitem = clear = update = setdefault = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def freeze(value: Any) -> Any:
    """A read-only copy of `value`; what cannot change is returned as it is.

    Raises TypeError for an object that could be changed and that we do not know how to copy.
    """
    if isinstance(value, FrozenList | FrozenDict):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | deque):
        return FrozenList(freeze(item) for item in value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(freeze(item) for item in value)
    if isinstance(value, set):
        return frozenset(value)
    if isinstance(value, msgspec.Struct) and not type(value).__struct_config__.frozen:
        raise TypeError(f"{type(value).__name__} can be changed; share a frozen value instead")
    if type(value).__hash__ is None:
        raise TypeError(f"{type(value).__name__} can be changed; share a frozen value instead")
    return value


def _same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and bool(old == new))


class StateManager(QObject):
    """Shared values by key. Belongs to the GUI thread: any other thread gets a RuntimeError.

    `changed(key, value)` is emitted, and the key's subscribers are called, after the value is in place. A
    change made by a subscriber is announced after the present one, so everybody sees changes in order.
    """

    changed = pyqtSignal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, Any] = {}
        self._subscribers: dict[str, tuple[Callback, ...]] = {}
        self._pending: deque[tuple[str, Any]] = deque()
        self._announcing = False

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key` (read-only), or `default` if it was never set."""
        self._check_thread()
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Share `value` under `key`; an equal value is not announced."""
        self._check_thread()
        frozen = freeze(value)
        if key in self._values and _same(self._values[key], frozen):
            return
        self._values[key] = frozen
        self._pending.append((key, frozen))
        self._announce()

    def subscribe(self, key: str, callback: Callback) -> Unsubscribe:
        """Call `callback(value)` at each change of `key`; the result ends it, idempotently."""
        self._check_thread()
        entry = partial(callback)  # a new object, so that each subscription has its own identity
        self._subscribers[key] = (*self._subscribers.get(key, ()), entry)

        def unsubscribe() -> None:
            self._subscribers[key] = tuple(c for c in self._subscribers.get(key, ()) if c is not entry)

        return unsubscribe

    def append_signal(self, payload: Mapping[str, Any]) -> None:
        """Add one signal's payload to "real_time_signals" (newest last, the last 1000 are kept)."""
        self.append_signals((payload,))

    def append_signals(self, payloads: Iterable[Mapping[str, Any]]) -> None:
        """Add several signals' payloads with one announcement."""
        self._check_thread()
        fresh = [freeze(payload) for payload in payloads]
        if fresh:
            kept = [*self._values.get(SIGNALS_KEY, ()), *fresh]
            self.set(SIGNALS_KEY, FrozenList(kept[-MAX_SIGNALS:]))

    def _announce(self) -> None:
        if self._announcing:
            return
        self._announcing = True
        try:
            while self._pending:
                key, value = self._pending.popleft()
                self._tell_subscribers(key, value)
                self.changed.emit(key, value)
        finally:
            self._announcing = False

    def _tell_subscribers(self, key: str, value: Any) -> None:
        for callback in self._subscribers.get(key, ()):
            if callback not in self._subscribers.get(key, ()):
                continue
            try:
                callback(value)
            except Exception:  # one broken listener must not stop the others
                log.exception("a subscriber of %r failed", key)

    def _check_thread(self) -> None:
        if QThread.currentThread() is not self.thread():
            raise RuntimeError("StateManager belongs to the GUI thread; send the value there by a Qt signal")
