"""What became of the engine under kills and faults, as a page written from the trials themselves.

FILLWRIGHT_MATRIX=rows.jsonl make soak
python -m tests.live.matrix rows.jsonl > docs/crash-matrix.md
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.live.killing import FAULTS, MISSED, Trial

VARIABLE: Final = "FILLWRIGHT_MATRIX"
HEAD: Final = """# Crashes and faults

Written by `python -m tests.live.matrix` from the trials of `make soak`. In each trial a real engine
process trades a TWAP, an iceberg and an opportunistic instruction through `alpaca-py` on a
[paper server](paper.md), is ended with `kill -9` at random moments and started again. The server
runs 40 times as fast as real time, so that each stop lasts minutes of the market's. Afterwards the
server's journal, lists and activities are compared with the log:

- Every client order id was accepted at most once; every order is closed and has the same executed
  quantity on both sides.
- Every execution of the server is in the log exactly once, under one of the two ids that the
  server's channels give it, with its quantity and price. What the log derived from an order's
  totals has the quantity and the value of the executions that it stands for.
- Positions are equal on both sides, and the counters of the limits are what the log tells.
- Each deadline is the one that the first plan set, in every event that names it. No order is
  decided after it but the one that crosses with the rest, and none at all by a process that started
  later after it than a final phase takes: such an instruction is given up. No order came to the
  server later than one request may take.
