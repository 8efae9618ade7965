"""A scan for programs and for other people: JSON version 1, CSV, Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from detectors.contract import Finding, ScanDocument, iso
from reports import csv_text, markdown
from reports import scan_words as words
from reports.neutral import for_ascii_json, for_markdown

CSV_COLUMNS = (
    "severity",
    "team",
    "detector",
    "kind",
    "title",
    "subject",
    "households",
    "users",
    "first_seen",
    "occurred_at",
    "impact_users",
    "impact_households",
    "marks",
    "explains",
    "rows",
    "fingerprint",
    "evidence",
)


def to_json(document: ScanDocument) -> str:
    """The published document in ASCII: values as they are, no control character or direction mark drawn by anybody."""
    findings = tuple(map(_writable, document.findings))
    plain = document.model_copy(update={"findings": findings}).model_dump(mode="json", by_alias=True)
    return for_ascii_json(json.dumps(plain, indent=2)) + "\n"


def _writable(finding: Finding) -> Finding:
    """`finding` without the halves of surrogate pairs that JSON in an audit row can bring and pydantic cannot write."""
    return finding.model_copy(update={"evidence": _whole(finding.evidence)})


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list | tuple) else value


def to_csv(document: ScanDocument) -> str:
    """One row for each finding; several ids in one cell stand between semicolons, evidence is JSON."""
    return csv_text.write(CSV_COLUMNS, map(_csv_row, document.findings))


def _csv_row(finding: Finding) -> list[str]:
    plain = _writable(finding).model_dump(mode="json")
    return [
        finding.severity,
        finding.team,
        finding.detector,
        finding.kind,
        finding.title,
        "; ".join(f"{key}={value}" for key, value in finding.subject.items()),
        "; ".join(finding.households),
        "; ".join(finding.users),
        iso(finding.first_seen) if finding.first_seen else "",
        iso(finding.occurred_at) if finding.occurred_at else "",
        str(finding.impact.users),
        str(finding.impact.households),
        "; ".join(finding.marks),
        "; ".join(dict.fromkeys(related.detector for related in finding.related)),
        str(len(finding.members)),
        finding.fingerprint,
        for_ascii_json(json.dumps(plain["evidence"])),
    ]


def to_markdown(document: ScanDocument) -> str:
    """The findings by team as tables, then what was looked at and what was not."""
    return "\n".join(_markdown_lines(document)) + "\n"


def _markdown_lines(document: ScanDocument) -> Iterator[str]:
    yield "# Scan"
    yield ""
    yield for_markdown(words.scanned(document))
    yield ""
    yield f"**{for_markdown(words.verdict(document))}**"
    for team, findings in words.by_team(document.findings).items():
        yield ""
        yield f"## {for_markdown(team)} ({len(findings):,})"
        yield ""
        yield from markdown.table(
            ("Severity", "What", "Where", "Since (UTC)", "Who", "Notes"),
            (
                (
                    finding.severity,
                    words.title(finding),
                    words.where(finding),
                    words.since(finding),
                    words.who(finding),
                    words.beside(finding),
                )
                for finding in findings
            ),
        )
    yield ""
    yield "## Coverage"
    for group in words.coverage_groups(document):
        yield ""
        yield f"{group.heading}:"
        yield ""
        yield from (f"- {for_markdown(words.entry_words(entry))}" for entry in group.entries)


class _Complete(GenerateJsonSchema):
    """Every field is always written, also one with a default."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        return True


def schema() -> dict[str, object]:
    """The JSON schema of the published document, as it is kept in findings.schema.json."""
    document = ScanDocument.model_json_schema(by_alias=True, mode="serialization", schema_generator=_Complete)
    return {"$schema": GenerateJsonSchema.schema_dialect, **document}
