"""Compares the rows of the state tables with what an earlier look has left of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from detectors.contract import Context
from detectors.engine.bookmark import Bookmark
from detectors.engine.foreseen import HORIZON, Foreseen, foreseen
from detectors.source import Source
from detectors.source.bucket_sums import Written, glanced, written
from detectors.source.row_versions import Coming, Compared, Since, compared_in, statement

Told = tuple[Compared, Written, Foreseen | None]
"""A table, what was seen of it, and which of its times lie ahead, if these can be kept."""


def compare(source: Source, bookmark: Bookmark | None, context: Context, at_once: int) -> list[Told]:
    """What each table holds now, and whose rows were written or lost since the `bookmark`, or have a time that passed since. Raises QueryError."""

    def one_table(one: Compared) -> Told:
        known = None if bookmark is None else bookmark.foreseen.get(one.table)
        if known is not None and known.until < context.watermark:
            known = None
        coming = Coming(context.watermark, known.until if known else context.watermark + HORIZON)
        each = _compared(source, one, bookmark, coming, foreseen=known is not None)
        if known is None:
            return one, each, foreseen(coming.until, each.ahead)
        each = replace(each, owners=each.owners | known.passed(context.watermark))
        return one, each, known.with_newer(context.watermark, each.ahead)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return list(pool.map(one_table, compared_in(source.schema)))


def _compared(source: Source, one: Compared, bookmark: Bookmark | None, coming: Coming, *, foreseen: bool) -> Written:
    """What a table holds now, and which of its rows changed since the `bookmark`."""
    tables, before = source.tables, None if bookmark is None else bookmark.sums.get(one.table)
    since = None
    if bookmark is not None:
        since = Since(bookmark.least, bookmark.as_of, bookmark.watermark, coming.old, foreseen)
    if before is not None:
        # Buckets cost twice as much: they are asked for where rows may be lost, to find out which.
        (together,) = source.rows(statement(tables, one, since, coming, by_bucket=False), "feed")
        if (told := glanced(together, before, len(one.times))) is not None:
            return told
    return written(source.rows(statement(tables, one, since, coming), "feed"), before, len(one.times))
