"""The signs (📈, ▶️) before some words, which are part of the words' contract.

They are not painted: a tab or button whose text holds one stands two pixels higher than its neighbours with
some fonts, and others have only an empty box for it. Buttons show an icon instead.
"""

from __future__ import annotations


def words_of(text: str) -> str:
    """`text` without the sign before it."""
    sign, space, words = text.partition(" ")
    return words if space and not sign[0].isalnum() else text
