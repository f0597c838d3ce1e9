"""Money is exact: any sequence of commands reconciles to the last digit, in both stores."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from msgspec.structs import replace

from core.storage.base import Store
from core.storage.booking import book_close
from core.storage.memory_store import MemoryStore
from core.storage.sql_store import SqlStore
from tests.storage_helpers import NOON, D, position

decimals = st.decimals("0.000000001", "999999999", allow_nan=False, places=9) | st.integers(1, 10**14).map(D)
quantities = st.tuples(decimals, st.booleans()).map(lambda pair: -pair[0] if pair[1] else pair[0])


@given(quantities, decimals, decimals, st.data())
def test_every_close_is_exact(quantity: Decimal, entry: Decimal, price: Decimal, data: st.DataObject) -> None:
    opened = replace(position(id=7), quantity=quantity, entry_price=entry)
    part = data.draw(st.decimals("0.000000001", abs(quantity), places=9) | st.just(abs(quantity)))
    trade, rest = book_close(opened, price, NOON, part)
    remaining = Fraction(rest.quantity) if rest else Fraction(0)
    assert Fraction(trade.realised_pnl) == (Fraction(price) - Fraction(entry)) * Fraction(trade.quantity)
    assert Fraction(trade.quantity) + remaining == Fraction(quantity)
    assert (trade.quantity > 0) == (quantity > 0)


class LedgerMachine(RuleBasedStateMachine):
    """Any sequence of commands leaves the database, the memory and a sum by fractions in agreement."""

    opened = Bundle("opened")

    def __init__(self) -> None:
        super().__init__()
        self.stores: tuple[Store, Store] = (SqlStore("sqlite://", data_dir=None), MemoryStore())
        self.held: dict[int, Fraction] = {}
        self.entry: dict[int, Fraction] = {}
        self.realised = Fraction(0)

    def both(self, act: Callable[[Store], Any]) -> Any:
        one, two = (act(store) for store in self.stores)
        assert one == two
        return one

    @rule(target=opened, entered=st.lists(st.tuples(quantities, decimals), min_size=1, max_size=3))
    def add(self, entered: list[tuple[Decimal, Decimal]]) -> Any:
        new = [replace(position(), quantity=quantity, entry_price=entry) for quantity, entry in entered]
        stored = self.both(lambda store: store.add_positions(new))
        for one in stored:
            self.held[one.id], self.entry[one.id] = Fraction(one.quantity), Fraction(one.entry_price)
        return multiple(*(one.id for one in stored))

    @rule(number=opened, quantity=quantities, entry=decimals)
    def edit(self, number: int, quantity: Decimal, entry: Decimal) -> None:
        edited = replace(position(id=number), quantity=quantity, entry_price=entry)
        self.both(lambda store: store.replace_position(edited))
        self.held[number], self.entry[number] = Fraction(quantity), Fraction(entry)

    @rule(number=consumes(opened), price=decimals)
    def close(self, number: int, price: Decimal) -> None:
        self.both(lambda store: store.close_position(number, price, NOON))
        self.realised += (Fraction(price) - self.entry[number]) * self.held.pop(number)

    @rule(number=opened, price=decimals, share=st.integers(1, 9))
    def close_part(self, number: int, price: Decimal, share: int) -> None:
        held = next(p.quantity for p in self.stores[0].positions() if p.id == number)
        part = (abs(held) * share / 10).quantize(D("1E-9"))
        if not 0 < part < abs(held):
            return
        self.both(lambda store: store.close_position(number, price, NOON, part))
        closed = Fraction(part) if held > 0 else -Fraction(part)
        self.realised += (Fraction(price) - self.entry[number]) * closed
        self.held[number] -= closed

    @rule(number=consumes(opened))
    def delete(self, number: int) -> None:
        self.both(lambda store: store.delete_position(number))
        del self.held[number]

    @invariant()
    def all_agree(self) -> None:
        open_now = self.both(lambda store: store.positions())
        trades = self.both(lambda store: store.trades())
        assert {p.id: Fraction(p.quantity) for p in open_now} == self.held
        value = sum(Fraction(p.quantity) * Fraction(p.entry_price) for p in open_now)
        assert value == sum(self.held[number] * self.entry[number] for number in self.held)
        assert sum(Fraction(t.realised_pnl) for t in trades) == self.realised

    def teardown(self) -> None:
        for store in self.stores:
            store.close()


LedgerMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
test_ledger = LedgerMachine.TestCase
