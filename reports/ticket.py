"""A finding as a ticket: the process document's template line by line, then what backs it up.

Engineering and Trust & Safety have templates in the document; for the other teams it lists the fields. Where the data
has no answer the field says what to add; it is never left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from detectors.contract import PERSON, Finding, Member, Related
from detectors.text.wording import count, listed, stamp
from escalation.decide.audience import audience_of
from escalation.decide.cases import actor_of
from escalation.policy.policy import Policy
from escalation.policy.process import RequiredField, TeamPolicy
from reports import pictures
from reports.advice import advice_blocks
from reports.evidence import cell, evidence_tables, member_list, named
from reports.message import FACTS, Attachment, Block, Line, Listing, Message, Moment, Section, Table, Template, Timeline
from reports.neutral import for_shell
from reports.people import NOTHING_EARLIER, no_people, people_tables

TABLE_ROWS_SHOWN = 20
"""A table in a ticket shows this many rows and says how many there are; all of them are in an attachment."""

IDS_SHOWN = 10
"""A ticket's ID line names this many; the others are in its tables or its attachment."""

TO_CUSTOMER = "What to tell the customer"
ONLY_THE_REPORTER = "Only whoever reported it, and none of the accounts named above: one of them may be behind it."


def ticket(
    finding: Finding,
    policy: Policy,
    *,
    reference: str = "",
    pseudonyms: bool = False,
    earlier: Mapping[str, str] = NOTHING_EARLIER,
) -> Message:
    """`finding` as its team's ticket.

    `reference` is the stable id that the queues know the ticket by, by default the finding's fingerprint. `pseudonyms` says
    that the finding has them in the place of its ids, `earlier` what was found before about some of its people.
    """
    team = policy.teams[finding.team]
    lines, beside = _template(finding, team.fields)
    blocks: list[Block] = [Template(lines), *beside, *advice_blocks(finding, policy, pseudonyms=pseudonyms)]
    if finding.related:
        blocks.append(_rows_table("Explained by this", finding.related))
    if finding.timeline:
        moments = tuple(Moment(entry.at, entry.what, entry.actor) for entry in finding.timeline)
        blocks.append(Timeline("Timeline", moments))
    blocks.extend(no_people(finding, pseudonyms=pseudonyms))
    tables = [*people_tables(finding, earlier), *member_list(finding.evidence), *evidence_tables(finding.evidence)]
    if finding.members:
        tables.append(_rows_table("Rows", finding.members))
    blocks.extend(map(_head_of, tables))
    tell_customer = policy.expectations(finding.team, finding.severity, finding.detector)
    audience = audience_of(finding.team, finding.detector, finding.subject, policy)
    if tell_customer and audience != "nobody":
        only = (ONLY_THE_REPORTER,) if audience == "reporter" else ()
        blocks.append(Section(TO_CUSTOMER, (*only, *tell_customer)))
    if team.by == "email":
        blocks.append(Section("Told by e-mail only", _by_mail(team), ours=True))
    blocks.append(_about(finding))
    if finding.detector != PERSON:
        verify = (f"hearthwatch tickets verify {reference}",) if reference else ()
        blocks.append(Section("How to verify", (_verify_command(finding), *verify), command=True))
    return Message(
        tag=team.tag,
        title=finding.title,
        team=finding.team,
        severity=finding.severity,
        reference=reference or finding.fingerprint,
        blocks=tuple(blocks),
        page=policy.page.link(team, reference),
        pictures=pictures.attached(finding),
        attachments=tuple(
            Attachment(_file_name(table.heading), table) for table in tables if len(table.rows) > TABLE_ROWS_SHOWN
        ),
    )


def _template(finding: Finding, fields: Sequence[RequiredField]) -> tuple[tuple[Line | Listing, ...], list[Block]]:
    """The template's lines, and what must stand beside them because the template has no line for it."""
    if finding.team == "engineering":
        return _engineering(finding), []
    if finding.team == "trust-safety":
        return _trust_safety(finding), []
    given = {name.casefold(): value for name, value in finding.story.fields.items()}
    lines = tuple(
        Line(field.name, given.pop(field.name.casefold(), "") or f"Not in the data; add: {field.asks}")
        for field in fields
    )
    rows = [
        ("Severity", finding.severity),
        ("User ID", _users(finding)),
        ("Household ID", _households(finding)),
        *((name, value) for name, value in finding.story.fields.items() if name.casefold() in given),
    ]
    return lines, [Table("Concerns", FACTS, tuple(rows))]


def _engineering(finding: Finding) -> tuple[Line | Listing, ...]:
    story = finding.story
    return (
        Line("User ID", _users(finding)),
        Line("Household ID", _households(finding)),
        Line("Timestamp", _timestamp(finding)),
        Line("Severity", finding.severity),
        Line("Issue", story.issue or finding.title, spaced=True),
        Listing(
            "Steps to Reproduce",
            story.steps or ("Not in the data; add what the user did before the issue",),
            numbered=True,
        ),
        Line("Expected", story.expected or "Add what should have happened", spaced=True),
        Line("Actual", story.actual or "Add what actually happened"),
        Line("Impact", story.impact or _impact(finding), spaced=True),
        Line(
            "Error Messages",
            story.error_messages or "None recorded; add the exact text or code if you have it",
            spaced=True,
        ),
        Line(
            "Screenshots",
            _screenshots(finding),
            spaced=True,
        ),
        Line("Requesting", story.requesting or "Add what Engineering should do", spaced=True),
    )


