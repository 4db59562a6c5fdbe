"""``reconcile --statement``: a session held against the broker's end-of-day records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...domain.errors import InvalidInput
from ...domain.money import plain
from .failures import Difference

if TYPE_CHECKING:
    from ..settings import Settings
    from ..statement_reconciling import Reconciled, StatementDesk

SHOWN_MAX: Final = 200


def reconcile_statement(
    where: str,
    settings: Settings,
    file: Path | None,
    session: str,
    sign_off: str,
    person: str,
    *,
    json_output: bool,
) -> None:
    """Compare, record and show; sign the session off where that is asked for.

    Raises:
        Difference: something differs and is not signed off.
    """
    from ..account_record import AccountRecord
    from ..inputs.statements import read_statement
    from ..statement_reconciling import StatementDesk
    from . import output

    output.log_to_stderr()
    desk = StatementDesk(AccountRecord(where, settings.account), settings.fees.schedule())
    if file is None:
        _sign_off(desk, session, sign_off, person, json_output=json_output)
        return
    read = read_statement(file, session)
    with output.waiting("comparing", enabled=output.wants_progress(None)):
        made = desk.reconcile(read, f"person:{person}")
    signed = bool(sign_off) and desk.sign_off(made.session_date, sign_off, person)
    if json_output:
        output.print_json(_json(made, signed=signed))
    else:
        for line in _text(made, signed=signed):
            output.print_line(line)
    if not (made.is_final or signed):
        missing = f", and {', '.join(made.missing)} not given" if made.missing else ""
        raise Difference(f"{len(made.breaks)} differences with the statement{missing}")


def _sign_off(
    desk: StatementDesk, session: str, reason: str, person: str, *, json_output: bool
) -> None:
    from . import output

    if not session:
        raise InvalidInput("session", "none", "--session DATE, which is signed off")
    done = desk.sign_off(session, reason, person)
    if json_output:
        output.print_json({"session": session, "signed_off": done, "standing": "final"})
    else:
        output.print_line(f"{session}: final, {'signed off' if done else 'as it was'}")


def _json(made: Reconciled, *, signed: bool) -> dict[str, object]:
    return {
        "account": made.account,
        "session": made.session_date,
        "standing": "final" if signed else made.standing,
        "signed_off": signed,
        "trades": made.trades,
        "positions": made.positions,
        "breaks": [each.model_dump(mode="json") for each in made.breaks],
        "missing": list(made.missing),
        "fees": [each.model_dump(mode="json") for each in made.fees],
    }


def _text(made: Reconciled, *, signed: bool) -> list[str]:
    lines = [f"{made.session_date}: {made.trades} trades, {made.positions} positions compared"]
    lines += [
        f"  {each.kind} {each.subject}: ours {each.ours}, the broker's {each.theirs}"
        for each in made.breaks[:SHOWN_MAX]
    ]
    if len(made.breaks) > SHOWN_MAX:
        lines.append(f"  and {len(made.breaks) - SHOWN_MAX} more; all are in --json")
    lines += [f"  not in the statement: {part}" for part in made.missing]
    for fee in made.fees:
        estimated = "unknown" if fee.estimated is None else plain(fee.estimated)
        lines.append(f"  fee {fee.charge}: booked {plain(fee.booked)}, estimated {estimated}")
    standing = "final, signed off" if signed else made.standing
    return [*lines, f"{made.session_date} is {standing}"]
