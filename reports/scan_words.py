"""What the scan's formats have in common: how a finding and the coverage are put into words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from detectors.contract import TEAMS, Coverage, Finding, ScanDocument, Status, Team
from detectors.text.wording import count, listed, stamp
from escalation.ledger.personal import masked

TEAM_NAMES: dict[Team, str] = {
    "engineering": "Engineering",
    "trust-safety": "Trust & Safety",
    "csm": "Customer Success Manager",
    "product": "Product Management",
    "legal": "Legal",
}
_REASONS = 3
"""So many reasons why detectors are not applicable stand in the verdict; the coverage has all."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some detectors that ended alike, and whether their silence means that nothing is wrong."""

    heading: str
    entries: tuple[Coverage, ...]
    looked: bool


def by_team(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings by their team's name, in the process document's order; teams without findings are left out."""
    grouped: dict[Team, list[Finding]] = {team: [] for team in TEAMS}
    for finding in findings:
        grouped[finding.team].append(finding)
    return {TEAM_NAMES[team]: found for team, found in grouped.items() if found}


def subject(finding: Finding) -> str:
    """What the finding is about, as `key value` pairs; addresses are masked, as this goes into the job's log."""
    return ", ".join(
        f"{key.removesuffix('_id').replace('_', ' ')} {value if key.endswith('_id') else masked(value)}"
        for key, value in finding.subject.items()
    )


def title(finding: Finding) -> str:
    """The finding's title, addresses masked."""
    return masked(finding.title)


def where(finding: Finding) -> str:
    """The households that the finding is about, else what its subject says."""
    ids = finding.story.affected_households or finding.households
    households = tuple(dict.fromkeys(ids)) or tuple(
        household for row in finding.members for household in row.households
    )
    return _few("household", households) or subject(finding)


def who(finding: Finding) -> str:
    """The users whom the finding is about; empty where it names none."""
    return _few("user", finding.story.affected_users or finding.users)


def since(finding: Finding) -> str:
    """When it was first so, by the data or by who looked, to the minute, in UTC; empty where that is not known."""
    at = min(filter(None, (finding.first_seen, finding.occurred_at)), default=None)
    return minute(at) if at else ""


def minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def beside(finding: Finding) -> str:
    """What else the finding carries: how many it hits beyond those it names, its marks, what it explains, how many rows it groups."""
    named = set(finding.story.affected_users or finding.users)
    explained = sorted({related.detector for related in finding.related})
    parts = [
        *([f"{count(finding.impact.users, 'user')} affected"] if finding.impact.users > len(named) else []),
        *finding.marks,
        *([f"explains {', '.join(explained)}"] if explained else []),
        *([count(len(finding.members), "row")] if finding.members else []),
    ]
    return "; ".join(parts)


def _few(noun: str, ids: Sequence[str]) -> str:
    known = [one for one in ids if one]
    # Short, so that even a UUID stays on its line in a terminal of 80 columns.
    return f"{noun} {known[0]}{f' +{len(known) - 1:,}' if len(known) > 1 else ''}" if known else ""


def verdict(document: ScanDocument) -> str:
    """The scan in two sentences: what was found, and how many detectors looked or why they could not."""
    number = Counter(entry.status for entry in document.coverage)
    if document.findings:
        found = f"{count(len(document.findings), 'finding')}."
    elif number["ran"] or number["proved"]:
        found = "Nothing found."
    else:
        found = "Nothing was looked at: no detector could run."
    if not document.coverage:
        return found
    partly = sum(entry.status == "ran" and entry.reason is not None for entry in document.coverage)
    reasons = Counter(_why(entry.reason or "") for entry in document.coverage if entry.status == "not_applicable")
    of_all = count(len(document.coverage), "detector")
    told = [
        f"{number['ran']} of {of_all} ran{f' ({partly} in part)' if partly else ''}",
        *([f"{number['proved']} proved"] if number["proved"] else []),
        *([f"{number['failed']} failed"] if number["failed"] else []),
        *([f"{number['not_applicable']} not applicable ({_most(reasons)})"] if reasons else []),
    ]
    return f"{found} {', '.join(told)}."


def _why(reason: str) -> str:
    """A reason in short, so that detectors which lack the same are told of together."""
    if reason.startswith("needs "):
        tables = dict.fromkeys(re.findall(r"\b(\w+)\.\w", reason))
        return f"needs {listed(list(tables))}" if tables else reason
    if re.search(r"\bnever (wrote|names)\b", reason):
        return "the source never wrote what they conclude from"
    return reason


def _most(reasons: Counter[str]) -> str:
    if len(reasons) == 1:
        return next(iter(reasons))
    said = [f"{number}: {why}" for why, number in reasons.most_common(_REASONS)]
    left = reasons.total() - sum(number for _, number in reasons.most_common(_REASONS))
    return "; ".join([*said, *([f"{left}: other reasons"] if left else [])])


def coverage_groups(document: ScanDocument) -> list[Group]:
    """The detectors by how they ended: failures first, because their silence means nothing."""

    def of(status: Status) -> tuple[Coverage, ...]:
        return tuple(entry for entry in document.coverage if entry.status == status)

    ran = tuple(entry for entry in of("ran") if not entry.reason)
    groups = [
        Group("Failed: could not look", of("failed"), looked=False),
        Group("Not applicable: did not look", of("not_applicable"), looked=False),
        Group("Looked in part", tuple(entry for entry in of("ran") if entry.reason), looked=False),
        Group("Looked and found", tuple(entry for entry in ran if entry.findings), looked=True),
        Group("Looked and found nothing", tuple(entry for entry in ran if not entry.findings), looked=True),
        Group("Proved: nothing to find", of("proved"), looked=True),
    ]
    return [group for group in groups if group.entries]


def entry_words(entry: Coverage) -> str:
    """A detector with how much it found and its reason."""
    said = [*([f"{entry.findings:,}"] if entry.findings else []), *([entry.reason] if entry.reason else [])]
    return f"{entry.detector} ({'; '.join(said)})" if said else entry.detector


def scanned(document: ScanDocument) -> str:
    """What was scanned, as of when, and how much of it."""
    scan = document.scan
    rows = ", ".join(f"{number:,} {table.replace('_', ' ')}" for table, number in scan.rows_read.items())
    return (
        f"{scan.source} ({scan.engine}) as of {stamp(scan.as_of)}; window {minute(scan.window.start)} to "
        f"{minute(scan.window.end)} UTC; {rows or 'no rows'} in {scan.seconds:.1f} s"
    )
