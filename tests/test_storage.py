"""One contract, held by the store in memory and by the one in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.errors import InputError
from core.i18n import set_language
from core.model import Bar, ClosedTrade, Side
from core.storage.base import Store
from tests.storage_helpers import NOON, D, delivery, position, signal
from tests.store_kinds import KINDS, open_kind


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Store]:
    made = open_kind(request, data_dir)
    yield made
    made.close()


# --- the contract ---------------------------------------------------------------------------------------


def test_positions_come_back_as_they_were_entered(store: Store) -> None:
    long = position(
        note="Şişe dip, “ikinci” deneme", stop=D("41.50"), target=D("60.00"), opened_at=NOON + 0.123456
    )
    short = position(
        "-0.000000000000000001", "123456789012345.123456789012345678", symbol="BTC", exchange="CRYPTO"
    )
    stored = store.add_positions([long, short])
    assert [p.id for p in stored] == [1, 2]
    assert store.positions() == stored == (replace(long, id=1), replace(short, id=2))
    assert str(store.positions()[0].target) == "60.00"


def test_nothing_to_add_is_no_error(store: Store) -> None:
    assert store.add_positions([]) == store.add_signals([]) == ()
    store.record_deliveries([])


def test_positions_are_added_all_or_none(store: Store) -> None:
    with pytest.raises(InputError):
        store.add_positions([position(), position("0")])
    assert store.positions() == ()


def test_a_position_is_replaced(store: Store) -> None:
    first, second = store.add_positions([position(), position()])
    edited = replace(first, quantity=D("-5"), symbol="THYAO", stop=D("50"), note="x")
    store.replace_position(edited)
    assert store.positions() == (edited, second)


def test_a_deleted_position_books_nothing_and_its_id_is_never_used_again(store: Store) -> None:
    (first,) = store.add_positions([position()])
    store.delete_position(first.id)
    assert store.positions() == ()
    assert store.trades() == ()
    (second,) = store.add_positions([position()])
    assert second.id > first.id


@pytest.mark.parametrize("missing", ["replace", "delete", "close"])
def test_what_is_not_open_is_refused(store: Store, missing: str) -> None:
    (gone,) = store.add_positions([position()])
    store.close_position(gone.id, D("1"), NOON)
    action: dict[str, Callable[[], Any]] = {
        "replace": lambda: store.replace_position(gone),
        "delete": lambda: store.delete_position(gone.id),
        "close": lambda: store.close_position(gone.id, D("1"), NOON),
    }
    with pytest.raises(InputError, match=f"number {gone.id}"):
        action[missing]()
    assert len(store.trades()) == 1


def test_closing_books_the_realised_result(store: Store) -> None:
    (opened,) = store.add_positions([position("100", "44.10")])
    trade = store.close_position(opened.id, D("45.32"), NOON + 60)
    assert trade == ClosedTrade(
        position_id=opened.id, symbol="ASELS", exchange="BIST", quantity=D("100"), entry_price=D("44.10"),
        exit_price=D("45.32"), opened_at=NOON, closed_at=NOON + 60, realised_pnl=D("122.00"), id=1,
    )  # fmt: skip
    assert store.positions() == ()
    assert store.trades() == (trade,)


def test_a_part_of_a_short_position_is_closed(store: Store) -> None:
    (short,) = store.add_positions([position("-400", "118.00")])
    trade = store.close_position(short.id, D("120.50"), NOON, D("150"))
    assert trade.quantity == D("-150")
    assert trade.realised_pnl == D("-375.00")
    assert store.positions() == (replace(short, quantity=D("-250")),)
    rest = store.close_position(short.id, D("110"), NOON, D("250"))
    assert rest.realised_pnl == D("2000")
    assert store.positions() == ()


@pytest.mark.parametrize("quantity", ["100.01", "0", "-1", "NaN", "Infinity"])
def test_more_than_is_held_or_nothing_cannot_be_closed(store: Store, quantity: str) -> None:
    (opened,) = store.add_positions([position("100")])
    with pytest.raises(InputError):
        store.close_position(opened.id, D("45"), NOON, D(quantity))
    assert store.positions() == (opened,)
    assert store.trades() == ()


def test_a_worthless_position_closes_at_zero(store: Store) -> None:
    (opened,) = store.add_positions([position("10", "3")])
    assert store.close_position(opened.id, D("0"), NOON).realised_pnl == D("-30")


BAD_POSITIONS: dict[str, dict[str, Any]] = {
    "no quantity": {"quantity": D(0)},
    "no number": {"quantity": D("NaN")},
    "endless": {"entry_price": D("Infinity")},
    "free": {"entry_price": D(0)},
    "negative price": {"entry_price": D("-1")},
    "too large": {"quantity": D("1E15")},
    "too fine": {"entry_price": D("0.0000000000000000001")},
    "negative stop": {"stop": D("-1")},
    "no target": {"target": D(0)},
    "unknown exchange": {"exchange": "XETRA"},
    "no symbol": {"symbol": ""},
    "half a character": {"note": "\ud83d"},
    "null character": {"note": "a\0b"},
    "no time": {"opened_at": float("nan")},
}


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("fields", BAD_POSITIONS.values(), ids=BAD_POSITIONS)
def test_what_cannot_be_booked_is_refused_in_one_sentence(
    store: Store, fields: dict[str, Any], language: str
) -> None:
    set_language(language)
    (good,) = store.add_positions([position()])
    with pytest.raises(InputError) as caught:
        store.add_positions([replace(position(), **fields)])
    assert str(caught.value).endswith(".")
    with pytest.raises(InputError):
        store.replace_position(replace(good, **fields))
    assert store.positions() == (good,)


def test_a_close_needs_a_real_price_and_time(store: Store) -> None:
    (opened,) = store.add_positions([position()])
    with pytest.raises(InputError, match="exit price"):
        store.close_position(opened.id, D("-1"), NOON)
    with pytest.raises(InputError, match="date"):
        store.close_position(opened.id, D("1"), float("inf"))


def test_zeros_at_the_end_are_no_decimals(store: Store) -> None:
    (stored,) = store.add_positions([position("1." + "0" * 40, "1E+3")])
    assert store.positions() == (stored,)


def test_trades_are_newest_first_and_bounded(store: Store) -> None:
    opened = store.add_positions([position() for _ in range(4)])
    for one, closed_at in zip(opened, (3.0, 1.0, 4.0, 3.0), strict=True):
        store.close_position(one.id, D("1"), closed_at)
    assert [t.position_id for t in store.trades()] == [3, 4, 1, 2]
    assert [t.position_id for t in store.trades(since=3.0, limit=2)] == [3, 4]


def test_signals_come_back_newest_first_with_ids(store: Store) -> None:
    stored = store.add_signals([signal(1.0), signal(3.0, id=77, side=Side.BUY, simulated=True), signal(2.0)])
    assert [s.id for s in stored] == [1, 2, 3]
    assert store.signals() == (stored[1], stored[2], stored[0])
    assert store.signals(since=2.0, limit=1) == (stored[1],)
    assert [s.id for s in store.add_signals([signal(2.0)])] == [4]
    assert [s.id for s in store.signals()] == [2, 4, 3, 1]


def test_the_notification_log_keeps_the_last_word_on_each_message(store: Store) -> None:
    store.record_deliveries(
        [delivery(created=1.0), delivery("m2", created=2.0), delivery(channel="email", created=1.0)]
    )
    done = delivery(status="delivered", attempt=2, detail="ok", created=1.0, updated=5.0)
    store.record_deliveries([done, delivery("m3", created=2.0)])
    assert [(d.message_id, d.channel) for d in store.deliveries()] == [
        ("m2", "telegram"), ("m3", "telegram"), ("m1", "telegram"), ("m1", "email"),
    ]  # fmt: skip
    assert store.deliveries()[2] == done
    assert len(store.deliveries(limit=2)) == 2


def test_values_are_json(store: Store) -> None:
    assert store.value("layout") is None
    assert store.value("layout", 5) == 5
    store.set_value("layout", {"ü": [1, 2.5, None, True], "t": (1, 2)})
    store.set_value("none", None)
    assert store.value("layout") == {"ü": [1, 2.5, None, True], "t": [1, 2]}
    assert store.value("none", 5) is None
    store.set_value("layout", [])
    assert store.value("layout") == []
    for impossible in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            store.set_value("layout", impossible)
    assert store.value("layout") == []


def test_a_value_is_a_copy(store: Store) -> None:
    value = {"a": [1]}
    store.set_value("key", value)
    value["a"].append(2)
    store.value("key")["a"].append(3)
    assert store.value("key") == {"a": [1]}


def a_bar(start: float, close: float = 45.32, key: str = "BIST:ASELS", volume: float | None = 1e6) -> Bar:
    return Bar(key, start, 45.123456789, 46.0, 44.0, close, volume)


def test_bars_come_back_as_they_were_told_oldest_first(store: Store) -> None:
    bars = [a_bar(NOON + 60 * n) for n in (2, 0, 1)] + [a_bar(NOON, volume=None, key="CRYPTO:BTC")]
    store.add_bars(bars)
    store.add_bars([a_bar(NOON, 45.5)], 86_400)
    ordered = (bars[1], bars[2], bars[0])
    assert store.bars("BIST:ASELS") == ordered
    assert store.bars("BIST:ASELS", limit=2) == ordered[1:]
    assert store.bars("BIST:ASELS", since=NOON + 60, until=NOON + 120) == ordered[1:2]
    assert store.bars("BIST:ASELS", since=NOON + 0.5) == ordered[1:]
    assert store.bars("BIST:ASELS", limit=0) == ()
    assert store.bars("CRYPTO:BTC") == (bars[3],)
    assert store.bars("BIST:ASELS", 86_400) == (a_bar(NOON, 45.5),)
    assert store.bars("BIST:THYAO") == store.bars("BIST:ASELS", 300) == ()
    assert store.bar_keys() == ("BIST:ASELS", "CRYPTO:BTC")
    assert store.oldest_bars("BIST:ASELS", 60, NOON + 120, 1) == ordered[:1]
    assert store.oldest_bars("BIST:THYAO", 60, NOON, 1) == ()


def test_a_bar_is_overwritten_or_kept(store: Store) -> None:
    store.add_bars([a_bar(NOON), a_bar(NOON, 45.5), a_bar(NOON + 60)])
    assert [bar.close for bar in store.bars("BIST:ASELS")] == [45.5, 45.32]
    store.add_bars([a_bar(NOON, 46.0), a_bar(NOON + 120)], keep=True)
    assert [bar.close for bar in store.bars("BIST:ASELS")] == [45.5, 45.32, 45.32]
    store.add_bars([])


def test_old_bars_are_forgotten(store: Store) -> None:
    store.add_bars([a_bar(NOON + 60 * n) for n in range(5)])
    store.add_bars([a_bar(NOON)], 86_400)
    store.remove_bars("BIST:ASELS", 60, NOON + 180)
    store.remove_bars("BIST:THYAO", 60, NOON + 180)
    assert [bar.start for bar in store.bars("BIST:ASELS")] == [NOON + 180, NOON + 240]
    assert len(store.bars("BIST:ASELS", 86_400)) == 1


def test_close_is_idempotent_and_the_end(store: Store) -> None:
    store.close()
    store.close()
    for use in (store.positions, lambda: store.add_signals([signal()]), lambda: store.value("x")):
        with pytest.raises(RuntimeError, match="closed"):
            use()
