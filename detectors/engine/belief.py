"""What becomes of a scan when a table is not believed: who rests on it has seen nothing, neither a fault nor a repair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Select, select

from detectors.contract import BETWEEN, Coverage, Detector, belonging
from detectors.domain.values import text_of
from detectors.engine.applicability import tables_of
from detectors.engine.result import ScanResult
from detectors.source import QueryError, Source

ROWS_OF = {
    "households": "id",
    "household_join_requests": "id",
    "support_requests": "id",
}
"""By which column a row is looked for to know whether it is still there."""
_AT_ONCE = 500


def disbelieve(result: ScanResult, reasons: Mapping[str, str], detectors: Iterable[Detector]) -> ScanResult:
    """`result` without what rests on the tables of `reasons`: these detectors have failed, and their findings are dropped.

    A detector that the policy leaves nothing to do has nothing to fail at; one that lacks a table which was there
    before has failed.
    """
    if not reasons:
        return result
    rests_on = {one.id: sorted(tables_of(one) & reasons.keys()) for one in detectors}
    coverage = tuple(_without(entry, rests_on.get(entry.detector, ()), reasons) for entry in result.coverage)
    failed = {entry.detector for entry in coverage if rests_on.get(entry.detector) and entry.status == "failed"}
    return replace(
        result,
        findings=tuple(one for one in result.findings if one.detector not in failed),
        alike=tuple(one for one in result.alike if one.like.detector not in failed),
        coverage=coverage,
        disbelieved={**result.disbelieved, **reasons},
    )


def _without(entry: Coverage, tables: Collection[str], reasons: Mapping[str, str]) -> Coverage:
    lacks = entry.status == "not_applicable" and (entry.reason or "").startswith("needs ")
    if not tables or (entry.status == "not_applicable" and not lacks):
        return entry
    said = [reasons[table] for table in tables]
    if entry.status == "failed" and entry.reason:
        said.append(entry.reason)
    return entry.model_copy(update={"status": "failed", "reason": "; ".join(said), "findings": 0})


def rows_gone(source: Source, wanted: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """Of the ids `wanted`, by table (see ROWS_OF), those of which the source holds no row.

    Of members an id may be a household's, or one person's in it (`belonging`). Where it holds no such table any more, none is left; what
    cannot be asked is not gone.
    """
    return {
        table: _gone(source, table, sorted(ids)) if table in source.tables else frozenset(ids)
        for table, ids in wanted.items()
    }


def _gone(source: Source, table: str, ids: list[str]) -> frozenset[str]:
    if table == "household_members":
        return _gone_members(source, ids)
    column = source.tables[table].c[ROWS_OF[table]]
    found: set[str] = set()
    try:
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            whose = source.tables.households_in if table == "households" else source.tables.ids_in
            statement: Select[tuple[object]] = select(column.label("id")).where(whose(column, some)).distinct()
            found.update(str(row["id"]) for row in source.rows(statement, "rows still there"))
    except (QueryError, ValueError):
        # An id that the source cannot hold, or a table that cannot be asked: nothing is known of them.
        return frozenset()
    return frozenset(ids) - found


def _gone_members(source: Source, ids: list[str]) -> frozenset[str]:
    """Where the row of whoever leaves is deleted, nobody is missed."""
    if "rows_are_deleted" in source.schema.otherwise:
        ids = [one for one in ids if BETWEEN not in one]
    homes = sorted({one.partition(BETWEEN)[0] for one in ids})
    members = source.tables["household_members"].c
    found: set[str] = set()
    try:
        for start in range(0, len(homes), _AT_ONCE):
            mine = source.tables.households_in(members.household_id, homes[start : start + _AT_ONCE])
            people = select(members.household_id.label("home"), members.user_id.label("who")).where(mine).distinct()
            for row in source.rows(people, "rows still there"):
                found |= {str(row["home"]), belonging(str(row["home"]), text_of(row["who"]))}
    except (QueryError, ValueError):
        return frozenset()
    return frozenset(ids) - found
