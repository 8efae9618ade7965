"""What the rules about word lists share: a household whose name or description holds words of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, true

from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, find
from detectors.domain.values import moment, text_of
from detectors.limits import Limits
from detectors.text.reading import words_in
from detectors.text.wording import listed

COLUMNS = ("household_id", "leader_id", "name", "description", "created_at")


def any_text(texts: FromClause, context: Context) -> ColumnElement[bool]:
    return true()


def settled_rows(rows: Iterable[Row], context: Context) -> Iterator[Row]:
    """The rows of households that are no longer being created."""
    return (row for row in rows if moment(row["created_at"]) <= context.watermark)


def detector_of(
    meta: Meta, page: str, listed_in: Callable[[Limits], tuple[str, ...]], *, pattern: str, violation: str
) -> Detector:
    """The detector of households whose texts hold words of a list of the policy. `pattern` says it before the words."""

    def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
        for row in settled_rows(rows, context):
            finding = _finding(meta, row, listed_in(context.limits), context, pattern=pattern, violation=violation)
            if finding:
                yield finding

    def pointless(limits: Limits) -> str | None:
        return None if listed_in(limits) else "the policy's list of words is empty"

    return Detector(meta, page, (Subscription("texts", any_text, aggregate, COLUMNS),), pointless=pointless)


def _finding(
    meta: Meta, row: Row, words: tuple[str, ...], context: Context, *, pattern: str, violation: str
) -> Finding | None:
    hits = {field: hit for field in ("name", "description") if (hit := words_in(row[field], words))}
    if not hits:
        return None
    household_id, leader_id = text_of(row["household_id"]), text_of(row["leader_id"])
    found = sorted({word for hit in hits.values() for word in hit.found})
    return find(
        meta,
        context,
        {"household_id": household_id},
        impact=Impact(users=1 if leader_id else 0, households=1),
        households=[household_id],
        users=[leader_id],
        evidence={
            "words": found,
            "texts": [{"field": field, "quote": hit.quote} for field, hit in hits.items()],
        },
        story=Story(
            pattern=f"{pattern}: {listed(found)}",
            evidence=tuple(f"{field}: “{hit.quote}”" for field, hit in hits.items()),
            suspected_violation=violation,
            reporter="Internal monitoring alert",
            requesting="Review of the household, and of its leader's account if the words mean what they seem to",
        ),
    )
