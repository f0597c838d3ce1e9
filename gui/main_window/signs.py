"""The signs (📈, ▶️) before some words: shown where a font has them, never as an empty box."""

from __future__ import annotations

from functools import cache

from PyQt5.QtGui import QFont, QTextLayout


def words_of(text: str) -> str:
    """`text` without the sign before it."""
    sign, space, words = text.partition(" ")
    return words if space and not sign[0].isalnum() else text


@cache
def shown(text: str) -> str:
    """`text`, without the sign before it where no font of this computer has that."""
    return text if _has_glyphs(text) else words_of(text)


def _has_glyphs(text: str) -> bool:
    """Whether Qt finds a glyph for every character, in whatever font; number 0 is the empty box."""
    layout = QTextLayout(text, QFont())
    layout.beginLayout()
    layout.createLine()
    layout.endLayout()
    return all(0 not in run.glyphIndexes() for run in layout.glyphRuns())
