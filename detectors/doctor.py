"""What a source holds and lets us see, and what to do about each thing that is not right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detectors.contract import Context, Detector
from detectors.limits import Limits
from detectors.runner import HOUSEHOLD_COLUMN, count_rows, lacking
from detectors.source import CANONICAL, Check, Source, SourceMapping


def examine(source: Source, mapping: SourceMapping, detectors: Sequence[Detector], context: Context) -> Iterator[Check]:
    """Every check, in the order in which a person would fix things. Raises SourceError if the source stops answering."""
    yield from source.server_checks()
    yield from _tables(source, mapping)
    yield from _empty(source)
    yield from (Check("problem", f"rows of {notice.table}", notice.said) for notice in source.notices)
    yield from _index_advice(source, detectors, context)
    yield from _detectors(source, detectors, context.limits)


def _tables(source: Source, mapping: SourceMapping) -> Iterator[Check]:
    for name, canonical in CANONICAL.items():
        found = source.schema.tables.get(name)
        hidden = sorted(column for column in source.schema.unreadable if column.startswith(f"{name}."))
        if found is None:
            yield Check(
                "note",
                f"table {name}",
                "may not be read by this role" if hidden else f"missing (looked for {mapping.table_name(name)})",
                f"GRANT SELECT ON {mapping.table_name(name)} to this role"
                if hidden
                else f"if it has another name, say so in the policy: [source.tables.{name}] name = …; it is optional",
            )
            continue
        missing = [column for column in canonical.columns if column not in found.columns]
        renamed = [
            f"{column} is {mapping.column_name(name, column)}"
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
                f"if they have other names, map them: [source.tables.{name}.columns]",
            )
        else:
            yield Check("ok", f"table {name}", told)


def _empty(source: Source) -> Iterator[Check]:
    for name, rows in count_rows(source, None, HOUSEHOLD_COLUMN).items():
        if rows == 0:
            yield Check(
                "problem",
                f"rows of {name}",
                "0 rows can be read",
                "if the table is not empty, this is the wrong schema, database or folder: check --source and the mapping",
            )
        else:
            yield Check("ok", f"rows of {name}", f"{rows:,} rows can be read")


def _index_advice(source: Source, detectors: Sequence[Detector], context: Context) -> Iterator[Check]:
    for detector in detectors:
        if detector.inspect is None or lacking(detector, source.schema):
            continue
        for finding in detector.inspect(source.schema, context):
            yield Check(
                "note", f"indexes of {finding.evidence['table']}", finding.story.issue, finding.story.requesting
            )


def _detectors(source: Source, detectors: Sequence[Detector], limits: Limits) -> Iterator[Check]:
    runnable = []
    for detector in detectors:
        missing = lacking(detector, source.schema)
        proof, pointless = detector.proved_by(source.schema), detector.pointless(limits)
        if pointless:
            yield Check(
                "note", f"detector {detector.id}", f"not applicable: {pointless}", "change the policy if it should run"
            )
        elif missing:
            yield Check(
                "note",
                f"detector {detector.id}",
                f"not applicable: needs {', '.join(missing)}",
                "add or map what it needs",
            )
        elif proof:
            yield Check("ok", f"detector {detector.id}", f"proved: made impossible by {proof}")
        else:
            runnable.append(detector.id)
    yield Check(
        "ok" if runnable else "problem",
        "detectors",
        f"{len(runnable)} of {len(detectors)} can run: {', '.join(runnable)}",
    )
