"""A status server that is its process's main program, as uvicorn is used on a server: signals end it."""

from __future__ import annotations

import json
import sys

from tests.server_helpers import RunningServer


def main() -> None:
    """Serve until a signal comes; the port and a token are the first line of the output."""
    running = RunningServer(max_streams=2000)
    sys.stdout.write(json.dumps({"port": running.port, "token": running.tokens["local"]}) + "\n")
    sys.stdout.flush()
    running.server.run([running.listener])


if __name__ == "__main__":
    main()
