"""What a refused call is answered with: a status, a code for programs and a sentence for people.

No answer repeats what was sent, which may hold a token.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from core.i18n import tr


class ErrorOut(BaseModel):
    """Why a call was refused."""

    code: str = Field(examples=["unknown_bot"], description="For programs; never translated.")
    detail: str = Field(examples=["There is no such bot."], description="For people.")


class ApiError(Exception):
    """A refusal; `code` names its sentence `server.error_CODE`, unless `detail` is given."""

    def __init__(
        self, status: int, code: str, *, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        detail = self.detail or tr(f"server.error_{self.code}")
        return JSONResponse({"code": self.code, "detail": detail}, self.status, self.headers)


def unknown_bot(*, ready: bool) -> ApiError:
    """The same for a bot that does not exist and for one that is another user's.

    Unless the server is `ready`, the code says that the bot may come to be known yet.
    """
    return ApiError(404, "unknown_bot" if ready else "not_ready")


_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def install(app: FastAPI) -> None:
    """Answer every error in the one form."""

    async def on_api_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error.response()

    async def on_invalid(_request: Request, _error: Exception) -> Response:
        return ApiError(422, "invalid").response()

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _HTTP_CODES.get(error.status_code, "invalid")
        return ApiError(error.status_code, code, headers=error.headers).response()

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
