"""The two sets of colours, by role. Text on its ground has a contrast of at least 4.5 (tested)."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtGui import QColor


class Color(QColor):
    """A colour that can also be written into a style sheet: `f"{colors().up}"` gives "#26a69a"."""

    def __str__(self) -> str:
        if self.alpha() == 255:
            return self.name()
        return f"rgba({self.red()}, {self.green()}, {self.blue()}, {self.alpha()})"

    def with_alpha(self, alpha: int) -> Color:
        """The same colour with an opacity of `alpha` (0 to 255)."""
        copy = Color(self)
        copy.setAlpha(alpha)
        return copy

    def mixed(self, other: QColor, share: float) -> Color:
        """This colour with `share` (0 to 1) of `other` in it."""
        mix = [
            round(mine + (theirs - mine) * share)
            for mine, theirs in zip(self.getRgb()[:3], other.getRgb()[:3], strict=True)
        ]
        return Color(*mix)


@dataclass(frozen=True)
class Colors:
    """What each colour is for.

    `ground` lies behind everything, `panel` behind bars, fields and pop-ups, `line` parts them. `accent`
    fills (with `on_accent` written on it); as text it is `accent_text`. `stale` is the text of an old price
    and `hatch` the lines behind it. `selection` and `hover` lie behind a table's row.
    """

    name: str
    ground: Color
    panel: Color
    line: Color
    text: Color
    secondary: Color
    accent: Color
    on_accent: Color
    accent_text: Color
    up: Color
    down: Color
    warning: Color
    stale: Color
    simulated: Color
    on_simulated: Color
    hatch: Color
    selection: Color
    hover: Color

    @property
    def dark(self) -> bool:
        """Whether light text stands on a dark ground."""
        return self.name == "dark"


DARK = Colors(
    name="dark",
    ground=Color("#131722"),
    panel=Color("#1E222D"),
    line=Color("#2A2E39"),
    text=Color("#D1D4DC"),
    secondary=Color("#868993"),
    accent=Color("#2962FF"),
    on_accent=Color("#FFFFFF"),
    accent_text=Color("#6E9BFF"),
    up=Color("#26A69A"),
    down=Color("#EF5350"),
    warning=Color("#F7A600"),
    stale=Color("#868993"),
    simulated=Color("#B388FF"),
    on_simulated=Color("#131722"),
    hatch=Color("#252935"),
    selection=Color("#18203C"),
    hover=Color("#1A1F2C"),
)
LIGHT = Colors(
    name="light",
    ground=Color("#FFFFFF"),
    panel=Color("#F6F8FB"),
    line=Color("#E0E3EB"),
    text=Color("#131722"),
    secondary=Color("#5D606B"),
    accent=Color("#2962FF"),
    on_accent=Color("#FFFFFF"),
    accent_text=Color("#1E53E5"),
    up=Color("#00796B"),
    down=Color("#C62828"),
    warning=Color("#9A5B00"),
    stale=Color("#5D606B"),
    simulated=Color("#6A1B9A"),
    on_simulated=Color("#FFFFFF"),
    hatch=Color("#E9EAEE"),
    selection=Color("#EAF0FF"),
    hover=Color("#F3F5F9"),
)


def contrast(one: QColor, other: QColor) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio" and "relative luminance")."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(color: QColor) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (color.redF(), color.greenF(), color.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
