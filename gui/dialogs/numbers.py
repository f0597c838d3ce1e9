"""Numbers as people type them: 1,234.56 and 1.234,56, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

from core.errors import InputError
from core.i18n import language, tr

MAX_DIGITS = 24
_NOISE = re.compile(r"[\s\u00a0\u202f'’₺$]")
_PLAIN = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


def parse_decimal(text: str) -> Decimal:
    """The number in `text`. Raises `InputError` with a sentence for the user.

    With both separators the last one is the decimal one, in either language. A lone separator that could be
    read both ways (1.234) is read in the interface's language.
    """
    body = _NOISE.sub("", text.strip()).replace("\N{MINUS SIGN}", "-")
    sign = -1 if body.startswith("-") else 1
    digits = _without_groups(body[1:] if body[:1] in ("-", "+") else body)
    if digits is None or not _PLAIN.fullmatch(digits):
        raise InputError(tr("positions.not_a_number", example=edit_text(Decimal("1234.56"))))
    if sum(char.isdigit() for char in digits) > MAX_DIGITS:
        raise InputError(tr("positions.too_many_digits"))
    return sign * Decimal(digits)


def edit_text(value: Decimal | None) -> str:
    """`value` as one would type it: the language's decimal sign, no grouping; "" for None."""
    if value is None:
        return ""
    text = format(value, "f")
    return text.replace(".", ",") if language() == "tr" else text


def _without_groups(body: str) -> str | None:
    """`body` with a dot as its decimal sign and no grouping, None if the separators make no sense."""
    kinds = {char for char in body if char in ".,"}
    if not kinds:
        return body
    decimal = max(kinds, key=body.rfind) if len(kinds) == 2 else _lone_decimal(body, kinds.pop())
    group = "," if decimal == "." else "."
    whole, _, fraction = body.partition(decimal)
    if group in whole:
        if not re.fullmatch(rf"\d{{1,3}}(\{group}\d{{3}})+", whole):
            return None
        whole = whole.replace(group, "")
    return f"{whole}.{fraction}" if decimal in body else whole


def _lone_decimal(body: str, mark: str) -> str:
    """Which sign is the decimal one where only `mark` occurs."""
    own = "," if language() == "tr" else "."
    other = "." if mark == "," else ","
    if body.count(mark) > 1:
        return other
    if mark != own and re.fullmatch(rf"[1-9]\d{{0,2}}\{mark}\d{{3}}", body):
        return other
    return mark
