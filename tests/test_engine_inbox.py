"""The engine's inbox."""

from __future__ import annotations

import threading

from core.engine import inbox as module
from core.engine.inbox import Inbox
from core.feed.messages import SourceLost
from tests.patience import FOREVER
from tests.scripted import ASELS, THYAO, quote


def test_everything_is_handed_over_at_once_in_order():
    inbox = Inbox()
    inbox.put("one")
    inbox.put_quotes([quote(price=1.0), quote(price=2.0)])
    inbox.put("two")
    messages, quotes = inbox.take(0)
    assert messages == ["one", "two"] and [q.price for q in quotes] == [1.0, 2.0]
    assert inbox.take(0) == ([], [])


def test_an_overflow_keeps_each_instruments_newest_quote_and_every_message(monkeypatch):
    monkeypatch.setattr(module, "MAX_QUOTES", 10)
    inbox = Inbox()
    for number in range(50):
        inbox.put(number)
        inbox.put_quotes([quote(ASELS, 1.0 + number), quote(THYAO, 100.0 + number)])
    messages, quotes = inbox.take(0)
    assert messages == list(range(50))
    assert len(quotes) <= 12 and inbox.conflated > 0
    latest = {q.key: q.price for q in quotes}
    assert latest == {ASELS.key: 50.0, THYAO.key: 149.0}


def test_quotes_can_be_dropped_alone():
    inbox = Inbox()
    inbox.put("kept")
    inbox.put_quotes([quote()])
    inbox.drop_quotes()
    assert inbox.take(0) == (["kept"], [])


def test_what_a_connection_told_stands_before_its_end():
    inbox = Inbox()
    inbox.put("one")
    inbox.put_quotes([quote(price=1.0), quote(price=2.0)])
    inbox.put(SourceLost("push"))
    inbox.put_quotes([quote(price=3.0)])
    messages, quotes = inbox.take(0)
    assert messages[0] == "one" and messages[2] == SourceLost("push") and len(messages) == 3
    assert [q.price for q in messages[1].quotes] == [1.0, 2.0] and [q.price for q in quotes] == [3.0]
    inbox.put_quotes([quote()])
    inbox.put(SourceLost("push"))
    inbox.drop_quotes()
    inbox.put(SourceLost("poll"))
    assert inbox.take(0) == ([SourceLost("push"), SourceLost("poll")], [])


def test_a_taker_waits_until_something_comes_or_it_is_woken():
    for wake in (lambda i: i.put("x"), lambda i: i.put_quotes([quote()]), lambda i: i.wake()):
        inbox = Inbox()
        timer = threading.Timer(0.02, wake, [inbox])
        timer.start()
        inbox.take(FOREVER)
        timer.join()


def test_a_wake_up_is_not_lost_and_counts_once():
    inbox = Inbox()
    inbox.wake()
    inbox.take(FOREVER)
    assert inbox.take(0.01) == ([], [])
