"""The one error of the set-up."""

from __future__ import annotations


class SetupError(Exception):
    """The set-up cannot go on; its text is the sentence for the user."""
