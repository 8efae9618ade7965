"""A period's numbers for people (table, Markdown) and for programs (JSON, CSV)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from detectors.contract import iso
from detectors.text.wording import count
from reports import csv_text, markdown
from reports.message import Table
from reports.neutral import for_ascii_json, for_markdown
from reports.statistics import Part, Statistics, Value, in_words
from reports.text import table_lines

VERSION = 1
_BLOCKS = "▁▂▃▄▅▆▇█"
_SHORT = {
    "median_hours": "median",
    "p90_hours": "p90",
    "share_kept": "share",
    "false_positives": "false",
    "false_positive_share": "share",
    "median_days": "median days",
    "oldest_days": "oldest days",
    "tried_findings": "tried",
    "tried_new": "new",
    "tried_tickets": "tickets",
    "tried_blind": "blind",
    "against_findings": "against",
    "against_new": "new",
    "against_tickets": "tickets",
    "against_blind": "blind",
    "nights_with_tickets": "nights",
    "median_a_night": "median",
    "most_a_night": "most",
    "blind_nights": "blind",
}
"""Columns' names for people, so that a table fits a terminal."""


def to_json(of: Statistics) -> str:
    """One document: the period, and each table as a list of objects; null where nothing can be said."""
    plain: dict[str, object] = {
        "report": {
            "version": VERSION,
            "from": iso(of.since),
            "to": iso(of.until),
            "nights": of.nights,
            "incomplete_nights": of.incomplete,
        }
    }
    for part in of.parts:
        plain[part.name] = [dict(zip(part.columns, row, strict=True)) for row in part.rows]
    return for_ascii_json(json.dumps(plain, indent=2)) + "\n"


def to_csv(of: Statistics) -> str:
    """One table with every column that a part has: in the first one which part a line is of, nothing where it has no such value."""
    columns = tuple(dict.fromkeys(column for part in of.parts for column in part.columns))

    def line(part: Part, row: Sequence[Value]) -> list[str]:
        values = dict(zip(part.columns, row, strict=True))
        told = (values.get(column) for column in columns)
        words = ("" if value is None else in_words(value, column) for column, value in zip(columns, told, strict=True))
        return [part.name, *words]

    return csv_text.write(("part", *columns), (line(part, row) for part in of.parts for row in part.rows))


def to_table(of: Statistics) -> str:
    """Each table at 80 columns where it fits."""
    return "\n".join(_table_lines(of)) + "\n"


def _table_lines(of: Statistics) -> Iterator[str]:
    yield _head(of)
    for series in of.series:
        stretch = "a day" if series.days == 1 else f"every {series.days} days"
        least, most = min(series.values), max(series.values)
        yield f"{series.name:11} {sparkline(series.values)}  {least:,} to {most:,} {stretch}"
    for part in of.parts:
        yield ""
        if part.rows:
            yield from table_lines(_table(part))
        else:
            yield f"{_heading(part)}: none"


def sparkline(values: Sequence[int]) -> str:
    """The values as blocks of eight heights, from nothing to the largest one; a zero is the lowest."""
    most = max(values, default=0)
    return "".join(_BLOCKS[-(-value * (len(_BLOCKS) - 1) // most) if most else 0] for value in values)


def to_markdown(of: Statistics) -> str:
    """The same as a Markdown document."""
    return "\n".join(_markdown_lines(of)) + "\n"


def _markdown_lines(of: Statistics) -> Iterator[str]:
    yield "# Escalations"
    yield ""
    yield for_markdown(_head(of))
    for part in of.parts:
        yield ""
        yield f"## {for_markdown(_heading(part))}"
        yield ""
        if part.rows:
            table = _table(part)
            yield from markdown.table(table.columns, table.rows)
            if table.note:
                yield ""
                yield for_markdown(table.note)
        else:
            yield "None."


def _head(of: Statistics) -> str:
    incomplete = f", {of.incomplete} of them incomplete" if of.incomplete else ""
    return f"{of.since:%Y-%m-%d %H:%M} to {of.until:%Y-%m-%d %H:%M} UTC: {count(of.nights, 'night')}{incomplete}"


def _heading(part: Part) -> str:
    return part.name.replace("_", " ").capitalize()


def _table(part: Part) -> Table:
    columns = tuple(_SHORT.get(column, column) for column in part.columns)
    return Table(_heading(part), columns, tuple(_in_words(part, row) for row in part.rows), part.note)


def _in_words(part: Part, row: Sequence[Value]) -> tuple[str, ...]:
    return tuple(in_words(value, column) for column, value in zip(part.columns, row, strict=True))


FORMATS: dict[str, Callable[[Statistics], str]] = {
    "table": to_table,
    "json": to_json,
    "csv": to_csv,
    "markdown": to_markdown,
}
