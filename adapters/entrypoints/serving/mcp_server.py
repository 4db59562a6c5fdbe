"""An MCP server on standard input and output, over a running `fillwright serve` by HTTP.

It owns no store and knows no rights: every tool is a call under the caller's token that says that a
model is behind it, which gives read and submit at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import mcp.types as types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from .... import __version__
from .tools import BY_NAME, TOOLS, ToolSpec, call_of, picked

NAME: Final = "fillwright"
CHANNEL: Final = {"Fillwright-Channel": "mcp"}
INSTRUCTIONS: Final = (
    "Trade execution with limits and a record. Preview a decision, submit it with a decision_id of "
    "your own, and read what came of it. A refusal names the field, what was seen, what is allowed "
    "and what would pass: change the decision and give it a new decision_id."
)
Context = ServerRequestContext[Any]


async def serve_tools(url: str, token: str, timeout_seconds: float) -> None:
    """Answer on standard input and output until it ends.

    Args:
        url: where `fillwright serve` listens.
        token: of the principal in whose name everything is asked.
        timeout_seconds: how long one call may take; a decision that is waited for takes its window.
    """
    headers = {"Authorization": f"Bearer {token}", **CHANNEL}
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, timeout=timeout_seconds, trust_env=False
    ) as http:
        server = build(http)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


def build(http: httpx2.AsyncClient) -> Server[Any]:
    """The server over a client that has the address and the token."""

    async def list_tools(
        _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(one) for one in TOOLS])

    async def call_tool(
        _context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await _called(http, params.name, params.arguments or {})

    return Server(
        NAME,
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tool(spec: ToolSpec) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=not spec.submits,
        destructive_hint=spec.submits,
        idempotent_hint=True,
        open_world_hint=spec.submits,
    )
    return types.Tool(
        name=spec.name,
        description=spec.description,
        input_schema=spec.input_schema,
        annotations=hints,
    )


async def _called(
    http: httpx2.AsyncClient, name: str, arguments: Mapping[str, Any]
) -> types.CallToolResult:
    spec = BY_NAME.get(name)
    if spec is None:
        return _failed(f"{name}: no such tool; there are {', '.join(BY_NAME)}")
    wrong = spec.wrong(arguments)
    if wrong:
        return _failed(wrong)
    call = call_of(name, arguments)
    try:
        answer = await http.request(call.method, call.path, params=dict(call.query), json=call.body)
    except httpx2.TimeoutException:
        return _failed(
            f"{name}: no answer in time, and what became of it is not known. Ask again with the "
            "same decision_id, which adds nothing"
        )
    except httpx2.HTTPError as error:
        return _failed(f"{name}: the server at {http.base_url} cannot be asked ({error})")
    try:
        told = answer.json()
    except ValueError:
        return _failed(f"{name}: HTTP {answer.status_code} without JSON")
    if answer.is_error:
        return _failed(_problem(told, answer.status_code))
    found = picked(name, arguments, told)
    whole = found if isinstance(found, dict) else {"result": found}
    return types.CallToolResult(content=[_text(json.dumps(whole))], structured_content=whole)


def _problem(told: Any, status: int) -> str:
    """A problem's words, and every refusal's."""
    if not isinstance(told, dict):
        return f"HTTP {status}"
    lines = [str(told.get("detail", told.get("title", f"HTTP {status}")))]
    lines += [str(one["message"]) for one in told.get("refusals", ())]
    return "\n".join(dict.fromkeys(lines))


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _failed(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[_text(text)], is_error=True)
