"""How much a source holds, and whether it is the one that the ledger knows, an older copy of it, or another town's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from detectors.engine.newest import known_again, left_of
from detectors.engine.result import ScanResult
from detectors.source import Source, SourceError
from detectors.source.trail import EVENTS
from escalation.decide.age import Older, another_town, left_for_good, older
from escalation.decide.volume import Baseline
from escalation.ledger.records import Volume
from escalation.policy.process import VolumeRules

Baselines = Mapping[str, Baseline]


def volumes_of(result: ScanResult, tables: Iterable[str]) -> dict[str, Volume]:
    """What the scan saw of each of `tables`; those that could not be counted are left out."""
    seen: dict[str, Volume] = {}
    for table in sorted({*tables, *result.tables}):
        newest = result.newest.rows.get(table, {})
        if table not in result.tables:
            seen[table] = Volume(table, None)
        elif table == EVENTS and result.event_days:
            rows = sum(result.event_days.values())
            seen[table] = Volume(table, rows, result.event_days, result.audit_began, newest=newest)
        elif table in result.rows_read:
            sample = result.newest.sample if table == "households" else ()
            seen[table] = Volume(table, result.rows_read[table], newest=newest, sample=sample)
    return seen


def older_copies(
    source: Source | None, baselines: Baselines, seen: Mapping[str, Volume], rules: VolumeRules, as_of: datetime
) -> dict[str, str]:
    """Why a table is taken for an older copy, by table. Without a `source` nobody asks whether its rows were deleted."""
    found = older(baselines, seen, rules, as_of)
    return {table: one.reason for table, one in found.items() if not _were_deleted(source, table, one, baselines, seen)}


def _were_deleted(
    source: Source | None, table: str, one: Older, baselines: Baselines, seen: Mapping[str, Volume]
) -> bool:
    # Only where one of the other tables has gone on the rows are looked for.
    if source is None or not left_for_good(table, one, baselines, seen, frozenset()):
        return False
    return left_for_good(table, one, baselines, seen, left_of(source, table, one.subjects))


def refuse_another_town(source: Source, baselines: Baselines) -> None:
    """Raise SourceError where the households that the ledger knows are not in the source."""
    before = baselines.get("households")
    if before is None:
        return
    sample = before.latest.sample
    there = known_again(source, sample)
    if another_town(sample, there):
        raise SourceError(
            f"{source.label}: of {len(sample)} households of the last run {_left(there)} there any more, while others are: this is "
            "another database, a part of it, or its ids are others; nothing was recorded. Run on the one of before, or, if all has "
            "moved there, take that once with `hearthwatch run --accept-volume`"
        )


def _left(there: int | None) -> str:
    return f"only {there} are" if there and there > 1 else "only one is" if there else "none is"
