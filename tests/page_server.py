"""The status server in a process of its own, so that a test can freeze and kill it.

`PageServer` is the test's side; the process is this module, which is told what to do by lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.accounts import Account, hash_token

TOKEN = "swing_page-test-token-0123456789abcdefghijklmnop"
ROOT = Path(__file__).resolve().parent.parent


class PageServer:
    """A server on `port` (0: any free one) with one bot "asels", whose user's token is `TOKEN`."""

    def __init__(self, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.page_server", str(port)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.port = int(self._read())
        self.url = f"http://127.0.0.1:{self.port}"

    def change(self, **fields: object) -> None:
        """Change the bot."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(fields) + "\n")
        self._process.stdin.flush()
        self._read()

    def freeze(self) -> None:
        """Let the process stand still; its sockets stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, without a word to anybody. Idempotent."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server's process has ended"
        return line


@contextmanager
def page_server(port: int = 0) -> Iterator[PageServer]:
    """A `PageServer` that is ended with the block."""
    server = PageServer(port)
    try:
        yield server
    finally:
        server.kill()


def main() -> None:
    """The process: serves until its standard input ends."""
    from tests.server_helpers import RunningServer, bot_state

    server = RunningServer(
        [bot_state("asels", name="Trend BIST")], {"local": "trader"}, port=int(sys.argv[1])
    )
    account = Account(name="local", role="trader", token_hash=hash_token(TOKEN), created=1.0)
    server.accounts = {"local": account}
    server.gate.update([account])
    with server:
        _say(str(server.port))
        for line in sys.stdin:
            server.engine.change("asels", **json.loads(line))
            _say("done")


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()
