"""From requests to the broker's terms and back: bodies, queries, JSON answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from .refusals import ApiRefusal, syntax
from .service import Service
from .wire import JSON, dumps, loads, parse_time

BODY_BYTES_MAX: Final = 64 * 1_024


def service_of(request: Request) -> Service:
    """The running server that a request is for."""
    service: Service = request.app.state.service
    return service


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(dumps(content), status, media_type=JSON)


def refusal_answer(refusal: ApiRefusal) -> Response:
    """A refusal as the client gets it."""
    return answer(refusal.body, refusal.status)


async def body_of(request: Request) -> Any:
    """The request's JSON; an empty body is None.

    Raises:
        ApiRefusal: it is too long or not JSON.
    """
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise ApiRefusal(413, "request body is too large")
    if not body.strip():
        return None
    try:
        return loads(body)
    except (ValueError, RecursionError) as error:
        raise syntax("request body format is invalid") from error


def listed(request: Request, name: str) -> list[str]:
    """A query parameter that holds a list, repeated or with commas."""
    values = request.query_params.getlist(name)
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def time_of(query: Mapping[str, str], name: str, *, end_of_day: bool = False) -> int | None:
    """A query parameter that is a time, ns UTC; None when absent.

    Raises:
        ApiRefusal: it is no time.
    """
    given = query.get(name)
    if not given:
        return None
    try:
        return parse_time(given, end_of_day=end_of_day)
    except (ValueError, OverflowError) as error:
        raise ApiRefusal(422, f"invalid {name}: {given[:40]}", 40010001) from error


def whole_of(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A query parameter that is a whole number from ``low`` to ``high``.

    Raises:
        ApiRefusal: it is not.
    """
    given = query.get(name)
    if given is None or given == "":
        return default
    if not (given.isascii() and given.isdigit() and low <= int(given[:12]) <= high):
        raise syntax(f"{name} must be a number from {low} to {high}")
    return int(given)


def choice_of(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """A query parameter that is one of ``choices``, by default the first.

    Raises:
        ApiRefusal: it is another.
    """
    given = query.get(name) or choices[0]
    if given.lower() not in choices:
        raise syntax(f"invalid {name}: {given[:40]}")
    return given.lower()
