"""A real status server in a thread, on a free loopback port, with made-up bots and users.

    with RunningServer() as server:
        server.engine.change("asels", open_pnl=12.5)
        httpx.get(server.url + "/api/v1/bots", headers=server.headers("local"))

`python3 -m tests.server_helpers [PORT]` runs one whose bots trade by chance, to look at in a browser; it
prints the address and the tokens, and ends with Ctrl-C.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from core.accounts import Account, Role, hash_token, new_token
from core.bots.model import BotPosition, BotState, BotStatus
from core.commands import BotsLoaded, Command, CommandResult, RequestSnapshot, StartBot, StopBot
from core.events import EventBus
from core.model import Freshness
from server.admission import Admission
from server.app import create_app
from server.auth import Gate
from server.bus import InProcessBus, StatusBus
from server.hub import Hub
from server.run import ServerThread, StatusServer, listen
from server.sessions import Sessions
from tests.patience import PATIENCE

KEY = b"k" * 32


def bot_state(bot_id: str, owner: str = "local", **fields: Any) -> BotState:
    """A made-up bot; `fields` are those of `BotState`."""
    values: dict[str, Any] = {
        "name": bot_id.upper(), "version": 1, "status": BotStatus.RUNNING, "key": "BIST:ASELS",
        "updated_at": time.time(), "strategy": "threshold", "keys": ("BIST:ASELS",), "equity": 100_000.0,
        "last_price": 45.32, "price_freshness": Freshness.LIVE,
    }  # fmt: skip
    return BotState(bot_id=bot_id, owner=owner, **(values | fields))


class FakeEngine:
    """Behaves as the engine towards a bus: publishes states, carries out commands, shows that it lives."""

    def __init__(self, states: Sequence[BotState] = ()) -> None:
        self.events = EventBus()
        self.states = {state.bot_id: state for state in states}
        self.commands: list[Command] = []
        self.refuse = ""
        """The sentence with which commands are refused."""
        self.deaf = False
        """Whether commands are left unanswered."""
        self.loading = False
        """Whether its bots are not loaded yet, so that it cannot tell of them."""
        self.dead_since: float | None = None
        self._lock = threading.RLock()

    def alive_at(self) -> float:
        """See `InProcessBus`."""
        return time.monotonic() if self.dead_since is None else self.dead_since

    def post(self, command: Command) -> int:
        """Carry out a command, at once and in the caller's thread."""
        if isinstance(command, RequestSnapshot):
            if not self.loading:
                self.publish_all()
            return command.id
        self.commands.append(command)
        if self.deaf:
            return command.id
        if not self.refuse and isinstance(command, StartBot | StopBot):
            status = BotStatus.RUNNING if isinstance(command, StartBot) else BotStatus.STOPPED
            self.change(command.bot_id, status=status)
        self.events.publish(CommandResult(command_id=command.id, error=self.refuse))
        return command.id

    def publish_all(self) -> None:
        """Publish all bots there are."""
        with self._lock:
            self.events.publish(BotsLoaded(tuple(self.states.values()), ()))

    def change(self, bot_id: str, **fields: Any) -> BotState:
        """Change a bot, whose version rises by one."""
        with self._lock:
            old = self.states[bot_id]
            new = msgspec.structs.replace(
                old, version=old.version + 1, **({"updated_at": time.time()} | fields)
            )
            self.states[bot_id] = new
            self.events.publish(new)
        return new

    def add(self, state: BotState) -> None:
        """There is another bot."""
        with self._lock:
            self.states[state.bot_id] = state
            self.publish_all()

    def remove(self, bot_id: str) -> None:
        """A bot is gone."""
        with self._lock:
            del self.states[bot_id]
            self.publish_all()


