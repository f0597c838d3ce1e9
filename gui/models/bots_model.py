"""The bots as a Qt model: the newest state of each, filtered and sorted.

As in the price list, a new state does not emit `dataChanged`: its card is marked `dirty`, and the list paints
the visible dirty cards once per frame. The order follows the figures once a second at most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Any

from PyQt5.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from core.bots.model import BotState, BotStatus
from core.clock import Clock, SystemClock
from core.instruments import fold
from gui.models.bot_card import LIVELY, RANK, BotCard, card_key
from gui.models.bot_text import spoken_text, tooltip_text

KEY_ROLE = Qt.UserRole
NO_INDEX = QModelIndex()


class BotSort(StrEnum):
    """What the cards are sorted by."""

    NAME = "name"
    STATUS = "status"
    OPEN_PNL = "open_pnl"
    DAILY_PNL = "daily_pnl"
    LAST_TRADE = "last_trade"


class BotFilter(StrEnum):
    """Which cards are shown."""

    ALL = "all"
    ACTIVE = "active"
    IN_POSITION = "in_position"
    STOPPED = "stopped"
    ERROR = "error"


_ORDERS: dict[BotSort, Callable[[BotCard], Any]] = {
    BotSort.NAME: lambda card: (),
    BotSort.STATUS: lambda card: RANK[card.state.status],
    BotSort.OPEN_PNL: lambda card: -card.state.open_pnl,
    BotSort.DAILY_PNL: lambda card: -card.state.daily_pnl,
    BotSort.LAST_TRADE: lambda card: -(card.state.last_trade_time or 0.0),
}
_ACCEPTS: dict[BotFilter, Callable[[BotCard], bool]] = {
    BotFilter.ALL: lambda card: True,
    BotFilter.ACTIVE: lambda card: card.state.status in LIVELY,
    BotFilter.IN_POSITION: lambda card: bool(card.state.positions),
    BotFilter.STOPPED: lambda card: card.state.status is BotStatus.STOPPED,
    BotFilter.ERROR: lambda card: card.state.status is BotStatus.ERROR,
}


class BotsModel(QAbstractListModel):
    """Cards over the bots of this computer and of servers elsewhere."""

    def __init__(self, clock: Clock | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.clock = clock or SystemClock()
        self.sort_by = BotSort.STATUS
        self.shown = BotFilter.ALL
        self.filter_text = ""
        self.silent: dict[str, float] = {}
        """The servers ("" is this computer's engine) that are silent, since a monotonic time."""
        self.looking: set[str] = set()
        """The servers whose bots may only be looked at."""
        self.unpriced: set[str] = set()
        """The servers ("" is this computer's engine) whose scan is stopped."""
        self._cards: dict[str, BotCard] = {}
        self._order: list[BotCard] = []

    # What is shown

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._order)

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        """See Qt."""
        if not index.isValid() or index.row() >= len(self._order):
            return None
        card = self._order[index.row()]
        if role == Qt.DisplayRole:
            return card.state.name
        if role == KEY_ROLE:
            return card.key
        if role == Qt.ToolTipRole:
            return tooltip_text(card, self.clock.time(), self.silence(card))
        if role in (Qt.AccessibleTextRole, Qt.AccessibleDescriptionRole):
            return spoken_text(card, self.clock.time(), self.silence(card))
        return None

    def row_at(self, number: int) -> BotCard:
        """The card that is shown in place `number`."""
        return self._order[number]

    def card(self, key: str) -> BotCard | None:
        """The card named `key`, shown or filtered out."""
        return self._cards.get(key)

    def index_of(self, key: str) -> QModelIndex:
        """The index of the card named `key`; invalid if it is not shown."""
        card = self._cards.get(key)
        if card is None or card not in self._order:
            return NO_INDEX
        return self.index(self._order.index(card))

    def cards(self) -> list[BotCard]:
        """All cards, shown or not."""
        return list(self._cards.values())

    @property
    def total(self) -> int:
        """How many bots there are, shown or not."""
        return len(self._cards)

    def silence(self, card: BotCard) -> float | None:
        """For how many seconds nothing was heard from where the bot runs; None while all is well."""
        since = self.silent.get(card.server)
        return None if since is None else max(0.0, self.clock.monotonic() - since)

    def commands(self, card: BotCard) -> bool:
        """Whether the user may start and stop the bot."""
        return card.server not in self.looking

    # What comes in

    def update(self, states: Iterable[BotState], server: str = "") -> bool:
        """Take newer states; whether bots came along that were unknown, so that the order is another."""
        now = self.clock.monotonic()
        cards, fresh = self._cards, False
        for state in states:
            card = cards.get(card_key(state.bot_id, server))
            if card is None:
                made = BotCard(state, server, now)
                made.unpriced = server in self.unpriced
                cards[made.key] = made
                fresh = True
            else:
                card.take(state, now)
        if fresh:
            self.rearrange()
        return fresh

    def keep_only(self, bot_ids: Collection[str], server: str = "") -> None:
        """Forget the bots of `server` that are not among `bot_ids`."""
        kept = {card_key(bot_id, server) for bot_id in bot_ids}
        gone = [key for key, card in self._cards.items() if card.server == server and key not in kept]
        for key in gone:
            del self._cards[key]
        if gone:
            self.rearrange()

    def reset_versions(self, server: str = "") -> None:
        """States of another world (or another database) begin to count anew."""
        self._cards = {key: card for key, card in self._cards.items() if card.server != server}
        self.rearrange()

    def set_silent(self, server: str, since: float | None) -> None:
        """Tell since which monotonic time nothing comes from `server`; None: it is alive."""
        if since is None:
            changed = self.silent.pop(server, None) is not None
        else:
            changed = self.silent.get(server) != since
            self.silent[server] = since
        if changed:
            self.touch_all()

    def set_may_command(self, server: str, may: bool) -> None:
        """Tell whether the user may start and stop the bots of `server`."""
        if may is (server in self.looking):
            self.looking ^= {server}
            self.touch_all()

    def set_unpriced(self, server: str, unpriced: bool) -> None:
        """Tell whether the scan is stopped where these bots run, so that no price can come."""
        if unpriced is (server in self.unpriced):
            return
        self.unpriced ^= {server}
        for card in self._cards.values():
            if card.server == server:
                card.unpriced = unpriced
        self.touch_all()

    def touch_all(self) -> None:
        """Have every card painted anew."""
        for card in self._cards.values():
            card.dirty = True

    def set_view(self, *, text: str | None = None, shown: BotFilter | None = None,
                 sort_by: BotSort | None = None) -> None:  # fmt: skip
        """Filter and sort otherwise."""
        self.filter_text = self.filter_text if text is None else fold(text.strip())
        self.shown = self.shown if shown is None else shown
        self.sort_by = self.sort_by if sort_by is None else sort_by
        self.rearrange()

    def rearrange(self) -> None:
        """Bring the cards into the order of their present figures."""
        wanted = self._wanted()
        if wanted == self._order:
            return
        if len(wanted) == len(self._order) and set(map(id, wanted)) == set(map(id, self._order)):
            self._permute(wanted)
            return
        self.beginResetModel()
        self._order = wanted
        self.endResetModel()

    def _permute(self, wanted: list[BotCard]) -> None:
        self.layoutAboutToBeChanged.emit()
        place = {id(card): number for number, card in enumerate(wanted)}
        before = self.persistentIndexList()
        after = [self.index(place[id(self._order[index.row()])]) for index in before]
        self._order = wanted
        self.touch_all()
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _wanted(self) -> list[BotCard]:
        accept, text = _ACCEPTS[self.shown], self.filter_text
        order = _ORDERS[self.sort_by]
        cards = [card for card in self._cards.values() if accept(card) and (not text or text in _names(card))]
        return sorted(cards, key=lambda card: (order(card), fold(card.state.name), card.key))


def _names(card: BotCard) -> str:
    state = card.state
    return fold(" ".join((state.name, state.bot_id, state.symbol, *state.keys, card.server)))
