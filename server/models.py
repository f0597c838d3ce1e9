"""The answers' shapes, for the documentation: what is sent is made elsewhere and is not checked again."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["stopped", "running", "in_position", "market_closed", "error"]
Freshness = Literal["live", "delayed", "stale", "closed", "simulated"]
_TIME = "2026-11-25T14:30:45.123456+03:00"
_POSITION: dict[str, Any] = {
    "symbol": "ASELS", "exchange": "BIST", "quantity": 100.0, "entry_price": 44.37, "opened_at": _TIME,
    "stop": 43.0, "target": 47.0, "trailing_stop": 43.9,
}  # fmt: skip
_BOT: dict[str, Any] = {
    "bot_id": "asels-swing", "owner": "local", "name": "ASELS swing", "version": 17, "status": "in_position",
    "symbol": "ASELS", "position": _POSITION, "open_pnl": 95.0, "open_pnl_pct": 2.14, "daily_pnl": 120.5,
    "daily_trades": 2, "last_trade_time": _TIME, "trailing_stop_price": 43.9, "last_price": 45.32,
    "price_freshness": "live", "last_error": "The feed was lost for 5 min.", "updated_at": _TIME,
    "exchange": "BIST", "currency": "₺",
    "strategy": "threshold", "symbols": ["BIST:ASELS"], "positions": [_POSITION], "realised_pnl": 1250.0,
    "equity": 101_250.0, "simulated": False, "engine": "local",
}  # fmt: skip


def _of(example: Any, description: str, **constraints: Any) -> Any:
    """A field with its example and its description."""
    return Field(examples=[example], description=description, **constraints)


def _bot(name: str, description: str) -> Any:
    return _of(_BOT[name], description)


def _position(name: str, description: str) -> Any:
    return _of(_POSITION[name], description)


class PositionOut(BaseModel):
    """What a bot holds of one instrument; a short position has a negative quantity."""

    symbol: str = _position("symbol", "The ticker without its exchange.")
    exchange: str = _position("exchange", "The exchange's code.")
    quantity: float = _position("quantity", "How much; negative if it was sold short.")
    entry_price: float = _position("entry_price", "The average price at which it was entered.")
    opened_at: str = _position("opened_at", "When it was opened.")
    stop: float | None = _position("stop", "The price of the fixed stop that is enforced.")
    target: float | None = _position("target", "The price at which the profit is taken.")
    trailing_stop: float | None = _position("trailing_stop", "The present price of the trailing stop.")


class BotOut(BaseModel):
    """One bot. Money is in `currency`, times are ISO 8601 with the exchange's offset.

    `version` rises by one at each change. `engine` runs the bot; where it is silent, all this may be old.
    """

    bot_id: str = _bot("bot_id", "Its name for programs; never changes.")
    owner: str = _bot("owner", "The user whose bot it is.")
    name: str = _bot("name", "A person's words: escape them.")
    version: int = _bot("version", "Rises by one at each change.")
    status: Status = _bot("status", "What it is doing.")
    symbol: str = _bot("symbol", "The ticker that is shown: that of `position`, else the last one traded.")
    position: PositionOut | None = _bot("position", "The oldest open position.")
    open_pnl: float = _bot("open_pnl", "What all open positions have gained or lost so far.")
    open_pnl_pct: float = _bot("open_pnl_pct", "The same in percent of their entry value.")
    daily_pnl: float = _bot("daily_pnl", "The open P&L and what was realised since the exchange's day began.")
    daily_trades: int = _bot("daily_trades", "Trades that were finished today.")
    last_trade_time: str | None = _bot("last_trade_time", "When it last traded.")
    trailing_stop_price: float | None = _bot(
        "trailing_stop_price", "The stop that is enforced for `position` and is nearest to the price."
    )
    last_price: float | None = _bot("last_price", "The last price of `symbol`.")
    price_freshness: Freshness | None = _bot("price_freshness", "What `last_price` is worth.")
    last_error: str | None = _bot("last_error", "Why it last failed, in one sentence; escape it.")
    updated_at: str = _bot("updated_at", "When this version came about.")
    exchange: str = _bot("exchange", "The code of the exchange of `symbol`.")
    currency: str = _bot("currency", "The sign of the currency of all its money.")
    strategy: str = _bot("strategy", "The name of its strategy.")
    symbols: list[str] = _bot("symbols", "All instruments that it may trade, with their exchanges.")
    positions: list[PositionOut] = _bot("positions", "All open positions, the oldest first.")
    realised_pnl: float = _bot("realised_pnl", "What all its finished trades have earned, net of fees.")
    equity: float = _bot("equity", "Its cash and what its positions are worth.")
    simulated: bool = _bot("simulated", "Whether it trades on made-up prices.")
    engine: str = _bot("engine", "The engine that runs it.")


class OneBotOut(BotOut):
    """One bot, and whether its engine is alive: if it is not, all of this may be old."""

    alive: bool = _of(True, "Whether its engine showed a sign of life within the last seconds.")


class EngineOut(BaseModel):
    """Whether an engine showed a sign of life within the last seconds."""

    alive: bool = _of(True, "False: its bots may be at a standstill, and all about them may be old.")


class BotsOut(BaseModel):
    """All bots of the caller, and the engines that run them."""

    bots: list[BotOut] = _of([_BOT], "The bots.")
    engines: dict[str, EngineOut] = _of({"local": {"alive": True}}, "The engines that run them, by name.")
    ready: bool = _of(True, "False while bots may be missing: an engine is not heard (yet).")


class DayOut(BaseModel):
    """The day's P&L over time, a point a minute at most, oldest first: pairs of time and money."""

    points: list[tuple[str, float]] = _of([[_TIME, 95.0], [_TIME, 120.5]], "Pairs of time and P&L.")


class StopIn(BaseModel):
    """How to stop a bot."""

    model_config = ConfigDict(extra="forbid", strict=True)
    flatten: bool = Field(False, examples=[True], description="Sell its positions first, at the next price.")


class CommandOut(BaseModel):
    """What became of a command: done, or on its way (the stream will show it)."""

    bot_id: str = _bot("bot_id", "The bot.")
    state: Literal["done", "pending"] = _of("done", "`pending` if the engine has not answered yet.")


class LoginIn(BaseModel):
    """The token that `users add` printed."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: str = _of("swing_...", "The whole token.", min_length=1, max_length=200)


class SessionOut(BaseModel):
    """Who is logged in. Send `csrf` as `X-CSRF-Token` with every command ("" for a call with a token)."""

    user: str = _of("local", "The user's name.")
    role: Literal["viewer", "trader"] = _of("trader", "A viewer may look, a trader may start and stop bots.")
    csrf: str = _of("q7Ue...", "The session's word for `X-CSRF-Token`.")


class HealthOut(BaseModel):
    """Whether the server serves, and whether it hears an engine."""

    status: Literal["ok"] = _of("ok", "The server answers.")
    engines: Literal["alive", "silent", "none"] = _of(
        "alive", "Whether any engine is alive; `none` if none was ever heard."
    )
    ready: bool = _of(True, "Whether it has heard of all bots, and hears their changes.")
