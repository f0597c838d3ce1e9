"""`python3 run.py doctor`: examines everything, prints a table, and says how to mend what is wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence

from cli.arguments import Options
from cli.doctor_checks import FAIL, OK, WARN, Check, Finding, Patient, all_checks, run_check
from core.config import Config
from core.config_file import load_config, peek_language
from core.errors import SwingHunterError
from core.i18n import set_language, tr
from core.paths import SHIPPED_CONFIG, resolve_config_path, resolve_data_dir

_STYLE = {OK: "green", WARN: "yellow", FAIL: "bold red"}
_SIGN = {OK: "✓", WARN: "!", FAIL: "✗"}
_PLAIN_WIDTH = 120

Row = tuple[Check, Finding]


def run_doctor(options: Options) -> int:
    """Examine and report; 0 if nothing failed, else 1."""
    patient = admit(options)
    checks = all_checks(patient.config)
    rows = _examine(checks, patient)
    _print_report(rows)
    return 1 if any(finding.status == FAIL for _check, finding in rows) else 0


def admit(options: Options) -> Patient:
    """Find out what there is to examine; a broken configuration is a finding, not a reason to stop."""
    from core.bots.folder import use_folder
    from core.bots.registry import USER_FOLDER

    data_dir = resolve_data_dir(options.data_dir)
    set_language("auto")
    use_folder(data_dir / USER_FOLDER)  # a bot may ask for a strategy that is the user's own
    path, config, problem = SHIPPED_CONFIG, Config(), None
    try:
        path = resolve_config_path(options.config_path, data_dir)
        set_language(peek_language(path))
        config = load_config(path)
    except SwingHunterError as error:
        problem = error
    finally:
        use_folder(None)
    return Patient(config, path, data_dir, problem, options.offline)


def _examine(checks: Sequence[Check], patient: Patient) -> list[Row]:
    rows = []
    with _progress(len(checks)) as say:
        for check in checks:
            say(_title(check))
            rows.append((check, run_check(check, patient)))
    return rows


class _progress:  # noqa: N801 - used as a context manager, like a function
    """A line that names the check under way, on a terminal only."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Callable[[str], None]:
        return self._say

    def __exit__(self, *_: object) -> None:
        self._write("")

    def _say(self, title: str) -> None:
        self._done += 1
        self._write(f"[{self._done}/{self._total}] {title} ...")

    def _write(self, line: str) -> None:
        if self._terminal:
            sys.stderr.write(f"\r{line:<60}\r")
            sys.stderr.flush()


def _title(check: Check) -> str:
    name, _, detail = check.name.partition(":")
    return tr(f"doctor.title_{name}") + (f" {detail}" if detail else "")


def _print_report(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    table = Table(title=tr("doctor.heading"), title_justify="left", show_lines=False, pad_edge=False)
    table.add_column("")
    table.add_column(tr("doctor.what"), no_wrap=True)
    table.add_column(tr("doctor.found"), overflow="fold")
    for check, finding in rows:
        state = Text(f"{_SIGN[finding.status]} {tr('doctor.' + finding.status)}", _STYLE[finding.status])
        words = Text(finding.text)
        if finding.mend:
            words.append(f"\n→ {finding.mend}", "bold")
        table.add_row(state, Text(_title(check)), words)
    console.print(table)
    count = Counter(finding.status for _check, finding in rows)
    console.print(Text(tr("doctor.summary", ok=count[OK], warn=count[WARN], fail=count[FAIL])))
