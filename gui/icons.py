"""Icons by name, from the Codicons font that QtAwesome ships, in the colours of the theme in use.

Only that one font (80 KB) is read, and only when the first icon is painted: QtAwesome itself loads twelve
fonts, which costs 130 ms and 6 MB before the first window. An icon takes its colour when it is painted, so a
change of theme needs no new icons.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PyQt5.QtCore import QPoint, QRect, QSize, Qt
from PyQt5.QtGui import QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPixmap

from gui import theme

log = logging.getLogger(__name__)
_GLYPHS = {
    "play": "play", "stop": "debug-stop", "add": "add", "remove": "remove", "delete": "trash", "edit": "edit",
    "close": "close", "import": "desktop-download", "export": "export", "save": "save", "copy": "copy",
    "settings": "settings-gear", "bell": "bell", "search": "search", "filter": "filter",
    "theme": "color-mode", "language": "globe", "up": "arrow-up", "down": "arrow-down",
    "sort": "sort-precedence", "refresh": "refresh",
    "select-all": "check-all", "check": "check", "warning": "warning", "error": "error", "info": "info",
    "help": "question", "menu": "kebab-vertical", "list": "list-unordered", "chart": "graph-line",
    "position": "briefcase", "signal": "pulse", "bot": "robot", "log": "output", "history": "history",
    "send": "send", "mail": "mail", "clock": "clock", "lock": "lock", "eye": "eye", "eye-off": "eye-closed",
    "plug": "plug", "undo": "discard", "folder": "folder-opened", "clear": "clear-all", "paste": "clippy",
    "chevron-down": "chevron-down", "chevron-right": "chevron-right",
}  # fmt: skip
NAMES = tuple(_GLYPHS)
_UNKNOWN = "question"


def icon(name: str, role: str = "text") -> QIcon:
    """The icon `name` (one of `NAMES`) in the colour of `role` (a field of `Colors`). Raises KeyError."""
    if not hasattr(theme.colors(), role):
        raise KeyError(role)
    return QIcon(_GlyphEngine(_GLYPHS[name], role))


@cache
def _font_family() -> str:
    """The family of the icon font; "" where it cannot be loaded (icons stay empty, tooltips say all)."""
    path = _asset("codicon-*.ttf")
    number = QFontDatabase.addApplicationFont(str(path)) if path else -1
    families = QFontDatabase.applicationFontFamilies(number) if number >= 0 else []
    if not families:
        log.warning("the icon font cannot be loaded; buttons show no icons")
        return ""
    return families[0]


@cache
def _characters() -> dict[str, str]:
    path = _asset("codicon-charmap-*.json")
    if path is None:
        return {}
    codes: dict[str, str] = json.loads(path.read_text("utf-8"))
    return {name: chr(int(code, 16)) for name, code in codes.items()}


def _asset(pattern: str) -> Path | None:
    spec = find_spec("qtawesome")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "fonts").glob(pattern))), None)


class _GlyphEngine(QIconEngine):
    """Paints one character of the icon font."""

    def __init__(self, glyph: str, role: str) -> None:
        super().__init__()
        self._glyph = glyph
        self._role = role

    def clone(self) -> QIconEngine:
        """See Qt."""
        return _GlyphEngine(self._glyph, self._role)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """See Qt."""
        family = _font_family()
        if not family:
            return
        painter.save()
        font = QFont(family)
        font.setPixelSize(max(1, rect.height()))
        painter.setFont(font)
        painter.setPen(getattr(theme.colors(), "secondary" if mode == QIcon.Disabled else self._role))
        characters = _characters()
        painter.drawText(rect, Qt.AlignCenter, characters.get(self._glyph) or characters.get(_UNKNOWN, ""))
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """See Qt."""
        result = QPixmap(size)
        result.fill(Qt.transparent)
        painter = QPainter(result)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return result
