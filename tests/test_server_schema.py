"""The whole OpenAPI description held against the server, with a token and without one.

The streams never end, so they are left out here; `test_server_streams.py` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from server.limits import FailureLimiter
from tests.server_helpers import RunningServer

MOST = settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
SECRET = "the-other-users-secret"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer() as running:
        running.gate.limiter = FailureLimiter(100_000)
        running.engine.change("garan", name=SECRET)
        yield running


def against(server: RunningServer, check: Callable[[schemathesis.Case], None]) -> list[str]:
    """Hold `check` against cases of every operation but the streams; the operations."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json").exclude(path_regex="status-stream")
    seen = []
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                MOST(given(case=operation.as_strategy(generation_mode=mode))(check))()
            except Unsatisfiable:
                continue  # nothing about this operation can be got wrong
        seen.append(operation.label)
    return seen


def test_with_a_token_everything_is_as_described(server: RunningServer) -> None:
    def check(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=server.headers(), timeout=5)
        assert SECRET not in answer.text

    assert len(against(server, check)) == 9


def test_without_a_token_nobody_learns_anything(server: RunningServer) -> None:
    def check(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(timeout=5)
        assert SECRET not in answer.text
        assert "asels" not in answer.text
        assert answer.status_code in (400, 401, 403, 404, 405, 422) or case.path == "/healthz"

    assert len(against(server, check)) == 9
