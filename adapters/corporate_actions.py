"""Corporate actions from a file: our own form, and Alpaca's forms of the same."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from pydantic import ValidationError

from ..domain.corporate import BY_HAND, ActionKind, CorporateAction
from ..domain.decision import SYMBOL_PATTERN
from ..domain.errors import InvalidInput
from ..domain.wrong_fields import wrong

ACTIONS_MAX: Final = 100_000
FILE_BYTES_MAX: Final = 64 << 20


class _Form(NamedTuple):
    """How a list of Alpaca's names what ours does: the fields of symbol, date and other symbol."""

    kind: ActionKind
    symbol: str = "symbol"
    date: str = "ex_date"
    other: str = ""


_BY_GROUP: Final = {
    "forward_splits": _Form(ActionKind.SPLIT),
    "reverse_splits": _Form(ActionKind.REVERSE_SPLIT),
    "stock_dividends": _Form(ActionKind.SPLIT),
    "cash_dividends": _Form(ActionKind.CASH_DIVIDEND),
    "name_changes": _Form(ActionKind.SYMBOL_CHANGE, "old_symbol", "process_date"),
    "spin_offs": _Form(ActionKind.SPIN_OFF, "source_symbol", "ex_date", "new_symbol"),
    "cash_mergers": _Form(ActionKind.MERGER, "acquiree_symbol", "effective_date"),
    "stock_mergers": _Form(
        ActionKind.MERGER, "acquiree_symbol", "effective_date", "acquirer_symbol"
    ),
    "stock_and_cash_mergers": _Form(
        ActionKind.MERGER, "acquiree_symbol", "effective_date", "acquirer_symbol"
    ),
    "unit_splits": _Form(ActionKind.REORGANIZATION, "old_symbol", "effective_date", "new_symbol"),
    "rights_distributions": _Form(ActionKind.REORGANIZATION, "source_symbol"),
    "worthless_removals": _Form(ActionKind.REORGANIZATION, "symbol", "process_date"),
    "reorganizations": _Form(ActionKind.REORGANIZATION, "symbol", "effective_date"),
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
        try:
            read = _announced(group, row)
        except ValidationError as error:
            raise wrong(error, CorporateAction, f"record {number}") from None
        if read is None:
            unknown.append(f"record {number}: {group or row.get('ca_type') or 'unknown kind'}")
        else:
            announced.append(read)
    return ActionsFile(f"file:{place.name}"[:200], tuple(announced), tuple(unknown))


@runtime_checkable
class AnnouncesActions(Protocol):
    """Market data that knows which corporate actions were announced."""

    async def corporate_actions(self, symbols: Sequence[str], since: str, upto: str) -> ActionsFile:
        """Those of the symbols between two dates (ISO), both included.

        Raises:
            BrokerUnavailable: nobody answers.
        """
        ...

    def announced(self, symbol: str) -> ActionsFile:
        """Those of a symbol around today, as they were read when it was first used today."""
        ...


def actions_of(answers: Iterable[Mapping[str, Any]], source: str) -> ActionsFile:
    """Read Alpaca's answers, page by page; what cannot be read is told of and left out."""
    announced: list[Announced] = []
    unknown: list[str] = []
    for answer in answers:
        for group, listed in (answer.get("corporate_actions") or {}).items():
            for row in listed if group not in _IGNORED_GROUPS else ():
                try:
                    read = _announced(str(group), {key: _plain(row[key]) for key in row})
                except ValidationError:
                    read = None
                if read is None:
                    unknown.append(f"{group}: {_raw(row)[:200]}")
                else:
                    announced.append(read)
    return ActionsFile(source, tuple(announced), tuple(unknown))


def _announced(group: str, row: Mapping[str, Any]) -> Announced | None:
    """One record, None of a kind that is not handled; ValidationError where a field is wrong."""
    fields = _fields_of(group, row)
    return None if fields is None else Announced(CorporateAction(**fields), _raw(row))


def _raw(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)


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
    return str(value) if isinstance(value, Decimal | float) else value


def _fields_of(group: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of the action, None for a kind that is not handled."""
    if group:
        form = _BY_GROUP.get(group)
        return None if form is None else _of_group(form, group, row)
    if "ca_type" in row:
        return _of_announcement(row)
    # A field that does not belong is an error with its name, not one that is passed over.
    return {key: value for key, value in row.items() if value not in ("", None)}


def _of_group(form: _Form, group: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Alpaca's market data form: one list per kind."""
    other = str(row.get(form.other) or "") if form.other else ""
    fields: dict[str, Any] = {
        "action_id": row.get("id"),
        "kind": form.kind,
        "symbol": row.get(form.symbol),
        "ex_date": row.get(form.date),
        "payable_date": row.get("payable_date"),
    }
    if form.kind in BY_HAND:
        return {**fields, "other_symbol": other if re.match(SYMBOL_PATTERN, other) else None}
    if form.kind is ActionKind.CASH_DIVIDEND:
        return {**fields, "cash_per_share": row.get("rate")}
    if form.kind is ActionKind.SYMBOL_CHANGE:
        return {**fields, "new_symbol": row.get("new_symbol") or None}
    if group == "stock_dividends":
        # So many shares for each one held make so many more of one.
        return {**fields, "new_rate": _with_one(row.get("rate")), "old_rate": 1}
    renamed = {"new_symbol": row.get("new_symbol") or None}
    return {**fields, **renamed, "new_rate": row.get("new_rate"), "old_rate": row.get("old_rate")}


def _with_one(rate: object) -> Decimal | None:
    """A share and what it brings, None where that is no number."""
    try:
        return Decimal(str(rate)) + 1
    except ArithmeticError:
        return None


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
    by_hand = {"merger": ActionKind.MERGER, "spinoff": ActionKind.SPIN_OFF}.get(kind)
    if by_hand is not None:
        other = {"other_symbol": target} if target and target != fields["symbol"] else {}
        return {**fields, "kind": by_hand, **other}
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
