"""Who is involved in a Trust & Safety finding, and which accounts are connected with them, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.contract import PERSON, Finding
from detectors.text.wording import count, listed
from reports.message import Block, Section, Table

PEOPLE, CONNECTED = "People involved", "Connected accounts"
NOT_LOOKED_UP = "Who they are could not be looked up; the ids above are all that is known."
HOMES_NAMED = 3


def people_tables(finding: Finding) -> list[Table]:
    """The people by their parts, and the accounts tied to them."""
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
            )
            for one in story.people
        )
        columns = ("User", "Part", "Account since", "Account", "Leads", "Belongs to", "Acts from")
        tables.append(Table(PEOPLE, columns, rows, _counted(finding)))
    if story.ties:
        tied = tuple((one.user_id, one.of, listed(one.shares), one.strength) for one in story.ties)
        note = "An address that many accounts use is left out; a device counts beside an address alone."
        tables.append(Table(CONNECTED, ("Account", "Connected with", "Shares", "Tie"), tied, note))
    return tables


def no_people(finding: Finding, *, pseudonyms: bool) -> list[Block]:
    """What is said where a Trust & Safety finding should name people and nobody could look."""
    silent = finding.team != "trust-safety" or finding.detector == PERSON or pseudonyms or finding.story.people
    return [] if silent or not finding.users else [Section(PEOPLE, (NOT_LOOKED_UP,), ours=True)]


def _counted(finding: Finding) -> str:
    parts = [one.role for one in finding.story.people]
    return "; ".join(f"{part}: {count(parts.count(part), 'person', 'people')}" for part in dict.fromkeys(parts))


def _homes(ids: Sequence[str]) -> str:
    return listed(ids, HOMES_NAMED) if ids else ""
