"""End-of-day statements from files: our JSON and CSV forms, and what Alpaca's API answers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ...domain.errors import InvalidInput
from ...domain.statement import Statement
from ...domain.wrong_fields import wrong

FILE_BYTES_MAX: Final = 512 << 20
_FLOWS: Final = {
    "DIV": "dividend",
    "DIVROC": "dividend",
    "CSD": "deposit",
    "CSW": "withdrawal",
    "JNLC": "journal",
    "INT": "interest",
}
_FEES: Final = frozenset({"FEE", "CFEE", "PTC", "DIVFEE"})
_SHARES_ONLY: Final = frozenset({"SPLIT", "NC", "SPIN", "MA", "JNLS", "REORG", "SSP"})
"""Activities whose effect on shares shows in the positions; their cash is a flow."""


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A statement with the form it came in and the hash of its bytes."""

    statement: Statement
    source: str
    sha256: str


def read_statement(path: str | Path, session_date: str = "") -> StatementFile:
    """Read a statement; ``session_date`` says which day Alpaca's answers are of.

    Raises:
        InvalidInput: the file cannot be read, or the line and field that is wrong.
    """
    place = Path(path)
    try:
        if place.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput("statement", place, f"at most {FILE_BYTES_MAX >> 20} MiB")
        content = place.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("statement", place, f"a readable file ({error})") from error
    if place.suffix.lower() == ".csv":
        source, fields = "csv", _of_csv(text)
    else:
        source, fields = _of_json(text, session_date)
    if session_date and fields.get("session_date") != session_date:
        stated = fields.get("session_date")
        raise InvalidInput("session", session_date, f"{stated}, which the statement is of")
    try:
        statement = Statement(**fields)
    except ValidationError as error:
        raise wrong(error, Statement) from None
    return StatementFile(statement, source, hashlib.sha256(content).hexdigest())


def _of_json(text: str, session_date: str) -> tuple[str, dict[str, Any]]:
    try:
        read = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InvalidInput("statement", f"line {error.lineno}", f"JSON ({error.msg})") from error
    if isinstance(read, list):
        read = {"activities": read}
    if not isinstance(read, Mapping):
        raise InvalidInput("statement", type(read).__name__, "an object, or a list of activities")
    if "activities" in read:
        return "alpaca", _of_alpaca(read, session_date)
    return "json", {str(key): value for key, value in read.items()}


def _of_csv(text: str) -> dict[str, Any]:
    """One line per record: ``session``, ``trade``, ``position``, ``fee``, ``flow``, ``cash``.

    A kind of which there is none is stated by a line with nothing behind its name.
    """
    fields: dict[str, Any] = {}
    lists = {"trade": "trades", "position": "positions", "fee": "fees", "flow": "flows"}
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        given = {key: value for key, value in row.items() if key and value}
        record = given.pop("record", "")
        if record == "session":
            fields |= given
        elif record == "cash":
            fields["closing_cash"] = given.get("amount")
        elif record in lists:
            lines = fields.setdefault(lists[record], [])
            if given:
                lines.append(given)
        else:
            named = ", ".join(("session", *lists, "cash"))
            raise InvalidInput(f"line {number}: record", record, f"one of {named}")
    return fields


def _of_alpaca(read: Mapping[str, Any], session_date: str) -> dict[str, Any]:
    """``activities``, and where given ``positions`` and ``account`` as the API answers them."""
    if not session_date:
        raise InvalidInput("session", "none", "--session DATE, which the activities are of")
    trades: list[dict[str, Any]] = []
    fees: list[dict[str, Any]] = []
    flows: list[dict[str, Any]] = []
    for row in _rows(read.get("activities"), "activities"):
        kind = str(row.get("activity_type") or "").upper()
        amount = row.get("net_amount") or "0"
        if row.get("status") == "canceled":
            continue
        if kind == "FILL":
            trades.append(_fill(row))
        elif kind in _FEES:
            charge = str(row.get("activity_sub_type") or kind).lower()
            fees.append({"charge": charge, "amount": str(-Decimal(str(amount)))})
        elif kind in _FLOWS or (kind in _SHARES_ONLY and Decimal(str(amount))):
            word = _FLOWS.get(kind, "cash_in_lieu")
            symbol = row.get("symbol") or ""
            flows.append({"kind": word, "amount": amount, "symbol": symbol})
        elif kind not in _SHARES_ONLY:
            flows.append({"kind": kind.lower() or "unknown", "amount": amount})
    fields: dict[str, Any] = {"session_date": session_date, "trades": trades, "fees": fees}
    fields["flows"] = flows
    if read.get("positions") is not None:
        fields["positions"] = [
            {"symbol": row.get("symbol"), "quantity": row.get("qty")}
            for row in _rows(read["positions"], "positions")
        ]
    account = read.get("account")
    if isinstance(account, Mapping):
        fields["closing_cash"] = account.get("cash")
    return fields


def _fill(row: Mapping[str, Any]) -> dict[str, Any]:
    side = str(row.get("side") or "")
    return {
        "execution_id": str(row.get("id") or "").rpartition("::")[2],
        "order": row.get("order_id") or "",
        "symbol": row.get("symbol"),
        "side": "sell" if side.startswith("sell") else side,
        "quantity": row.get("qty"),
        "price": row.get("price"),
    }


def _rows(value: object, name: str) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise InvalidInput(name, type(value).__name__, "a list of objects")
    return value


def write_statement(statement: Statement, path: str | Path) -> None:
    """Write a statement in our JSON form."""
    text = json.dumps(statement.model_dump(mode="json"), indent=1, sort_keys=True)
    Path(path).write_text(text + "\n", encoding="utf-8")
