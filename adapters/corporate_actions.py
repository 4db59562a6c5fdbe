"""Corporate actions from a file: our own form, and Alpaca's forms of the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ..domain.corporate import ActionKind, CorporateAction
from ..domain.errors import InvalidInput

ACTIONS_MAX: Final = 100_000
FILE_BYTES_MAX: Final = 64 << 20

_BY_GROUP: Final = {
    "forward_splits": ActionKind.SPLIT,
    "reverse_splits": ActionKind.REVERSE_SPLIT,
    "cash_dividends": ActionKind.CASH_DIVIDEND,
    "name_changes": ActionKind.SYMBOL_CHANGE,
}
_IGNORED_GROUPS: Final = frozenset({"partial_calls", "redemptions"})
"""Of bonds, which are not traded here."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An action, and the announcement as it was read."""

    action: CorporateAction
    raw: str


@dataclass(frozen=True, slots=True)
class ActionsFile:
    """What a file holds; ``unknown`` are announcements of kinds that are not handled, in words."""

    source: str
    announced: tuple[Announced, ...]
    unknown: tuple[str, ...] = ()


def read_actions(path: str | Path) -> ActionsFile:
    """Read a JSON or CSV file of corporate actions.

    JSON is a list of records, or an object with ``corporate_actions``: a list, or Alpaca's lists by
    kind. A record has the fields of :class:`CorporateAction`, or those of Alpaca's announcement
    (``ca_type``, ``ca_sub_type``, ``initiating_symbol``). CSV has a header with the same fields.

    Raises:
        InvalidInput: the file cannot be read, or names the record and field that is wrong.
    """
    place = Path(path)
    try:
        if place.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput("actions file", place, f"at most {FILE_BYTES_MAX >> 20} MiB")
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("actions file", place, f"a readable file ({error})") from error
    rows = _csv_rows(text) if place.suffix.lower() == ".csv" else _json_rows(text)
    announced: list[Announced] = []
    unknown: list[str] = []
    for number, (group, row) in enumerate(rows, start=1):
        if number > ACTIONS_MAX:
            raise InvalidInput("actions file", place, f"at most {ACTIONS_MAX} records")
        fields = _fields_of(group, row)
        raw = json.dumps(row, sort_keys=True, ensure_ascii=False)
        if fields is None:
            unknown.append(f"record {number}: {group or row.get('ca_type') or 'unknown kind'}")
            continue
        try:
            announced.append(Announced(CorporateAction(**fields), raw))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "record"
            raise InvalidInput(f"record {number}: {where}", raw[:200], first["msg"]) from None
    return ActionsFile(f"file:{place.name}"[:200], tuple(announced), tuple(unknown))


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in csv.DictReader(io.StringIO(text)):
        yield "", {key: value for key, value in row.items() if key and value}


def _json_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        read = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InvalidInput("actions file", f"line {error.lineno}", f"JSON ({error.msg})") from error
    if isinstance(read, Mapping):
        read = read.get("corporate_actions")
    groups = read if isinstance(read, Mapping) else {"": read}
    for group, rows in groups.items():
        if group in _IGNORED_GROUPS:
            continue
        if not isinstance(rows, list):
            raise InvalidInput("actions file", type(rows).__name__, "a list of records")
        for row in rows:
            if not isinstance(row, Mapping):
                raise InvalidInput("actions file", type(row).__name__, "records that are objects")
            yield str(group), {str(key): _plain(value) for key, value in row.items()}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


def _fields_of(group: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of the action, None for a kind that is not handled."""
    if group:
        kind = _BY_GROUP.get(group)
        return None if kind is None else _of_group(kind, row)
    if "ca_type" in row:
        return _of_announcement(row)
    # A field that does not belong is an error with its name, not one that is passed over.
    return {key: value for key, value in row.items() if value not in ("", None)}


def _of_group(kind: ActionKind, row: Mapping[str, Any]) -> dict[str, Any]:
    """Alpaca's market data form: one list per kind."""
    renamed = kind is ActionKind.SYMBOL_CHANGE
    fields: dict[str, Any] = {
        "action_id": row.get("id"),
        "kind": kind,
        "symbol": row.get("old_symbol" if renamed else "symbol"),
        "ex_date": row.get("process_date" if renamed else "ex_date"),
        "new_symbol": row.get("new_symbol") or None,
        "payable_date": row.get("payable_date"),
    }
    if kind is ActionKind.CASH_DIVIDEND:
        return {**fields, "cash_per_share": row.get("rate")}
    if renamed:
        return fields
    return {**fields, "new_rate": row.get("new_rate"), "old_rate": row.get("old_rate")}


def _of_announcement(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Alpaca's trading form: one record with a type and a sub-type."""
    kind = str(row.get("ca_type") or "").lower()
    sub = str(row.get("ca_sub_type") or "").lower()
    fields: dict[str, Any] = {
        "action_id": row.get("id"),
        "symbol": row.get("initiating_symbol") or row.get("target_symbol"),
        "ex_date": row.get("ex_date"),
        "payable_date": row.get("payable_date") or None,
    }
    target = row.get("target_symbol")
    if target and target != fields["symbol"]:
        fields["new_symbol"] = target
    if kind == "dividend" and sub == "cash":
        fields.pop("new_symbol", None)
        return {**fields, "kind": ActionKind.CASH_DIVIDEND, "cash_per_share": row.get("cash")}
    if kind == "split" and sub in ("stock_split", "reverse_split"):
        split = ActionKind.SPLIT if sub == "stock_split" else ActionKind.REVERSE_SPLIT
        rates = {"new_rate": row.get("new_rate"), "old_rate": row.get("old_rate")}
        return {**fields, "kind": split, **rates}
    return None


def as_rows(actions: tuple[CorporateAction, ...]) -> list[dict[str, Any]]:
    """Actions in our own form, as a file holds them."""
    rows = [action.model_dump(mode="json", exclude_none=True) for action in actions]
    return [{key: row[key] for key in CorporateAction.model_fields if key in row} for row in rows]
