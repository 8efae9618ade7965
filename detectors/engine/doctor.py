"""What a source holds and lets us see, and what to do about each thing that is not right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from detectors.contract import Context, Detector
from detectors.engine.applicability import Outlook, health_of, lacking, outlook
from detectors.engine.row_counts import HOUSEHOLD_COLUMN, count_rows
from detectors.engine.scope import left_out
from detectors.events import EVENT_TYPES
from detectors.source import CANONICAL, Check, Source, SourceMapping
from detectors.source.base import Engine, Verdict
from detectors.source.health import WORD_COLUMNS, Health
from detectors.source.quoting import quoted

_MANY_NAMELESS, _NAMELESS_SHOWN = 5, 3
_EMPTY: dict[Engine, str] = {
    "postgresql": "if the table is not empty, this is the wrong schema or database: check --source and the mapping",
    "duckdb": "if the table is not empty, this is half an export or the wrong folder: check --source",
    "spark": "if the table is not empty, this is the wrong catalog, schema or folder: check --source and the mapping",
}
_EMPTY_OPTIONAL: dict[Engine, str] = {
    "postgresql": "if the table is not empty, map the right one, or grant the role SELECT",
    "duckdb": "if the table is not empty, export it again",
    "spark": "if the table is not empty, map the right one, or grant this user SELECT",
}


def examine(source: Source, mapping: SourceMapping, detectors: Sequence[Detector], context: Context) -> Iterator[Check]:
    """Every check, in the order in which a person would fix things. Raises SourceError if the source stops answering."""
    yield from source.server_checks()
    yield from _tables(source, mapping)
    health = health_of(source, detectors, context.limits, as_of=context.as_of)
    yield from _rows(source, health)
    yield from (Check("note", f"rows of {notice.table}", notice.said, notice.remedy) for notice in source.notices)
    yield from _words(source, health)
    # Nor is what such an app never writes called otherwise.
    known = mapping.preset != "petforce"
    yield from (replace(told, remedy="") if known else told for told in _trail(health))
    yield from (Check("note", "not looked at", what) for what in health.unseen)
    yield from _index_advice(source, detectors, context)
    for one in left_out(source, for_want_of_an_index=True):
        yield Check("note", "scan of one household", one.said, one.remedy)
    yield from _detectors(source, detectors, context, health)


def _tables(source: Source, mapping: SourceMapping) -> Iterator[Check]:
    for name, canonical in CANONICAL.items():
        found = source.schema.tables.get(name)
        hidden = sorted(column for column in source.schema.unreadable if column.startswith(f"{name}."))
        if found is None and name in source.schema.unusable:
            why = f"left out: {source.schema.unusable[name]}"
            yield Check("note", f"table {name}", why, f"map the column, [source.tables.{name}.columns], or correct it")
            continue
        if found is None:
            alike = f"; there is {source.schema.elsewhere[name]}" if name in source.schema.elsewhere else ""
            yield Check(
                "note",
                f"table {name}",
                "may not be read by this role" if hidden else f"missing (looked for {mapping.table_name(name)}{alike})",
                f"GRANT SELECT ON {quoted(mapping.table_name(name))} to this role"
                if hidden
                else f"if it has another name, say so in the policy: [source.tables.{name}] name = …; it is optional",
            )
            continue
        missing = [column for column in canonical.columns if column not in found.columns]
        renamed = [
            f"{column} is {'worked out from ' if column in found.computed else ''}{mapping.column_name(name, column)}"
            for column in found.columns
            if mapping.column_name(name, column) != column
        ]
        told = f"{found.name}: {len(found.columns)} of {len(canonical.columns)} columns"
        if renamed:
            told += f" ({', '.join(renamed)})"
        if missing:
            yield Check(
                "note",
                f"table {name}",
                f"{told}; without {', '.join(missing)}",
                # What an app that is known by a preset does not have has no other name either.
                f"if they have other names, map them: [source.tables.{name}.columns]"
                if mapping.preset == "petforce"
                else "",
            )
        else:
            yield Check("ok", f"table {name}", told)


def _rows(source: Source, health: Health) -> Iterator[Check]:
    counted = count_rows(source, None, health.rows, HOUSEHOLD_COLUMN)
    for name, rows in counted.items():
        if rows == 0:
            # Where only one of them is empty, that is one problem, and it is said with what follows from it.
            verdict: Verdict = "note" if any(fault.startswith(f"{name} ") for fault in health.faults) else "problem"
            yield Check(verdict, f"rows of {name}", "0 rows can be read", _EMPTY[source.engine])
        else:
            yield Check("ok", f"rows of {name}", f"{rows:,} rows can be read")
    for name in sorted(health.empty - set(counted)):
        yield Check(
            "note",
            f"rows of {name}",
            "0 rows can be read",
            _EMPTY_OPTIONAL[source.engine],
        )


def _words(source: Source, health: Health) -> Iterator[Check]:
    """What can't be believed, then what is odd about words, and which tables have none but known ones."""
    yield from (Check("problem", "cannot be believed", fault) for fault in health.faults)
    odd = {notice.table for notice in health.notices}
    for notice in health.notices:
        if not any(notice.columns and place in fault for place in notice.columns for fault in health.faults):
            yield Check("note", f"words of {notice.table}", notice.said, notice.remedy)
    for table, found in health.spoken.items():
        if table not in odd and found.rows:
            spelled = sum(map(len, found.spellings.values()))
            told = f"all known in {', '.join(WORD_COLUMNS[table])}"
            yield Check(
                "ok", f"words of {table}", f"{told}{f', {spelled} of them spelled otherwise' if spelled else ''}"
            )


