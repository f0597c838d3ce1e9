"""The HTTP session that is handed to yfinance: it asks only as often as it may, and it can be stopped.

yfinance makes up to three requests where one was meant, with pauses of its own, and gives no deadline for the
whole. So every request passes through `YahooGuard`. A request for prices needs a permit. The handshake (a
cookie and a crumb, two requests) comes before the first one of a session and again after a rejected one; it
needs none, but is counted and limited. A refusal ends the call at once, before yfinance can repeat it.
"""

from __future__ import annotations

import importlib
import time
import weakref
from typing import Any
from urllib.parse import urlsplit

from core.errors import CancelledError, RateLimitedError, SourceError
from core.i18n import tr
from core.sources.calls import Abort
from core.sources.checks import retry_after

COOKIE_HOST = "fc.yahoo.com"
HANDSHAKE_HOSTS = (COOKIE_HOST, "guce.yahoo.com", "consent.yahoo.com")
HANDSHAKE_PATH = "/v1/test/getcrumb"
MOST_HANDSHAKES = 6
"""Requests of one call for cookie, consent and crumb; the way through the consent page takes six."""

USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
"""Without curl: Yahoo turns away what does not call itself a browser."""


class YahooGuard:
    """Stands between yfinance and one session (of `requests` or `curl_cffi`)."""

    def __init__(self, source: str, session: Any, base_url: str = "") -> None:
        """`base_url`, if given, stands in for all of Yahoo's hosts."""
        self.session = session
        self.handshakes = 0
        self.error: SourceError | None = None
        self.transport_error: Exception | None = None
        self.not_found = ""
        self.rejected = False
        self._source = source
        self._base = base_url.rstrip("/")
        self._request = session.request
        self._permits = 0
        self._handshakes_left = 0
        self._cookie_page: Any = None
        self._seconds = self._until = 0.0
        self._abort = Abort()
        session.request = self._guarded

    @property
    def spent(self) -> bool:
        """Whether the permit of this call was used."""
        return self._permits == 0

    def allow_one(self, abort: Abort, seconds: float) -> None:
        """Permit one request for prices within `seconds`; what happened before is forgotten."""
        self._permits = 1
        self._handshakes_left = MOST_HANDSHAKES
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._abort = abort
        self.error = self.transport_error = None
        self.not_found = ""
        self.rejected = False

    def close(self) -> None:
        """Close the session's connections."""
        self._cookie_page = None
        self.session.close()

    def _guarded(self, method: str, url: str, **options: Any) -> Any:
        if self._cookie_page is not None and urlsplit(url).hostname == COOKIE_HOST:
            return self._cookie_page  # yfinance asks twice in a row
        try:
            self._admit(url)
        except SourceError as error:
            self.error = self.error or error
            raise
        options["timeout"] = self._time_for(url)
        try:
            response = self._request(method=method, url=self._rewritten(url), **options)
        except Exception as error:
            self.transport_error = error
            raise
        try:
            self._judge(url, response)
        except SourceError as error:
            self.error = error
            raise
        if urlsplit(url).hostname == COOKIE_HOST:
            self._cookie_page = response
        return response

    def _admit(self, url: str) -> None:
        """Let one request pass, or raise."""
        if self.error is not None:
            raise self.error
        if self._abort.fired:
            raise CancelledError(tr("sources.cancelled", source=self._source))
        if _is_handshake(url):
            self.handshakes += 1
            self._handshakes_left -= 1
            if self._handshakes_left < 0:
                raise SourceError(tr("sources.no_crumb", source=self._source))
        elif self._permits <= 0:
            raise RateLimitedError(tr("sources.over_budget", source=self._source))
        else:
            self._permits -= 1

    def _time_for(self, url: str) -> float:
        """What is left of the call's time; a handshake, which may be dispensable, gets a third at most."""
        left = max(0.05, self._until - time.monotonic())
        return min(left, self._seconds / 3) if _is_handshake(url) else left

    def _judge(self, url: str, response: Any) -> None:
        """Raise for an answer that yfinance would only answer with more requests."""
        status = response.status_code
        if status == 429:
            pause = retry_after(response.headers.get("Retry-After"), time.time())
            raise RateLimitedError(tr("sources.rate_limited", source=self._source), pause)
        if _is_handshake(url) or status < 400:
            return
        if status in (404, 410):
            self.not_found = urlsplit(url).path
        self.rejected = status in (401, 403)
        raise SourceError(tr("sources.status", source=self._source, status=status))

    def _rewritten(self, url: str) -> str:
        if not self._base:
            return url
        parts = urlsplit(url)
        return self._base + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _is_handshake(url: str) -> bool:
    parts = urlsplit(url)
    return parts.hostname in HANDSHAKE_HOSTS or parts.path == HANDSHAKE_PATH


