"""The routes: each makes a client of the request's token and hands over to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from .... import __version__
from ....domain.errors import InvalidInput
from ....domain.executor import Outcome
from ....domain.principals import Channel
from ....domain.reasons import Reason, Refusal
from ....domain.result import OuterStatus, ResultStatus
from ...application import Application
from ...clients import KILL, SUBMIT, Client, Strangers
from ..exception_commands import held_json
from ..story import story_json, tell
from .decision_schema import decision_schema
from .problems import Problem, answer, handle_errors, problem

BODY_BYTES_MAX: Final = 1 << 20
BATCH_MAX: Final = 500
MICROSECOND: Final = timedelta(microseconds=1)
INVALID: Final = frozenset(
    {
        Reason.INVALID_DECISION,
        Reason.UNREADABLE,
        Reason.TARGET_REQUIRED,
        Reason.DECISION_ID_REQUIRED,
    }
)
"""Refusals of what was said; every other is an outcome."""
ENDED: Final = frozenset(
    {
        ResultStatus.FILLED,
        ResultStatus.CANCELLED,
        ResultStatus.REJECTED,
        ResultStatus.NO_CHANGE,
    }
)
DESCRIPTION: Final = (
    "Decisions in, outcomes out, over one engine. Every call carries `Authorization: Bearer TOKEN` "
    "of a principal; what it may not do is refused, on the record. `Fillwright-Channel: mcp` gives "
    "read and submit only, whoever's the token is."
)
_bearer = HTTPBearer(auto_error=False, description="A principal's token")
router = APIRouter(prefix="/v1")


async def client_of(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    channel: Annotated[Literal["api", "mcp"], Header(alias="Fillwright-Channel")] = "api",
) -> AsyncIterator[Client]:
    """The client that a request's token stands for; raises AccessDenied, on the record."""
    if request.app.state.is_stopping():
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the engine is being stopped")
    token = given.credentials if given is not None else ""
    state = request.app.state
    with Client(state.application, Channel(channel), token, state.strangers) as client:
        yield client


ClientOf = Annotated[Client, Depends(client_of)]


def _takes(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


ONE: Final = _takes(decision_schema())
SEVERAL: Final = _takes(
    {"type": "array", "items": decision_schema(), "minItems": 1, "maxItems": BATCH_MAX}
)
WHY: Final = _takes(
    {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "minLength": 1, "maxLength": 500},
            "scope": {"type": "string", "default": "account"},
        },
        "required": ["reason"],
        "additionalProperties": False,
    }
)


@router.post("/decisions", status_code=HTTPStatus.ACCEPTED, openapi_extra=ONE)
async def submit(client: ClientOf, request: Request, wait: bool = False) -> Response:
    """Submit a decision; with ``wait`` answer when its instruction has ended.

    The same decision_id again is the same instruction, and adds nothing.
    """
    raw = await _body(request)
    given = raw if isinstance(raw, (dict, bytes)) else json.dumps(raw, default=str).encode()
    return _told(await (client.execute(given) if wait else client.admit(given)))


@router.post("/decisions/batch", openapi_extra=SEVERAL)
async def submit_batch(client: ClientOf, request: Request) -> Response:
    """Submit decisions as one batch, and answer with all outcomes when all have ended."""
    raws = await _body(request)
    is_list = isinstance(raws, list) and all(isinstance(raw, dict) for raw in raws)
    if not is_list or not 1 <= len(raws) <= BATCH_MAX:
        observed = f"{len(raws)} decisions" if is_list else "no list of decisions"
        allowed = f"a list of 1 to {BATCH_MAX} decisions"
        client.refuse(SUBMIT, f"{observed}; allowed: {allowed}")
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, observed, "body", allowed)
    return answer([outcome_json(one) for one in await client.execute_batch(raws)])


@router.post("/decisions/preview", openapi_extra=ONE)
async def preview(client: ClientOf, request: Request) -> Response:
    """Tell what would become of a decision now; records and reserves nothing."""
    planned = await client.preview(await _object(request))
    if isinstance(planned, tuple):
        return _invalid(planned)
    return answer({"kind": type(planned).__name__.lower(), "planning": planned})


@router.get("/instructions/{id}")
async def instruction(client: ClientOf, id: str) -> Response:
    """Tell what came of an instruction so far."""
    found = client.outcome(id)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "the log has no such instruction", "id")
    return answer(outcome_json(found))


@router.get("/instructions/{id}/timeline")
async def timeline(client: ClientOf, id: str) -> Response:
    """Tell the whole story of an instruction, read from the log beside the engine."""
    store = client.show()
    if client.outcome(id) is None:
        raise Problem(HTTPStatus.NOT_FOUND, "the log has no such instruction", "id")
    return answer(story_json(await to_thread.run_sync(tell, store, id)))


