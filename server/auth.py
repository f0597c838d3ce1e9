"""Who is calling: by `Authorization: Bearer` or by the session cookie."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, NamedTuple

from fastapi import Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from core.accounts import Account, hash_token
from server.errors import ApiError
from server.limits import FailureLimiter
from server.protocol import KNOWN
from server.sessions import EndedSession, Sessions

log = logging.getLogger(__name__)

COOKIE = "swing_session"
_bearer = HTTPBearer(auto_error=False, description="The token that `users add` printed.")
_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="Session",
    description="Set by `POST /api/v1/session`; its name is the server's, or that of all "
    "servers with its key.",
)  # fmt: skip


class Caller(NamedTuple):
    """A user, and by what they were let in. `cookie` is "" for a call with a token."""

    name: str
    role: str
    token_hash: str
    cookie: str = ""

    @property
    def credential(self) -> str:
        """By what a stream of this caller stands and falls."""
        return self.cookie or self.token_hash


class Gate:
    """Knows the users, by what they can be told, and when they are no longer welcome.

    `update` may be called whenever the users have changed; everything belongs to the event loop's thread.
    """

    def __init__(
        self, sessions: Sessions, port: int, accounts: Iterable[Account] = (),
        limiter: FailureLimiter | None = None,
    ) -> None:  # fmt: skip
        self.sessions = sessions
        self.limiter = limiter or FailureLimiter()
        self.cookie_name = sessions.cookie_name(COOKIE, port)
        self.guests: tuple[Account, ...] = ()
        """Users of this run only, who are in no store."""
        self.on_change: Callable[[], None] = lambda: None
        self.store_end: Callable[[EndedSession], Awaitable[None]] | None = None
        """Lets a logout hold after a restart and on other servers."""
        self._by_hash: dict[str, Account] = {}
        self._by_name: dict[str, Account] = {}
        self.update(accounts)

    def update(self, accounts: Iterable[Account]) -> None:
        """These are the users from now on."""
        active = [account for account in (*accounts, *self.guests) if account.active]
        self._by_hash = {account.token_hash: account for account in active}
        self._by_name = {account.name: account for account in active}
        self.on_change()

    def find(self, token: str) -> Account | None:
        """The user of a token. What is looked up is its hash, so timing tells nothing of any token."""
        digest = hash_token(token)
        account = self._by_hash.get(digest)
        if account is not None and hmac.compare_digest(account.token_hash, digest):
            return account
        return None

    def is_valid(self, name: str, credential: str) -> bool:
        """Whether a stream's user and credential are still good."""
        account = self._by_name.get(name)
        if account is None:
            return False
        return credential == account.token_hash or self.sessions.is_valid(credential, account)

    def identify(self, request: Request) -> Caller:
        """Who calls. Raises `ApiError` 401, or 429 after too many wrong tokens."""
        caller = self._identify(request)
        welcome(request)
        return caller

    def _identify(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        if header:
            scheme, _, token = header.partition(" ")
            token = token.strip()
            account = self.find(token) if scheme.lower() == "bearer" else None
            if account is None:
                raise self.refusal(request)
            return Caller(account.name, account.role, account.token_hash)
        cookie = request.cookies.get(self.cookie_name, "")
        account = self._by_name.get(self.sessions.owner(cookie))
        if account is None or not self.sessions.is_valid(cookie, account):
            raise _unauthorized()
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise ApiError(403, "foreign_origin")  # cookies go to every port of a host, also from other pages
        return Caller(account.name, account.role, account.token_hash, cookie)

    async def log_out(self, cookie: str) -> None:
        """End a session that is valid, and its streams."""
        ended = self.sessions.end(cookie)
        self.on_change()
        if self.store_end is not None:
            await self.store_end(ended)

    def refusal(self, request: Request) -> ApiError:
        """Note a wrong token; the answer to it."""
        address = request.client.host if request.client else ""
        wait = self.limiter.wait(address)
        if wait:
            return too_many(wait)
        self.limiter.failed(address)
        log.info("a wrong token was refused")
        return _unauthorized()


def welcome(request: Request) -> None:
    """The connection is one of a user's, who may have many (see `server.admission`)."""
    known = request.scope.get(KNOWN)
    if known is not None:
        known()


def too_many(wait: int) -> ApiError:
    """The answer to too many failures."""
    return ApiError(429, "too_many_failures", headers={"Retry-After": str(wait)})


def _unauthorized() -> ApiError:
    return ApiError(401, "unauthorized", headers={"WWW-Authenticate": "Bearer"})


async def identify(
    request: Request, _bearer: object = Security(_bearer), _cookie: object = Security(_cookie)
) -> Caller:
    """Whoever has a valid token or session."""
    gate: Gate = request.app.state.gate
    return gate.identify(request)


async def identify_trader(request: Request, caller: Annotated[Caller, Security(identify)]) -> Caller:
    """Whoever may command: needs the role, and with a cookie the session's CSRF token besides."""
    gate: Gate = request.app.state.gate
    if caller.cookie:
        check_csrf(request, gate.sessions.csrf(caller.cookie))
    if caller.role != "trader":
        raise ApiError(403, "only_looking")
    return caller


def check_csrf(request: Request, expected: str) -> None:
    """A command by cookie must come from our own page. Raises `ApiError` 403."""
    given = request.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise ApiError(403, "csrf")
    check_same_origin(request)


def check_same_origin(request: Request) -> None:
    """A browser's call must come from our own page: it says so in one of two headers. Raises `ApiError` 403.

    A foreign `Origin` is refused before we are asked (`server.security`).
    """
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin") or (site is None and "origin" not in request.headers):
        raise ApiError(403, "foreign_origin")


Looker = Annotated[Caller, Security(identify)]
Trader = Annotated[Caller, Security(identify_trader)]
