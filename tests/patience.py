"""How long the tests wait. They measure no time: these limits only end a wait for what never comes."""

from __future__ import annotations

PATIENCE = 40.0
"""Seconds to wait for what is to come; it costs nothing where that comes."""
FOREVER = 600.0
"""A wait which only what the test is about can end: ten times as long as a test may take (`timeout` in
pyproject.toml), so that whoever sits it out fails loudly, whatever the computer's speed."""
