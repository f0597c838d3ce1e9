"""System libraries and tools: what is missing, and how this system installs it.

Only Linux needs this. Libraries are found missing by asking the dynamic linker (`ldd`) about Qt's own files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bootstrap.messages import text
from bootstrap.progress import Progress

_QT_FILES = (
    "QtWidgets.abi3.so", "QtNetwork.abi3.so", "QtDBus.abi3.so", "QtSvg.abi3.so",
    "Qt5/plugins/platforms/libqxcb.so", "Qt5/plugins/platforms/libqoffscreen.so",
)  # fmt: skip

_DEBIAN_PACKAGES = {
    "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libGLX.so.0": "libgl1",
    "libGLdispatch.so.0": "libgl1", "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0", "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6", "libdbus-1.so.3": "libdbus-1-3", "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1", "libXext.so.6": "libxext6", "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0", "libxcb.so.1": "libxcb1",
    "libxcb-icccm.so.4": "libxcb-icccm4", "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1", "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0", "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0", "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1", "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0", "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1", "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libstdc++.so.6": "libstdc++6", "libz.so.1": "zlib1g",
}  # fmt: skip

FONT_PACKAGES = ("fonts-noto-core", "fonts-noto-color-emoji")
TEST_TOOLS = {
    "Xvfb": "xvfb", "xauth": "xauth", "dbus-daemon": "dbus", "redis-server": "redis-server",
    "initdb": "postgresql", "chromium": "chromium", "chromedriver": "chromium-driver",
}  # fmt: skip
"""The programs that some tests start, with their Debian packages."""

_SERVERS = Path("/usr/lib/postgresql")
"""Where Debian keeps, by version, programs that are not on the search path."""

_FONT_DIRS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_APT_SECONDS = 900


def on_linux() -> bool:
    """Whether any of this applies."""
    return sys.platform.startswith("linux")


def is_root() -> bool:
    """Whether we may install system packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_apt() -> bool:
    """Whether this is Debian, Ubuntu or a child of theirs."""
    return shutil.which("apt-get") is not None


def missing_from_ldd(output: str) -> set[str]:
    """The library names that `ldd` did not find."""
    return set(re.findall(r"^\s*(\S+) => not found", output, re.MULTILINE))


def missing_qt_libraries(pyqt: Path) -> set[str]:
    """The system libraries that the Qt in the package directory `pyqt` lacks; empty if nobody can tell."""
    ldd = shutil.which("ldd")
    if ldd is None:
        return set()
    files = [str(pyqt / name) for name in _QT_FILES if (pyqt / name).exists()]
    run = subprocess.run([ldd, *files], capture_output=True, text=True, check=False)
    return missing_from_ldd(run.stdout)


def has_fonts(directories: Iterable[str] = _FONT_DIRS) -> bool:
    """Whether there is any font that Qt could draw letters with."""
    for directory in directories:
        for _folder, _subfolders, files in os.walk(Path(directory).expanduser()):
            if any(name.lower().endswith((".ttf", ".otf", ".ttc", ".pfb")) for name in files):
                return True
    return False


def packages_for(libraries: Iterable[str]) -> list[str]:
    """The Debian packages that hold `libraries`; a library that is not on our list is left out."""
    return sorted({_DEBIAN_PACKAGES[name] for name in libraries if name in _DEBIAN_PACKAGES})


def missing_test_tools() -> dict[str, str]:
    """Programs (with their Debian packages) that tests want and this computer lacks."""
    return {tool: package for tool, package in TEST_TOOLS.items() if find_tool(tool) is None}


def find_tool(name: str) -> str | None:
    """The path of the program `name`, on the search path or where Debian keeps its servers."""
    found = shutil.which(name)
    if found is None:
        found = next(iter(sorted(map(str, _SERVERS.glob(f"*/bin/{name}")), reverse=True)), None)
    return found


def command_for(packages: list[str], libraries: Iterable[str]) -> str:
    """The one command that installs `packages` (Debian's names), or what holds `libraries` elsewhere."""
    sudo = "" if is_root() else "sudo "
    names = [f"'{library}()(64bit)'" for library in sorted(libraries)]
    if has_apt():
        return f"{sudo}apt-get update && {sudo}apt-get install -y {' '.join(packages)}"
    for manager in ("dnf", "zypper"):
        if shutil.which(manager) and names:
            return f"{sudo}{manager} install -y {' '.join(names)}"
    if shutil.which("pacman"):
        return f"{sudo}pacman -S --needed qt5-base noto-fonts xorg-server-xvfb xorg-xauth dbus"
    return text("a_distribution_package", names=", ".join(sorted(libraries) or packages))


def apt_install(packages: list[str], progress: Progress, log: Path) -> bool:
    """Install `packages` without asking anything; False if that failed (the log says why)."""
    options = ["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"]
    _run_apt(["apt-get", "update", *options], progress, log, "apt-get update")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *options, "-o", "APT::Status-Fd=1"]
    names = text("system_packages", names=" ".join(packages))
    return _run_apt([*install, *packages], progress, log, names)


def _run_apt(command: list[str], progress: Progress, log: Path, words: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    share = 0.0
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        progress.update(share, words)
        with subprocess.Popen(
            ["timeout", str(_APT_SECONDS), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", env=environment,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                share = apt_share(line, share)
                if not line.startswith(("dlstatus:", "pmstatus:")):
                    file.write(line)
                progress.update(share, words)
    return process.returncode == 0


def apt_share(line: str, before: float) -> float:
    """The share of the work that a status line of apt tells: fetching is one half, unpacking the other."""
    kind, _, rest = line.partition(":")
    fields = rest.split(":")
    if kind not in ("dlstatus", "pmstatus") or len(fields) < 2:
        return before
    try:
        percent = float(fields[1])
    except ValueError:
        return before
    return percent / 200 if kind == "dlstatus" else 0.5 + percent / 200
