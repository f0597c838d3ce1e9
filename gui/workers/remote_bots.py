"""The bots of one status server elsewhere, followed over its event stream and commanded by its calls.

Everything happens in the window's thread, by signals; only the keyring, which may wait for a person, is asked
in a thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from pathlib import Path

import msgspec
from PyQt5.QtCore import QObject, QTimer, pyqtSignal

from core.atomic import why
from core.bots.follow import GIVE_UP_SECONDS, BotFollower, BotGone, BotSeen, BotsSeen, GapError, LateError
from core.bots.remote import RemoteHealth, api_url, health_sentence, token_name
from core.bots.sse import EventTooLongError, SseParser
from core.clock import Clock, SystemClock
from core.config import RemoteServerConfig
from core.feed.backoff import delay_after
from core.i18n import language, tr
from core.secrets import find_secret, keep_secret, redactor
from gui.workers.remote_transport import Answer, Call, CallOptions, Transport

log = logging.getLogger(__name__)

CHECK_MS = 500
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
COMMAND_SILENCE_MS = 8000
NO_USE = frozenset(("refused", "no_token", "bad_ca"))
"""Troubles that another try does not mend: a person must do something."""


class RemoteBots(QObject):
    """Follows one server from `start` to `stop`. Every signal's first argument is the server's name."""

    loaded = pyqtSignal(str, object)
    """All bots there are from now on: a tuple of payloads (`BotState`'s, and "engine")."""
    changed = pyqtSignal(str, object)
    """One bot's whole payload."""
    gone = pyqtSignal(str, str)
    """A bot's id."""
    health_changed = pyqtSignal(str, object)
    """A `RemoteHealth`; also while seconds to the next try go by."""
    alive = pyqtSignal(str)
    """Twice a second while what is shown is live."""
    token_kept = pyqtSignal(str, bool)
    """Whether the keyring has taken the token of `keep_token`."""
    command_done = pyqtSignal(str, str, str)
    """A bot's id, and why its command was not carried out, "" if it was."""

    role_known = pyqtSignal(str, bool)
    """Whether the token may command the bots; else it may only look."""

    _token_found = pyqtSignal(int, str)

    def __init__(
        self, config: RemoteServerConfig, transport: Transport, parent: QObject | None = None, *,
        clock: Clock | None = None, jitter: random.Random | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.config = config
        self.health = RemoteHealth(False, "connecting")
        self.heard_at: float | None = None
        """The monotonic time at which all bots were last heard of; None if they never were."""
        self._transport = transport
        self._clock = clock or SystemClock()
        self._jitter = jitter or random.Random()
        self._follower = BotFollower(self._clock)
        self._parser = SseParser()
        self._stream: Call | None = None
        self._token = ""
        self._pem = ""
        self._failures = 0
        self._trouble = RemoteHealth(False, "connecting")
        self._opened_at = 0.0
        self._retry_at: float | None = None
        self._asked_role = False
        self._run = 0
        """Counts the starts, so that a late answer of the keyring is known for what it is."""
        self._check = QTimer(self)
        self._check.setInterval(CHECK_MS)
        self._check.timeout.connect(self._look)
        self._token_found.connect(self._on_token)

    @property
    def name(self) -> str:
        """The server's name."""
        return self.config.name

    def start(self, token: str = "") -> None:
        """Begin to follow, with `token` or the one that is kept. Begins anew if it does already."""
        self.stop()
        self._failures = 0
        self._set_trouble("connecting")
        self._check.start()
        run = self._run
        if token:
            self._on_token(run, token)
            return
        name = token_name(self.name)

        def find() -> None:
            found = find_secret(name)
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._token_found.emit(run, found)

        threading.Thread(target=find, name="remote-token", daemon=True).start()

    def stop(self) -> None:
        """Follow no more. Idempotent."""
        self._run += 1
        self._check.stop()
        self._close()
        self._retry_at = None

    def keep_token(self, token: str) -> None:
        """Put the token into the keyring ("" takes it out); `token_kept` tells whether it did."""
        name = token_name(self.name)

        def keep() -> None:
            kept = keep_secret(name, token)
            with contextlib.suppress(RuntimeError):  # the window is gone
                self.token_kept.emit(self.name, kept)

        threading.Thread(target=keep, name="remote-token", daemon=True).start()

    def command(self, bot_id: str, what: str, *, flatten: bool = False) -> None:
        """Have a bot "start" or "stop"; with `flatten` its positions are sold first. The end is told by
        `command_done`."""
        body = msgspec.json.encode({"flatten": flatten}) if what == "stop" else b""
        options = self._options("POST", f"bots/{bot_id}/{what}", COMMAND_SILENCE_MS, body)
        call = self._transport.call(options)
        call.finished.connect(lambda answer: self._on_command(bot_id, answer))

    def sentence(self) -> str:
        """How the server is, in one sentence."""
        return health_sentence(self.name, self.health)

    # --- the connection ---

    def _on_token(self, run: int, token: str) -> None:
        if run != self._run:
            return
        redactor.learn(token)
        self._token = token
        self._asked_role = False
        if not token:
            self._fail("no_token")
            return
        try:
            self._pem = Path(self.config.tls_ca).read_text("utf-8") if self.config.tls_ca else ""
        except (OSError, UnicodeDecodeError) as error:
            self._fail("bad_ca", why(error) if isinstance(error, OSError) else type(error).__name__)
            return
        self._connect()

    def _options(self, method: str, path: str, silence_ms: int, body: bytes = b"") -> CallOptions:
        headers = {
            "Authorization": f"Bearer {self._token}", "Accept": "application/json",
            "Accept-Language": language(),
        }  # fmt: skip
        if body:
            headers["Content-Type"] = "application/json"
        return CallOptions(method, api_url(self.config.url, path), headers, body, silence_ms, self._pem)

    def _connect(self) -> None:
        self._close()
        self._retry_at = None
        self._parser = SseParser()
        self._follower.connected()
        self._opened_at = self._clock.monotonic()
        options = self._options("GET", "bots/status-stream", round(GIVE_UP_SECONDS * 1000))
        options.headers["Accept"] = "text/event-stream"
        if self._follower.last_id:
            options.headers["Last-Event-ID"] = self._follower.last_id
        stream = self._stream = self._transport.call(options)
        stream.received.connect(self._take)
        stream.finished.connect(self._on_end)
        self._look()

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._transport.drop(stream)
        self._follower.lost()

    def _take(self, piece: bytes) -> None:
        try:
            for event in self._parser.feed(piece):
                self._tell(self._follower.take(event))
                if self._stream is None:
                    return  # whoever was told has stopped us
        except LateError:
            self._fail("asleep")
        except (GapError, EventTooLongError) as error:
            log.warning("%s: %s", self.name, error or type(error).__name__)
            self._fail("broken")
        else:
            self._look()

    def _tell(self, change: BotsSeen | BotSeen | BotGone | None) -> None:
        if isinstance(change, BotsSeen):
            self._failures = 0
            self._ask_role()
            self.loaded.emit(self.name, change.bots)
        elif isinstance(change, BotSeen):
            self.changed.emit(self.name, change.bot)
        elif isinstance(change, BotGone):
            self.gone.emit(self.name, change.bot_id)
        elif self._follower.health().live:
            self._failures = 0  # a beat on a connection that went on where the last one had ended

    def _on_end(self, answer: Answer) -> None:
        self._stream = None
        if answer.trouble in ("tls", "silent"):
            self._fail(answer.trouble, answer.detail)
        elif answer.status == 401:
            self._fail("refused")
        elif answer.status == 429:
            self._fail("crowded")
        elif answer.status not in (0, 200, 502, 503, 504):
            self._fail("answer", str(answer.status))
        elif answer.status == 200 and not answer.trouble:
            self._fail("lost", tr("remote.ended"))
        else:
            reason = "lost" if answer.status == 200 else "unreachable"
            self._fail(reason, answer.detail or str(answer.status))

    def _fail(self, reason: str, detail: str = "") -> None:
        """There is no connection: say why, and plan the next try if one helps."""
        self._note_heard()
        self._close()
        self._failures += 1
        if reason not in NO_USE:
            pause = delay_after(self._failures, self._jitter, base=FIRST_PAUSE, cap=LONGEST_PAUSE)
            self._retry_at = self._clock.monotonic() + (0.0 if reason == "asleep" else pause)
        self._set_trouble(reason, detail)

    def _set_trouble(self, reason: str, detail: str = "") -> None:
        self._trouble = RemoteHealth(False, reason, detail)
        self._look()

    # --- the truth about it ---

    def _look(self) -> None:
        """See whether something must be done, and tell how things are."""
        now = self._clock.monotonic()
        if self._stream is None and self._retry_at is not None and now >= self._retry_at:
            self._connect()
            return
        if self._stream is not None:
            quiet = self._follower.quiet_for()
            if (now - self._opened_at if quiet is None else quiet) > GIVE_UP_SECONDS:
                self._fail("silent")
                return
        self._note_heard()
        self._set_health(self._present_health(now))

    def _present_health(self, now: float) -> RemoteHealth:
        if self._stream is None:
            left = None if self._retry_at is None else max(0.0, round(self._retry_at - now))
            return self._trouble._replace(retry_in=left)
        found = self._follower.health()
        if found.live:
            return RemoteHealth(True, "live")
        if found.reason == "waiting":
            return self._trouble if self._failures else RemoteHealth(False, "connecting")
        return RemoteHealth(False, found.reason)

    def _note_heard(self) -> None:
        blind = self._follower.blind_for()
        if blind is not None:
            self.heard_at = self._clock.monotonic() - blind

    def _set_health(self, health: RemoteHealth) -> None:
        if health.live:
            self.alive.emit(self.name)
        if health != self.health:
            self.health = health
            self.health_changed.emit(self.name, health)

    # --- commands ---

    def _ask_role(self) -> None:
        """Ask, once per token, whether it may command."""
        if not self._asked_role:
            self._asked_role = True
            call = self._transport.call(self._options("GET", "session", COMMAND_SILENCE_MS))
            run = self._run
            call.finished.connect(lambda answer: self._on_role(run, answer))

    def _on_role(self, run: int, answer: Answer) -> None:
        if run != self._run:
            return
        role = _field(answer, "role")
        self._asked_role = bool(role)
        if role:
            self.role_known.emit(self.name, role != "viewer")

    def _on_command(self, bot_id: str, answer: Answer) -> None:
        self.command_done.emit(self.name, bot_id, self._outcome(answer))

    def _outcome(self, answer: Answer) -> str:
        if answer.status == 200 and not answer.trouble:
            return ""
        if answer.status == 202:
            return tr("remote.command_pending", server=self.name)
        if answer.status == 0 or answer.trouble:
            return tr("remote.command_unknown", server=self.name)
        if answer.status == 403:
            return tr("remote.command_looking", server=self.name)
        return tr("remote.command_refused", server=self.name, detail=_detail(answer))


def _detail(answer: Answer) -> str:
    """The server's own sentence."""
    return _field(answer, "detail") or str(answer.status)


def _field(answer: Answer, name: str) -> str:
    """A text of a JSON answer, "" if it has none of that name."""
    try:
        data = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        data = None
    text = data.get(name) if isinstance(data, dict) else None
    return text if isinstance(text, str) else ""
