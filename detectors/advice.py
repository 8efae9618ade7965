"""What a team does about a finding, how sure it is, and how it is checked without us: a detector's page, filled in.

A page's section "What to do" has numbered steps. `{key}` stands for the value that the finding's subject, evidence or
story (see Story.decides) has under that key, `{key|words}` for the same or, where there is none, for the words. A step that
begins "If key is value:" is said where that is so. The section "How to check" has statements in our names of tables,
indented, with `:key` for a value; the first one of which all values are known, and that the app has the tables for, is the finding's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.contract import Detector, Finding
from detectors.source.mapping import SourceMapping
from detectors.source.own_names import can_run, in_own_names, literal
from detectors.text.wording import listed, stamp

SURE = {
    "rows": "Proved by the rows as they stood when they were read",
    "trail": "Told by the audit trail, which a process may leave unwritten or write twice",
    "inferred": "Inferred from a pattern: no single row proves it",
}
VALUES_NAMED = 5
"""Of a list so many values stand in a step."""

_PLACE = re.compile(r"\{(\w+)(?:\|([^}]*))?\}")
_CONDITION = re.compile(r"If (\w+) is ([\w-]+(?: or [\w-]+)*): ")
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_STEP = re.compile(r"(?m)^\d+\. ")
_HARMLESS = re.compile(r"(?:[\w| -]|(?<=\d)[:.](?=\d))+(?:\+00:00)?")
"""What of a value may stand in a statement: nothing of it may act wherever the ticket is read."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What stands on a ticket for whoever has to act: `steps` in order, `statement` line by line (empty where there is none)."""

    steps: tuple[str, ...]
    sure: str
    refuted_by: str
    statement: tuple[str, ...]


def advice_of(detector: Detector, finding: Finding, mapping: SourceMapping) -> Advice:
    """The advice of the page of `detector`, for one of its findings."""
    facts = facts_of(finding)
    return Advice(
        steps=tuple(_steps(detector.page, facts)),
        sure=SURE[detector.meta.sure],
        refuted_by=detector.meta.refuted_by,
        statement=_statement(detector, facts, mapping),
    )


def facts_of(finding: Finding) -> dict[str, Any]:
    """The values that a page's places may name."""
    facts: dict[str, Any] = {
        "first_seen": finding.first_seen,
        "occurred_at": finding.occurred_at,
        "households": finding.households,
        **finding.evidence,
        **finding.story.decides,
        **{str(key): value for key, value in finding.subject.items()},
    }
    for key, ids in (("household_id", finding.households), ("user_id", finding.users)):
        if len(ids) == 1:
            facts.setdefault(key, ids[0])
    return facts


def section(page: str, heading: str) -> str:
    """What stands on `page` under `heading`."""
    lines = page.strip().splitlines()
    heads = [at for at, line in enumerate(lines[1:]) if line and set(line) == {"-"}]
    for at, until in zip(heads, [*heads[1:], len(lines) + 1], strict=True):
        if lines[at] == heading:
            return "\n".join(lines[at + 2 : until]).strip("\n")
    return ""


def readable(page: str) -> str:
    """`page` for whoever reads it without a finding: `{user_id}` is USER_ID, `{leader_id|the leader}` is the leader."""
    return _PLACE.sub(lambda place: place[1].upper() if place[2] is None else place[2], page)


def steps_of(page: str) -> list[str]:
    """The page's steps, each on one line, as they are written."""
    return [" ".join(step.split()) for step in _STEP.split(section(page, "What to do")) if step.strip()]


def statements_of(page: str) -> list[str]:
    """The page's statements, in our names."""
    blocks = section(page, "How to check").split("\n\n")
    return ["\n".join(line[4:] for line in block.splitlines()) for block in blocks if block.startswith("    ")]


def note_of(page: str) -> str:
    """What the page says of its statements, where that is not clear from the finding's kind."""
    before = re.split(r"(?m)^    ", section(page, "How to check"), maxsplit=1)[0]
    return " ".join(before.split())


def _steps(page: str, facts: Mapping[str, Any]) -> Iterator[str]:
    for step in steps_of(page):
        condition = _CONDITION.match(step)
        decided = condition is not None and facts.get(condition[1]) is not None
        if condition and decided and _said(facts[condition[1]]) not in condition[2].split(" or "):
            continue
        said = step[condition.end() :] if condition and decided else step
        filled = _PLACE.sub(lambda place: _said(facts.get(place[1])) or _instead(place[2]), said)
        plain = " ".join(filled.split()).replace(" ,", ",").replace(" .", ".")
        yield plain[:1].upper() + plain[1:]


def _instead(words: str | None) -> str:
    return "(see the rows below)" if words is None else words


def _said(value: Any) -> str:
    """A value in a sentence; empty where there is none."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return stamp(value)
        case Mapping():
            return listed([str(key) for key in value], VALUES_NAMED)
        case list() | tuple():
            return listed([_said(_id_of(each)) for each in value], VALUES_NAMED)
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _id_of(row: Any) -> Any:
    """What a row of evidence is about."""
    if not isinstance(row, Mapping):
        return row
    return next((row[key] for key in ("user_id", "household_id", "request_id") if row.get(key)), None)


def _statement(detector: Detector, facts: Mapping[str, Any], mapping: SourceMapping) -> tuple[str, ...]:
    for statement in statements_of(detector.page):
        values = {key: _value(facts.get(key)) for key in _PARAMETER.findall(statement)}
        if None not in values.values() and can_run(statement, mapping):
            return (f"-- {_meaning(detector)}", *_with_values(in_own_names(statement, mapping), values).splitlines())
    return ()


def _with_values(statement: str, values: Mapping[str, str | None]) -> str:
    return _PARAMETER.sub(lambda found: values[found[1]] or "", statement)


def _meaning(detector: Detector) -> str:
    state = "A row is returned for as long as it is so."
    return note_of(detector.page) or (
        state if detector.meta.kind == "state" else "The rows that it rests on; they stay when it is over."
    )


def _value(value: Any) -> str | None:
    """A value as SQL writes it; None where there is none, or where it holds signs that might act in somebody's mail."""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        each = [_value(one) for one in value]
        return ", ".join(one for one in each if one) if each and None not in each else None
    text = value.isoformat(sep=" ") if isinstance(value, datetime) else value
    return literal(text) if isinstance(text, str) and _HARMLESS.fullmatch(text) else None
