"""The style sheet: PyQtDarkTheme's in our colours, and our own additions after it.

Building it costs 60 to 120 ms (the library's import and its templates), so the result is kept in the user's
cache directory and read back in under a millisecond until the library or the colours change.
"""

from __future__ import annotations

import logging
import os
import re
import zlib
from importlib.util import find_spec
from pathlib import Path
from string import Template

from PyQt5.QtCore import QStandardPaths

from gui.theme_colors import Colors

log = logging.getLogger(__name__)
_ADDITIONS = Path(__file__).parent / "theme_additions.qss"
_URL = re.compile(r"url\((?!\")(.*?\.svg)\)")


def stylesheet(colors: Colors) -> str:
    """The whole sheet for the application; without the library's part if that cannot be had."""
    return _base_sheet(colors) + additions(colors)


def additions(colors: Colors) -> str:
    """Our own part of the sheet, with the colours filled in by role (`$ground`, `$up`, ...)."""
    roles = {name: str(value) for name, value in vars(colors).items()}
    return Template(_ADDITIONS.read_text("utf-8")).substitute(roles)


def _base_sheet(colors: Colors) -> str:
    spec = find_spec("qdarktheme")
    if spec is None or spec.origin is None:
        log.warning("PyQtDarkTheme is not installed; the window keeps to its own plain style")
        return ""
    custom = _custom_colors(colors)
    stamp = Path(spec.origin).stat().st_mtime_ns
    mark = zlib.crc32(f"{spec.origin}|{stamp}|{custom}".encode())
    kept = _cache_dir() / f"theme-{colors.name}-{mark:08x}.qss"
    sheet = _read_kept(kept)
    if sheet is None:
        sheet = _build(colors.name, custom)
        if sheet:
            _keep(kept, sheet)
    return sheet


def _build(name: str, custom: dict[str, str]) -> str:
    try:
        import qdarktheme

        sheet: str = qdarktheme.load_stylesheet(name, "rounded", custom_colors=custom)
    except (OSError, ImportError, KeyError, ValueError) as error:
        log.warning("PyQtDarkTheme cannot be used, the window keeps to its own plain style: %s", error)
        return ""
    # The library writes url(PATH) without quotes, and one space in a home directory's name makes Qt refuse
    # the whole sheet.
    return _URL.sub(r'url("\1")', sheet)


def _custom_colors(colors: Colors) -> dict[str, str]:
    """Our colours under the library's names ("parent>child" is one state of a colour)."""
    ground, panel, line = str(colors.ground.name()), colors.panel.name(), colors.line.name()
    selection = colors.selection.name()
    return {
        "background": ground,
        "background>panel": ground,
        "background>popup": panel,
        "background>table": ground,
        "background>textarea": ground,
        "background>title": panel,
        "border": line,
        "border>input": line,
        "foreground": colors.text.name(),
        "foreground>icon": colors.text.name(),
        "input.background": panel,
        "primary": colors.accent.name(),
        "primary>list.selectionBackground": selection,
        "primary>list.inactiveSelectionBackground": selection,
        "primary>table.selectionBackground": selection,
        "primary>table.inactiveSelectionBackground": selection,
        "list.alternateBackground": colors.hover.name(),
        "list.hoverBackground": colors.hover.name(),
        "table.alternateBackground": colors.hover.name(),
        "tableSectionHeader.background": ground,
        "treeSectionHeader.background": ground,
        "statusBar.background": panel,
        "toolbar.background": panel,
    }


def _cache_dir() -> Path:
    root = QStandardPaths.writableLocation(QStandardPaths.GenericCacheLocation)
    return Path(root) / "swing-hunter"


def _read_kept(path: Path) -> str | None:
    """The kept sheet, or None if there is none or the pictures it names are gone."""
    try:
        sheet = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    picture = re.search(r'url\("([^"]+)"\)', sheet)
    return sheet if picture and Path(picture.group(1)).exists() else None


def _keep(path: Path, sheet: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(sheet, "utf-8")
        part.replace(path)
    except OSError as error:
        log.info("the style sheet is not kept for the next start: %s", error)
