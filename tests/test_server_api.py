"""The API but for its streams: looking, polling, commanding, and its description."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from core.bots.model import BotState, BotStatus
from core.commands import StartBot, StopBot
from core.errors import WorldError
from server import bot_routes
from server.bus import InProcessBus
from server.day import MOST_POINTS, DayCurve
from tests.server_helpers import FakeEngine, RunningServer, bot_state, following, wait_for

BOTS = "/api/v1/bots"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer() as running:
        wait_for(lambda: running.in_loop(lambda: "asels" in running.hub.channel("local").bots))
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def changed(server: RunningServer, bot_id: str, **fields: Any) -> BotState:
    """Change a bot and wait until the server knows."""
    state = server.engine.change(bot_id, **fields)
    wait_for(
        lambda: server.in_loop(lambda: server.hub.find(state.owner, bot_id).state.version) == state.version
    )
    return state


def test_a_user_sees_their_own_bots(server: RunningServer, client: httpx.Client) -> None:
    answer = client.get(BOTS).json()
    assert [bot["bot_id"] for bot in answer["bots"]] == ["asels", "thyao"]
    assert answer["engines"] == {"local": {"alive": True}}
    with server.client("other") as other:
        assert [bot["bot_id"] for bot in other.get(BOTS).json()["bots"]] == ["garan"]


def test_a_bot_is_its_state_and_its_engine(server: RunningServer, client: httpx.Client) -> None:
    expected = server.engine.states["asels"].payload() | {"engine": "local", "alive": True}
    assert client.get(f"{BOTS}/asels").json() == expected


@pytest.mark.parametrize("path", [BOTS, f"{BOTS}/asels"])
def test_polling_costs_nothing_while_nothing_changes(
    server: RunningServer, client: httpx.Client, path: str
) -> None:
    first = client.get(path)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    changed(server, "asels", open_pnl=9.0)
    after = client.get(path, headers={"If-None-Match": tag})
    assert after.status_code == 200
    assert after.headers["etag"] != tag


def test_a_poll_shows_the_newest_state_though_the_streams_are_paced(
    server: RunningServer, client: httpx.Client
) -> None:
    for number in range(20):
        changed(server, "asels", open_pnl=float(number))
        assert client.get(f"{BOTS}/asels").json()["open_pnl"] == number


@pytest.mark.parametrize("path", ["", "/day", "/start", "/stop"])
def test_anothers_bot_is_exactly_as_unknown_as_one_that_is_not_there(client: httpx.Client, path: str) -> None:
    method = "POST" if path in ("/start", "/stop") else "GET"
    answers = [client.request(method, f"{BOTS}/{bot_id}{path}") for bot_id in ("garan", "nobodys")]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].content == answers[1].content
    headers = [dict(answer.headers) | {"date": ""} for answer in answers]
    assert headers[0] == headers[1]


def test_commands_reach_the_engine_and_their_end_is_told(server: RunningServer, client: httpx.Client) -> None:
    answer = client.post(f"{BOTS}/asels/stop")
    assert (answer.status_code, answer.json()) == (200, {"bot_id": "asels", "state": "done"})
    assert client.get(f"{BOTS}/asels").json()["status"] == BotStatus.STOPPED
    assert client.post(f"{BOTS}/asels/stop", json={"flatten": True}).status_code == 200
    assert client.post(f"{BOTS}/asels/start").status_code == 200
    assert [(type(c), c.bot_id, getattr(c, "flatten", None)) for c in server.engine.commands] == [  # type: ignore[attr-defined]
        (StopBot, "asels", False), (StopBot, "asels", True), (StartBot, "asels", None),
    ]  # fmt: skip


def test_a_refusal_of_the_engine_comes_with_its_sentence(server: RunningServer, client: httpx.Client) -> None:
    server.engine.refuse = "The strategy file has gone."
    answer = client.post(f"{BOTS}/asels/start")
    assert (answer.status_code, answer.json()) == (
        409, {"code": "refused", "detail": "The strategy file has gone."},
    )  # fmt: skip


def test_a_slow_engine_is_not_waited_for_for_ever(
    server: RunningServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_routes, "ANSWER_SECONDS", 0.05)
    server.engine.deaf = True
    answer = client.post(f"{BOTS}/asels/start")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")


def test_a_dead_engine_gets_no_commands(server: RunningServer, client: httpx.Client) -> None:
    server.engine.dead_since = time.monotonic() - 60
    server.in_loop(server.hub._heard.clear)
    answer = client.post(f"{BOTS}/asels/start")
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_silent")
    assert server.engine.commands == []
    wait_for(lambda: client.get(BOTS).json()["engines"] == {"local": {"alive": False}})
    wait_for(lambda: client.get("/healthz").json()["engines"] == "silent")


def test_before_the_engine_has_told_of_its_bots_nobody_is_told_that_there_are_none() -> None:
    server = RunningServer()
    server.engine.loading = True
    with server, server.client() as client, following(client) as events:
        first = next(events)
        assert (first.name, first.data["bots"], first.data["ready"]) == ("snapshot", [], False)
        answer = client.get(BOTS)
        assert (answer.status_code, answer.json()["ready"]) == (200, False)
        for method, path in (("GET", ""), ("GET", "/day"), ("GET", "/status-stream"), ("POST", "/start")):
            refused = client.request(method, f"{BOTS}/asels{path}")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_ready")
        assert client.get("/healthz").json()["ready"] is False
        server.engine.loading = False
        server.engine.publish_all()
        second = next(event for event in events if event.name != "beat")
        assert (second.name, second.data["ready"]) == ("snapshot", True)
        assert [bot["bot_id"] for bot in second.data["bots"]] == ["asels", "thyao"]
        tag = answer.headers["etag"]
        assert client.get(BOTS, headers={"If-None-Match": tag}).json()["ready"] is True
        assert client.get("/healthz").json()["ready"] is True
        assert client.get(f"{BOTS}/nobodys").status_code == 404
        with following(client, last_event_id=first.id) as again:  # it has not seen everything
            assert next(again).name == "snapshot"
        server.engine.change("asels", open_pnl=3.0)
        assert next(event for event in events if event.name != "beat").data["open_pnl"] == 3.0


def test_that_there_are_no_bots_only_a_living_engine_can_say() -> None:
    with RunningServer() as server, server.client("viewer") as client:
        wait_for(lambda: client.get(BOTS).json()["ready"])
        server.engine.dead_since = time.monotonic() - 60
        server.in_loop(server.hub._heard.clear)
        wait_for(lambda: client.get(BOTS).json()["ready"] is False)
        with server.client() as other:  # whose bots are known, and that their engine is silent
            assert other.get(BOTS).json()["ready"] is True


def test_who_polls_one_bot_learns_that_its_engine_is_dead(
    server: RunningServer, client: httpx.Client
) -> None:
    path = f"{BOTS}/asels"
    wait_for(lambda: client.get(path).json()["alive"] is True)
    tag = client.get(path).headers["etag"]
    server.engine.dead_since = time.monotonic() - 60
    server.in_loop(server.hub._heard.clear)
    answer = client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["alive"]) == (200, False)
    assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    server.engine.dead_since = None
    wait_for(lambda: client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200)
    assert client.get(path).headers["etag"] == tag


def test_a_command_that_cannot_be_sent_says_why() -> None:
    class BrokenBus(InProcessBus):
        async def command(self, *_: Any) -> str | None:
            raise WorldError("Redis is away.")

    def make(engine: FakeEngine) -> InProcessBus:
        return BrokenBus(engine.events, engine.post, engine.alive_at)

    with RunningServer(make_bus=make) as server, server.client() as client:
        wait_for(lambda: client.get(f"{BOTS}/asels").status_code == 200)
        answer = client.post(f"{BOTS}/asels/start")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Redis is away.")


@pytest.mark.parametrize("body", [{"flatten": "yes"}, {"flatten": True, "x": 1}, [], "x", {"flatten": None}])
def test_a_body_that_is_none_is_refused(server: RunningServer, client: httpx.Client, body: Any) -> None:
    answer = client.post(f"{BOTS}/asels/stop", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert server.engine.commands == []


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"null", b""])
def test_bodies_that_are_no_json(client: httpx.Client, content: bytes) -> None:
    answer = client.post(f"{BOTS}/asels/stop", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == (200 if content in (b"null", b"") else 422)


def test_the_days_curve_has_a_point_a_minute(server: RunningServer, client: httpx.Client) -> None:
    noon = 1_795_000_020.0
    for minute in range(3):
        for second in (0, 30):
            moment = noon + 60 * minute + second
            changed(server, "asels", updated_at=moment, daily_pnl=float(minute * 100 + second))
    points = client.get(f"{BOTS}/asels/day").json()["points"]
    assert [pnl for _, pnl in points][-3:] == [30.0, 130.0, 230.0]
    assert points[-1][0] == server.engine.states["asels"].payload()["updated_at"]


def test_the_days_curve_outlives_a_bot_that_goes_and_comes_again(
    server: RunningServer, client: httpx.Client
) -> None:
    for minute in range(3):
        state = changed(server, "asels", updated_at=1_795_000_020.0 + 60 * minute, daily_pnl=float(minute))
    before = client.get(f"{BOTS}/asels/day").json()["points"]
    server.engine.remove("asels")
    wait_for(lambda: client.get(f"{BOTS}/asels/day").status_code == 404)
    server.engine.add(state)
    wait_for(lambda: client.get(f"{BOTS}/asels/day").status_code == 200)
    assert client.get(f"{BOTS}/asels/day").json()["points"] == before
    server.engine.remove("asels")
    server.engine.add(msgspec.structs.replace(state, owner="other", version=state.version + 1))
    with server.client("other") as other:
        wait_for(lambda: other.get(f"{BOTS}/asels/day").status_code == 200)
        assert len(other.get(f"{BOTS}/asels/day").json()["points"]) == 1  # not its last owner's


def test_a_new_day_begins_a_new_curve_and_a_curve_is_bounded() -> None:
    curve = DayCurve()
    for minute in range(3 * MOST_POINTS):
        curve.add(bot_state("a", updated_at=1_795_000_000.0 + 60.0 * minute, daily_pnl=float(minute)))
        assert len(curve.points) <= MOST_POINTS
    assert len({at[:10] for at, _ in curve.points}) == 1


def test_anyone_may_ask_whether_the_server_is_well(server: RunningServer) -> None:
    with server.client(None) as client:
        assert client.get("/healthz").json() == {"status": "ok", "engines": "alive", "ready": True}


def test_the_description_is_complete(server: RunningServer) -> None:
    with server.client(None) as client:
        schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        BOTS, f"{BOTS}/status-stream", f"{BOTS}/{{bot_id}}", f"{BOTS}/{{bot_id}}/day",
        f"{BOTS}/{{bot_id}}/start", f"{BOTS}/{{bot_id}}/stop", f"{BOTS}/{{bot_id}}/status-stream",
        "/api/v1/session", "/healthz",
    }  # fmt: skip
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    for path, item in schema["paths"].items():
        for operation in item.values():
            assert operation["summary"] and operation["description"] and operation["tags"]
            open_ = path == "/healthz" or (path == "/api/v1/session" and operation is item.get("post"))
            assert ("security" in operation) is not open_
            assert ("401" in operation["responses"]) is (path != "/healthz")
    assert schema["components"]["securitySchemes"]["Session"]["name"] == server.gate.cookie_name
    fields = schema["components"]["schemas"]["BotOut"]["properties"]
    assert fields.keys() == server.engine.states["asels"].payload().keys() | {"engine"}
    position = schema["components"]["schemas"]["PositionOut"]["properties"]
    assert "trailing_stop" in position


def test_every_field_is_described_and_has_an_example(server: RunningServer) -> None:
    with server.client(None) as client:
        shapes = client.get("/openapi.json").json()["components"]["schemas"]
    fields = [
        (shape, name, field)
        for shape, described in shapes.items() for name, field in described.get("properties", {}).items()
    ]  # fmt: skip
    assert len(fields) > 40
    assert [f"{shape}.{name}" for shape, name, field in fields if not field.get("description")] == []
    assert [f"{shape}.{name}" for shape, name, field in fields if not field.get("examples")] == []
    assert [shape for shape, described in shapes.items() if not described.get("description")] == []
    for _shape, _name, field in fields:
        for example in field["examples"]:
            jsonschema_rs.validate({**field, "components": {"schemas": shapes}}, example)


def test_every_parameter_is_described_and_has_an_example(server: RunningServer) -> None:
    with server.client(None) as client:
        paths = client.get("/openapi.json").json()["paths"]
    parameters = [
        (path, parameter)
        for path, item in paths.items() for operation in item.values()
        for parameter in operation.get("parameters", ())
    ]  # fmt: skip
    assert len(parameters) > 10
    for path, parameter in parameters:
        name = f"{path} {parameter['name']}"
        assert parameter.get("description"), name
        assert parameter.get("example") or parameter.get("examples") or parameter["schema"].get("examples"), (
            name
        )


def test_the_docs_are_a_page_without_scripts(server: RunningServer) -> None:
    with server.client(None) as client:
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "<script" not in page.text and "http://" not in page.text and "https://" not in page.text
        assert "/api/v1/bots/{bot_id}/status-stream" in page.text
        assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_the_page_is_served_and_read_again_only_when_it_has_changed(server: RunningServer) -> None:
    with server.client(None) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.content == client.get("/index.html").content
        again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get("/manifest.webmanifest").headers["content-type"] == "application/manifest+json"
        for path in ("/../app.py", "/%2e%2e/app.py", "/page/index.html", "/app.py"):
            assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"), ("PUT", BOTS, 405, "method_not_allowed"),
        ("POST", f"{BOTS}/status-stream", 405, "method_not_allowed"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_the_one_form(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
