"""The answers' shapes, for the documentation: what is sent is made elsewhere and is not checked again."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["stopped", "running", "in_position", "market_closed", "error"]
Freshness = Literal["live", "delayed", "stale", "closed", "simulated"]
_TIME = "2026-11-25T14:30:45.123456+03:00"


class PositionOut(BaseModel):
    """What a bot holds of one instrument; a short position has a negative quantity."""

    symbol: str = Field(examples=["ASELS"])
    exchange: str = Field(examples=["BIST"])
    quantity: float = Field(examples=[100.0])
    entry_price: float = Field(examples=[44.37])
    opened_at: str = Field(examples=[_TIME])
    stop: float | None = Field(examples=[43.0])
    target: float | None = Field(examples=[None])
    trailing_stop: float | None = Field(examples=[43.9])


class BotOut(BaseModel):
    """One bot. Money is in `currency`, times are ISO 8601 with the exchange's offset.

    `version` rises by one at each change. `engine` runs the bot; where it is silent, all this may be old.
    """

    bot_id: str = Field(examples=["asels-swing"])
    owner: str = Field(examples=["local"])
    name: str = Field(examples=["ASELS swing"], description="A person's words: escape them.")
    version: int = Field(examples=[17])
    status: Status
    symbol: str = Field(examples=["ASELS"])
    position: PositionOut | None
    open_pnl: float = Field(examples=[95.0])
    open_pnl_pct: float = Field(examples=[2.14])
    daily_pnl: float = Field(examples=[120.5])
    daily_trades: int = Field(examples=[2])
    last_trade_time: str | None = Field(examples=[_TIME])
    trailing_stop_price: float | None = Field(examples=[43.9])
    last_price: float | None = Field(examples=[45.32])
    price_freshness: Freshness | None
    last_error: str | None = Field(examples=[None])
    updated_at: str = Field(examples=[_TIME])
    exchange: str = Field(examples=["BIST"])
    currency: str = Field(examples=["₺"])
    strategy: str = Field(examples=["threshold"])
    symbols: list[str] = Field(examples=[["BIST:ASELS"]])
    positions: list[PositionOut]
    realised_pnl: float = Field(examples=[1250.0])
    equity: float = Field(examples=[101_250.0])
    simulated: bool
    engine: str = Field(examples=["local"])


class EngineOut(BaseModel):
    """Whether an engine showed a sign of life within the last seconds."""

    alive: bool


class BotsOut(BaseModel):
    """All bots of the caller, and the engines that run them."""

    bots: list[BotOut]
    engines: dict[str, EngineOut] = Field(examples=[{"local": {"alive": True}}])
    ready: bool = Field(
        examples=[True], description="False while bots may be missing: an engine is not heard (yet)."
    )


class DayOut(BaseModel):
    """The day's P&L over time, a point a minute at most, oldest first: pairs of time and money."""

    points: list[tuple[str, float]] = Field(examples=[[[_TIME, 95.0], [_TIME, 120.5]]])


class StopIn(BaseModel):
    """How to stop a bot."""

    model_config = ConfigDict(extra="forbid", strict=True)
    flatten: bool = Field(False, description="Sell its positions first, at the next price.")


class CommandOut(BaseModel):
    """What became of a command: done, or on its way (the stream will show it)."""

    bot_id: str = Field(examples=["asels-swing"])
    state: Literal["done", "pending"]


class LoginIn(BaseModel):
    """The token that `users add` printed."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: str = Field(min_length=1, max_length=200, examples=["swing_..."])


class SessionOut(BaseModel):
    """Who is logged in. Send `csrf` as `X-CSRF-Token` with every command ("" for a call with a token)."""

    user: str = Field(examples=["local"])
    role: Literal["viewer", "trader"]
    csrf: str = Field(examples=["q7Ue..."])


class HealthOut(BaseModel):
    """Whether the server serves, and whether it hears an engine."""

    status: Literal["ok"]
    engines: Literal["alive", "silent", "none"]
    ready: bool
