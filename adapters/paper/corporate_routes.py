"""Corporate actions: ``/v1/corporate-actions``, of the file that the server was started with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from .announcements import Listed
from .answers import answer, listed, service_of, whole_of
from .refusals import bad_data

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
NAMES: Final = (
    "symbol",
    "old_symbol",
    "new_symbol",
    "source_symbol",
    "acquirer_symbol",
    "acquiree_symbol",
)
"""The fields of a record that name a symbol it is found by."""
router = APIRouter()


@router.get("/v1/corporate-actions")
async def corporate_actions(request: Request) -> Response:
    """Actions by kind, in order of their process date, by pages."""
    world, query = service_of(request).world, request.query_params
    limit = whole_of(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    start = query.get("start") or world.session.date
    end = query.get("end") or world.session.date
    if start > end:
        raise bad_data("end should not be before start")
    token = query.get("page_token") or "0"
    if not (token.isascii() and token.isdigit()):
        raise bad_data("invalid page_token")
    symbols = {symbol.upper() for symbol in listed(request, "symbols")}
    wanted = _Wanted(symbols, set(listed(request, "types")), set(listed(request, "ids")))
    rows = sorted(
        wanted.of(world.actions, start, end),
        key=lambda each: (str(each[1]["process_date"]), str(each[1]["id"])),
        reverse=query.get("sort") == "desc",
    )
    first = int(token)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for group, row in rows[first : first + limit]:
        found.setdefault(group, []).append(row)
    more = first + limit < len(rows)
    following = str(first + limit) if more else None
    return answer({"corporate_actions": found, "next_page_token": following})


class _Wanted:
    """What a request asks for; an empty set asks for all."""

    def __init__(self, symbols: set[str], types: set[str], ids: set[str]) -> None:
        self._symbols, self._types, self._ids = symbols, types, ids

    def of(self, actions: Listed, start: str, end: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The records with their kinds; ids go without the other filters."""
        for group, rows in actions.items():
            for row in rows:
                if self._ids:
                    asked = str(row["id"]) in self._ids
                else:
                    asked = (
                        start <= str(row["process_date"]) <= end
                        and (not self._types or group.removesuffix("s") in self._types)
                        and (
                            not self._symbols
                            or not self._symbols.isdisjoint(row.get(n) for n in NAMES)
                        )
                    )
                if asked:
                    yield group, row

    def _names(self, row: Mapping[str, Any]) -> bool:
        """Whether a record is about one of the symbols."""
        return not self._symbols.isdisjoint(row.get(name) for name in NAMES)
