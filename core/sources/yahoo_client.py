"""yfinance under our hand: one guarded session, no files in the home directory, no noise.

Its data class is a singleton with one session for the whole process; ours are instances of their own, so that
a call that was left behind cannot use the permit of its successor.
"""

from __future__ import annotations

import atexit
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from core.errors import BadDataError, SourceError
from core.i18n import tr
from core.sources.calls import Abort
from core.sources.yahoo_session import YahooGuard, browser_session, plain_session

log = logging.getLogger(__name__)
T = TypeVar("T")
NewSession = Callable[[Abort], Any]

QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
_ABOUT = ("symbol", "previousClose", "chartPreviousClose")
_FILTER = r"(yfinance|pandas|curl_cffi)\b"
_setup_lock = threading.Lock()
_set_up = False


class ApiChangedError(Exception):
    """yfinance's internal quote request is not what it was; nothing has been asked of the provider yet."""


def import_yfinance() -> Any:
    """The package, imported when it is first needed, kept from writing to the home directory and to stderr.

    Raises ImportError if it is not installed.
    """
    import yfinance

    with _setup_lock:
        global _set_up
        if not _set_up:
            _keep_out_of_home(yfinance)
            logging.getLogger("yfinance").setLevel(logging.CRITICAL)
            _set_up = True
        # The package resets the filters when it is imported, and tests do later.
        if not any(getattr(found[3], "pattern", None) == _FILTER for found in warnings.filters):
            warnings.filterwarnings("ignore", module=_FILTER)
    return yfinance


def _keep_out_of_home(yfinance: Any) -> None:
    import shutil
    import tempfile

    private = tempfile.mkdtemp(prefix="swing-hunter-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    yfinance.set_tz_cache_location(private)
    try:
        from yfinance import cache

        cache._CookieCacheManager._Cookie_cache = cache._CookieCacheDummy()
        cache._TzCacheManager._tz_cache = cache._TzCacheDummy()
    except (ImportError, AttributeError):
        log.info("yfinance keeps its caches elsewhere now; they stay in a private directory")


def default_session(base_url: str) -> NewSession:
    """How to make a session: like a browser's, as yfinance does; plain for a stand-in or without curl."""
    if base_url:
        return plain_session

    def make(live: Abort) -> Any:
        try:
            return browser_session(live)
        except ImportError:
            return plain_session(live)

    return make


class YahooClient:
    """One session with its cookie and crumb. Used by one call at a time; after an abort it is thrown away."""

    def __init__(self, source: str, base_url: str, new_session: NewSession) -> None:
        self._source = source
        self._live = Abort()
        session = new_session(self._live)
        if base_url:
            session.trust_env = False
        self.guard = YahooGuard(source, session, base_url)
        self._data: Any = None

    def quotes(self, symbols: Sequence[str], abort: Abort, seconds: float) -> Any:
        """The JSON answer of one batched quote request. Raises `SourceError` or `ApiChangedError`."""
        return self._watched(lambda: self._ask_quotes(symbols), abort, seconds)

    def history(
        self, yfinance: Any, symbol: str, zone: str, period: str, interval: str, abort: Abort, seconds: float
    ) -> tuple[Any, dict[str, Any]]:
        """Bars of one symbol as a frame, and what the chart says of itself. Raises `SourceError`."""

        def ask() -> tuple[Any, dict[str, Any]]:
            ticker = yfinance.Ticker(symbol, session=self.guard.session)
            # Spares two requests: for the time zone, and for a cookie and crumb of the singleton's own.
            ticker._tz = zone
            ticker._data = self._own_data()
            frame = ticker.history(
                period=period, interval=interval, auto_adjust=False, actions=False, timeout=seconds
            )
            about = ticker.history_metadata
            return frame, {name: about.get(name) for name in _ABOUT if name in about}

        frame, about = self._watched(ask, abort, seconds)
        if len(frame) == 0 and self.guard.transport_error is not None:
            raise translated(self.guard.transport_error, self._source)
        return frame, about

    def close(self) -> None:
        """Close the connections."""
        self._live.fire()
        self.guard.close()

    def _watched(self, ask: Callable[[], T], abort: Abort, seconds: float) -> T:
        self.guard.allow_one(abort, seconds)
        abort.on_fire(self._live.fire)
        try:
            result = ask()
        except SourceError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        if self.guard.error is not None:
            raise self.guard.error
        return result

    def _ask_quotes(self, symbols: Sequence[str]) -> Any:
        try:
            ask = self._own_data().get_raw_json
        except (ImportError, AttributeError, TypeError) as error:
            raise ApiChangedError from error
        return ask(QUOTE_URL, params={"symbols": ",".join(symbols), "formatted": "false"})

    def _own_data(self) -> Any:
        if self._data is None:
            from yfinance.data import YfData

            self._data = type.__call__(YfData, session=self.guard.session)
        return self._data

    def _explained(self, error: Exception) -> Exception:
        """What an error of yfinance means; the guard knows what really happened."""
        if self.guard.error is not None:
            return self.guard.error
        if self.guard.transport_error is not None:
            return translated(self.guard.transport_error, self._source)
        if isinstance(error, ApiChangedError):
            return error
        if isinstance(error, AttributeError | TypeError | ImportError) and not self.guard.spent:
            return ApiChangedError()
        log.debug("%s: yfinance failed", self._source, exc_info=error)
        return BadDataError(tr("sources.garbled", source=self._source, kind=type(error).__name__))


def translated(error: Exception, source: str) -> SourceError:
    """What a failed request means to us."""
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if "Timeout" in names or "TimeoutError" in names:
        return SourceError(tr("sources.silent", source=source))
    if names & {"ChunkedEncodingError", "IncompleteRead"} or any(
        hint in text for hint in ("aborted", "Connection reset", "(52)", "(56)", "(18)", "Remote end closed")
    ):
        return SourceError(tr("sources.broke_off", source=source))
    if names & {"InvalidHeader", "ContentDecodingError"} or any(
        hint in text for hint in ("(1)", "(8)", "BadStatusLine", "HTTP/0.9")
    ):
        return BadDataError(tr("sources.garbled", source=source, kind=type(error).__name__))
    return SourceError(tr("sources.unreachable", source=source))
