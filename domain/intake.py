"""The door: a portfolio manager's raw decision becomes a checked one, or refusals for every field.

Nothing here raises for bad input; what is wrong is all reported at once.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from .auctions import Auction, BeforeOpen
from .decision import (
    CURVATURE_MAX,
    CURVATURE_MIN,
    DECISION_ID_MAX,
    RECORD_PATTERN,
    SESSIONS_MAX,
    SYMBOL_PATTERN,
    TEXT_MAX,
    Decision,
    ExecutionStrategy,
    ExecutionUrgency,
    Style,
    TradeAction,
    TradeInstruction,
)
from .intake_fields import FieldReader, escaped, shown
from .limits import FRACTION_BELOW
from .market import Record
from .money import PRICE_MAX, QUANTITY_MAX, ZERO, plain
from .plan import SLICES_MAX, ExecutionPlan
from .ports import SellMark
from .reasons import OnBound, Reason, Refusal
from .wrong_fields import said_of

RISK_FACTORS_MAX: Final = 100
WEIGHT_PCT_MAX: Final = Decimal(1_000)
IDENTIFIER_ALLOWED: Final = f"a printable text of 1 to {DECISION_ID_MAX} characters"
SLIPPAGE_BPS_MAX: Final = Decimal(5_000)
SLIPPAGE_BPS_DEFAULT: Final = Decimal(10)

WINDOW_KEYS: Final = ("execution_window", "window_seconds", "window")
KEYS: Final = (
    "symbol",
    "action",
    "target_weight",
    "target_unit",
    "current_weight",
    "order_size",
    "confidence",
    "time_horizon",
    "reasoning",
    "risk_factors",
    "urgency",
    "max_slippage",
    *WINDOW_KEYS,
    "strategy",
    "style",
    "limit_price",
    "on_bound",
    "must_complete",
    "participation_cap",
    "slices",
    "display_fraction",
    "peg",
    "improvement_bps",
    "risk_curvature",
    "complete_at_deadline",
    "decision_time",
    "decision_id",
    "parent_id",
    "sessions",
    "auction",
    "auction_fraction",
    "before_open",
    "sell_mark",
    "locate",
)
"""Every key a decision may have."""


class TargetUnit(StrEnum):
    """What ``target_weight`` and ``current_weight`` are counted in."""

    PERCENT = "percent"
    FRACTION = "fraction"


class IntakeRules(Record):
    """What configuration decides at the door (rulings 9 and 10).

    ``half_by_default`` lets ADD and TRIM without a target change the position by half (on in
    simulation, off live); ``id_required`` refuses decisions without an id (live).
    """

    half_by_default: bool = True
    id_required: bool = False
    confidence_default: Annotated[int, Field(ge=1, le=10)] = 5


@dataclass(frozen=True, slots=True)
class Intake:
    """A decision that could be read; ``reasoning`` and ``risk_factors`` are personal text."""

    decision: Decision
    decision_id: str | None
    reasoning: str
    risk_factors: tuple[str, ...]


def read_decision(raw: Mapping[str, object], *, rules: IntakeRules) -> Intake | tuple[Refusal, ...]:
    """Read the seed's decision; every bad field is a refusal of its own, all at once.

    Weights are percent of equity unless ``target_unit`` is "fraction", ``max_slippage`` is basis
    points (absent: 10, None or "none": no bound), a window's plain number is seconds.
    """
    reader = FieldReader(raw)
    _refuse_unknown_keys(reader, raw)
    read: dict[str, object] = {
        "symbol": _symbol(reader),
        "action": _action(reader),
        "confidence": reader.whole("confidence", 1, 10) or rules.confidence_default,
        "time_horizon": reader.text("time_horizon", 24) or "medium",
        "urgency": reader.choice("urgency", ExecutionUrgency) or ExecutionUrgency.MEDIUM,
        "max_slippage_bps": _max_slippage(reader, raw),
        "window_seconds": _window(reader),
        "strategy": reader.choice("strategy", ExecutionStrategy),
        "style": reader.choice("style", Style),
        "limit_price": reader.number(
            "limit_price", ZERO, PRICE_MAX, unit="price per share", above=True
        ),
        "on_bound": reader.choice("on_bound", OnBound),
        "must_complete": reader.flag("must_complete") or False,
        "participation_cap": reader.number(
            "participation_cap", ZERO, Decimal(1), unit="fraction of volume", above=True
        ),
        "order_size": reader.number("order_size", ZERO, QUANTITY_MAX, unit="shares"),
        "slices": reader.whole("slices", 1, SLICES_MAX),
        "display_fraction": reader.number(
            "display_fraction", ZERO, Decimal(1), unit="fraction of the order", above=True
        ),
        "peg": reader.flag("peg"),
        "improvement_bps": reader.number("improvement_bps", ZERO, Decimal(1000), unit="bps"),
        "risk_curvature": reader.number(
            "risk_curvature", CURVATURE_MIN, CURVATURE_MAX, unit="about (kappa T)^2"
        ),
        "complete_at_deadline": reader.flag("complete_at_deadline"),
        "decided_at": reader.time_ns("decision_time"),
        "parent_id": _parent_id(reader),
        "sessions": reader.whole("sessions", 1, SESSIONS_MAX),
        "auction": reader.choice("auction", Auction),
        "auction_fraction": reader.number(
            "auction_fraction", ZERO, Decimal(1), unit="fraction of the quantity", above=True
        ),
        "before_open": reader.choice("before_open", BeforeOpen),
        "sell_mark": reader.choice("sell_mark", SellMark),
        "locate": _record_name(reader, "locate"),
        **_weights(reader),
    }
    _check_target(reader, read, rules)
    decision_id = _decision_id(reader, rules)
    reasoning = reader.text("reasoning", TEXT_MAX, personal=True) or ""
    risk_factors = _risk_factors(reader)
    if reader.refusals:
        return tuple(reader.refusals)
    try:
        decision = Decision.model_validate(read)
    except ValidationError as error:
        return tuple(_from_validation(error))
    return Intake(decision, decision_id, reasoning, risk_factors)


def instruction_to_raw(instruction: TradeInstruction) -> dict[str, object]:
    """The seed's dataclass as the mapping that :func:`read_decision` reads.

    A window of exactly the seed's default says nothing: strategy and urgency choose it.
    """
    raw: dict[str, object] = {f.name: getattr(instruction, f.name) for f in fields(instruction)}
    default = next(f.default for f in fields(instruction) if f.name == "execution_window")
    if raw["execution_window"] == default:
        del raw["execution_window"]
    return raw


def plan_to_raw(plan: ExecutionPlan) -> dict[str, object]:
    """The seed's plan as the mapping that :func:`read_decision` reads: its own size and prices."""
    raw = instruction_to_raw(plan.instruction)
    raw["strategy"] = plan.strategy
    raw["order_size"] = plan.order_size
    raw["limit_price"] = plan.limit_price
    return raw