class RunningServer:
    """Serves from entering to leaving. `users` maps names to roles; every one has a token."""

    def __init__(
        self, states: Sequence[BotState] | None = None, users: dict[str, Role] | None = None, *,
        port: int = 0, max_streams: int = 20, beat_seconds: float = 2.0,
        make_bus: Callable[[FakeEngine], StatusBus] | None = None, tls: tuple[str, str] = ("", ""),
        allowed_hosts: Sequence[str] = (), trusted_proxies: Sequence[str] = (),
        admission: Admission | None = None,
    ) -> None:  # fmt: skip
        if states is None:
            states = [bot_state("asels"), bot_state("thyao"), bot_state("garan", "other")]
        users = users or {"local": "trader", "other": "trader", "viewer": "viewer"}
        self.engine = FakeEngine(states)
        self.tokens = {name: new_token() for name in users}
        self.accounts = {
            name: Account(name=name, role=role, token_hash=hash_token(self.tokens[name]), created=1.0)
            for name, role in users.items()
        }
        listener = self.listener = listen("127.0.0.1", port)
        self.port = listener.getsockname()[1]
        self.scheme = "https" if tls[0] else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.hub = Hub(max_streams, beat_seconds=beat_seconds)
        self.gate = Gate(Sessions(KEY), self.port, self.accounts.values())
        bus = make_bus(self.engine) if make_bus else self.in_process_bus()
        self.app = create_app(self.hub, self.gate, bus, allowed_hosts)
        self.server = StatusServer(
            self.app, self.hub, tls_cert=tls[0], tls_key=tls[1],
            trusted_proxies=trusted_proxies, admission=admission,
        )  # fmt: skip
        self.thread = ServerThread(self.server, listener)

    def in_process_bus(self) -> InProcessBus:
        """The bus to `engine`."""
        return InProcessBus(self.engine.events, self.engine.post, self.engine.alive_at)

    def let_in(self, others: RunningServer) -> None:
        """Let in the users of another server, and no others, with the same tokens."""
        self.tokens, self.accounts = others.tokens, others.accounts
        self.gate.update(self.accounts.values())

    def headers(self, user: str = "local") -> dict[str, str]:
        """What lets `user` in."""
        return {"Authorization": f"Bearer {self.tokens[user]}"}

    def client(self, user: str | None = "local") -> httpx.Client:
        """A client of the server; without a token if `user` is None."""
        return httpx.Client(base_url=self.url, headers=self.headers(user) if user else {}, timeout=PATIENCE)

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """The result of `call`, made in the server's loop."""
        done, result = threading.Event(), []

        def run() -> None:
            result.append(call())
            done.set()

        loop = self.server._own_loop
        assert loop is not None
        loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE)
        return result[0]

    def revoke(self, user: str) -> None:
        """Let the user's token open nothing any more."""
        self.accounts[user] = msgspec.structs.replace(self.accounts[user], revoked=time.time())
        self.in_loop(lambda: self.gate.update(self.accounts.values()))

    def __enter__(self) -> RunningServer:
        self.thread.start()
        wait_for(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.thread.stop(PATIENCE), "the server did not end"


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `condition` holds; fails the test if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class Event(msgspec.Struct, frozen=True):
    """One event of a stream; `data` is the JSON value."""

    name: str
    id: str
    data: Any
    retry: int | None = None


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """The events in a stream's lines."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            retry = fields.get("retry")
            yield Event(
                fields.get("event", "message"), fields.get("id", ""), msgspec.json.decode(fields["data"]),
                None if retry is None else int(retry),
            )  # fmt: skip
            fields = {}


@contextmanager
def following(
    client: httpx.Client, path: str = "/api/v1/bots/status-stream", last_event_id: str = ""
) -> Iterator[Iterator[Event]]:
    """The events of a stream, for as long as the block lasts."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        yield parse_events(response.iter_lines())


def _trade_by_chance(engine: FakeEngine, stop: threading.Event) -> None:
    """Move prices and P&L about; now and then enter, leave, fail."""
    while not stop.wait(0.2):
        for bot_id, state in list(engine.states.items()):
            if state.status in (BotStatus.STOPPED, BotStatus.ERROR, BotStatus.MARKET_CLOSED):
                continue
            price = round((state.last_price or 50.0) * random.uniform(0.998, 1.002), 2)
            fields: dict[str, Any] = {"last_price": price}
            if state.position is not None:
                pnl = float(state.position.quantity) * (price - float(state.position.entry_price))
                fields |= {
                    "open_pnl": round(pnl, 2), "daily_pnl": round(state.realised_pnl + pnl, 2),
                    "open_pnl_pct": round(100 * (price / float(state.position.entry_price) - 1), 2),
                }  # fmt: skip
            if random.random() < 0.02:
                fields |= _turn(state, price)
            engine.change(bot_id, **fields)


def _turn(state: BotState, price: float) -> dict[str, Any]:
    now = {"last_trade_time": time.time(), "daily_trades": state.daily_trades + 1}
    if state.position is None:
        entry = BotPosition(
            key=state.key, quantity=Decimal(100), entry_price=Decimal(str(price)), opened_at=time.time()
        )
        stop = round(price * 0.97, 2)
        return now | {
            "position": entry, "positions": (entry,), "trailing_stop_price": stop,
            "status": BotStatus.IN_POSITION,
        }  # fmt: skip
    return now | {
        "position": None, "positions": (), "trailing_stop_price": None, "status": BotStatus.RUNNING,
        "open_pnl": 0.0, "open_pnl_pct": 0.0, "realised_pnl": state.daily_pnl,
    }  # fmt: skip


def main() -> None:
    """See the module."""
    states = [
        bot_state("asels", name="ASELS swing"), bot_state("thyao", name="THYAO trend", key="BIST:THYAO"),
        bot_state("aapl", name="Apple", key="NASDAQ:AAPL", price_freshness=Freshness.DELAYED),
        bot_state("btc", name="BTC", key="CRYPTO:BTC", simulated=True, price_freshness=Freshness.SIMULATED),
        bot_state("halt", name="Halted", status=BotStatus.ERROR, last_error="Price feed lost for 5 minutes"),
        bot_state("rest", name="Resting", status=BotStatus.STOPPED),
        bot_state("night", name="Closed", status=BotStatus.MARKET_CLOSED, price_freshness=Freshness.CLOSED),
        bot_state("evil", name="<img src=x onerror=alert(1)>"), bot_state("garan", "other"),
    ]  # fmt: skip
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    stop = threading.Event()
    with RunningServer(states, port=port) as server:
        words = [server.url, *(f"{name}: {token}" for name, token in server.tokens.items())]
        sys.stdout.write("\n".join(words) + "\n")
        sys.stdout.flush()
        trader = threading.Thread(target=_trade_by_chance, args=(server.engine, stop), daemon=True)
        trader.start()
        try:
            trader.join()
        except KeyboardInterrupt:
            stop.set()
            trader.join()


if __name__ == "__main__":
    main()
