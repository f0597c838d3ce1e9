"""What a row of the price list says: in its state line, its tooltip and to a screen reader."""

from __future__ import annotations

from collections.abc import Iterator

from core.i18n import tr
from core.model import Freshness, SourceConflict, Tick
from core.price_rules import format_price
from gui.formatting import change_text, direction, duration, exact_time, price_text, stale_text
from gui.models.tick_row import Link, RowState, TickRow

_SPOKEN = {1: "ticker.spoken_up", 0: "ticker.spoken_level", -1: "ticker.spoken_down"}
_EXPLAINED = {
    RowState.SIMULATED: "ticker.tip_simulated",
    RowState.LOST: "ticker.tip_lost",
    RowState.UNTIMED: "ticker.tip_untimed",
    RowState.WAITING: "ticker.tip_waiting",
    RowState.EMPTY: "ticker.tip_empty",
    RowState.UNKNOWN: "ticker.tip_unknown",
}


def state_text(row: TickRow, state: RowState, now: float) -> str:
    """The words beside the dot; `now` in Unix seconds."""
    text = _bare_state_text(row, state, now)
    if row.tick is not None and row.tick.basis == "session_open":
        return tr("ticker.since_open", state=text)
    return text


def _bare_state_text(row: TickRow, state: RowState, now: float) -> str:
    if state is RowState.DISPUTED and row.conflict is not None:
        first, second = (format_price(row.key, price) for price in row.conflict.prices)
        return tr("ticker.state_disputed", first=first, second=second)
    if state is RowState.STALE:
        return stale_text(now - row.new_at)
    if state is RowState.LOST:
        return tr("ticker.state_lost", duration=duration(now - row.received))
    if state is RowState.SIMULATED and _replayed(row):
        return tr("ticker.state_replay")
    if state is RowState.DELAYED and row.delay:
        return tr("ticker.state_delayed_by", duration=duration(row.delay))
    return tr(f"ticker.state_{state.value}")


def _replayed(row: TickRow) -> bool:
    return row.tick is not None and row.tick.source == "replay"


def spoken_text(row: TickRow, link: Link, now: float) -> str:
    """The whole row as one sentence for a screen reader."""
    state = state_text(row, row.state(link), now)
    if row.price is None:
        return tr("ticker.spoken_bare", symbol=row.symbol, exchange=row.exchange, state=state)
    change = tr(_SPOKEN[direction(row.change)], change=change_text(abs(row.change)).lstrip("+"))
    return tr(
        "ticker.spoken", symbol=row.symbol, exchange=row.exchange, price=price_text(row.key, row.price),
        change=change, state=state,
    )  # fmt: skip


def tooltip_text(row: TickRow, link: Link, now: float, opens_at: float | None = None) -> str:
    """Everything that is known of the row's price, a line each; `opens_at` is the market's next opening."""
    return "\n".join(_tooltip_lines(row, link, now, opens_at))


def _tooltip_lines(row: TickRow, link: Link, now: float, opens_at: float | None) -> Iterator[str]:
    state = row.state(link)
    if row.price is None:
        yield f"{row.symbol} · {row.exchange}"
    else:
        yield f"{row.symbol} · {row.exchange}   {price_text(row.key, row.price)}"
        yield _basis_line(row)
    yield _bare_state_text(row, state, now)
    if state is RowState.CLOSED and opens_at is not None:
        yield tr("ticker.tip_opens", time=exact_time(opens_at, row.exchange, now))
    if row.tick is not None:
        yield from _tick_lines(row.tick, now)
    elif row.price is not None:
        yield tr("ticker.tip_received", time=exact_time(row.received, row.exchange, now))
    if row.conflict is not None and not row.simulated:
        yield from _conflict_lines(row.conflict)
    if state is RowState.SIMULATED and _replayed(row):
        yield tr("ticker.tip_replay")
    elif state in _EXPLAINED:
        yield tr(_EXPLAINED[state], key=row.key)


def _conflict_lines(conflict: SourceConflict) -> Iterator[str]:
    name = "then" if conflict.ago else "close" if conflict.of_closes else "price"
    ago = {"ago": duration(conflict.ago)} if conflict.ago else {}
    for source, price in zip(conflict.sources, conflict.prices, strict=True):
        yield tr(f"ticker.tip_disputed_{name}", source=source, price=price_text(conflict.key, price), **ago)
    yield tr("ticker.tip_disputed")


def _basis_line(row: TickRow) -> str:
    change = change_text(row.change)
    if row.tick is None:
        return tr("ticker.tip_basis_none", change=change)
    if row.tick.basis == "session_open":
        return tr("ticker.tip_basis_open", change=change)
    if row.tick.previous_close is None:
        return tr("ticker.tip_basis_close_bare", change=change)
    return tr("ticker.tip_basis_close", change=change, close=price_text(row.key, row.tick.previous_close))


def _tick_lines(tick: Tick, now: float) -> Iterator[str]:
    yield tr("ticker.tip_stamp", time=exact_time(tick.stamp, tick.exchange, now))
    yield tr("ticker.tip_received", time=exact_time(tick.received, tick.exchange, now))
    if tick.freshness is Freshness.DELAYED:
        yield tr("ticker.tip_lag", lag=duration(max(0.0, tick.received - tick.stamp)))
    yield tr("ticker.tip_source", source=tick.source)
    if tick.open is not None and tick.high is not None and tick.low is not None:
        prices = {name: price_text(tick.key, getattr(tick, name)) for name in ("open", "high", "low")}
        yield tr("ticker.tip_range", **prices)