def file_decision_ids(rows: Sequence[tuple[str | None, str]]) -> tuple[str, ...]:
    """The decision id of each row of a file, from (its own id or None, content hash).

    A row without an id gets its content hash and its ordinal among the identical rows (ruling 9),
    so that running the same file again asks for the same instructions.
    """
    seen: Counter[str] = Counter()
    ids = []
    for own_id, content_hash in rows:
        if own_id is not None:
            ids.append(own_id)
            continue
        ids.append(f"{content_hash}#{seen[content_hash]}")
        seen[content_hash] += 1
    return tuple(ids)


def unreadable_content(raw: bytes) -> tuple[str, str]:
    """(content hash, escaped text of at most 64 KiB) of what could not be read (ruling 10)."""
    text = raw.decode("utf-8", "backslashreplace")
    encoded = text.encode("utf-8")[:TEXT_MAX]
    return hashlib.sha256(raw).hexdigest(), encoded.decode("utf-8", "ignore")


def _refuse_unknown_keys(reader: FieldReader, raw: Mapping[str, object]) -> None:
    keys: Iterable[object] = raw
    for key in keys:
        if key in KEYS:
            continue
        name = key if isinstance(key, str) else ""
        near = difflib.get_close_matches(name[:64].casefold(), KEYS, n=1, cutoff=0.0)
        nearest = near[0] if near else KEYS[0]
        reader.refuse(
            escaped(name[:64]) or "(a key that is no text)",
            "an unknown key",
            f"one of {', '.join(KEYS)}",
            would_pass=nearest,
            message=f"unknown key {shown(key)}; the nearest known key is {nearest}",
        )


def _symbol(reader: FieldReader) -> str | None:
    allowed = "1 to 15 of A-Z, 0-9, '.', '/', '-', beginning with a letter"
    if not reader.given("symbol"):
        reader.refuse("symbol", "nothing", allowed, message="symbol is required")
        return None
    value = reader.value("symbol")
    if isinstance(value, str) and value.isascii() and re.fullmatch(SYMBOL_PATTERN, value.upper()):
        return value.upper()
    reader.refuse("symbol", shown(value), allowed)
    return None


def _action(reader: FieldReader) -> TradeAction | None:
    if not reader.given("action"):
        names = ", ".join(TradeAction)
        reader.refuse("action", "nothing", f"one of {names}", message="action is required")
        return None
    return reader.choice("action", TradeAction)


def _max_slippage(reader: FieldReader, raw: Mapping[str, object]) -> Decimal | None:
    value = reader.value("max_slippage")
    if "max_slippage" not in raw or value == "":
        return SLIPPAGE_BPS_DEFAULT
    if value is None or (isinstance(value, str) and value.casefold() == "none"):
        return None
    return reader.number(
        "max_slippage", ZERO, SLIPPAGE_BPS_MAX, unit='basis points, or "none"', above=True
    )


