"""The status server under load: a real one in a process of its own, told what to do on standard input.

Commands, each answered by one line of JSON: `memory`, `publish RATE SECONDS BOTS SIZE` (the first BOTS
bots change in turn, RATE changes a second in all, SIZE bytes more each), `states` (each bot's version),
`known` (how many bots the server knows) and `cpu` (seconds used, and when). With a Redis URL as the second
argument it only passes on what engines tell there.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from typing import Any

import psutil

from core.accounts import Account, hash_token
from core.bots.model import BotState, BotStatus
from core.commands import BotsLoaded, Command
from core.events import EventBus
from server.app import create_app
from server.auth import Gate
from server.bus import InProcessBus, StatusBus
from server.hub import Hub
from server.run import StatusServer, listen
from server.sessions import Sessions


def token(user: int) -> str:
    """The token of a user, known to both sides."""
    return f"bench-token-of-user-{user:06d}"


def bot_id(user: int) -> str:
    """The id of the user's one bot."""
    return f"bot-{user:06d}"


def allow_files() -> None:
    """Raise the number of open files to what the system allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Load:
    """The engine's side: one bot per user, of which `realised_pnl` tells when it last changed."""

    def __init__(self, users: int, start: float) -> None:
        self.events = EventBus()
        self.states = [_state(user, start) for user in range(users)]

    def post(self, _command: Command) -> int:
        """Whatever is asked: all bots."""
        self.events.publish(BotsLoaded(tuple(self.states), ()))
        return 0

    def publish(self, rate: float, seconds: float, bots: int, size: int = 0) -> dict[str, float]:
        """Change `bots` in turn, with `size` bytes more each; how many changes there were."""
        begin, count = time.monotonic(), 0
        while (due := begin + count / rate) < begin + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            index = count % bots
            old = self.states[index]
            self.states[index] = _state(int(old.owner[1:]), time.monotonic(), old.version + 1, "x" * size)
            self.events.publish(self.states[index])
            count += 1
        return {"published": count}


def _state(user: int, now: float, version: int = 1, error: str = "") -> BotState:
    return BotState(
        bot_id=bot_id(user), owner=f"u{user:06d}", name=f"Bot {user}", version=version,
        status=BotStatus.RUNNING, key="BIST:ASELS", updated_at=time.time(), keys=("BIST:ASELS",),
        last_error=f"{error}{version}" if error else None, realised_pnl=now, daily_pnl=float(version),
        equity=100_000.0 + version,
    )  # fmt: skip


def _memory() -> dict[str, float]:
    info = psutil.Process().memory_full_info()
    return {"rss": info.rss, "uss": info.uss}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """See the module."""
    users = int(sys.argv[1])
    allow_files()
    load = Load(users, time.monotonic())
    accounts = [
        Account(name=f"u{user:06d}", role="viewer", token_hash=hash_token(token(user)), created=0.0)
        for user in range(users)
    ]
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    hub = Hub(max_streams=20_000)
    bus = _bus(load, sys.argv[2] if len(sys.argv) > 2 else "")
    app = create_app(hub, Gate(Sessions(b"k" * 32), port, accounts), bus)
    server = StatusServer(app, hub)
    commands = threading.Thread(target=_obey, args=(load, hub), daemon=True)
    commands.start()
    _say({"port": port})
    server.run([listener])


def _bus(load: Load, redis_url: str) -> StatusBus:
    if not redis_url:
        return InProcessBus(load.events, load.post, time.monotonic)
    from server.redis_bus import RedisBus

    return RedisBus(redis_url)


def _obey(load: Load, hub: Hub) -> None:
    for line in sys.stdin:
        word, *arguments = line.split()
        if word == "memory":
            _say({**_memory(), "streams": hub.streams})
        elif word == "publish":
            cpu, begin = _cpu(), time.monotonic()
            rate, seconds, bots, size = arguments
            done = load.publish(float(rate), float(seconds), int(bots), int(size))
            _say({**done, "cpu_percent": 100 * (_cpu() - cpu) / (time.monotonic() - begin)})
        elif word == "states":
            _say({state.bot_id: state.version for state in load.states})
        elif word == "known":
            _say({"bots": sum(len(channel.bots) for channel in list(hub._channels.values()))})
        elif word == "cpu":
            _say({"cpu": _cpu(), "at": time.monotonic()})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
