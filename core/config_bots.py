"""What a type cannot say about the list of bots: ids that are unique, symbols that exist and share a
currency, strategies that there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from core.config import BotConfig, Problem
from core.errors import InputError
from core.exchanges import EXCHANGES
from core.i18n import tr
from core.instruments import parse_instrument

LEAST = 1e-6
"""No amount and no percentage of a bot is smaller, unless it is 0."""
_AMOUNTS = (
    "cash", "size", "quantity", "fee_pct", "fee_min", "slippage_pct", "stop_loss_pct", "take_profit_pct",
    "trailing_stop_pct", "trailing_stop_atr", "max_daily_loss", "daily_target",
)  # fmt: skip


def bot_problems(exchange: str, bots: Any) -> Iterator[Problem]:
    """What is wrong between and inside the items of `bots`; what is wrong by its type is passed over.

    `exchange` is that of symbols that name none.
    """
    if not isinstance(bots, list | tuple):
        return
    seen: dict[str, int] = {}
    for index, item in enumerate(bots):
        values = msgspec.to_builtins(item) if isinstance(item, BotConfig) else item
        if isinstance(values, Mapping):
            path = f"bots[{index}]"
            yield from _id_problems(f"{path}.id", values.get("id"), index, seen)
            yield from _symbol_problems(f"{path}.symbols", exchange, values.get("symbols"))
            yield from _size_problems(path, values)
            yield from _tiny_problems(path, values)
            yield from _strategy_problems(path, values)


def _id_problems(path: str, bot_id: Any, index: int, seen: dict[str, int]) -> Iterator[Problem]:
    if isinstance(bot_id, str):
        if bot_id in seen:
            yield _problem(path, bot_id, tr("config.accept_bot_once", first=f"bots[{seen[bot_id]}]"))
        seen.setdefault(bot_id, index)


def _symbol_problems(path: str, exchange: str, symbols: Any) -> Iterator[Problem]:
    if not isinstance(symbols, list | tuple):
        return
    if not symbols:
        yield _problem(path, [], tr("config.accept_bot_symbols"))
    seen: dict[str, int] = {}
    currency = ""
    for index, text in enumerate(symbols):
        if not isinstance(text, str):
            continue
        try:
            instrument = parse_instrument(text, exchange)
        except InputError as error:
            yield _problem(f"{path}[{index}]", text, str(error))
            continue
        if instrument.key in seen:
            first = f"{path}[{seen[instrument.key]}]"
            yield _problem(f"{path}[{index}]", text, tr("config.accept_once", first=first))
        seen.setdefault(instrument.key, index)
        sign = EXCHANGES[instrument.exchange].currency
        currency = currency or sign
        if sign != currency:
            yield _problem(f"{path}[{index}]", text, tr("config.accept_one_currency", currency=currency))


def _size_problems(path: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    size, quantity = values.get("size", 1.0), values.get("quantity", 0.0)
    if size == 0 and quantity == 0:
        yield _problem(f"{path}.size", size, tr("config.accept_bot_size"))


def _tiny_problems(path: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Amounts and percentages that are not 0, but so small that nobody can mean them: money is reckoned
    exactly, and has no room for hundreds of decimals."""
    for name in _AMOUNTS:
        value = values.get(name)
        if isinstance(value, float) and 0 < value < LEAST:
            yield _problem(f"{path}.{name}", value, tr("config.accept_not_tiny", least=f"{LEAST:f}"))


def _strategy_problems(path: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """By the strategies that are known. While the user has some of their own that were not read yet, or that
    cannot be read, an unknown one is not refused: its bot will say what is wrong."""
    name, params = values.get("strategy", "threshold"), values.get("params", {})
    if not isinstance(name, str) or not isinstance(params, Mapping):
        return
    from core.bots.folder import has_files
    from core.bots.registry import strategy_names, strategy_problems

    if name not in strategy_names() and has_files():
        return
    bot = BotConfig(id="x", name="x", symbols=(), strategy=name, params=dict(params))
    for problem in strategy_problems((bot,)):
        yield msgspec.structs.replace(problem, path=problem.path.replace("bots[0]", path, 1))


def merged_bots(present: Any, new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list of bots as it is written: what is the default of a new bot is left out, and keys that the
    program does not know stay. `present` is what the file holds, `new` the bots in JSON's types."""
    known = {
        item["id"]: item for item in (present if isinstance(present, list | tuple) else ())
        if isinstance(item, Mapping) and isinstance(item.get("id"), str)
    }  # fmt: skip
    return [_merged_bot(known.get(bot["id"], {}), bot) for bot in new]


def _merged_bot(present: Mapping[str, Any], bot: Mapping[str, Any]) -> dict[str, Any]:
    defaults = msgspec.to_builtins(BotConfig(id="x", name="x", symbols=()))
    result = dict(present)
    for name, value in bot.items():
        needed = name in ("id", "name", "symbols")
        if name in result or needed or value != defaults[name]:
            result[name] = value
    return result


def _problem(path: str, value: Any, accepted: str) -> Problem:
    return Problem(path, json.dumps(value, ensure_ascii=False), accepted)
