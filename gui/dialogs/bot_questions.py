"""The questions before a bot is stopped or deleted, and before all are stopped."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QLabel, QPushButton, QWidget

from core.bots.model import BotState
from core.i18n import tr
from gui.dialogs.fields import FormDialog
from gui.models.cells import quantity_text

WIDTH = 440


def holdings(state: BotState) -> str:
    """What a bot holds: "400 ASELS, 20 AAPL"."""
    return ", ".join(
        f"{quantity_text(each.quantity)} {each.key.partition(':')[2]}" for each in state.positions
    )


def unguarded(state: BotState) -> str:
    """Which of what a bot holds has neither stop nor trailing stop: "ASELS, AAPL"; "" if each has one."""
    shown = state.position if state.trailing_stop_price is not None else None
    return ", ".join(
        each.key.partition(":")[2] for each in state.positions
        if each.stop is None and each.trailing_stop is None and (shown is None or each.key != shown.key)
    )  # fmt: skip


def _holding_text(key: str, state: BotState) -> str:
    """The sentence `key`, or its other one (`_bare`) where the stop that it promises does not exist."""
    bare = unguarded(state)
    if bare:
        return tr(f"bots_view.{key}_bare", positions=holdings(state), bare=bare)
    return tr(f"bots_view.{key}", positions=holdings(state))


class _Question(FormDialog):
    """A sentence or two, a dangerous answer and a way back. Esc goes back, and so does Enter, unless
    something would be left without a stop: then Enter sells."""

    def __init__(self, parent: QWidget | None, title: str, text: str, answer: str) -> None:
        super().__init__(parent, title, answer, danger=True)
        self.text = QLabel(text, self)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.PlainText)
        self.accept_button.setAutoDefault(False)
        self.accept_button.setDefault(False)
        self.cancel_button.setDefault(True)
        self.cancel_button.setFocus()
        self.setMinimumWidth(WIDTH)
        self.sell = False

    def _offer_to_sell(self, text: str, *, advised: bool) -> None:
        """A second answer that sells first; the one that Enter gives where it is `advised`."""
        self.sell_button = QPushButton(text, self)
        self.sell_button.setProperty("role", "primary" if advised else "")
        self.sell_button.setAutoDefault(False)
        self.buttons.addButton(self.sell_button, QDialogButtonBox.ActionRole)
        self.sell_button.clicked.connect(self._sell)
        if advised:
            self.cancel_button.setDefault(False)
            self.sell_button.setDefault(True)
            self.sell_button.setFocus()

    def _sell(self) -> None:
        self.sell = True
        self.done(QDialog.Accepted)


class StopBotDialog(_Question):
    """Stop a bot that holds something: keep it under its stop, or (`sell`) sell first."""

    def __init__(self, state: BotState, parent: QWidget | None = None) -> None:
        text = _holding_text("stop_holding", state)
        title = tr("bots_view.stop_title", name=state.name)
        super().__init__(parent, title, text, tr("bots_view.stop_keep"))
        self._offer_to_sell(tr("bots_view.stop_sell"), advised=bool(unguarded(state)))
        self.finish(self.text)


class SellDialog(_Question):
    """Sell what a bot holds that does not work any more; it goes on resting."""

    def __init__(self, state: BotState, parent: QWidget | None = None) -> None:
        text = _holding_text("sell_text", state)
        title = tr("bots_view.sell_title", name=state.name)
        super().__init__(parent, title, text, tr("bots_view.sell_button"))
        self.finish(self.text)


class DeleteBotDialog(_Question):
    """Remove a bot from the settings; one that holds something may be told to `sell` first."""

    def __init__(self, state: BotState, parent: QWidget | None = None) -> None:
        text = tr("bots_view.delete_text", name=state.name)
        if state.positions:
            text += "\n" + _holding_text("delete_holding", state)
        title = tr("bots_view.delete_title", name=state.name)
        super().__init__(parent, title, text, tr("bots_view.delete_button"))
        if state.positions:
            self._offer_to_sell(tr("bots_view.delete_sell"), advised=bool(unguarded(state)))
        self.finish(self.text)


class StopAllDialog(_Question):
    """The panic button: stop every bot, and `sell` everything if the box is ticked.

    `remote` of the bots run on `servers`, which are asked to stop theirs.
    """

    def __init__(
        self, states: Sequence[BotState], parent: QWidget | None = None, *, remote: int = 0,
        servers: Sequence[str] = (),
    ) -> None:  # fmt: skip
        holding = sum(bool(state.positions) for state in states)
        bare = sum(bool(unguarded(state)) for state in states)
        key = "panic_text_bare" if bare else "panic_text"
        text = tr(f"bots_view.{key}", count=len(states), holding=holding, bare=bare)
        if remote:
            text += "\n" + tr("bots_view.panic_remote", count=remote, servers=", ".join(servers))
        super().__init__(parent, tr("bots_view.panic_title"), text, tr("bots_view.panic_button"))
        self.sell_all = QCheckBox(tr("bots_view.panic_sell"), self)
        self.sell_all.setEnabled(holding > 0)
        self.sell_all.toggled.connect(self._set_sell)
        self.finish(self.text, self.sell_all)

    def _set_sell(self, on: bool) -> None:
        self.sell = on
