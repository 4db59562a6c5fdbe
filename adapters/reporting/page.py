"""The report as one self-contained page: it works offline, prints, and drills down to events.

Every figure is a link to the evidence of its row: the instructions it is made from, and their
events in the log with position and hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Final

from ...domain.ports import NANOS
from ...projections.best_execution.document import (
    KEY_SEPARATOR,
    Column,
    Key,
    Report,
    Table,
    Value,
    text,
)
from ..drawing import STYLE
from . import page_plots
from .formats import heading
from .source import EventRef, Source

EVENTS_MAX: Final = 50_000
"""Events that a page lists; above it lists their ranges, and ``explain`` has all."""
LINKED_MAX: Final = 200
"""Instructions that the evidence of one row links to."""
ROWS_MAX: Final = 500
"""Rows of one table on a page; the other formats have all."""
COLUMNS_MAX: Final = 12
"""Figures of one table side by side: as many as fit on paper; more go below, key and all."""
HASH_SHOWN: Final = 16

PAGE_STYLE: Final = """
main{max-width:72rem;margin:0 auto}body{max-width:76rem}
a{color:inherit}td a{text-decoration:none;border-bottom:1px dotted var(--soft)}
td a:hover,td a:focus{border-bottom-style:solid}
caption{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
td.word,th.word{text-align:left}td.long{white-space:normal;min-width:18rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}figure{margin:1rem 0}figcaption{color:var(--soft)}
dl.summary{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.summary div{display:flex;justify-content:space-between;gap:1rem;
border-bottom:1px solid var(--line)}
.wide+.wide{margin-top:.8rem}details{margin:.2rem 0}summary{cursor:pointer}
.hash{font-family:ui-monospace,monospace}
nav ul{columns:3;padding-left:1.1rem}.skip{position:absolute;left:-99rem}.skip:focus{left:1rem}
.label{border-left:4px solid #c9622f;padding-left:.7rem}:target{outline:2px solid #2f6fb2}
@page{size:A4 landscape;margin:12mm}
@media print{body{max-width:none;margin:0}nav,.evidence,.skip{display:none}
section{break-inside:avoid-page}td a{border:0}.wide{overflow:visible}table{font-size:10px}
th,td{white-space:normal;padding:.1rem .3rem}}
"""
# Opens the list that a link leads into; without it the browser's own search still finds it. A link
# followed twice changes no address the second time, so its click is heard.
SCRIPT: Final = """
function reveal(hash){const id=decodeURIComponent(hash.slice(1));
const to=id&&document.getElementById(id);if(!to)return;
for(let at=to;at;at=at.parentElement)if(at.tagName==='DETAILS')at.open=true;
to.scrollIntoView({block:'center'});}
for(const on of ['hashchange','DOMContentLoaded'])addEventListener(on,()=>reveal(location.hash));
addEventListener('click',event=>{const link=event.target.closest('a[href^="#"]');
if(!link||link.hash!==location.hash||event.button||event.ctrlKey||event.metaKey||event.shiftKey
||event.altKey)return;event.preventDefault();reveal(link.hash);});
"""


def page(source: Source, report: Report, *, commentary: tuple[str, str] | None = None) -> str:
    """The page's text; the same for the same report, but for the commentary (model, text)."""
    wanted = [table for table in report.tables if table.rows]
    used = _instructions_of(wanted)
    parts = [
        f"<h1 id='top'>{escape(report.title)}</h1>",
        f"<p class='label'>{escape(report.label)}</p>" if report.label else "",
        _about(report),
        _contents(wanted),
        *(_section(table) for table in wanted[:1]),
        *page_plots.figures(source, report),
        *(_section(table) for table in wanted[1:]),
        _quality(report),
        _commentary(commentary),
        _evidence(wanted, source.events, used),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        "<link rel='icon' href='data:,'>"
        f"<title>{escape(report.title)}</title><style>{STYLE}{PAGE_STYLE}</style></head>\n"
        "<body><a class='skip' href='#top'>To the report</a>"
        f"<main>\n{body}\n</main>\n<script>{SCRIPT}</script></body></html>\n"
    )


def anchor(table: str, key: Key) -> str:
    """The id of the evidence of a row."""
    words = re.sub(r"[^\w.-]+", "-", KEY_SEPARATOR.join(key)).strip("-") or "none"
    return f"from-{table}-{words}"


def _about(report: Report) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{_folded(value) if name == 'market data' else escape(value)}"
        "</dd>"
        for name, value in heading(report)
        if name not in ("report", "what it is", "data quality")
    )
    return f"<section aria-label='What it stands on'><dl>{rows}</dl></section>"


def _folded(hashes: str) -> str:
    """Hashes of the market data, which may be many, under their number."""
    count = hashes.count(",") + 1
    return (
        f"<details><summary>{count:,} segments, named by their SHA-256</summary>"
        f"<span class='hash'>{escape(hashes)}</span></details>"
    )


def _contents(tables: Sequence[Table]) -> str:
    items = "".join(
        f"<li><a href='#t-{table.name}'>{escape(table.title)}</a></li>" for table in tables
    )
    more = "<li><a href='#quality'>Data quality</a></li><li><a href='#evidence'>Evidence</a></li>"
    return f"<nav aria-label='Contents'><ul>{items}{more}</ul></nav>"


def _section(table: Table) -> str:
    notes = [table.note] if table.note else []
    if len(table.rows) > ROWS_MAX:
        notes.append(f"{ROWS_MAX} of {len(table.rows):,} rows: json, csv and parquet have all")
    note = f"<p class='note'>{escape('; '.join(notes))}</p>" if notes else ""
    body = _summary(table) if not table.keys else "".join(_blocks(table))
    return (
        f"<section id='t-{table.name}' data-table='{table.name}'>"
        f"<h2>{escape(table.title)}</h2>{note}{body}</section>"
    )


def _summary(table: Table) -> str:
    """A table of one row without a key: its figures one under the other."""
    (row,) = table.rows
    items = "".join(
        f"<div><dt title='{escape(column.about, quote=True)}'>{escape(_title(column))}</dt>"
        f"<dd>{shown}</dd></div>"
        for column, shown in zip(table.columns, _cells(table, row), strict=True)
    )
    return f"<dl class='summary'>{items}</dl>"


def _blocks(table: Table) -> Iterator[str]:
    """The columns in blocks that fit on paper, each with the row's key before them."""
    rows = [(row, _cells(table, row)) for row in table.rows[:ROWS_MAX]]
    figures = range(table.keys, len(table.columns))
    blocks = [figures[n : n + COLUMNS_MAX] for n in range(0, len(figures), COLUMNS_MAX)]
    for number, block in enumerate(blocks or [range(0)], 1):
        part = f", part {number} of {len(blocks)}" if len(blocks) > 1 else ""
        title = escape(table.title + part)
        places = (*range(table.keys), *block)
        head = "".join(_head(table.columns[place]) for place in places)
        body = "".join(
            f"<tr>{''.join(_cell(table, row, cells, place) for place in places)}</tr>"
            for row, cells in rows
        )
        yield (
            f"<div class='wide' tabindex='0' role='region' aria-label='{title}'>"
            f"<table><caption>{title}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _head(column: Column) -> str:
    about = escape(column.about, quote=True)
    return f"<th scope='col' class='{_kind(column)}' title='{about}'>{escape(_title(column))}</th>"


def _cell(table: Table, row: tuple[Value, ...], cells: Sequence[str], place: int) -> str:
    if place < table.keys:
        return f"<th scope='row' class='word'>{cells[place]}</th>"
    return f"<td class='{_kind(table.columns[place], row[place])}'>{cells[place]}</td>"


def _cells(table: Table, row: tuple[Value, ...]) -> list[str]:
    """A row's values as text, figures as links to where they are from."""
    key = table.key_of(row)
    to = anchor(table.name, key) if table.members.instructions(key) else None
    cells = []
    for place, (column, value) in enumerate(zip(table.columns, row, strict=True)):
        shown = escape(_shown(column, value))
        if place >= table.keys and to is not None and value is not None:
            cell = escape(f"{table.name}:{KEY_SEPARATOR.join(key)}:{column.name}", quote=True)
            shown = f"<a href='#{to}' data-cell='{cell}'>{shown}</a>"
        cells.append(shown)
    return cells


def _kind(column: Column, value: Value = None) -> str:
    if column.unit != "text":
        return "figure"
    return "word long" if isinstance(value, str) and len(value) > 40 else "word"


def _title(column: Column) -> str:
    plain = column.unit in ("text", "figure", "count")
    return column.title if plain else f"{column.title}, {column.unit}"


def _shown(column: Column, value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, Decimal) and column.unit != "text":
        return f"{value:,.4f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    if isinstance(value, int) and column.unit == "count":
        return f"{value:,}"
    if isinstance(value, int) and column.unit == "ns":
        seconds, rest = divmod(value, NANOS)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1_000:06} UTC"
    return text(value)


def _quality(report: Report) -> str:
    rows = "".join(
        f"<tr><th scope='row' class='word'>{escape(name)}</th><td class='word'>{escape(table)}</td>"
        f"<td class='word'>{escape(id)}</td><td class='word long'>{escape(detail)}</td></tr>"
        for name, table, id, detail in report.problems[:ROWS_MAX]
    )
    head = "".join(
        f"<th scope='col' class='word'>{name}</th>" for name in ("problem", "table", "of", "detail")
    )
    found = (
        f"<div class='wide'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else "<p>Nothing is missing or wrong in the data.</p>"
    )
    left = len(report.problems) - ROWS_MAX
    more = f"<p class='note'>and {left:,} more</p>" if left > 0 else ""
    return f"<section id='quality'><h2>Data quality</h2>{found}{more}</section>"


def _commentary(commentary: tuple[str, str] | None) -> str:
    if commentary is None:
        return ""
    model, words = commentary
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in words.split("\n\n"))
    return (
        "<section id='commentary'><h2>Commentary</h2>"
        f"<p class='note'>Written by {escape(model)} from the figures above; no part of the report."
        f"</p>{paragraphs}</section>"
    )


def _instructions_of(tables: Sequence[Table]) -> list[str]:
    found: dict[str, None] = {}
    for table in tables:
        for row in table.rows[:ROWS_MAX]:
            found.update(dict.fromkeys(table.members.instructions(table.key_of(row))))
    return list(found)


def _evidence(
    tables: Sequence[Table], events: Mapping[str, tuple[EventRef, ...]], used: Sequence[str]
) -> str:
    """Rows to their instructions, instructions to their events."""
    rows = []
    listed = set(used)
    for table in tables:
        items = []
        for row in table.rows[:ROWS_MAX]:
            key = table.key_of(row)
            ids = table.members.instructions(key)
            if not ids:
                continue
            links = " ".join(f"<a href='#i-{id}'>{id[:8]}</a>" for id in ids[:LINKED_MAX])
            more = f" and {len(ids) - LINKED_MAX:,} more" if len(ids) > LINKED_MAX else ""
            items.append(
                f"<li id='{anchor(table.name, key)}'>{escape(', '.join(key))}: {links}{more}</li>"
            )
        if items:
            rows.append(
                f"<details><summary>{escape(table.title)}</summary><ul>{''.join(items)}</ul>"
                "</details>"
            )
    whole = sum(len(events.get(id, ())) for id in listed) <= EVENTS_MAX
    instructions = "".join(_events(id, events.get(id, ()), whole=whole) for id in used)
    return (
        "<section id='evidence' class='evidence'><h2>Evidence</h2><p class='note'>"
        "Each figure above leads here: to the instructions it is made from, and their events in "
        "the log. "
        "<code>fillwright explain REPORT TABLE:ROW:COLUMN</code> makes it anew from them.</p>"
        f"{''.join(rows)}<h3>Events by instruction</h3>{instructions}</section>"
    )


def _events(id: str, events: Sequence[EventRef], *, whole: bool) -> str:
    if not events:
        return f"<p id='i-{id}'>{id}: no events</p>"
    span = f"{len(events)} events, positions {events[0].position} to {events[-1].position}"
    if not whole:
        return f"<p id='i-{id}'>{id}: {span}, last hash {events[-1].hash}</p>"
    rows = "".join(
        f"<tr><td>{event.position}</td><td class='word'>{escape(event.topic)}</td>"
        f"<td class='hash' title='{event.hash}'>{event.hash[:HASH_SHOWN]}</td></tr>"
        for event in events
    )
    return (
        f"<details id='i-{id}'><summary>{id}: {span}</summary><table><thead><tr>"
        "<th scope='col'>position</th><th scope='col' class='word'>event</th>"
        f"<th scope='col'>hash</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