def _screenshots(finding: Finding) -> str:
    said = finding.story.screenshots
    if said.startswith("Attached") and not pictures.attached(finding):
        return "None: who is in the household may not be shown here"
    return said or "None attached; add one if you have it (PII redacted)"


def _trust_safety(finding: Finding) -> tuple[Line | Listing, ...]:
    story = finding.story
    return (
        Line("User ID", _users(finding)),
        Line("Household ID", _households(finding)),
        Line("Severity", finding.severity),
        Line("Pattern", story.pattern or finding.title, spaced=True),
        Listing("Evidence", story.evidence or ("Add screenshots, logs, timestamps",), numbered=False),
        Line("Suspected Violation", story.suspected_violation or "Add which policy this may violate", spaced=True),
        Line("Reporter", story.reporter or "Not in the data; add who reported this", spaced=True),
        Line("Action Taken", story.action_taken or "None yet (awaiting T&S review)", spaced=True),
        Line("Requesting", story.requesting or "Add what Trust & Safety should do", spaced=True),
    )


def _by_mail(team: TeamPolicy) -> tuple[str, ...]:
    copies = f", CC {listed(team.copy_to)}" if team.copy_to else ""
    points = (f"To {team.email}{copies}; the subject begins with {team.tag}.", team.warning)
    return tuple(filter(None, points))


def _users(finding: Finding) -> str:
    ids = finding.story.affected_users
    if ids is None:
        ids = finding.users or _of_members(member.users for member in finding.members)
    # Of several people whoever did it comes first.
    actor = actor_of(finding, finding.subject, finding.evidence)
    return _ids(sorted(ids, key=lambda one: one != actor) if actor else ids, "account")


def _households(finding: Finding) -> str:
    ids = finding.story.affected_households
    if ids is None:
        ids = finding.households or _of_members(member.households for member in finding.members)
    return _ids(ids, "household")


def _of_members(ids: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for several in ids for one in several))


def _ids(ids: Sequence[str], what: str) -> str:
    known = [one for one in ids if one]
    if not known:
        return f"Not in the data; add the affected {what}'s ID"
    more = f" and {len(known) - IDS_SHOWN:,} more" if len(known) > IDS_SHOWN else ""
    return ", ".join(known[:IDS_SHOWN]) + more


def _timestamp(finding: Finding) -> str:
    if finding.occurred_at is not None:
        return stamp(finding.occurred_at)
    if finding.story.observed:
        return finding.story.observed
    if finding.first_seen is not None:
        return f"{stamp(finding.first_seen)} (first seen)"
    return "Not recorded; add when the issue occurred (with timezone)"


def _impact(finding: Finding) -> str:
    return f"{count(finding.impact.users, 'user')} in {count(finding.impact.households, 'household')} affected"


def _head_of(table: Table) -> Table:
    if len(table.rows) <= TABLE_ROWS_SHOWN:
        return table
    note = f"{len(table.rows):,} in all; the first {TABLE_ROWS_SHOWN} are shown, the attachment has every one."
    return replace(table, rows=table.rows[:TABLE_ROWS_SHOWN], note=f"{note} {table.note}".strip())


def _file_name(heading: str) -> str:
    """A heading as a file's name: lower-case letters, digits and dashes."""
    return "-".join(re.findall(r"[a-z0-9]+", heading.casefold())) or "table"


def _rows_table(heading: str, rows: Sequence[Member]) -> Table:
    """What each row is about and whom it touches, after the detector where the rows are related findings."""
    keys = list(dict.fromkeys(key for row in rows for key in row.subject))
    # A column of households or users says nothing where the subject is that household or user already.
    more = {
        "Households": [_beyond_subject(row.households, row) for row in rows],
        "Users": [_beyond_subject(row.users, row) for row in rows],
    }
    more = {name: cells for name, cells in more.items() if any(cells)}
    detectors = [(row.detector,) if isinstance(row, Related) else () for row in rows]
    return Table(
        heading,
        (*(["Detector"] if any(detectors) else []), *(named(key) for key in keys), *more),
        tuple(
            (
                *detectors[place],
                *(row.subject.get(key, "") for key in keys),
                *(cells[place] for cells in more.values()),
            )
            for place, row in enumerate(rows)
        ),
    )


def _beyond_subject(ids: Sequence[str], row: Member) -> str:
    return cell([one for one in ids if one not in row.subject.values()]) if set(ids) - set(row.subject.values()) else ""


def _about(finding: Finding) -> Table:
    rows = [("Detector", finding.detector), ("Fingerprint", finding.fingerprint)]
    if finding.first_seen is not None:
        rows.append(("First seen", stamp(finding.first_seen)))
    if finding.marks:
        rows.append(("Marks", ", ".join(finding.marks)))
    return Table("About this ticket", FACTS, tuple(rows))


def _verify_command(finding: Finding) -> str:
    """The scan that looks at this alone again: silent once it is repaired."""
    words = ["hearthwatch", "scan", "--detector", finding.detector]
    for key, option in (("household_id", "--household"), ("user_id", "--user")):
        if key in finding.subject:
            words += [option, finding.subject[key]]
    if {"request_id", "support_id"} & finding.subject.keys() and len(finding.households) == 1:
        words += ["--household", finding.households[0]]
    return for_shell(words)