@router.post("/instructions/{id}/cancel")
async def cancel(client: ClientOf, id: str) -> Response:
    """End an instruction, and answer when it has ended; what executed stays."""
    return answer(outcome_json(await client.cancel(id)))


@router.post("/kill", openapi_extra=WHY)
async def kill(client: ClientOf, request: Request) -> Response:
    """Block trading and cancel own orders; a person releases it at the command line."""
    body = await _body(request)
    try:
        reason, scope = _why_and_what(body)
    except InvalidInput as wrong:
        client.refuse(KILL, str(wrong))
        raise
    await client.kill(reason, scope=scope)
    return answer({"killed": scope})


def _why_and_what(body: object) -> tuple[str, str]:
    """Reason and scope of a kill."""
    if not isinstance(body, dict):
        raise InvalidInput("body", "no JSON object", "a JSON object with a reason")
    reason, scope = body.get("reason"), body.get("scope", "account")
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= 500:
        raise InvalidInput("reason", reason, "a text of 1 to 500 characters")
    unknown = body.keys() - {"reason", "scope"}
    if unknown or not isinstance(scope, str):
        field = next(iter(unknown), "scope")
        allowed = "reason and scope: account, symbol:X or strategy:x"
        raise InvalidInput(field, body[field], allowed)
    return reason, scope


@router.get("/status")
async def status(client: ClientOf) -> Response:
    """Tell what is worked, limits used, blocks and alerts."""
    return answer(await client.status())


@router.get("/positions")
async def positions(client: ClientOf) -> Response:
    """Tell the account's positions, as the broker has them."""
    return answer({"positions": dict(await client.positions())})


@router.get("/limits")
async def limits(client: ClientOf) -> Response:
    """Tell what is used of the limits, and which are in force."""
    return answer(client.limits())


@router.get("/exceptions")
async def exceptions(client: ClientOf) -> Response:
    """Tell what somebody still has to look at."""
    return answer({"exceptions": [held_json(one) for one in client.exceptions()]})


async def healthz(request: Request) -> Response:
    """Tell whether the store answers; takes no token and tells nothing of the account."""
    if request.app.state.is_stopping():
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the engine is being stopped")
    request.app.state.application.engine.desk.log.head()
    return answer({"status": "ok", "version": __version__})


def build_app(application: Application, is_stopping: Callable[[], bool]) -> FastAPI:
    """The ASGI application over one engine; ``is_stopping`` says that nothing more is taken."""
    app = FastAPI(
        title="fillwright",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
    )
    app.state.application, app.state.is_stopping = application, is_stopping
    app.state.strangers = Strangers()
    app.include_router(router)
    app.add_api_route("/healthz", healthz)
    handle_errors(app)
    return app


async def _body(request: Request) -> Any:
    """The body as JSON with exact numbers; what is none stays bytes, to be refused on record."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > BODY_BYTES_MAX:
            detail = f"the body is longer than {BODY_BYTES_MAX} bytes"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, "body")
    try:
        return json.loads(bytes(found), parse_float=Decimal)
    except (ValueError, RecursionError):
        return bytes(found)


async def _object(request: Request) -> dict[str, Any]:
    found = await _body(request)
    if not isinstance(found, dict):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        raise Problem(status, "the body is no JSON object", "body", "a JSON object")
    return found


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome for a program; from first to last execution in whole ns, None without one."""
    told = _fields(outcome)
    if outcome.result is not None:
        result = _fields(outcome.result)
        took: timedelta | None = result.pop("execution_time")
        result["execution_time_ns"] = None if took is None else took // MICROSECOND * 1_000
        told["result"] = result
    return told


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _told(outcome: Outcome) -> Response:
    """An outcome with the status that says whose turn it is."""
    result = outcome.result
    refusals = result.refusals if result is not None else ()
    reasons = {refusal.reason for refusal in refusals}
    if outcome.status is OuterStatus.ERROR and result is None:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, outcome.message)
    if Reason.DECISION_ID_REUSED in reasons:
        return _problem_of(HTTPStatus.CONFLICT, refusals)
    if reasons & INVALID:
        return _invalid(refusals)
    place = f"/v1/instructions/{result.instruction_id}" if result is not None else ""
    ended = outcome.repeated or (result is not None and result.status in ENDED)
    status = HTTPStatus.OK if ended else HTTPStatus.ACCEPTED
    return answer(outcome_json(outcome), status, Location=place)


def _invalid(refusals: tuple[Refusal, ...]) -> Response:
    return _problem_of(HTTPStatus.UNPROCESSABLE_ENTITY, refusals)


def _problem_of(status: HTTPStatus, refusals: tuple[Refusal, ...]) -> Response:
    first = refusals[0]
    return problem(
        status, first.message, field=first.field, allowed=first.allowed, refusals=refusals
    )
