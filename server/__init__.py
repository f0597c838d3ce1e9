"""The status server: every bot, on every screen, this second. Imports `core`, never `gui` or `cli`."""
