"""Who is involved in a Trust & Safety finding, and which accounts are connected with them, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from detectors.contract import PERSON, Finding, Involved, Tie
from detectors.text.wording import count, listed
from escalation.deliver.case_file import CaseFile, Earlier
from reports.message import Block, Section, Table

PEOPLE, CONNECTED = "People involved", "Connected accounts"
NOT_LOOKED_UP = "Who they are could not be looked up; the ids above are all that is known."
HOMES_NAMED = 3
NOTHING_EARLIER: Mapping[str, str] = MappingProxyType({})


def people_tables(finding: Finding, earlier: Mapping[str, str] = NOTHING_EARLIER) -> list[Table]:
    """The people by their parts, with what was found before about some (`earlier`), and the accounts tied to them."""
    story = finding.story
    tables = []
    if story.people:
        rows = tuple(
            (
                one.user_id,
                one.role,
                f"{one.since:%Y-%m-%d}" if one.since else "",
                ", ".join(filter(None, (one.status, one.tier))),
                _homes(one.leads),
                _homes(one.belongs),
                one.acts_from,
                *([earlier.get(one.user_id, "nothing")] if earlier else []),
            )
            for one in story.people
        )
        columns = ("User", "Part", "Account since", "Account", "Leads", "Belongs to", "Acts from")
        shown = (*columns, "Found before") if earlier else columns
        tables.append(Table(PEOPLE, shown, rows, _counted(finding)))
    if story.ties:
        tied = tuple((one.user_id, one.of, listed(one.shares), one.strength) for one in story.ties)
        note = "An address that many accounts use is left out; a device counts beside an address alone."
        tables.append(Table(CONNECTED, ("Account", "Connected with", "Shares", "Tie"), tied, note))
    return tables


def found_before(case: CaseFile) -> dict[str, str]:
    """By person, what was found before: `as the actor: 2 mass-creation; named in 1 no-leader; last 2026-01-05`."""
    return {one.user_id: _before(one) for one in case.earlier}


def _before(one: Earlier) -> str:
    parts = [
        f"{what} {listed([f'{number} {detector}' for detector, number in found.items()])}"
        for what, found in (("as the actor:", one.acted), ("named in", one.named))
        if found
    ]
    return "; ".join((*parts, f"last {one.last:%Y-%m-%d}"))


def united_people(findings: Sequence[Finding]) -> tuple[tuple[Involved, ...], tuple[Tie, ...]]:
    """Everybody whom a case's findings name, once and with all their parts; and each tie once."""
    people: dict[str, Involved] = {}
    parts: dict[str, list[str]] = {}
    for one in (one for finding in findings for one in finding.story.people):
        people.setdefault(one.user_id, one)
        if one.role not in parts.setdefault(one.user_id, []):
            parts[one.user_id].append(one.role)
    ties = {(tie.user_id, tie.of): tie for finding in reversed(findings) for tie in finding.story.ties}
    return (
        tuple(one.model_copy(update={"role": ", ".join(parts[user])}) for user, one in people.items()),
        tuple(ties.values()),
    )


def no_people(finding: Finding, *, pseudonyms: bool) -> list[Block]:
    """What is said where a Trust & Safety finding should name people and nobody could look."""
    silent = finding.team != "trust-safety" or finding.detector == PERSON or pseudonyms or finding.story.people
    return [] if silent or not finding.users else [Section(PEOPLE, (NOT_LOOKED_UP,), ours=True)]


def _counted(finding: Finding) -> str:
    parts = [one.role for one in finding.story.people]
    return "; ".join(f"{part}: {count(parts.count(part), 'person', 'people')}" for part in dict.fromkeys(parts))


def _homes(ids: Sequence[str]) -> str:
    return listed(ids, HOMES_NAMED) if ids else ""
