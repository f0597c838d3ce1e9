"""Every sentence stands in both languages, and every sentence that the code asks for exists."""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import i18n

ROOT = Path(__file__).parent.parent
LOCALE = ROOT / "core" / "locale"
DOMAINS = sorted(path.stem for path in LOCALE.glob("*.json"))
SOURCES = sorted(
    path for folder in ("core", "gui", "server", "cli") for path in (ROOT / folder).rglob("*.py")
)


def entries(domain: str) -> list[tuple[str, object]]:
    """Name and texts of a domain, repeated names included."""
    pairs = json.loads((LOCALE / f"{domain}.json").read_text("utf-8"), object_pairs_hook=list)
    return [(name, dict(texts) if isinstance(texts, list) else texts) for name, texts in pairs]


def fields(text: str) -> set[str]:
    """The placeholders of a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def calls(path: Path) -> Iterator[tuple[int, str, set[str], bool]]:
    """Each `tr("literal", ...)`: line, key, names of the fields, and whether there may be more (`**`)."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        key = node.args[0].value
        if name == "tr" and isinstance(key, str):
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            yield node.lineno, key, given, any(keyword.arg is None for keyword in node.keywords)


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_sentence_is_whole_in_both_languages(domain: str) -> None:
    faults = []
    names = [name for name, _ in entries(domain)]
    faults += [f"{name} stands twice" for name in set(names) if names.count(name) > 1]
    for name, texts in entries(domain):
        if not isinstance(texts, dict) or set(texts) != {"en", "tr"}:
            faults.append(f"{name}: not exactly en and tr")
        elif not all(isinstance(text, str) and text.strip() for text in texts.values()):
            faults.append(f"{name}: an empty text")
        elif fields(texts["en"]) != fields(texts["tr"]):
            faults.append(f"{name}: {fields(texts['en'])} against {fields(texts['tr'])}")
        elif any(field.isdigit() or not field for field in fields(texts["en"])):
            faults.append(f"{name}: a placeholder without a name")
    assert faults == []


def test_each_sentence_that_the_code_asks_for_exists_with_its_fields() -> None:
    known = {f"{domain}.{name}": texts for domain in DOMAINS for name, texts in entries(domain)}
    faults = []
    for path in SOURCES:
        for line, key, given, more in calls(path):
            place = f"{path.relative_to(ROOT)}:{line}"
            texts = known.get(key)
            if not isinstance(texts, dict):
                faults.append(f"{place}: {key} is in no catalogue")
            elif missing := fields(texts["en"]) - given:
                faults += [] if more else [f"{place}: {key} lacks {missing}"]
            elif given - fields(texts["en"]):
                faults.append(f"{place}: {key} has no {given - fields(texts['en'])}")
    assert faults == []


def test_the_walk_finds_calls(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text('tr("a.b", x=1)\ni18n.tr("c.d", **more)\nother("e.f")\ntr(name)\n', "utf-8")
    assert list(calls(source)) == [(1, "a.b", {"x"}, False), (2, "c.d", set(), True)]


def test_an_unknown_sentence_is_our_bug() -> None:
    with pytest.raises(KeyError):
        i18n.tr("config.nothing")


@pytest.mark.parametrize(("variables", "expected"), [
    ({"LANG": "tr_TR.UTF-8"}, "tr"), ({"LANG": "de_DE.UTF-8"}, "en"),
    ({"LC_ALL": "en_US", "LANG": "tr_TR"}, "en"),
    ({"LC_MESSAGES": "tr"}, "tr"),
])  # fmt: skip
def test_the_system_s_language(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert i18n.set_language("auto") == expected
    assert i18n.language() == expected


@pytest.mark.parametrize(("value", "decimals", "sign", "english", "turkish"), [
    (1234.5, 2, False, "1,234.50", "1.234,50"), (-1234.5, 1, True, "\u22121,234.5", "\u22121.234,5"),
    (2.15, 2, True, "+2.15", "+2,15"), (-0.001, 2, True, "0.00", "0,00"), (0, 0, True, "0", "0"),
])  # fmt: skip
def test_numbers(value: float, decimals: int, sign: bool, english: str, turkish: str) -> None:
    assert i18n.format_number(value, decimals, sign=sign) == english
    i18n.set_language("tr")
    assert i18n.format_number(value, decimals, sign=sign) == turkish


def test_percentages() -> None:
    assert i18n.format_percent(2.15) == "+2.15%"
    i18n.set_language("tr")
    assert i18n.format_percent(2.15) == "+%2,15"
    assert i18n.format_percent(-2.15) == "\u2212%2,15"
    assert i18n.format_percent(2.15, sign=False) == "%2,15"
