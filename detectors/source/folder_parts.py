"""What some files of a table hold otherwise: columns that others lack, and rows that are there no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, literal_column
from sqlalchemy.exc import DBAPIError

from detectors.source.base import ONLY_TOLD, Notice, SourceError
from detectors.source.folder_files import shown
from detectors.source.folder_shapes import Execute, Shape
from detectors.source.gone_rows import marking
from detectors.source.mapping import SourceMapping
from detectors.source.marked import counts, judged, judged_folders


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


def refuse_gone(table: str, shapes: Sequence[Shape], mapping: SourceMapping, execute: Execute) -> list[Notice]:
    """What to say of rows that are marked. Raises SourceError for files with rows that are deleted, outdated or another tenant's."""
    notices = {said.said: said for said in _of_folders(table, shapes, mapping)}
    for shape in shapes:
        if not shape.marks:
            continue
        columns: dict[str, ColumnElement[Any]] = {
            name: literal_column(field.sql) for name, field in shape.fields.items()
        }
        marks: dict[str, ColumnElement[Any]] = {mark.name: literal_column(mark.sql) for mark in shape.marks}
        asked = counts(table, marks, columns, mapping)
        written = (str(one.compile(compile_kwargs={"literal_binds": True})) for one in asked.values())
        try:
            (row,) = execute(f"SELECT {', '.join(written)} FROM {shape.relation}")
        except DBAPIError as error:
            place, named = shown(shape.files[0].path), ", ".join(marks)
            raise SourceError(f"{place}: the column {named} cannot be read: export it again") from error
        for said in judged(table, list(marks), dict(zip(asked, row, strict=True))):
            if isinstance(said, str):
                raise SourceError(said)
            notices[said.said] = said
    return list(notices.values())


def _of_folders(table: str, shapes: Sequence[Shape], mapping: SourceMapping) -> Iterator[Notice]:
    """What the names of the folders say in which the files lie, as in env=prod."""
    files = [file for shape in shapes for file in shape.files]
    for key in marking(table, dict.fromkeys(key for file in files for key in file.partition), mapping):
        said = judged_folders(table, key, {word for file in files if (word := file.partition.get(key))})
        if isinstance(said, str):
            raise SourceError(said)
        if said is not None:
            yield said
