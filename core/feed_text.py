"""What the feed is doing, in one sentence for the status line and a few for its tooltip."""

from __future__ import annotations

from datetime import datetime

from core.exchanges import exchange_of
from core.i18n import format_number, tr
from core.model import FeedStatus, SourceStatus

_FAILING = ("failing", "blocked")


def feed_sentence(status: FeedStatus, now: float) -> str:
    """Such as "No connection. Trying tvdatafeed again in 12 s". `now` is in Unix seconds."""
    if status.state == "stopped":
        return tr("feed.stopped")
    if status.replay_speed:
        return replay_sentence(status, now)
    if status.state in ("running", "old"):
        return _running(status, now)
    if status.state == "connecting":
        names = [s.name for s in status.sources if s.state == "connecting" and s.name != "simulation"]
        return tr("feed.connecting", source=", ".join(names)) if names else tr("feed.starting")
    return tr(f"feed.{status.state}", retry=_retry(status, now)).strip()


def replay_sentence(status: FeedStatus, now: float) -> str:
    """Such as "Replay of 2026-11-20, 10:42:13, 50x", by the exchange's clock; `now` is the replayed time."""
    if status.state == "connecting":
        return tr("replay.starting")
    moment = datetime.fromtimestamp(now, exchange_of(status.exchange).zone if status.exchange else None)
    name = "sentence" if status.state == "running" else "over"
    day = tr("replay.day", moment=moment)
    return tr(f"replay.{name}", day=day, time=f"{moment:%H:%M:%S}", speed=status.replay_speed)


def source_lines(status: FeedStatus) -> list[str]:
    """One line per source: its name and how it fares."""
    return [
        tr("feed.source_line", name=s.name, state=tr(f"feed.state_{s.state}", error=s.last_error))
        for s in status.sources
    ]


def duration(seconds: float) -> str:
    """A short length of time: "0.2 s", "45 s", "15 min", "3 h", "2 d"."""
    if seconds < 10:
        return tr("feed.seconds", n=format_number(seconds, 1))
    if seconds < 90:
        return tr("feed.seconds", n=round(seconds))
    if seconds < 5400:
        return tr("feed.minutes", n=round(seconds / 60))
    if seconds < 129_600:
        return tr("feed.hours", n=round(seconds / 3600))
    return tr("feed.days", n=round(seconds / 86_400))


def _running(status: FeedStatus, now: float) -> str:
    if status.active == "simulation":
        return tr("feed.simulator")
    active = next((s for s in status.sources if s.name == status.active), None)
    if active is not None and active.newest is not None:
        text = tr("feed.old", source=active.name, age=duration(max(0.0, now - active.newest)))
    elif active is None or active.lag is None:
        text = tr("feed.running", source=status.active)
    else:
        text = tr("feed.running_lag", source=status.active, lag=duration(active.lag))
    failing = [s.name for s in status.sources if s.state in _FAILING]
    old = [s.name for s in status.sources if s.state == "old" and s is not active]
    if old:
        text = tr("feed.partly_old", text=text, old=", ".join(old))
    return tr("feed.partly", text=text, failing=", ".join(failing)) if failing else text


def _retry(status: FeedStatus, now: float) -> str:
    waiting = [s for s in status.sources if s.next_try is not None]
    if not waiting:
        return ""
    soonest = min(waiting, key=_next_try)
    seconds = round(_next_try(soonest) - now)
    if seconds <= 0:
        return tr("feed.retrying", source=soonest.name)
    return tr("feed.retry_in", source=soonest.name, seconds=seconds)


def _next_try(source: SourceStatus) -> float:
    return source.next_try if source.next_try is not None else float("inf")
