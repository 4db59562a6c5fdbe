"""How errors look to a client: problem JSON (RFC 9457) that names the field and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ....domain.errors import BrokerUnavailable, InvalidInput, StoreError
from ....domain.principals import AccessDenied
from ....domain.reasons import Refusal
from ....projections.canonical import canonical_bytes
from ....projections.runner import ProjectionStopped
from ...clients import TooManyStrangers
from ...storage.location import without_password

PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"
RETRY_SECONDS: Final = 5
_logger = structlog.get_logger(__name__)


class Problem(Exception):
    """What a request is refused with."""

    def __init__(self, status: HTTPStatus, detail: str, field: str = "", allowed: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.allowed = status, detail, field, allowed


def answer(value: object, status: int = HTTPStatus.OK, **headers: str) -> Response:
    """A result as canonical JSON."""
    return Response(canonical_bytes(value), status, headers, JSON)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    field: str = "",
    allowed: str = "",
    refusals: Sequence[Refusal] = (),
    retry_seconds: int = RETRY_SECONDS,
    **more: Any,
) -> Response:
    """An answer that says what is wrong."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    named = {"field": field, "allowed": allowed, "refusals": list(refusals), **more}
    body |= {name: value for name, value in named.items() if value}
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    elif status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(retry_seconds)
    return Response(canonical_bytes(body), status, headers, PROBLEM)


def handle_errors(app: FastAPI) -> None:
    """Have every error answered as a problem."""
    for kind in (
        Problem,
        AccessDenied,
        TooManyStrangers,
        InvalidInput,
        StoreError,
        ProjectionStopped,
        BrokerUnavailable,
        RequestValidationError,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, _answered)


async def _answered(request: Request, error: Exception) -> Response:
    match error:
        case Problem():
            return problem(error.status, error.detail, field=error.field, allowed=error.allowed)
        case AccessDenied():
            unknown = error.command == "recognise"
            status = HTTPStatus.UNAUTHORIZED if unknown else HTTPStatus.FORBIDDEN
            return problem(status, str(error))
        case TooManyStrangers(retry_seconds=seconds):
            return problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), retry_seconds=seconds)
        case InvalidInput(field="instruction"):
            return problem(HTTPStatus.NOT_FOUND, str(error), field=error.field)
        case InvalidInput():
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return problem(status, str(error), field=error.field, allowed=error.allowed)
        case RequestValidationError():
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"][1:]) or "body"
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return problem(status, f"{field}: {first['msg']}", field=field, allowed=first["msg"])
        case HTTPException():
            return problem(HTTPStatus(error.status_code), str(error.detail))
        case StoreError() | ProjectionStopped() | BrokerUnavailable():
            text = without_password(str(error))
            _logger.error("not answered", error=text, kind=type(error).__name__)
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, text)
    _logger.error("not answered", kind=type(error).__name__)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected; the server's log names it")
