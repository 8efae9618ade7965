"""Files of one table that are copies of several times: what was deleted in between would come back from the older ones."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError

from detectors.source.base import ColumnError, SourceError
from detectors.source.copies import FEW, TOLD, Repeats
from detectors.source.folder_files import shown
from detectors.source.folder_shapes import Execute, Shape
from detectors.source.repeated import key_of

_SHARED = 5
"""One id in so many stands in several files."""
_FILE = "hearthwatch_file"


def refuse_copies(table: str, parts: Sequence[Shape], repeats: Repeats, execute: Execute) -> None:
    """Raise SourceError where the files of a table are copies of several times, or of several databases; ColumnError for sessions."""
    fault = repeats.of_others(table)
    if fault is not None and table == "sessions":
        # A log of refreshes looks so, too. It is not the sessions, and everything else can be read without them.
        several = f"{repeats.reborn:,} ids of sessions stand in rows whose created_at differs by more than a day"
        raise ColumnError(
            f"{shown(parts[0].files[0].path)}: {several}, as in a log of refreshes, or in rows of several databases",
            "export one row for each session, with the time at which it began",
        )
    if fault is None and table not in TOLD and sum(len(shape.files) for shape in parts) > 1:
        fault = _overlapping(table, parts, repeats, execute)
    if fault := fault or repeats.of_times(table):
        raise SourceError(f"{shown(parts[0].files[0].path)}: {fault}")


def _overlapping(table: str, parts: Sequence[Shape], repeats: Repeats, execute: Execute) -> str | None:
    if repeats.repeated < FEW:
        return None
    keys = [key for key in key_of(table) if all(key in shape.fields for shape in parts)]
    rows = " UNION ALL ".join(
        f"SELECT {', '.join(f'CAST({shape.fields[key].sql} AS VARCHAR) AS {key}' for key in keys)}, {_FILE} "
        f"FROM {shape.by_file(_FILE)}"
        for shape in parts
    )
    of_each = (
        f"SELECT count(DISTINCT {_FILE}) AS files, count(DISTINCT ({', '.join(keys)})) AS things FROM ({rows}) "
        "WHERE id IS NOT NULL GROUP BY id"
    )
    counts = (
        f"SELECT count(*), count(*) FILTER (WHERE files > 1 AND things = 1), min(files), max(files) FROM ({of_each})"
    )
    try:
        ((ids, shared, least, most),) = execute(counts)
    except DBAPIError:  # bytes that had to be mended: these files have no rows of their own any more
        return None
    # Wholly the same files bring nothing back.
    if shared < FEW or shared * _SHARED < ids or (least == most and not repeats.differing):
        return None
    files = sum(len(shape.files) for shape in parts)
    return (
        f"{shared:,} of {ids:,} ids of {table} stand in more than one of its {files} files: they are copies of several times, or "
        "parts that overlap, so deleted rows come back; leave the files of one export there"
    )
