"""Which of two sets of limits is the tighter, field by field, and what a change needs.

Loosening takes two persons, tightening one (ruling D; principle 4 of the pre-trade controls).
Shorting and the list of restricted symbols are told apart, because other roles approve them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from .errors import InvalidInput
from .limits import Limits
from .wrong_fields import wrong

LESS_IS_TIGHTER: Final = frozenset(
    {
        "trades_max_per_day",
        "turnover_pct_max",
        "position_pct_max",
        "daily_loss_pct_max",
        "slippage_bps_max",
        "collar_bps_max",
        "order_value_usd_max",
        "order_quantity_max",
        "adv_fraction_max",
        "decisions_per_minute_max",
        "quote_age_seconds_max",
        "reducing_trades_extra",
        "reducing_turnover_pct_extra",
        "allow_short",
        "allow_fractional",
        "allow_no_bound",
        "half_by_default",
    }
)
MORE_IS_TIGHTER: Final = frozenset(
    {"adv_required", "duplicate_window_seconds", "closing_buffer_seconds"}
)
"""A field in neither set has no tighter side: what is in force holds, and any change loosens."""
RESTRICTED: Final = "restricted"
SHORT: Final = "allow_short"


def tighter(in_force: Limits, asked: Limits) -> Limits:
    """The tighter of both in every field, with the version of ``in_force``."""
    return in_force.model_copy(update={name: _pick(name, in_force, asked) for name in _fields()})


def loosened(in_force: Limits, asked: Limits) -> tuple[str, ...]:
    """The fields in which ``asked`` allows more than ``in_force``."""
    least = tighter(in_force, asked)
    return tuple(name for name in _fields() if not _same(name, least, asked))


def configured_limits(in_force: Limits | None, configured: Limits) -> Limits:
    """The limits of a start or session that begins: configuration only tightens those in force.

    A default is nobody's wish: what configuration does not name stays as it is in force. Before
    there are any the built-in ones are the widest; wider ones take an approved change.
    """
    base = in_force if in_force is not None else Limits()
    named = configured.model_fields_set
    return following(
        in_force,
        base.model_copy(update={n: _pick(n, base, configured) for n in _fields() if n in named}),
    )


def following(in_force: Limits | None, wanted: Limits) -> Limits:
    """Limits to be put in force behind others, under the next version where they differ."""
    if in_force is None:
        return wanted
    if same_limits(wanted, in_force):
        return in_force
    return wanted.model_copy(update={"version": in_force.version + 1})


def with_changes(in_force: Limits, changes: Mapping[str, object]) -> Limits:
    """The limits with some fields changed, under the next version.

    Raises:
        InvalidInput: a field that does not exist, a value out of its range, or no change at all.
    """
    unknown = sorted(set(changes) - set(_fields()))
    if unknown:
        raise InvalidInput("limit", unknown[0], ", ".join(_fields()))
    fields = {**in_force.model_dump(), **changes, "version": in_force.version + 1}
    try:
        made = Limits.model_validate(fields, strict=False)
    except ValidationError as error:
        raise wrong(error, Limits, "limits") from None
    if same_limits(made, in_force):
        raise InvalidInput("limits", "no change", "values other than those in force")
    return made


def same_limits(one: Limits, other: Limits) -> bool:
    """Whether both say the same, whatever their versions."""
    return all(_same(name, one, other) for name in _fields())


def _fields() -> tuple[str, ...]:
    return tuple(name for name in Limits.model_fields if name != "version")


def _same(name: str, one: Limits, other: Limits) -> bool:
    if name == RESTRICTED:
        return set(one.restricted) == set(other.restricted)
    return bool(getattr(one, name) == getattr(other, name))


def _pick(name: str, in_force: Limits, asked: Limits) -> Any:
    if name == RESTRICTED:
        return tuple(sorted({*in_force.restricted, *asked.restricted}))
    old, new = getattr(in_force, name), getattr(asked, name)
    if name in LESS_IS_TIGHTER:
        return min(old, new)
    return max(old, new) if name in MORE_IS_TIGHTER else old
