"""One bot as the panel shows it: the newest of its states, and the texts that were made of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.bots.model import BotPosition, BotState, BotStatus
from core.exchanges import EXCHANGES
from core.model import Freshness

log = logging.getLogger(__name__)

LIVELY = (BotStatus.RUNNING, BotStatus.IN_POSITION, BotStatus.MARKET_CLOSED)
"""The statuses of a bot whose strategy is at work."""
RANK = {
    BotStatus.ERROR: 0, BotStatus.IN_POSITION: 1, BotStatus.RUNNING: 2, BotStatus.MARKET_CLOSED: 3,
    BotStatus.STOPPED: 4,
}  # fmt: skip
"""The order of the statuses: what needs a person first."""
_FALLBACK_EXCHANGE = "BIST"
_MOST = 1e300
"""No figure is as large; a whole number of JSON may be, and has no float."""


class BotCard:
    """What is known of one bot. `server` is "" for this computer's own; `seen` is a monotonic time.

    `unpriced` tells that no price can come where it runs, as the scan is stopped there.
    """

    __slots__ = ("dirty", "seen", "server", "state", "texts", "unpriced")

    def __init__(self, state: BotState, server: str, seen: float) -> None:
        self.state = state
        self.server = server
        self.seen = seen
        self.dirty = True
        self.texts: Any = None
        self.unpriced = False

    @property
    def key(self) -> str:
        """The card's lasting name: the bot's id, after the server's name if it runs there."""
        return card_key(self.state.bot_id, self.server)

    @property
    def waits_in_vain(self) -> bool:
        """Whether it trades, or guards what it holds, and gets no prices for that."""
        return self.unpriced and (self.state.status in LIVELY or bool(self.state.positions))

    def take(self, state: BotState, seen: float) -> bool:
        """Show `state` from now on; False if it is older than the one that is shown."""
        if state.version < self.state.version:
            return False
        self.state = state
        self.seen = seen
        self.dirty = True
        return True


def card_key(bot_id: str, server: str = "") -> str:
    """The name of a bot's card."""
    return f"{server}/{bot_id}" if server else bot_id


def stop_distance(state: BotState) -> tuple[float, float] | None:
    """How far the shown price is from the enforced stop: in percent of the price, and in money.

    Both are negative while the stop has not been reached: what would be lost from here.
    """
    position, stop, price = state.position, state.trailing_stop_price, state.last_price
    if position is None or stop is None or not price:
        return None
    money = (stop - price) * float(position.quantity)
    percent = (stop / price - 1.0) * 100.0
    return (percent if position.quantity > 0 else -percent), money


def state_of(payload: Mapping[str, Any]) -> BotState | None:
    """The state in a `BotState` payload (SPEC section 8); what is missing or unreadable in it is left out.

    None, and a line in the log, if it does not even name a bot.
    """
    reader = _Reader(payload)
    bot_id = payload.get("bot_id")
    if not isinstance(bot_id, str) or not bot_id:
        log.warning("a bot's state that names no bot was ignored")
        return None
    code = _exchange(payload.get("exchange")) or _FALLBACK_EXCHANGE
    key = f"{code}:{reader.text('symbol')}"
    positions = tuple(filter(None, (reader.position(each, key) for each in reader.list("positions"))))
    position = reader.position(payload.get("position"), key)
    return BotState(
        bot_id=bot_id, owner=reader.text("owner"), name=reader.text("name") or bot_id,
        version=int(reader.number("version") or 0), status=reader.status(), key=key,
        updated_at=reader.time("updated_at") or 0.0, strategy=reader.text("strategy"),
        keys=tuple(map(str, reader.list("symbols"))), position=position,
        positions=positions or ((position,) if position else ()),
        open_pnl=reader.number("open_pnl") or 0.0, open_pnl_pct=reader.number("open_pnl_pct") or 0.0,
        daily_pnl=reader.number("daily_pnl") or 0.0, daily_trades=int(reader.number("daily_trades") or 0),
        realised_pnl=reader.number("realised_pnl") or 0.0, equity=reader.number("equity") or 0.0,
        last_trade_time=reader.time("last_trade_time"),
        trailing_stop_price=reader.number("trailing_stop_price"), last_price=reader.number("last_price"),
        price_freshness=reader.freshness(), simulated=bool(payload.get("simulated")),
        last_error=reader.text("last_error") or None,
    )  # fmt: skip


class _Reader:
    """Reads a payload's fields; what is of the wrong kind counts as missing."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload

    def text(self, name: str) -> str:
        value = self._payload.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        value = self._payload.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) < _MOST else None

    def list(self, name: str) -> list[Any]:
        value = self._payload.get(name)
        return list(value) if isinstance(value, list | tuple) else []

    def time(self, name: str) -> float | None:
        return _stamp(self._payload.get(name))

    def status(self) -> BotStatus:
        try:
            return BotStatus(self.text("status"))
        except ValueError:
            return BotStatus.STOPPED

    def freshness(self) -> Freshness | None:
        try:
            return Freshness(self.text("price_freshness"))
        except ValueError:
            return None

    @staticmethod
    def position(value: Any, key: str) -> BotPosition | None:
        if not isinstance(value, Mapping):
            return None
        code, symbol = _exchange(value.get("exchange")), value.get("symbol")
        if code and isinstance(symbol, str):
            key = f"{code}:{symbol}"
        quantity, entry = _exact(value.get("quantity")), _exact(value.get("entry_price"))
        if quantity is None or entry is None:
            return None
        return BotPosition(
            key=key, quantity=quantity, entry_price=entry, opened_at=_stamp(value.get("opened_at")) or 0.0,
            stop=_exact(value.get("stop")), target=_exact(value.get("target")),
            trailing_stop=_exact(value.get("trailing_stop")),
        )  # fmt: skip


def _exchange(value: Any) -> str:
    return value if isinstance(value, str) and value in EXCHANGES else ""


def _exact(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _stamp(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None
