"""Colours, fonts, style sheet and icons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QFontMetricsF, QIcon, QImage
from PyQt5.QtWidgets import QApplication, QCheckBox, QPushButton

from gui import icons, theme, theme_sheet
from gui.theme_colors import DARK, LIGHT, contrast

ROOT = Path(__file__).parent.parent
LOOK = {
    "dark": {
        "ground": "#131722", "panel": "#1e222d", "line": "#2a2e39", "text": "#d1d4dc", "secondary": "#868993",
        "accent": "#2962ff", "up": "#26a69a", "down": "#ef5350", "warning": "#f7a600", "simulated": "#b388ff",
    },
    "light": {
        "ground": "#ffffff", "panel": "#f6f8fb", "line": "#e0e3eb", "text": "#131722", "secondary": "#5d606b",
        "accent": "#2962ff", "up": "#00796b", "down": "#c62828", "warning": "#9a5b00", "simulated": "#6a1b9a",
    },
}  # fmt: skip
WRITTEN = ("text", "secondary", "accent_text", "up", "down", "warning", "stale", "simulated")


@pytest.fixture
def app(qapp: QApplication):
    font, palette, style = qapp.font(), qapp.palette(), qapp.style().objectName()
    theme.apply_theme(qapp, "dark")
    yield qapp
    qapp.setStyleSheet("")
    qapp.setStyle(style)
    qapp.setPalette(palette)
    qapp.setFont(font)


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_the_colours_are_the_agreed_ones(colors):
    assert {role: getattr(colors, role).name() for role in LOOK[colors.name]} == LOOK[colors.name]


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", ["ground", "panel", "hover"])
@pytest.mark.parametrize("role", WRITTEN)
def test_text_can_be_read_on_its_ground(colors, ground, role):
    assert contrast(getattr(colors, role), getattr(colors, ground)) >= 4.5


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_text_can_be_read_on_filled_and_selected_grounds(colors):
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    assert contrast(colors.on_simulated, colors.simulated) >= 4.5
    for role in ("text", "secondary", "up", "down", "warning", "simulated"):
        assert contrast(getattr(colors, role), colors.selection) >= 4.5, role


def test_contrast_is_that_of_the_standard():
    assert contrast(LIGHT.ground, theme.Color("#000000")) == pytest.approx(21.0)
    assert contrast(theme.Color("#777777"), theme.Color("#ffffff")) == pytest.approx(4.48, abs=0.01)


def test_a_colour_can_stand_in_a_style_sheet():
    assert f"{DARK.up}" == "#26a69a"
    assert str(DARK.up.with_alpha(128)) == "rgba(38, 166, 154, 128)"


def test_the_theme_is_switched_while_widgets_live(app, qtbot):
    button = QPushButton("Start")
    qtbot.addWidget(button)
    button.show()
    dark = _middle(button)
    with qtbot.waitSignal(theme.theme_signals().changed):
        theme.apply_theme(app, "light")
    assert theme.colors() is LIGHT
    assert not theme.is_dark()
    assert _middle(button) != dark
    assert button.palette().color(button.foregroundRole()) == LIGHT.text


def test_the_same_theme_again_changes_nothing(app, qtbot):
    with qtbot.assertNotEmitted(theme.theme_signals().changed):
        theme.apply_theme(app, "dark")


def test_the_system_theme_is_one_of_both(app):
    assert theme.system_theme() in ("dark", "light")
    theme.apply_theme(app, "system")
    assert theme.colors().name == theme.system_theme()


def test_the_desktop_tells_its_theme(monkeypatch):
    for answer, expected in (
        ("'prefer-light'\n", "light"),
        ("'prefer-dark'\n", "dark"),
        ("'default'\n", "dark"),
    ):
        done = subprocess.CompletedProcess([], 0, answer, "")
        monkeypatch.setattr(subprocess, "run", lambda *args, done=done, **kwargs: done)
        monkeypatch.setattr(sys, "platform", "linux")
        assert theme.system_theme() == expected


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gsettings"), subprocess.TimeoutExpired("gsettings", 0.5)]
)
def test_a_desktop_that_does_not_answer_is_dark(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(sys, "platform", "linux")
    assert theme.system_theme() == "dark"


def test_an_unknown_theme_is_refused(app):
    with pytest.raises(ValueError, match="mauve"):
        theme.apply_theme(app, "mauve")


def test_the_digits_stand_in_columns(app):
    for bold in (False, True):
        font = theme.ui_font(bold=bold)
        metrics = QFontMetricsF(font)
        assert font.pixelSize() == 13
        assert len({metrics.horizontalAdvance(digit) for digit in "0123456789"}) == 1


def test_every_part_of_the_sheet_is_understood(app, qtbot, capfd):
    box = QCheckBox("x")
    qtbot.addWidget(box)
    box.show()
    QApplication.processEvents()
    assert "Could not parse" not in capfd.readouterr().err
    assert "$" not in theme_sheet.additions(LIGHT)


def test_a_home_with_spaces_and_turkish_letters_keeps_the_sheet_whole(app, qtbot, home, monkeypatch, capfd):
    odd = home / "Ayşe Yılmaz (iş)"
    odd.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(odd))
    monkeypatch.setenv("XDG_CACHE_HOME", str(odd / ".cache"))
    app.setStyleSheet(theme_sheet.stylesheet(DARK))
    box = QCheckBox("x")
    qtbot.addWidget(box)
    box.show()
    QApplication.processEvents()
    assert "Ayşe Yılmaz (iş)" in app.styleSheet()
    assert "Could not parse" not in capfd.readouterr().err


def test_the_sheet_is_kept_for_the_next_start_and_made_again_without_its_pictures(home, qapp):
    first = theme_sheet.stylesheet(DARK)
    kept = list((home / ".cache" / "swing-hunter").glob("theme-dark-*.qss"))
    assert len(kept) == 1
    kept[0].write_text(kept[0].read_text("utf-8") + "/* read back */", "utf-8")
    assert "read back" in theme_sheet.stylesheet(DARK)
    for picture in (home / ".cache" / "qdarktheme").rglob("*.svg"):
        picture.unlink()
    assert theme_sheet.stylesheet(DARK) == first


def test_a_cache_that_cannot_be_written_costs_only_time(home, qapp):
    (home / ".cache").mkdir()
    (home / ".cache" / "swing-hunter").write_text("a file in the way")
    assert theme_sheet.stylesheet(DARK).endswith(theme_sheet.additions(DARK))
    assert len(theme_sheet.stylesheet(DARK)) > len(theme_sheet.additions(DARK))


@pytest.mark.allow_log("PyQtDarkTheme cannot be used")
def test_without_the_library_our_own_part_remains(home, qapp):
    (home / ".cache").write_text("a file in the way")
    assert theme_sheet.stylesheet(DARK) == theme_sheet.additions(DARK)


def test_icons_are_drawn_in_the_colour_of_their_role(app, qtbot):
    for name in ("play", "stop", "add", "remove", "import", "export", "settings", "bell", "search", "edit",
                 "close", "delete", "theme", "language"):  # fmt: skip
        assert _ink(icons.icon(name)), name
    assert DARK.up.name() in _ink(icons.icon("stop", "up"))
    assert DARK.secondary.name() in _ink(icons.icon("stop"), QIcon.Disabled)


def test_icons_follow_the_theme(app):
    picture = icons.icon("stop", "warning")
    assert DARK.warning.name() in _ink(picture)
    theme.apply_theme(app, "light")
    assert LIGHT.warning.name() in _ink(picture)


def test_every_icon_exists_in_the_font(app):
    known = icons._characters()
    assert [name for name in icons.NAMES if icons._GLYPHS[name] not in known] == []


@pytest.mark.parametrize(("name", "role"), [("no such icon", "text"), ("play", "no such role")])
def test_an_unknown_icon_or_role_is_our_own_mistake(app, name, role):
    with pytest.raises(KeyError):
        icons.icon(name, role)


def test_the_look_loads_nothing_heavy():
    code = (
        "import sys; import gui.theme, gui.icons;"
        "heavy = {'qdarktheme', 'qtawesome', 'darkdetect', 'subprocess'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def _middle(widget) -> str:
    return widget.grab().toImage().pixelColor(6, widget.height() // 2).name()


def _ink(picture: QIcon, mode: QIcon.Mode = QIcon.Normal) -> set[str]:
    """The colours of the opaque pixels."""
    image = picture.pixmap(QSize(32, 32), mode).toImage().convertToFormat(QImage.Format_ARGB32)
    pixels = [image.pixelColor(x, y) for x in range(32) for y in range(32)]
    return {pixel.name() for pixel in pixels if pixel.alpha() == 255 and pixel != Qt.transparent}
