"""The sentences of the set-up in English and Turkish; it cannot reach the program's own catalogue."""

from __future__ import annotations

import os
import sys

from bootstrap.environment import WINDOWS

_TURKISH_PRIMARY_LANGUAGE = 0x1F

_SENTENCES = {
    "title": (
        "Setting up Swing Hunter (first start, or its requirements changed)",
        "Swing Hunter kuruluyor (ilk açılış, ya da gereksinimler değişti)",
    ),
    "venv": ("Virtual environment", "Sanal ortam"),
    "program": ("Program packages", "Program paketleri"),
    "tests": ("Test packages", "Test paketleri"),
    "qt": ("System libraries", "Sistem kitaplıkları"),
    "tools": ("Test tools", "Test araçları"),
    "fetching": ("fetching {name}", "indiriliyor: {name}"),
    "installing": ("installing", "kuruluyor"),
    "packages": ("packages", "paket"),
    "system_packages": ("installing {names}", "kuruluyor: {names}"),
    "done": ("Ready ({seconds} s).", "Hazır ({seconds} sn)."),
    "waiting": (
        "Another start is setting up in {directory}; waiting for it. Ctrl-C ends the waiting.",
        "Başka bir açılış {directory} içinde kurulum yapıyor; bitmesi bekleniyor. Ctrl-C beklemeyi bitirir.",
    ),
    "repairing": (
        "The last set-up was cut short, or its Python is gone; beginning anew (downloads are kept).",
        "Önceki kurulum yarıda kalmış ya da Python'u silinmiş; baştan başlanıyor (indirilenler duruyor).",
    ),
    "elsewhere": (
        "The program's folder is read-only, so the virtual environment goes to {directory}",
        "Programın klasörüne yazılamıyor; sanal ortam şuraya kuruluyor: {directory}",
    ),
    "stopped": (
        "Stopped. Start again when you like; what was downloaded is kept.",
        "Durduruldu. İstediğinizde yeniden başlatın; indirilenler duruyor.",
    ),
    "not_writable": (
        "Neither the program's folder nor {directory} can be written to. Move the program to a folder "
        "of yours, or set SWING_DATA_DIR to one.",
        "Ne programın klasörüne ne de {directory} klasörüne yazılabiliyor. Programı kendi klasörünüze "
        "taşıyın ya da SWING_DATA_DIR ile yazılabilir bir klasör gösterin.",
    ),
    "offline": (
        "No connection to the package index. What was downloaded is kept: connect to the network and run the "
        "same command again. (Details: {log})",
        "Paket sunucusuna ulaşılamıyor. İndirilenler duruyor: ağa bağlanıp aynı komutu yeniden çalıştırın. "
        "(Ayrıntı: {log})",
    ),
    "certificate": (
        "The package index could not be trusted (certificate). Check the computer's clock and proxy, then "
        "run the same command again. (Details: {log})",
        "Paket sunucusunun sertifikası doğrulanamadı. Bilgisayarın saatini ve vekil sunucuyu denetleyip aynı "
        "komutu yeniden çalıştırın. (Ayrıntı: {log})",
    ),
    "disk_full": (
        "The disk is full. Free about 1 GB and run the same command again.",
        "Disk dolu. 1 GB kadar yer açıp aynı komutu yeniden çalıştırın.",
    ),
    "failed": (
        "The set-up failed: {reason}. (Details: {log})",
        "Kurulum başarısız: {reason}. (Ayrıntı: {log})",
    ),
    "python_incomplete": (
        "This Python ({python}) lacks its module {module}, which the set-up needs. Run this, then start "
        "again:\n"
        "    {command}",
        "Bu Python ({python}) kurulum için gereken {module} modülünden yoksun. Şunu çalıştırıp yeniden "
        "açın:\n    {command}",
    ),
    "libraries_missing": (
        "The window needs system libraries that are missing: {names}. Run this, then start again:\n"
        "    {command}\n(or start without a window: python3 run.py --headless)",
        "Pencere için gereken sistem kitaplıkları eksik: {names}. Şunu çalıştırıp yeniden açın:\n"
        "    {command}\n(ya da penceresiz açın: python3 run.py --headless)",
    ),
    "tools_missing": (
        "Missing here: {names}. The tests that need them are skipped; to run them, too:\n    {command}",
        "Burada eksik: {names}. Bunları isteyen testler atlanır; onları da çalıştırmak için:\n    {command}",
    ),
    "a_distribution_package": (
        "your distribution's package with {names}",
        "dağıtımınızın şu paketleri: {names}",
    ),
    "a_full_python": (
        "install a complete Python 3.11 or newer (python.org)",
        "eksiksiz bir Python 3.11 ya da yenisini kurun (python.org)",
    ),
    "press_enter": ("Press Enter to close this window.", "Pencereyi kapatmak için Enter'a basın."),
}


def speaks_turkish() -> bool:
    """Whether the computer's own language is Turkish."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return os.environ[name].lower().startswith("tr")
    if WINDOWS:
        import ctypes

        language: int = ctypes.windll.kernel32.GetUserDefaultUILanguage()  # type: ignore[attr-defined]
        return language & 0x3FF == _TURKISH_PRIMARY_LANGUAGE
    return False


def text(name: str, /, **fields: object) -> str:
    """The sentence `name` in the computer's language."""
    sentence = _SENTENCES[name][speaks_turkish()]
    return sentence.format(**fields) if fields else sentence


def complain(sentence: str) -> None:
    """Show one sentence on the error stream, or in a box where there is none (Windows without a console)."""
    if sys.stderr is not None:
        print(sentence, file=sys.stderr, flush=True)
    elif WINDOWS:
        import ctypes

        ctypes.windll.user32.MessageBoxW(None, sentence, "Swing Hunter", 0x10)  # type: ignore[attr-defined]