"""


SEEN: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "an unacknowledged order turned into a rejected one while it had filled",
        (
            "paper/test_sending_waits.py::"
            "test_an_order_that_fills_while_its_answer_is_late_is_unknown_and_then_filled",
            "contract/test_broker_contract.py::"
            "test_a_lost_answer_is_an_unknown_outcome_that_keeps_its_shares",
        ),
    ),
    (
        "a timeout turned into a refusal",
        (
            "paper/test_sending_waits.py::"
            "test_an_order_that_fills_while_its_answer_is_late_is_unknown_and_then_filled",
            "adapters/brokers/test_provider.py::test_a_provider_that_hangs_times_out_as_unknown",
        ),
    ),
    (
        "the same execution id told again and counted again",
        (
            "domain/test_orders_executions.py::test_a_fill_told_twice_counts_once",
            "contract/test_broker_contract.py::test_reports_given_again_change_nothing",
        ),
    ),
    (
        "a restart that drops working orders",
        (
            "adapters/test_application.py::"
            "test_a_restart_follows_an_order_that_lies_at_the_provider",
            "live/test_killed_engine.py::"
            "test_killed_at_random_nothing_is_sent_twice_and_no_fill_is_lost",
        ),
    ),
    (
        "a restart that makes up an opposite fill to match positions",
        (
            "simulation/test_crash_points.py::test_a_crash_between_any_two_writes_changes_nothing",
            "live/test_agreement.py::"
            "test_an_order_that_the_log_does_not_have_is_found_in_every_comparison",
        ),
    ),
    (
        "orders sent while the socket of trade updates is down",
        (
            "paper/test_sending_waits.py::"
            "test_an_order_goes_out_when_the_socket_listens_and_not_before",
            "paper/test_sending_waits.py::test_an_order_is_kept_back_where_the_socket_stays_down",
            "simulation/test_halt_story.py::"
            "test_while_updates_cannot_be_heard_nothing_new_is_decided",
        ),
    ),
    (
        "a partly filled order replaced for its whole quantity",
        (
            "adapters/alpaca/test_wire.py::"
            "test_no_order_is_ever_replaced_so_no_filled_part_is_ordered_anew",
            "paper/test_order_classes.py::"
            "test_a_replacement_of_a_partly_filled_order_is_for_the_whole_quantity",
        ),
    ),
    (
        "FILL activities of one millisecond out of order",
        (
            "adapters/alpaca/test_wire.py::"
            "test_fills_of_one_millisecond_are_put_in_order_whatever_order_they_are_listed_in",
        ),
    ),
    (
        "a single fill missing from a healthy stream",
        (
            "simulation/test_faults.py::test_a_lost_final_fill_is_learned_within_seconds",
            "live/test_killed_engine.py::test_the_same_with_a_fault",
        ),
    ),
    (
        "a schedule that extends its own deadline when it is resumed",
        (
            "simulation/test_crash_points.py::"
            "test_a_stop_over_the_deadline_moves_it_for_no_strategy",
            "live/test_agreement.py::test_a_deadline_that_moved_is_found",
        ),
    ),
    (
        "a TWAP with fewer shares than slices",
        (
            "domain/test_planning.py::test_a_schedule_has_no_more_slices_than_shares_or_seconds",
            "domain/strategies/test_schedule.py::test_there_are_never_more_slices_than_lots",
        ),
    ),
    (
        "an execution model that ignores what has filled already",
        (
            "domain/test_guard.py::test_orders_fit_into_what_is_free",
            "domain/strategies/test_any_market.py::"
            "test_no_more_is_placed_than_was_ordered_and_it_ends",
        ),
    ),
    (
        "position limits checked against positions of before",
        (
            "simulation/test_figures.py::"
            "test_account_and_positions_are_asked_for_at_once_and_shared",
            "simulation/test_limits_race.py::test_a_position_limit_is_exact_for_many_at_once",
        ),
    ),
    (
        "a check of risk that lets through what it cannot check",
        (
            "adapters/test_application.py::"
            "test_a_broker_that_cannot_be_asked_refuses_on_the_record",
            "contract/test_pretrade_controls.py::"
            "test_a_control_trips_past_its_bound_and_passes_at_it",
        ),
    ),
    (
        "an order that the broker does not have cancelled over and over",
        (
            "simulation/test_faults.py::"
            "test_an_order_the_broker_does_not_have_is_not_cancelled_over_and_over",
        ),
    ),
)
"""What went wrong in other engines, or here, with the tests that keep it from happening."""


def record(made: Trial) -> None:
    """Append a trial to the file that the environment names, if it does."""
    path = os.environ.get(VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(asdict(made)) + "\n")


def page(rows: list[dict[str, Any]]) -> str:
    """The page: sums first, then each fault alone, then what each pair gave."""
    by_count = {n: [row for row in rows if len(row["faults"]) == n] for n in (0, 1, 2)}
    of: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(frozenset(row["faults"]), []).append(row)
    lines = [HEAD, _line("Kills alone", by_count[0]), _line("One fault", by_count[1])]
    lines += [_line("Two faults", by_count[2]), *_sums(rows), ""]
    struck: Counter[str] = sum((Counter(row.get("struck", {})) for row in rows), Counter())
    lines += [
        "| fault | struck | with kills |" + "".join(f" {i} |" for i in range(1, len(FAULTS) + 1))
    ]
    lines += ["|---|---|---|" + "---|" * len(FAULTS)]
    for number, name in enumerate(FAULTS, 1):
        cells = [str(struck[name]), _cell(of.get(frozenset((name,))))]
        cells += [
            _cell(of.get(frozenset((name, other)))) if other != name else "" for other in FAULTS
        ]
        lines.append(f"| {number} `{name}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "`struck`: how often the fault was met, a halt by the instructions that were suspended for "
        "it. `ok`: nothing was wrong, and each fault was met; `missed`: nothing was wrong, but one "
        "was never met, as on a machine too busy to let a process live for long (the trial fails); "
        "a number: so many findings, below; `-`: not run.",
        "",
    ]
    lines += [
        f"- {' + '.join(row['faults']) or 'kills alone'}, seed {row['seed']}: {problem}"
        for row in rows
        for problem in _wrong(row)
    ]
    lines += ["", "## Seen to go wrong", "", "What happened in other engines, or here once, and "]
    lines[-1] += "the tests, below `tests/`, that keep it from happening again."
    lines += ["", "| what | tests |", "|---|---|"]
    lines += [
        f"| {what} | " + "<br>".join(f"`{name}`" for name in names) + " |" for what, names in SEEN
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(title: str, rows: list[dict[str, Any]]) -> str:
    sums = {name: sum(row[name] for row in rows) for name in ("kills", "orders", "fills")}
    findings = sum(len(_wrong(row)) for row in rows)
    return (
        f"- {title}: {len(rows)} trials, {sums['kills']} kills, {sums['orders']} orders, "
        f"{sums['fills']} fills, {findings} findings."
    )


def _sums(rows: list[dict[str, Any]]) -> list[str]:
    kills, at_work, derived, given_up = (
        sum(row[name] for row in rows) for name in ("kills", "kills_at_work", "derived", "given_up")
    )
    return [
        f"- In all {kills} kills, {at_work} of them while the process had recorded something since "
        f"its start; {derived} fills derived from totals; {given_up} instructions given up because "
        "their deadline passed while nobody worked them."
    ]


def _cell(rows: list[dict[str, Any]] | None) -> str:
    if not rows:
        return "-"
    found = sum(len(_wrong(row)) for row in rows)
    if found:
        return str(found)
    return "ok" if any(not row["problems"] for row in rows) else "missed"


def _wrong(row: dict[str, Any]) -> list[str]:
    """What was wrong in a trial, beside that it showed nothing of a fault."""
    return [problem for problem in row["problems"] if not problem.endswith(MISSED)]


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    print(page([json.loads(line) for line in text.splitlines()]), end="")
