"""`/docs`: the OpenAPI description as a plain page of our own, without scripts.

The usual viewers load their programs from other people's servers, which our content policy forbids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { border: 1px solid #8886; border-radius: 6px; padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
td, th { border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
h2 { border-top: 2px solid #888; padding-top: 1rem; margin-top: 2.5rem; }
b { text-transform: uppercase; }
summary { cursor: pointer; }
"""


def install(app: FastAPI) -> None:
    """Serve the page at `/docs`, with its style sheet."""

    async def page(_request: Request) -> Response:
        return HTMLResponse("".join(_page(app.openapi())))

    async def style(_request: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})

    app.router.routes += [
        Route("/docs", page, methods=["GET"]),
        Route("/docs.css", style, methods=["GET"]),
    ]


def _page(schema: dict[str, Any]) -> Iterator[str]:
    title = escape(schema["info"]["title"])
    yield (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="/docs.css"><h1>{title}</h1>'
        f"<p>{_prose(schema['info']['description'])} The same for programs: "
        '<a href="/openapi.json">/openapi.json</a>.</p>'
    )
    yield "<h2>Ways in</h2><ul>"
    for name, scheme in schema["components"]["securitySchemes"].items():
        yield f"<li><code>{escape(name)}</code>: {_prose(scheme.get('description', ''))}</li>"
    yield "</ul>"
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield from _operation(path, method, operation)
    yield "<h2>Shapes</h2>"
    for name, shape in schema["components"]["schemas"].items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{_prose(shape.get("description", ""))}</p>'
        yield from _fields(shape)


def _prose(text: str) -> str:
    """A description as HTML; what stands between backticks is code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{escape(operation.get('summary', ''))}</h2>"
    yield f"<p><b>{escape(method)}</b> <code>{escape(path)}</code></p>"
    yield f"<p>{_prose(operation.get('description', ''))}</p>"
    if "security" not in operation:
        yield "<p>Needs no token.</p>"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "<table><tr><th>parameter<th>where<th>"
        for parameter in parameters:
            words = (parameter["name"], parameter["in"], parameter.get("description", ""))
            yield "<tr>" + "".join(f"<td>{_prose(word)}" for word in words)
        yield "</table>"
    if "requestBody" in operation:
        yield f"<p>Body: {_shape_of(operation['requestBody'])}</p>"
    yield "<table><tr><th>answer<th><th>"
    for status, answer in operation["responses"].items():
        yield f"<tr><td>{escape(status)}<td>{_prose(answer['description'])}<td>{_shape_of(answer)}"
    yield "</table>"
    for answer in operation["responses"].values():
        yield from _examples(answer)


def _examples(answer: dict[str, Any]) -> Iterator[str]:
    for content in answer.get("content", {}).values():
        for example in content.get("examples", {}).values():
            yield f"<p>{escape(example['summary'])}</p><pre>{escape(example['value'].strip())}</pre>"


def _fields(shape: dict[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>field<th>type<th>example<th>"
    for name, field in shape.get("properties", {}).items():
        example = json.dumps(field["examples"][0], ensure_ascii=False) if "examples" in field else ""
        yield (
            f"<tr><td><code>{escape(name)}</code><td>{_type(field)}<td><code>{escape(example)}</code>"
            f"<td>{_prose(field.get('description', ''))}"
        )
    yield "</table>"


def _shape_of(answer: dict[str, Any]) -> str:
    return ", ".join(
        _type(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema")
    )


def _type(schema: dict[str, Any]) -> str:
    """The type in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    return escape(str(schema.get("type", "anything")))
