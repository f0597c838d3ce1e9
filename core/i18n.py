"""The sentences a person reads, in English and Turkish.

Each file `core/locale/DOMAIN.json` maps a name to {"en": ..., "tr": ...}; `tr("feed.live", seconds=3)` looks
up `live` in `feed.json` and fills in the fields. A domain is read when it is first needed.
"""

from __future__ import annotations

import json
import locale
import os
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "tr")
_LOCALE_DIR = Path(__file__).parent / "locale"
_current = "en"


def system_language() -> str:
    """The language of the computer's own settings, English if it is neither of ours."""
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    names.append(locale.getlocale()[0] or "")
    first = next((name for name in names if name), "")
    return "tr" if first.lower().startswith(("tr", "turkish")) else "en"


def set_language(language: str) -> str:
    """Speak `language` ("tr", "en" or "auto" = the system's) from now on; returns the one in use."""
    global _current
    _current = system_language() if language == "auto" else language
    return _current


def language() -> str:
    """The language in use, "en" or "tr"."""
    return _current


@cache
def _domain(name: str) -> dict[str, dict[str, str]]:
    data: dict[str, dict[str, str]] = json.loads((_LOCALE_DIR / f"{name}.json").read_text("utf-8"))
    return data


def tr(key: str, /, **fields: Any) -> str:
    """The sentence `key` ("domain.name") in the current language. Raises KeyError for an unknown one."""
    domain, _, name = key.partition(".")
    text = _domain(domain)[name][_current]
    return text.format(**fields) if fields else text


def format_number(value: float, decimals: int = 2, *, sign: bool = False) -> str:
    """`value` with the language's separators and a true minus: 1,234.50 in English, 1.234,50 in Turkish."""
    text = f"{abs(value):,.{decimals}f}"
    if _current == "tr":
        text = text.translate(str.maketrans(",.", ".,"))
    zero = not any(digit in "123456789" for digit in text)
    if value < 0 and not zero:
        return "\N{MINUS SIGN}" + text
    return "+" + text if sign and not zero else text


def format_percent(value: float, decimals: int = 2, *, sign: bool = True) -> str:
    """A percentage in the language's way: +2.15% in English, +%2,15 in Turkish."""
    number = format_number(value, decimals, sign=sign)
    if _current != "tr":
        return number + "%"
    lead = number[0] if number[0] in "+\N{MINUS SIGN}" else ""
    return f"{lead}%{number[len(lead) :]}"
