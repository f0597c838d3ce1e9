"""Whether an address of Redis is one, before anything is sent there.

Redis's own package is imported for it only where the address has options.
"""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, urlsplit


def is_redis_url(url: str) -> bool:
    """Whether redis-py would find what the user means: it takes a database that is no number for 0."""
    try:
        parts = urlsplit(url)
        whole = _has_place(parts)
    except ValueError:  # a port that is no number, brackets that do not match
        return False
    return whole and _has_good_options(url, parts)


def _has_place(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return len(parts.path) > 1
    known = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    return known and _is_number(parts.path.removeprefix("/"), optional=True)


def _is_number(text: str, *, optional: bool = False) -> bool:
    return (text.isascii() and text.isdigit()) or (optional and not text)


def _has_good_options(url: str, parts: SplitResult) -> bool:
    if not parts.query:
        return True
    options = parse_qs(parts.query, keep_blank_values=True)
    if not all(_is_number(value) for value in options.get("db", ())):
        return False
    from redis.connection import parse_url

    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        return False
    return True
