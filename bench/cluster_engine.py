"""An engine's end of Redis, in a process of its own: its bots change, as told by lines on standard input.

`publish RATE SECONDS BOTS` changes the first BOTS bots in turn, RATE changes a second in all, and is answered
by one line of JSON; `states` tells each bot's version.
"""

from __future__ import annotations

import json
import sys
import time

from bench.stream_server import Load
from core.bots.model import BotState
from core.cluster.publisher import BotPublisher
from core.commands import BotsLoaded


def main() -> None:
    """`python -m bench.cluster_engine URL USERS`."""
    url, users = sys.argv[1], int(sys.argv[2])
    load = Load(users, time.monotonic())
    publisher = BotPublisher(url, "bench")
    load.events.subscribe(BotState, publisher.put)
    load.events.subscribe(BotsLoaded, lambda event: publisher.replace_all(event.states))
    load.events.publish(BotsLoaded(tuple(load.states), ()))
    publisher.start()
    for line in sys.stdin:
        word, *numbers = line.split()
        if word == "publish":
            answer = load.publish(float(numbers[0]), float(numbers[1]), int(numbers[2]), 0)
        else:
            answer = {state.bot_id: state.version for state in load.states}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    publisher.stop()


if __name__ == "__main__":
    main()