def plain_session(live: Abort) -> Any:
    """A `requests` session whose sockets are shut when `live` is fired."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()

    class Plain(HTTPConnection):
        """Is known, and so is its socket."""

        def connect(self) -> None:
            super().connect()
            connections.add(self)
            live.watch(self.sock)

    class Secure(HTTPSConnection):
        """Is known, and so is its socket."""

        def connect(self) -> None:
            super().connect()
            connections.add(self)
            live.watch(self.sock)

    class PlainPool(HTTPConnectionPool):
        """A pool of them."""

        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        """A pool of them."""

        ConnectionCls = Secure

    class Adapter(HTTPAdapter):
        """Uses those pools."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    class Session(requests.Session):
        """Closes its connections at once; urllib3 waits for the garbage collector."""

        def close(self) -> None:
            super().close()
            for connection in list(connections):
                connection.close()

    session = Session()
    session.headers["User-Agent"] = USER_AGENT
    for prefix in ("http://", "https://"):
        session.mount(prefix, Adapter())
    return session


def browser_session(live: Abort) -> Any:
    """A `curl_cffi` session like a browser's that gives up when `live` is fired. Raises ImportError."""
    from curl_cffi import requests as curl_requests

    curl = _interruptible_curl(weakref.ref(live))
    return curl_requests.Session(impersonate="chrome", curl=curl, use_thread_local_curl=False)


def _interruptible_curl(live: weakref.ref[Abort]) -> Any:
    """A curl handle that looks every tenth of a second whether it should give up.

    It runs the transfer through curl's multi interface, because the simple one cannot be left before its
    timeout. If a later curl_cffi lacks these functions, the simple one does: a stop then lasts its timeout.
    """
    from curl_cffi import Curl

    internals: Any = importlib.import_module("curl_cffi.curl")
    ffi, lib = internals.ffi, internals.lib

    class InterruptibleCurl(Curl):  # type: ignore[misc,unused-ignore]
        """See above."""

        def perform(self, *args: Any, **options: Any) -> None:
            try:
                multi, running = lib.curl_multi_init(), ffi.new("int *")
                lib.curl_multi_add_handle(multi, self._curl)
            except (AttributeError, TypeError):
                super().perform(*args, **options)
                return
            self._ensure_cacert()
            try:
                result = self._drive(multi, running)
            finally:
                lib.curl_multi_remove_handle(multi, self._curl)
                lib.curl_multi_cleanup(multi)
            try:
                problem = self._get_callback_exception()
                if problem is not None:
                    raise problem
                self._check_error(result, "perform")
            finally:
                self.clean_handles_and_buffers()

        def _drive(self, multi: Any, running: Any) -> int:
            while True:
                lib.curl_multi_perform(multi, running)
                if not running[0]:
                    return self._outcome(multi)
                abort = live()
                if abort is None or abort.fired:
                    return 42  # CURLE_ABORTED_BY_CALLBACK
                lib.curl_multi_poll(multi, ffi.NULL, 0, 100, ffi.NULL)

        def _outcome(self, multi: Any) -> int:
            left = ffi.new("int *")
            note = lib.curl_multi_info_read(multi, left)
            return int(note.data.result) if note != ffi.NULL else 0

    return InterruptibleCurl()
