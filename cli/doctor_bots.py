"""What `doctor` says about strategies: the user's own files, and what the configured bots ask of them."""

from __future__ import annotations

from cli.doctor_checks import FAIL, OK, Finding, Patient
from core.i18n import tr


def check_strategies(patient: Patient) -> Finding:
    """The files in the folder of strategies, then each bot's strategy and parameters. Runs the files."""
    from core.bots.registry import USER_FOLDER, load_user_strategies, strategy_names, strategy_problems

    folder = patient.data_dir / USER_FOLDER
    problems = [*map(str, load_user_strategies(folder)), *map(str, strategy_problems(patient.config.bots))]
    if problems:
        text = "\n".join(f"- {problem}" for problem in problems)
        return Finding(FAIL, text, tr("strategies.doctor_mend", folder=folder))
    return Finding(OK, tr("strategies.doctor_ok", names=", ".join(strategy_names()), folder=folder))