def _window(reader: FieldReader) -> int | None:
    given = [key for key in WINDOW_KEYS if reader.given(key)]
    if len(given) > 1:
        reader.refuse(given[1], f"{' and '.join(given)} together", f"one of {', '.join(given)}")
        return None
    return reader.seconds(given[0]) if given else None


def _weights(reader: FieldReader) -> dict[str, Decimal | None]:
    unit = reader.choice("target_unit", TargetUnit)
    factor = Decimal(100) if unit is TargetUnit.FRACTION else Decimal(1)
    name = "fraction of equity" if unit is TargetUnit.FRACTION else "percent of equity"
    high = WEIGHT_PCT_MAX / factor
    target = reader.number("target_weight", ZERO, high, unit=name)
    current = reader.number("current_weight", -high, high, unit=name)
    if target and target < FRACTION_BELOW and not reader.given("target_unit"):
        reader.refuse(
            "target_weight",
            plain(target),
            f"0, or from {FRACTION_BELOW} percent of equity",
            reason=Reason.TARGET_TOO_SMALL,
            would_pass=f'target_weight {plain(target * 100)}, or target_unit "percent"',
            message=f"target_weight {plain(target)} looks like a fraction; weights are percent, "
            'so give 3.0 for 3 %, or say target_unit "percent" or "fraction"',
        )
    return {
        "target_weight": None if target is None else target * factor,
        "current_weight": None if current is None else current * factor,
    }


def _check_target(reader: FieldReader, read: dict[str, object], rules: IntakeRules) -> None:
    action = read["action"]
    if action is TradeAction.CLOSE and read["target_weight"]:
        observed = shown(read["target_weight"])
        reader.refuse("target_weight", observed, "absent or 0 with CLOSE; SELL lowers to a target")
        return
    needs = action is TradeAction.BUY or (
        action in (TradeAction.ADD, TradeAction.TRIM)
        # Half of what is held is another quantity on each day.
        and (read["sessions"] is not None or not rules.half_by_default)
    )
    if needs and not reader.given("target_weight") and not reader.given("order_size"):
        reader.refuse(
            "target_weight",
            "nothing",
            f"a number from 0 to {WEIGHT_PCT_MAX} (percent of equity)",
            reason=Reason.TARGET_REQUIRED,
            would_pass="target_weight",
            message=f"{action} needs a target_weight",
        )


def _decision_id(reader: FieldReader, rules: IntakeRules) -> str | None:
    if not reader.given("decision_id"):
        if rules.id_required:
            reader.refuse(
                "decision_id",
                "nothing",
                IDENTIFIER_ALLOWED,
                reason=Reason.DECISION_ID_REQUIRED,
                message="decision_id is required, so that a retry is recognised",
            )
        return None
    return _identifier(reader, "decision_id")


def _parent_id(reader: FieldReader) -> str | None:
    return _identifier(reader, "parent_id") if reader.given("parent_id") else None


def _identifier(reader: FieldReader, field: str) -> str | None:
    value = reader.value(field)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        value = str(value)
    if isinstance(value, str) and len(value) <= DECISION_ID_MAX and value.isprintable():
        return value
    reader.refuse(field, shown(value), IDENTIFIER_ALLOWED)
    return None


def _record_name(reader: FieldReader, field: str) -> str | None:
    """The name of a record that is kept elsewhere."""
    if not reader.given(field):
        return None
    value = reader.value(field)
    if isinstance(value, str) and re.fullmatch(RECORD_PATTERN, value):
        return value
    reader.refuse(field, shown(value), "1 to 64 of A-Z, a-z, 0-9, '_', '.', ':', '/', '-'")
    return None


def _risk_factors(reader: FieldReader) -> tuple[str, ...]:
    if not reader.given("risk_factors"):
        return ()
    value = reader.value("risk_factors")
    parts = value.split(";") if isinstance(value, str) else value
    if (
        isinstance(parts, Sequence)
        and len(parts) <= RISK_FACTORS_MAX
        and all(isinstance(part, str) for part in parts)
        and sum(len(part) for part in parts) <= TEXT_MAX
    ):
        return tuple(escaped(part.strip()) for part in parts if part.strip())
    reader.refuse(
        "risk_factors",
        "a text" if isinstance(value, str) else shown(value),
        f'a list of at most {RISK_FACTORS_MAX} texts, or one text with ";" between',
    )
    return ()


def _from_validation(error: ValidationError) -> list[Refusal]:
    """A second net: the record checks itself, and what it refuses is a refusal too."""
    reader = FieldReader({})
    for item in error.errors(include_url=False):
        field, value, takes = said_of(item, Decision)
        reader.refuse(field, shown(value), takes)
    return reader.refusals
