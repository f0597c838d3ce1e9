"""A process that trades and tells of it by Telegram until it is killed. Run as a module.

    tell PATH API       let one bot trade, each step with an alert, one line "N" after each that is stored
    drain PATH API      deliver what is left of earlier runs, then end

Orders come by stdin; each is carried out by a fork. It says "pid N" first and "end STATUS" last.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import deque
from pathlib import Path

from msgspec.structs import replace

from core.bots.model import BotAlert
from core.clock import SystemClock
from core.commands import OutboxDue
from core.config import Config
from core.config_file import as_config
from core.engine.outbox import Outbox
from core.events import EventBus
from core.model import Delivery
from core.notifications.batch import Limits
from core.notifications.notifier import Notifier
from core.notifications.routes import Routes
from core.storage.sql_store import SqlStore
from tests.bot_helpers import alert, change
from tests.loopback.telegram_server import CHAT, TOKEN

AT_ONCE = Limits(burst=10**6, spacing=0.0, gather_quiet=0.0, gather_max=0.0)


def telegram_config(base: str) -> Config:
    """Telegram alone, by the loopback API."""
    telegram = {"enabled": True, "bot_token": TOKEN, "chat_id": CHAT, "api_base": base}
    channels = {"toast": False, "desktop": False, "telegram": True}
    return as_config({"real_time": {"notification_channels": channels, "telegram": telegram}})


class Teller:
    """Store, outbox and notifier, wired as the engine wires them."""

    def __init__(self, path: Path, base: str) -> None:
        config, self.bus = telegram_config(base), EventBus()
        self.reports: deque[Delivery] = deque()
        self.store = SqlStore("", data_dir=path.parent, name=path.stem)
        self.outbox = Outbox(self.store, SystemClock(), self.bus, Routes(config, ("telegram",)))
        self.notifier = Notifier(
            config, on_delivery=self.reports.append, on_accept=self.outbox.accept,
            limits={"telegram": AT_ONCE},
        )  # fmt: skip
        self.bus.subscribe(OutboxDue, lambda due: self.notifier.resend(due.lines))
        self.bus.subscribe(BotAlert, self.notifier.send_bot_alert)

    def turn(self) -> None:
        """What the engine does at the end of a batch."""
        while self.reports:
            self.outbox.record([self.reports.popleft()])
        self.outbox.flush()
        self.outbox.look(quiet=False)

    def trade(self) -> int:
        """One step of the bot, stored and then published."""
        records = self.store.bots()
        version = records[0].state.version + 1 if records else 1
        told = replace(alert(version), name=f"step {version}.")
        self.store.commit_bots([change(version, alerts=(told,))])
        self.bus.publish(told)
        return version

    def left(self) -> int:
        """How many messages are not settled."""
        with self.store._transaction(write=False) as connection:
            query = "SELECT count(*) FROM outbox WHERE status = 'open'"
            return int(connection.exec_driver_sql(query).scalar_one())

    def close(self) -> None:
        """End the channel, then the store."""
        self.notifier.stop()
        self.turn()
        self.store.close()


def tell(path: Path, base: str) -> None:
    """Trade and tell until killed."""
    teller = Teller(path, base)
    for number in itertools.count(1):
        teller.turn()
        teller.trade()
        os.write(1, f"{number}\n".encode())


def drain(path: Path, base: str) -> None:
    """Deliver what is left."""
    teller = Teller(path, base)
    teller.turn()
    while teller.left():
        teller.turn()
    teller.close()


def main() -> None:
    """Carry out orders until stdin ends."""
    import requests  # noqa: F401 - paid once

    import core.notifications.channels.http_wire  # noqa: F401

    for line in sys.stdin:
        order, path, base = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            {"tell": tell, "drain": drain}[order](Path(path), base)
            os._exit(0)
        os.write(1, f"pid {child}\n".encode())
        os.write(1, f"end {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())


if __name__ == "__main__":
    main()
