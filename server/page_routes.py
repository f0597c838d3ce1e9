"""The web page: the files of `server/page`, read once, each under a path of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGE_DIR = Path(__file__).parent / "page"
INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml",
    ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
}  # fmt: skip


class PageFile:
    """One file, with its type and its tag; nothing else can be asked for, so no path leads out."""

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._headers = {
            "Content-Type": _TYPES[path.suffix],
            "ETag": f'"{hashlib.blake2b(self._body, digest_size=12).hexdigest()}"',
            "Cache-Control": "no-cache",
        }

    async def __call__(self, request: Request) -> Response:
        """The file, or 304 if the browser has it."""
        known = {
            word.strip().removeprefix("W/") for word in request.headers.get("if-none-match", "").split(",")
        }
        if self._headers["ETag"] in known:
            headers = {name: value for name, value in self._headers.items() if name != "Content-Type"}
            return Response(status_code=304, headers=headers)
        return Response(self._body, headers=self._headers)


def install(app: FastAPI, folder: Path = PAGE_DIR) -> None:
    """Serve the files in `folder`, and `index.html` at "/" too. Files of unknown kinds are left out."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES and path.is_file():
            endpoint = PageFile(path)
            name = path.relative_to(folder).as_posix()
            for where in (f"/{name}", "/") if name == INDEX else (f"/{name}",):
                app.router.routes.append(Route(where, endpoint.__call__, methods=["GET"]))
