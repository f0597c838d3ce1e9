"""Remembers how the tables' columns are arranged, and what the chart shows.

It is JSON under one key beside the docks' layout. Columns are named, so what an update adds or drops does no
harm; nonsense is passed over.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QSettings
from PyQt5.QtWidgets import QWidget

from core.exchanges import EXCHANGES
from gui.chart.host import ChartHost
from gui.main_window.layout import LAYOUT_FILE
from gui.widgets.table_tools import TableView

log = logging.getLogger(__name__)

VIEWS = "views"
"""The key in the file."""


class Views:
    """Stores and restores what the tables and the chart of `window` show; without `data_dir` nothing."""

    def __init__(self, window: QWidget, chart: ChartHost, data_dir: Path | None) -> None:
        self._window = window
        self._chart = chart
        self._file = None if data_dir is None else data_dir / LAYOUT_FILE
        self._chart_key = ""

    def restore(self) -> None:
        """Arrange the tables as they were; the chart itself waits for `open_chart`."""
        stored = self._stored()
        tables, chart = stored.get("tables"), stored.get("chart")
        for table in self._tables():
            state = tables.get(table.objectName()) if isinstance(tables, dict) else None
            if isinstance(state, dict):
                table.restore_layout_state(state)
        if isinstance(chart, dict):
            key = chart.get("key")
            if isinstance(key, str) and key.partition(":")[0] in EXCHANGES and key.partition(":")[2]:
                self._chart_key = key
            self._chart.restore_view_state(chart)

    @property
    def chart_key(self) -> str:
        """The instrument whose chart was open when the program ended, "" for none."""
        return self._chart_key

    def save(self) -> None:
        """Remember how it is now."""
        if self._file is None:
            return
        tables = {table.objectName(): table.layout_state() for table in self._tables()}
        text = json.dumps({"tables": tables, "chart": self._chart.view_state()})
        settings = QSettings(str(self._file), QSettings.IniFormat)
        settings.setValue(VIEWS, text)
        settings.sync()  # a failure was told when the docks were stored in the same file

    def _tables(self) -> list[TableView]:
        return [table for table in self._window.findChildren(TableView) if table.objectName()]

    def _stored(self) -> dict[str, Any]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            value = QSettings(str(self._file), QSettings.IniFormat).value(VIEWS)
            found = json.loads(value) if isinstance(value, str) and value else {}
        except (TypeError, ValueError, RecursionError) as error:
            log.info("the stored arrangement of the tables cannot be read: %s", error)
            return {}
        return found if isinstance(found, dict) else {}
