"""What a ticket tells: the findings that are on it, the tickets that it is linked with, and what is silenced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from detectors.contract import Finding, Severity
from escalation.ledger.records import Linked, Verdict
from escalation.ledger.scrub import pack, unpack


@dataclass(frozen=True, slots=True)
class Repeat:
    """That there were tickets before about the same user or household: what became of each, the oldest first."""

    what: Literal["user", "household"]
    id: str
    verdicts: tuple[Verdict, ...]
    same: int
    """How many of them were made for the same detector."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was found before about somebody whom a ticket names, on whatever ticket or on none: by detector, how often."""

    user_id: str
    acted: dict[str, int]
    """Where they were the actor."""
    named: dict[str, int]
    """Where they were named as somebody else, or as one of many."""
    last: datetime


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything that a ticket's text is made of. `findings` has at least one, the most urgent first."""

    findings: tuple[Finding, ...]
    severity: Severity
    linked: tuple[Linked, ...] = ()
    unlisted: int = 0
    """How many more tickets are linked than `linked` has."""
    repeats: tuple[Repeat, ...] = ()
    silenced: tuple[str, ...] = ()
    """One line for each finding of the case that is put off or dismissed."""
    earlier: tuple[Earlier, ...] = ()
    """Of a Trust & Safety ticket's people, those of whom something was found before."""
    references: tuple[str, ...] = ()
    """The queue's own ids of those linked tickets that it holds itself, as they are known when it is told."""


def alone(finding: Finding) -> CaseFile:
    """A case of one finding that is linked with nothing."""
    return CaseFile((finding,), finding.severity)


def pack_case(case: CaseFile) -> dict[str, Any]:
    """`case` as JSON types, scrubbed. The first finding's fields stand at the top, as those of a ticket with one do."""
    first, *others = case.findings
    return {
        **pack(first),
        "case": {
            "beside": [pack(one) for one in others],
            "severity": case.severity,
            "linked": [{**asdict(one), "opened_at": one.opened_at.isoformat()} for one in case.linked],
            "unlisted": case.unlisted,
            "repeats": [asdict(one) for one in case.repeats],
            "silenced": list(case.silenced),
            "earlier": [{**asdict(one), "last": one.last.isoformat()} for one in case.earlier],
        },
    }


def case_from(payload: Mapping[str, Any], findings: Mapping[str, Finding]) -> CaseFile:
    """The case that `pack_case` kept; tonight's own `findings` (by fingerprint) say more than the ledger may keep.

    A payload of an earlier version has one finding and nothing else.
    """
    packed = dict(payload)
    about: Mapping[str, Any] = packed.pop("case", {})

    def whole(one: Mapping[str, Any]) -> Finding:
        return findings.get(one["fingerprint"]) or unpack(one)

    first = whole(packed)
    return CaseFile(
        findings=(first, *map(whole, about.get("beside", ()))),
        severity=about.get("severity", first.severity),
        linked=tuple(_linked(one) for one in about.get("linked", ())),
        unlisted=about.get("unlisted", 0),
        repeats=tuple(Repeat(**{**one, "verdicts": tuple(one["verdicts"])}) for one in about.get("repeats", ())),
        silenced=tuple(about.get("silenced", ())),
        earlier=tuple(
            Earlier(**{**one, "last": datetime.fromisoformat(one["last"])}) for one in about.get("earlier", ())
        ),
    )


def _linked(packed: Mapping[str, Any]) -> Linked:
    return Linked(
        **{
            **packed,
            "opened_at": datetime.fromisoformat(packed["opened_at"]),
            "households": tuple(packed["households"]),
            "users": tuple(packed["users"]),
        }
    )
