"""What a bot's card says: its lines, its tooltip, and the sentence for a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.bots.model import BotState
from core.exchanges import EXCHANGES
from core.i18n import format_number, format_percent, tr
from core.model import Freshness
from core.price_rules import format_price
from gui.formatting import duration, exact_time
from gui.models.bot_card import BotCard, stop_distance
from gui.models.cells import ago_text, quantity_text, tint_of

UPDATE_FRESH = 5.0
"""Seconds for which an update counts as of now."""

_WORTH_ROLES = {
    Freshness.LIVE: "up", Freshness.DELAYED: "warning", Freshness.STALE: "stale",
    Freshness.CLOSED: "secondary", Freshness.SIMULATED: "simulated",
}  # fmt: skip


class CardTexts(NamedTuple):
    """The texts of a card; a pair is a text and its colour role."""

    name: str
    status: tuple[str, str]
    holding: str
    open_pnl: tuple[str, str]
    daily_pnl: tuple[str, str]
    trades: str
    stop: tuple[str, str]
    price: str
    freshness: Freshness | None
    worth: tuple[str, str]
    traded: str
    age: tuple[str, str]
    error: str


def money(value: float, currency: str) -> str:
    """A signed amount: "+312.40 ₺"."""
    return f"{format_number(value, sign=True)}\N{NO-BREAK SPACE}{currency}"


def card_texts(card: BotCard, now: float, silent: float | None) -> CardTexts:
    """Everything the card says at the Unix time `now`; `silent` as in `BotsModel.silence`."""
    state = card.state
    currency = EXCHANGES[state.key.partition(":")[0]].currency
    return CardTexts(
        name=state.name, status=status_text(state), holding=_holding(state),
        open_pnl=_open_pnl(state, currency),
        daily_pnl=(money(state.daily_pnl, currency), tint_of(state.daily_pnl)),
        trades=tr("bots_view.trades_one" if state.daily_trades == 1 else "bots_view.trades",
                  count=state.daily_trades),
        stop=_stop(state, currency), price=_price(state), freshness=state.price_freshness,
        worth=worth_text(state),
        traded=_traded(state, now), age=_age(card, now, silent), error=state.last_error or "",
    )  # fmt: skip


def status_text(state: BotState) -> tuple[str, str]:
    """The status as a word, with its colour role."""
    roles = {"error": "down", "in_position": "accent_text", "running": "up", "market_closed": "secondary"}
    return tr(f"bots_view.status_{state.status.value}"), roles.get(state.status.value, "secondary")


def worth_text(state: BotState) -> tuple[str, str]:
    """What the last price is worth, as a word with its colour role; "" while there is none."""
    freshness = Freshness.SIMULATED if state.simulated else state.price_freshness
    if freshness is None:
        return "", "secondary"
    return tr(f"bots_view.price_{freshness.value}"), _WORTH_ROLES[freshness]


def age_text(state: BotState, now: float, silent: float | None) -> tuple[str, str]:
    """The age of the last update, or for how long the engine has been silent."""
    if silent is not None:
        return tr("bots_view.silent", duration=duration(silent)), "warning"
    age = now - state.updated_at
    return (tr("bots_view.just_now") if age < UPDATE_FRESH else ago_text(age)), "secondary"


def _age(card: BotCard, now: float, silent: float | None) -> tuple[str, str]:
    if silent is None and card.waits_in_vain:
        return tr("bots_view.no_prices"), "warning"
    return age_text(card.state, now, silent)


def _holding(state: BotState) -> str:
    position = state.position
    if position is None:
        return state.symbol
    text = f"{state.symbol}  {quantity_text(position.quantity)}"
    others = len(state.positions) - 1
    return tr("bots_view.and_others", text=text, count=others) if others > 0 else text


def _open_pnl(state: BotState, currency: str) -> tuple[str, str]:
    if state.position is None:
        return "", "secondary"
    text = f"{money(state.open_pnl, currency)} ({format_percent(state.open_pnl_pct)})"
    return text, tint_of(state.open_pnl)


def _stop(state: BotState, currency: str) -> tuple[str, str]:
    position, stop = state.position, state.trailing_stop_price
    if position is None:
        return "", "secondary"
    if stop is None:
        return tr("bots_view.no_stop"), "warning"
    name = (
        "trailing" if position.trailing_stop is not None and float(position.trailing_stop) == stop else "stop"
    )
    text = tr(f"bots_view.{name}", price=format_price(state.key, stop))
    distance = stop_distance(state)
    if distance is None:
        return text, "text"
    return f"{text}  ({format_percent(distance[0])}, {money(distance[1], currency)})", "text"


def _price(state: BotState) -> str:
    return "" if state.last_price is None else format_price(state.key, state.last_price, currency=True)


def _traded(state: BotState, now: float) -> str:
    if state.last_trade_time is None:
        return tr("bots_view.never_traded")
    return tr("bots_view.traded", ago=ago_text(max(0.0, now - state.last_trade_time)))


def tooltip_text(card: BotCard, now: float, silent: float | None) -> str:
    """Everything that is known of the bot, a line each, times exact."""
    return "\n".join(_tooltip_lines(card, now, silent))


def _tooltip_lines(card: BotCard, now: float, silent: float | None) -> Iterator[str]:
    state = card.state
    exchange = state.key.partition(":")[0]
    yield f"{state.name} · {status_text(state)[0]}" + (f" · {card.server}" if card.server else "")
    yield tr(
        "bots_view.tip_strategy",
        strategy=state.strategy or "–",
        symbols=", ".join(state.keys) or state.symbol,
    )
    for position in state.positions:
        yield tr(
            "bots_view.tip_position", symbol=position.key, quantity=quantity_text(position.quantity),
            entry=format_price(position.key, float(position.entry_price), currency=True),
            time=exact_time(position.opened_at, position.key.partition(":")[0], now),
        )  # fmt: skip
        levels = (("stop", position.stop), ("trailing", position.trailing_stop), ("target", position.target))
        for name, level in levels:
            if level is not None:
                price = format_price(position.key, float(level), currency=True)
                yield tr(f"bots_view.tip_{name}", price=price)
    if state.last_trade_time is not None:
        yield tr("bots_view.tip_traded", time=exact_time(state.last_trade_time, exchange, now))
    yield tr("bots_view.tip_updated", time=exact_time(state.updated_at, exchange, now), version=state.version)
    if state.simulated:
        yield tr("bots_view.tip_simulated")
    if silent is not None:
        yield tr("bots_view.tip_silent")
    elif card.waits_in_vain:
        yield tr("bots_view.tip_no_prices")
    if state.last_error:
        yield state.last_error


def spoken_text(card: BotCard, now: float, silent: float | None) -> str:
    """The whole card as one sentence for a screen reader."""
    texts = card_texts(card, now, silent)
    parts = (
        texts.name, texts.status[0], texts.holding, texts.open_pnl[0],
        tr("bots_view.day", amount=texts.daily_pnl[0]), texts.trades, texts.stop[0], texts.price,
        texts.worth[0] if silent is None else "", texts.traded, texts.age[0], texts.error,
    )  # fmt: skip
    return ", ".join(filter(None, parts))
