"""The shared state: read-only values, one word per change, the GUI thread only."""

from __future__ import annotations

import json
import logging
import threading

import msgspec
import pytest
from PyQt5.QtCore import QObject

from gui.data.state_manager import MAX_SIGNALS, SIGNALS_KEY, StateManager
from tests.patience import PATIENCE


@pytest.fixture
def state(qapp):
    return StateManager()


class Listener(QObject):
    def __init__(self, state: StateManager) -> None:
        super().__init__()
        self.seen: list[tuple[str, object]] = []
        state.changed.connect(lambda key, value: self.seen.append((key, value)))


def test_an_unset_key_gives_the_default(state):
    assert state.get("nothing") is None
    assert state.get("nothing", 7) == 7


def test_a_change_is_announced_once_and_an_equal_value_never(state):
    listener = Listener(state)
    state.set("theme", "dark")
    state.set("theme", "dark")
    state.set("list", [1, {"a": 2}])
    state.set("list", [1, {"a": 2}])
    state.set("theme", "light")
    assert listener.seen == [("theme", "dark"), ("list", [1, {"a": 2}]), ("theme", "light")]


def test_none_set_for_the_first_time_is_a_change(state):
    listener = Listener(state)
    state.set("selected", None)
    assert listener.seen == [("selected", None)]


def test_true_is_not_one(state):
    listener = Listener(state)
    state.set("flag", 1)
    state.set("flag", True)
    assert [value for _, value in listener.seen] == [1, True]


def test_the_setter_cannot_change_the_value_afterwards(state):
    mine = {"prices": [1.0]}
    state.set("book", mine)
    mine["prices"].append(2.0)
    assert state.get("book") == {"prices": [1.0]}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda book: book.update(x=1),
        lambda book: book.__setitem__("x", 1),
        lambda book: book.pop("prices"),
        lambda book: book["prices"].append(2),
        lambda book: book["prices"].sort(),
        lambda book: book["prices"].__setitem__(0, 2),
        lambda book: book["prices"].__iadd__([3]),
        lambda book: book["prices"].clear(),
    ],
)
def test_the_getter_cannot_change_the_shared_value(state, spoil):
    state.set("book", {"prices": [1.0]})
    with pytest.raises(TypeError, match="cannot be changed"):
        spoil(state.get("book"))
    assert state.get("book") == {"prices": [1.0]}


def test_a_snapshot_is_still_a_list_for_json_and_copies(state):
    state.set("book", {"prices": [1.0]})
    assert json.dumps(state.get("book")) == '{"prices": [1.0]}'
    copy = list(state.get("book")["prices"])
    copy.append(2.0)
    assert state.get("book")["prices"] == [1.0]


def test_what_can_be_changed_and_not_copied_is_refused(state):
    class Loose(msgspec.Struct):
        x: int

    with pytest.raises(TypeError, match="Loose"):
        state.set("x", Loose(1))
    with pytest.raises(TypeError, match="bytearray"):
        state.set("x", bytearray(b"x"))


def test_subscribers_hear_their_own_key_until_they_leave(state):
    seen = []
    leave = state.subscribe("a", seen.append)
    state.set("a", 1)
    state.set("b", 2)
    leave()
    leave()
    state.set("a", 3)
    assert seen == [1]


def test_the_same_callback_may_subscribe_twice_and_leave_once(state):
    seen = []
    leave = state.subscribe("a", seen.append)
    state.subscribe("a", seen.append)
    leave()
    state.set("a", 1)
    assert seen == [1]


def test_a_broken_subscriber_is_logged_and_the_others_hear(state, caplog):
    seen = []
    state.subscribe("a", lambda value: 1 / 0)
    state.subscribe("a", seen.append)
    with caplog.at_level(logging.ERROR):
        state.set("a", 1)
    assert seen == [1]
    assert "a subscriber of 'a' failed" in caplog.text


def test_a_change_made_by_a_subscriber_is_announced_after_the_present_one(state):
    seen = []
    state.subscribe("a", lambda value: state.set("a", value + 1) if value < 3 else None)
    state.subscribe("a", seen.append)
    state.set("a", 1)
    assert seen == [1, 2, 3]
    assert state.get("a") == 3


def test_one_who_leaves_during_the_announcement_hears_no_more(state):
    seen = []
    leavers = []
    state.subscribe("a", lambda value: leavers[0]())
    leavers.append(state.subscribe("a", seen.append))
    state.set("a", 1)
    assert seen == []


def test_signals_are_kept_newest_last_and_bounded(state):
    listener = Listener(state)
    state.append_signal({"symbol": "ASELS"})
    state.append_signals({"symbol": f"S{n}"} for n in range(MAX_SIGNALS + 5))
    signals = state.get(SIGNALS_KEY)
    assert isinstance(signals, list)
    assert len(signals) == MAX_SIGNALS
    assert signals[-1] == {"symbol": f"S{MAX_SIGNALS + 4}"}
    assert signals[0] == {"symbol": "S5"}
    assert len(listener.seen) == 2


def test_no_signals_is_no_change(state):
    listener = Listener(state)
    state.append_signals([])
    assert listener.seen == []


def test_two_equal_signals_are_two_entries(state):
    state.append_signal({"symbol": "ASELS"})
    state.append_signal({"symbol": "ASELS"})
    assert len(state.get(SIGNALS_KEY)) == 2


def test_another_thread_is_told_so(state):
    errors = []

    def meddle():
        for call in (lambda: state.get("a"), lambda: state.set("a", 1), lambda: state.append_signal({})):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))

    thread = threading.Thread(target=meddle)
    thread.start()
    thread.join(PATIENCE)
    assert len(errors) == 3
    assert "GUI thread" in errors[0]
    assert state.get("a") is None
