"""A loopback Bot API: `sendMessage` and `getMe`, with the answers and the faults of the real one."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.patience import PATIENCE

TOKEN = "123456789:AAE-loopback_token_sentinel_0123456789"
CHAT = "4711"
BOT = "swing_test_bot"


@dataclass(frozen=True)
class Answer:
    """One answer. `mode` is "whole", "dribble" (a byte at a time), "silence" or "drop" (half of the body)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    mode: str = "whole"


def refused(code: int, description: str, **parameters: Any) -> Answer:
    """An answer as the Bot API refuses: `{"ok": false, "error_code": ..., "description": ...}`."""
    body = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Answer(code, json.dumps(body).encode())


TOO_MANY = refused(429, "Too Many Requests: retry after 7", retry_after=7)
UNAUTHORIZED = refused(401, "Unauthorized")
NO_CHAT = refused(400, "Bad Request: chat not found")
BLOCKED = refused(403, "Forbidden: bot was blocked by the user")
BROKEN = Answer(502, b"<html><body>Bad Gateway</body></html>")
LOGIN_PAGE = Answer(200, b"<html><body>Please log in to the hotel network</body></html>")
SILENCE = Answer(mode="silence")
DRIBBLE = Answer(200, b'{"ok": true, "result": {}}' + b" " * 5000, mode="dribble")
DROP = Answer(200, b'{"ok": true, "result": {}}' * 10, mode="drop")


class TelegramServer:
    """Knows one token and one chat. `faults` are used up first, one per request. A context manager."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.faults: deque[Answer] = deque()
        self.seen = threading.Semaphore(0)
        self._end = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="telegram-server"
        )
        self._thread.start()

    @property
    def base(self) -> str:
        """The `api_base` to configure."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for_request(self, seconds: float = PATIENCE) -> bool:
        """Wait for one more request than was waited for before."""
        return self.seen.acquire(timeout=seconds)

    def stop(self) -> None:
        """End it, with every connection."""
        self._end.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> TelegramServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def answer(self, path: str, fields: dict[str, Any]) -> Answer:
        """What the real one would say to this request."""
        if self.faults:
            return self.faults.popleft()
        if not path.startswith(f"/bot{TOKEN}/"):
            return UNAUTHORIZED
        if path.endswith("/getMe"):
            return _ok({"id": 1, "is_bot": True, "username": BOT})
        if str(fields.get("chat_id")) != CHAT:
            return NO_CHAT
        if not fields.get("text"):
            return refused(400, "Bad Request: message text is empty")
        if len(fields["text"].encode("utf-16-le")) > 2 * 4096:
            return refused(400, "Bad Request: message is too long")
        self.sent.append(fields)
        return _ok({"message_id": len(self.sent)})

    def pause(self, seconds: float) -> bool:
        """Wait, less if the server ends; True if it does."""
        return self._end.wait(seconds)


def _ok(result: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps({"ok": True, "result": result}).encode())


class _Server(ThreadingHTTPServer):
    owner: TelegramServer
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        owner.requests.append(self.path)
        answer = owner.answer(self.path, json.loads(body or b"{}"))
        owner.seen.release()
        if answer.mode == "silence":
            owner.pause(30)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.mode == "drop":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer.mode == "dribble":
            for index in range(len(answer.body)):
                self.wfile.write(answer.body[index : index + 1])
                self.wfile.flush()
                if owner.pause(0.05):
                    return
        else:
            self.wfile.write(answer.body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
