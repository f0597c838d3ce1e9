"""Makes `core/calendar_data.json` from the `exchange_calendars` package.

python -m tests.make_calendar_data            writes the file
from tests.make_calendar_data import build    what the test compares it with
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

FIRST, LAST = "2024-01-01", "2028-12-31"
TARGET = Path(__file__).parent.parent / "core" / "calendar_data.json"
ZONES = {"XIST": "Europe/Istanbul", "XNYS": "America/New_York"}


def calendar(name: str) -> Any:
    """The package's calendar over the shipped range."""
    import exchange_calendars

    return exchange_calendars.get_calendar(name, start=FIRST, end=LAST)


def build() -> dict[str, Any]:
    """The content of the data file."""
    import pandas

    result = {}
    for name, zone in ZONES.items():
        source = calendar(name)
        sessions = {day.date() for day in source.sessions}
        weekdays = [day.date() for day in pandas.bdate_range(FIRST, LAST)]
        early = {
            day.date().isoformat(): source.session_close(day).tz_convert(ZoneInfo(zone)).strftime("%H:%M")
            for day in source.early_closes
        }
        closed = [day.isoformat() for day in weekdays if day not in sessions]
        result[name] = {"first": FIRST, "last": LAST, "closed": closed, "early": early}
    return result


def main() -> None:
    """Write the file."""
    TARGET.write_text(json.dumps(build(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