def _trail(health: Health) -> Iterator[Check]:
    trail = health.trail
    if trail is None or not trail.written:
        return
    never = sorted(EVENT_TYPES - trail.written) if trail.complete else []
    known = len(EVENT_TYPES & trail.written)
    if never:
        yield Check(
            "note",
            "types of events",
            f"{known} of {len(EVENT_TYPES)} were ever written; never: {', '.join(never)}",
            'if the source calls them otherwise: [source.words.household_events.event_type] its_word = "our_word"',
        )
    else:
        yield Check("ok", "types of events", f"{known} of {len(EVENT_TYPES)} were seen")
    yield from _nameless(trail.keyless)


def _nameless(keyless: Collection[str]) -> Iterator[Check]:
    """The keys of metadata that no event has; where there are many they have one cause, and one line."""
    told = [
        f"{event_type} never names {key.replace('|', ' or ')}"
        for event_type, _, key in (element.partition(".") for element in sorted(keyless))
    ]
    if len(told) > _MANY_NAMELESS:
        more = len(told) - _NAMELESS_SHOWN
        told = [f"{len(told)} keys are in no event: {'; '.join(told[:_NAMELESS_SHOWN])}; and {more} more"]
    for each in told:
        yield Check("note", "metadata", each, "have the app write it, or map the column of metadata")


def _index_advice(source: Source, detectors: Sequence[Detector], context: Context) -> Iterator[Check]:
    for detector in detectors:
        if detector.inspect is None or lacking(detector, source.schema):
            continue
        for finding in detector.inspect(source.schema, context):
            yield Check(
                "note", f"indexes of {finding.evidence['table']}", finding.story.issue, finding.story.requesting
            )


def _detectors(source: Source, detectors: Sequence[Detector], context: Context, health: Health) -> Iterator[Check]:
    """Which detectors can run and which not; those that lack the same stand in one line."""
    runnable = 0
    alike: dict[Outlook, list[Detector]] = {}
    for detector in detectors:
        begins = outlook(detector, source.schema, context, health)
        runnable += begins.status == "ran"
        if begins.reason:
            alike.setdefault(begins, []).append(detector)
    for begins, those in alike.items():
        who = f"detector{'s' if len(those) > 1 else ''} {', '.join(one.id for one in those)}"
        if begins.status == "proved":
            yield Check("ok", who, f"proved: {begins.reason}")
        elif begins.status == "not_applicable":
            yield Check("note", who, f"not applicable: {begins.reason}", _remedy(those[0], source, context))
        else:
            yield Check("note", who, f"looks in part: {begins.reason}")
    yield Check("ok" if runnable else "problem", "detectors", f"{runnable} of {len(detectors)} can run")


def _remedy(detector: Detector, source: Source, context: Context) -> str:
    """What lets a detector run; what the source never wrote is told of beside its types of events."""
    if detector.pointless(context.limits):
        return "change the policy if it should run"
    if detector.meta.not_where & source.schema.otherwise:
        return ""
    if detector.inspect and not source.schema.has_catalog:
        # A lake has none to scan.
        return "" if source.engine == "spark" else "scan the database itself"
    return "add or map it" if lacking(detector, source.schema) else ""
