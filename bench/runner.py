"""Runs benchmarks, prints a table and writes `bench-results.json`."""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.figures import Figure

BENCHES = (
    "engine", "start", "table", "storm", "flood", "answer", "chart", "feed", "bars", "bots", "panel",
    "stream", "cluster",
)  # fmt: skip
RESULTS = Path("bench-results.json")


def run_bench(names: Sequence[str]) -> int:
    """Run the named benchmarks, all if none is named; exit code 2 for an unknown name.

    A missed goal is printed as such and is no failure: a shared machine is a noisy one.
    """
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    results: dict[str, list[Figure]] = {}
    for name in names or BENCHES:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        run: Callable[[], list[Figure]] = importlib.import_module(f"bench.{name}").run
        results[name] = run()
    _print_table(results)
    _write(results)
    return 0


def _print_table(results: dict[str, list[Figure]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Swing Hunter, benchmarks")
    for column in ("benchmark", "figure"):
        table.add_column(column)
    for column in ("value", "goal", "", "naive way"):
        table.add_column(column, justify="right")
    table.add_column("note")
    for name, figures in results.items():
        for figure in figures:
            table.add_row(
                name, figure.name, f"{figure.value:,.4g} {figure.unit}", _goal(figure), _verdict(figure),
                "" if figure.naive is None else f"{figure.naive:,.4g} {figure.unit}", figure.note,
            )  # fmt: skip
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.higher else '≤'} {figure.goal:,.4g}"


def _verdict(figure: Figure) -> str:
    return {True: "reached", False: "MISSED", None: ""}[figure.reached]


def _write(results: dict[str, list[Figure]]) -> None:
    document = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "results": {name: [f.as_json() for f in figures] for name, figures in results.items()},
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"written to {RESULTS}", file=sys.stderr)
