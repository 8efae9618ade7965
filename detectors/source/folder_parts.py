"""What some files of a table hold otherwise: columns that others lack, and rows that are there no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, literal_column
from sqlalchemy.exc import DBAPIError

from detectors.source.base import ONLY_TOLD, Notice, SourceError
from detectors.source.folder_files import shown
from detectors.source.folder_shapes import Execute, Shape
from detectors.source.gone_rows import counts_as, fault_of, is_gone, versions
from detectors.source.mapping import SourceMapping


def lacking_in_parts(table: str, shapes: Sequence[Shape]) -> dict[str, str]:
    """Columns that only some of a table's files hold, with which of the files lack it."""
    lacking = {}
    for column in dict.fromkeys(column for shape in shapes for column in shape.fields):
        without = [file.path.name for shape in shapes if column not in shape.fields for file in shape.files]
        if without:
            more = f" and {len(without) - 1} more" if len(without) > 1 else ""
            lacking[column] = (
                f"{shown(Path(without[0]))}{more} of {table} without the column {column}, which other files have"
            )
    return lacking


def not_in_all(table: str, column: str, told: str) -> Notice:
    """What to say of such a column."""
    full = f"{table}.{column}"
    read = "read as missing there" if full in ONLY_TOLD else "not read"
    return Notice(table, f"{told}: {read}", frozenset({full}), "export all parts with the same columns")


def refuse_gone(table: str, shapes: Sequence[Shape], mapping: SourceMapping, execute: Execute) -> None:
    """Raise SourceError for files with rows that are marked as deleted or outdated."""
    for shape in shapes:
        columns: dict[str, ColumnElement[Any]] = {
            name: literal_column(field.sql) for name, field in shape.fields.items()
        }
        lives = counts_as(table, columns, mapping)
        for mark in shape.marks:
            marked = and_(is_gone(literal_column(mark.sql), mark.name), lives)
            gone = marked.compile(compile_kwargs={"literal_binds": True})
            kept = versions(table, mark.name, columns).compile(compile_kwargs={"literal_binds": True})
            try:
                (row,) = execute(f"SELECT count(*) FILTER (WHERE {gone}), count(*), {kept} FROM {shape.relation}")
            except DBAPIError as error:
                place = shown(shape.files[0].path)
                raise SourceError(f"{place}: the column {mark.name} cannot be read: export it again") from error
            if row[0] and row[2] < row[1]:
                raise SourceError(fault_of(table, mark.name, row[0], row[1]))
