"""The ASGI application: routes, sockets, and how errors look."""

from __future__ import annotations

import sqlite3

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from ..exchange.journal import JournalError
from . import account_routes, control_routes, corporate_routes, data_routes, order_routes
from .answers import refusal_answer
from .gate import Gate, Keys
from .refusals import ApiRefusal
from .service import Service

MESSAGES = {404: "endpoint not found.", 405: "method not allowed."}


def build_app(service: Service) -> ASGIApp:
    """The application around one running server."""
    options = service.world.options
    keys = Keys(options.key, options.secret)
    app = FastAPI(title="fillwright paper", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.service = service
    app.state.keys = keys
    for routes in (order_routes, account_routes, data_routes, corporate_routes, control_routes):
        app.include_router(routes.router)
    app.add_api_websocket_route("/stream", trade_updates)
    app.add_api_websocket_route("/v2/{feed}", market_data)
    app.add_exception_handler(ApiRefusal, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    for broken in (sqlite3.Error, JournalError):
        app.add_exception_handler(broken, _broken)
    return Gate(app, keys, service.world.faults, options.rate_limit)


async def trade_updates(socket: WebSocket) -> None:
    """The trade_updates stream."""
    service: Service = socket.app.state.service
    await service.hub.serve(socket, socket.app.state.keys)


async def market_data(socket: WebSocket, feed: str) -> None:
    """The market-data stream; every feed shows the one market there is."""
    service: Service = socket.app.state.service
    await service.feed.serve(socket, socket.app.state.keys)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiRefusal):
        raise error
    return refusal_answer(error)


async def _unknown(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = MESSAGES.get(error.status_code, str(error.detail))
    return refusal_answer(ApiRefusal(error.status_code, message))


async def _broken(request: Request, error: Exception) -> Response:
    """What the broker did is not on disk: it must not go on as if it were."""
    service: Service = request.app.state.service
    service.failure = error
    return refusal_answer(ApiRefusal(500, "internal server error occurred", 50010000))
