"""Invite codes that were masked or hashed on the way. As they are they would be codes that nobody can join with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy import select

from detectors.source.base import FoundTable, Notice, QueryError, Schema, Source
from detectors.source.filled import FEW, MANY, Sample
from detectors.source.sql import matches

_PLACES = (("households", "invite_code"), ("household_join_requests", "invite_code"))
_CODE = "^[A-Z0-9]{2,6}(-[A-Z0-9]+){1,2}$"
_HIDDEN = re.compile(r".*[*•█].*|[0-9a-f]{32,}|[A-Za-z0-9+/]{43}=", re.DOTALL)
"""With signs that hide, or a hash."""


def leave_out_masked(source: Source, samples: Mapping[str, Sample]) -> Iterator[Notice]:
    """Take the columns of codes that are masked in every row from the source's tables, and say so."""
    for table, column in _PLACES:
        if table not in samples or not (why := _masked(source, samples[table], table, column)):
            continue
        source.schema = _without(source.schema, table, column, why)
        source.tables = source.tables.of(source.schema)
        yield Notice(
            table,
            f"{table}.{column} {why}, so the codes were masked: the column is not read",
            frozenset({f"{table}.{column}"}),
            "export the codes as they are",
        )


def _masked(source: Source, sample: Sample, table: str, column: str) -> str | None:
    """Why a column of codes can't be read, as its first rows show, or None."""
    codes = [str(row[column]) for row in sample.first if row.get(column)]
    if len(codes) < FEW:
        return None
    if all(_HIDDEN.fullmatch(code) for code in codes):
        why = "holds hidden codes or hashes in every row"
    elif len(set(codes)) == 1 and not re.match(_CODE, codes[0]):
        why = "holds the same in every row, and no code"
    else:
        return None
    if sample.rows < MANY:
        return why
    code = source.tables[table].c[column]
    try:
        # The codes of households that everyone has left may be masked alone.
        return None if source.rows(select(code).where(matches(code, _CODE)).limit(1), "words") else why
    except QueryError:
        return None


def _without(schema: Schema, table: str, column: str, why: str) -> Schema:
    found: FoundTable = schema.tables[table]
    columns = {name: native for name, native in found.columns.items() if name != column}
    return replace(
        schema,
        tables={**schema.tables, table: replace(found, columns=columns)},
        unusable={**schema.unusable, f"{table}.{column}": why},
    )
