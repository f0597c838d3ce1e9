"""The status streams, over real connections."""

from __future__ import annotations

from tests.server_helpers import RunningServer, following


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changed_fields_only() -> None:
    with RunningServer() as server, server.client() as client, following(client) as events:
        first = next(events)
        assert (first.name, first.retry) == ("snapshot", 2000)
        assert [bot["bot_id"] for bot in first.data["bots"]] == ["asels", "thyao"]
        server.engine.change("asels", open_pnl=12.5)
        update = next(events)
        assert update.name == "update"
        assert update.data.keys() == {"bot_id", "version", "open_pnl", "updated_at"}
        assert update.data["version"] == 2 and update.data["open_pnl"] == 12.5
