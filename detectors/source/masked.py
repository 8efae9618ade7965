"""Invite codes and names that were masked or hashed on the way: nobody could join with such a code, and nothing is wrong with such a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy import func, not_, select

from detectors.source.base import FoundTable, Notice, QueryError, Schema, Source
from detectors.source.filled import FEW
from detectors.source.first_rows import MANY, Sample
from detectors.source.sql import matches

_PLACES = (("households", "invite_code"), ("household_join_requests", "invite_code"), ("households", "name"))
_WHAT = {"name": "names", "invite_code": "codes"}
_CODE = "^[A-Z0-9]{2,6}(-[A-Z0-9]+){1,2}$"
_CODES = re.compile(
    r".*[*•█].*|\W*(redacted|masked|hidden|filtered|removed|anonymi[sz]ed|confidential)\W*|[x#-]{4,}|[0-9a-f]{32,}|[a-z0-9+/]{43}=",
    re.DOTALL | re.IGNORECASE,
)
"""With signs that hide, a word that says so, or a hash. Whatever else is no code may be one broken job's doing."""
_NAME = r"^(.{0,3}[*•█]{2,}.*|[^a-z0-9]*(redacted|masked|hidden|filtered|anonymi[sz]ed|confidential)[^a-z0-9]*|[x#]{4,}|[0-9a-f]{16,})$"
"""A name may hold a star, and say what it likes."""
_HIDDEN = {"invite_code": _CODES, "name": re.compile(_NAME, re.DOTALL | re.IGNORECASE)}


def leave_out_masked(source: Source, samples: Mapping[str, Sample]) -> Iterator[Notice]:
    """Take the columns of codes and names that are masked in every row from the source's tables, and say so."""
    for table, column in _PLACES:
        sample = samples.get(table)
        why = sample and why_masked(sample, column)
        if not sample or not why or (sample.rows == MANY and _holds_others(source, table, column)):
            continue
        source.schema = without_column(source.schema, table, column, why)
        source.tables = source.tables.of(source.schema)
        yield Notice(
            table,
            f"{table}.{column} {why}, so they were masked on their way: the column is not read",
            frozenset({f"{table}.{column}"}),
            f"export the {_WHAT[column]} as they are",
        )


def why_masked(sample: Sample, column: str) -> str | None:
    """Why a column of codes or names can't be read, as its first rows show, or None."""
    values = [str(row[column]) for row in sample.first if row.get(column)]
    hidden = len(values) >= FEW and all(map(_HIDDEN[column].fullmatch, values))
    return f"holds hidden {_WHAT[column]} or hashes in every row" if hidden else None


def _holds_others(source: Source, table: str, column: str) -> bool:
    """Whether there is a code, or a name, behind the first rows: those of households that everyone has left may be masked alone."""
    value = source.tables[table].c[column]
    plain = not_(matches(func.lower(value), _NAME)) if column == "name" else matches(value, _CODE)
    try:
        return bool(source.rows(select(value).where(value.is_not(None), value != "", plain).limit(1), "words"))
    except QueryError:
        return True


def without_column(schema: Schema, table: str, column: str, why: str) -> Schema:
    """The schema without a column, and why it is not read."""
    found: FoundTable = schema.tables[table]
    columns = {name: native for name, native in found.columns.items() if name != column}
    return replace(
        schema,
        tables={**schema.tables, table: replace(found, columns=columns)},
        unusable={**schema.unusable, f"{table}.{column}": why},
    )
