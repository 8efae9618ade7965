"""Columns that only some files of a table hold: what is concluded from an absence is not concluded from theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectors.source.base import ONLY_TOLD, Notice
from detectors.source.folder_files import shown
from detectors.source.folder_shapes import Shape


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
