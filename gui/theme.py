"""The look of the whole program: colours, fonts and the style sheet, switchable while it runs.

Call `prepare_high_dpi()` before the `QApplication` exists, `apply_theme(app, name)` before the first widget.
Widgets that paint themselves read `colors()` when they paint and repaint on `theme_signals().changed`.
"""

from __future__ import annotations

import logging
import sys
from functools import cache

from PyQt5.QtCore import QObject, Qt, pyqtSignal
from PyQt5.QtGui import QFont, QFontInfo, QFontMetricsF, QGuiApplication, QPalette
from PyQt5.QtWidgets import QApplication, QStyleFactory

from gui.theme_colors import DARK, LIGHT, Color, Colors
from gui.theme_sheet import stylesheet

__all__ = [
    "BASE_PX", "SMALL_PX", "Color", "Colors", "apply_theme", "colors", "is_dark", "prepare_high_dpi",
    "system_theme", "theme_signals", "ui_font",
]  # fmt: skip
log = logging.getLogger(__name__)
BASE_PX = 13
SMALL_PX = 11
_FAMILIES = {
    "win32": ("Segoe UI", "Tahoma", "Arial"),
    # The system's own SF has proportional figures, which Qt 5 cannot switch to tabular ones.
    "darwin": ("Helvetica Neue", "Lucida Grande", "Arial"),
}
_FREE_FAMILIES = ("Noto Sans", "Cantarell", "Ubuntu", "DejaVu Sans", "Liberation Sans")
_current: Colors = DARK
_applied = False


class ThemeSignals(QObject):
    """`changed` tells that other colours hold from now on."""

    changed = pyqtSignal()


@cache
def theme_signals() -> ThemeSignals:
    """The one object that announces a change of theme."""
    return ThemeSignals()


def colors() -> Colors:
    """The colours in use."""
    return _current


def is_dark() -> bool:
    """Whether the dark theme is in use."""
    return _current.dark


def prepare_high_dpi() -> None:
    """Let everything scale with the screen, by fractions too. Only before the `QApplication` is made."""
    QGuiApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
    QGuiApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)


def apply_theme(app: QApplication, name: str) -> None:
    """Dress the program in the theme `name`: "dark", "light" or "system" (what the computer is set to).

    Raises ValueError for any other name.
    """
    global _current, _applied
    if name not in ("system", "dark", "light"):
        raise ValueError(f"no such theme: {name}")
    wanted = DARK if (system_theme() if name == "system" else name) == "dark" else LIGHT
    if _applied and wanted is _current and app.styleSheet():
        return
    first = not _applied
    _current, _applied = wanted, True
    if first or app.style().objectName() != "fusion":
        app.setStyle(QStyleFactory.create("Fusion"))
    app.setFont(ui_font())
    app.setPalette(_palette(wanted))
    app.setStyleSheet(stylesheet(wanted))
    theme_signals().changed.emit()


def ui_font(pixels: int = BASE_PX, *, bold: bool = False) -> QFont:
    """The interface's font in `pixels` (scaled with the screen), with weight 400, or 600 if `bold`."""
    font = QFont()
    font.setFamilies(list(_families()))
    font.setPixelSize(pixels)
    font.setWeight(QFont.DemiBold if bold else QFont.Normal)
    return font


@cache
def _families() -> tuple[str, ...]:
    """Families with tabular figures, best first, so that the digits of prices stand in columns."""
    wanted = (*_FAMILIES.get(sys.platform, ()), *_FREE_FAMILIES)
    first = next((name for name in wanted if _is_tabular(name)), None)
    if first is None:
        log.warning("no font with tabular figures was found; prices may not line up")
        return (QFont().defaultFamily(),)
    return (first, *(name for name in wanted if name != first))


def _is_tabular(family: str) -> bool:
    font = QFont(family)
    font.setPixelSize(BASE_PX)
    if QFontInfo(font).family() != family:
        return False
    metrics = QFontMetricsF(font)
    return len({metrics.horizontalAdvance(digit) for digit in "0123456789"}) == 1


def _palette(colors: Colors) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.Window: colors.ground, QPalette.Base: colors.ground, QPalette.AlternateBase: colors.hover,
        QPalette.Button: colors.panel, QPalette.ToolTipBase: colors.panel,
        QPalette.WindowText: colors.text, QPalette.Text: colors.text, QPalette.ButtonText: colors.text,
        QPalette.ToolTipText: colors.text, QPalette.BrightText: colors.on_accent,
        QPalette.PlaceholderText: colors.secondary, QPalette.Highlight: colors.accent,
        QPalette.HighlightedText: colors.on_accent, QPalette.Link: colors.accent_text,
        QPalette.LinkVisited: colors.accent_text, QPalette.Light: colors.line, QPalette.Midlight: colors.line,
        QPalette.Mid: colors.line, QPalette.Dark: colors.line, QPalette.Shadow: colors.line,
    }  # fmt: skip
    for role, color in roles.items():
        palette.setColor(role, color)
    for role in (QPalette.WindowText, QPalette.Text, QPalette.ButtonText):
        palette.setColor(QPalette.Disabled, role, colors.secondary)
    return palette


def system_theme() -> str:
    """What the computer is set to, "dark" or "light"; "dark" where it does not say."""
    try:
        if sys.platform in ("win32", "darwin"):
            import darkdetect

            return (darkdetect.theme() or "dark").lower()
        return _desktop_theme()
    except (OSError, ValueError) as error:
        log.info("the system's theme cannot be read: %s", error)
        return "dark"


def _desktop_theme() -> str:
    """The freedesktop `color-scheme`; "default" there means that the user made no choice."""
    import subprocess

    command = ["gsettings", "get", "org.gnome.desktop.interface", "color-scheme"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=0.5, check=False)
    except subprocess.SubprocessError as error:
        raise OSError(error) from error
    return "light" if "light" in done.stdout else "dark"
