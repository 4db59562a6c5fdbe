"""The page of the orders that each broker takes."""

from __future__ import annotations

from collections.abc import Iterable

from fillwright.domain.order_terms import TERMS, BrokerTerms

HEAD = """\
# Order terms

Made from `domain/order_terms.py`. An order that no row of its broker has is refused before it is
sent, with the field that is wrong and what is allowed; the refusal is recorded like the broker's
own. "before_open" is while the market is closed and the next session's opening auction takes orders
([market rules](market-rules.md)). A broker that is not listed answers for itself.
"""


def page() -> str:
    """The text of docs/order-terms.md."""
    return "\n".join([HEAD, *(_table(name, TERMS[name]) for name in sorted(TERMS))])


def _table(name: str, terms: BrokerTerms) -> str:
    shown = "may be shown in part" if terms.display else "are shown in full"
    lines = [
        f"## {name}",
        "",
        f"Source: {terms.source}. Orders {shown}.",
        "",
        "| type | time in force | session | whole shares | fractions |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in terms.rows:
        cells = (row.order_type, row.time_in_force, row.phase)
        kinds = (_words(row.whole), _words(row.fractional))
        lines.append(f"| {' | '.join([*map(str, cells), *kinds])} |")
    return "\n".join(lines) + "\n"


def _words(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "-"
