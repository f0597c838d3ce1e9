"""The OpenAPI description: what FastAPI derives, put right, and the streams, which it does not know."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from server.stream_docs import STREAM_PATHS

_VALIDATION = ("HTTPValidationError", "ValidationError")
_ERROR = {"$ref": "#/components/schemas/ErrorOut"}
_CSRF = {
    "name": "X-CSRF-Token", "in": "header", "required": False, "schema": {"type": "string"},
    "example": "q7Ue...",
    "description": "Needed with a session cookie: the `csrf` of the session. Not needed with a token.",
}  # fmt: skip


def install(app: FastAPI, cookie_name: str) -> None:
    """Let `app.openapi()` give the whole description."""
    derive = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None or "x-complete" not in app.openapi_schema:
            app.openapi_schema = _completed(derive(), cookie_name)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(schema: dict[str, Any], cookie_name: str) -> dict[str, Any]:
    schema["x-complete"] = True
    for path, item in {**STREAM_PATHS, **schema["paths"]}.items():
        for method, operation in item.items():
            _answer_in_our_form(operation)
            if method in ("post", "delete") and "security" in operation:
                operation.setdefault("parameters", []).append(_CSRF)
        schema["paths"][path] = item
    components = schema["components"]
    for name in _VALIDATION:
        components["schemas"].pop(name, None)
    components["securitySchemes"]["Session"]["name"] = cookie_name
    return schema


def _answer_in_our_form(operation: dict[str, Any]) -> None:
    """FastAPI promises a validation error of its own wherever there is a parameter; ours differ."""
    answer = operation["responses"].get("422")
    if answer is None:
        return
    if "requestBody" in operation:
        answer.update(
            description="The body cannot be read.", content={"application/json": {"schema": _ERROR}}
        )
    else:
        del operation["responses"]["422"]
