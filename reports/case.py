"""A case as one ticket: the most urgent finding in its team's template, a section for each other one, and the links.

Whatever is said of one finding (see ticket.py) is said of each. What all of them say alike is said once.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from detectors.contract import Finding, Impact
from detectors.text.wording import count, listed, stamp
from escalation.deliver.case_file import CaseFile, Repeat
from escalation.ledger.records import Linked, Verdict
from escalation.policy.policy import Policy
from reports.evidence import cell, named
from reports.message import Block, Line, Listing, Message, Picture, Section, Table, Template
from reports.people import PEOPLE, found_before, united_people
from reports.ticket import TO_CUSTOMER, ticket

ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SAID_ONCE = frozenset({TO_CUSTOMER, "Told by e-mail only", "About this ticket", "How to verify"})
"""The headings of what holds for the ticket as a whole."""
_HOW_TO_READ = "The first one is told above. Of each further one, what is not said is as it is with those before it."
_WHO = ("User ID:", "Household ID:")
_WHICH = ("request_id", "support_id", "session_id")
"""The ids that tell findings about the same people apart."""
_DAYS = "Days"
"""The heading of the table that tells what one finding's actor did on each day."""
_VERDICTS: dict[Verdict, str] = {
    "open": "open",
    "resolved": "called resolved, not verified yet",
    "fixed": "fixed, verified by a scan",
    "confirmed": "confirmed",
    "dismissed": "dismissed",
    "closed": "closed",
    "deleted": "deleted in the queue",
}
_COUNTED = {**_VERDICTS, "resolved": "called resolved", "fixed": "fixed"}
"""The same where they are counted."""


def case_ticket(case: CaseFile, policy: Policy, *, reference: str = "", pseudonyms: bool = False) -> Message:
    """`case` as its team's ticket, known by `reference`; with `pseudonyms` its findings have them in the place of their ids."""

    def alone(finding: Finding) -> Message:
        return ticket(finding, policy, reference=reference, pseudonyms=pseudonyms)

    message = ticket(leading(case), policy, reference=reference, pseudonyms=pseudonyms, earlier=found_before(case))
    parts = [alone(one) for one in map(_without_people, case.findings)] if len(case.findings) > 1 else []
    days = _by_day(case.findings)
    hidden = _SAID_ONCE | {PEOPLE} | ({_DAYS} if days else set())
    more: list[Block] = [Section(f"This case has {count(len(parts), 'finding')}", (_HOW_TO_READ,))] if parts else []
    for number, part in enumerate(parts[1:], start=2):
        one = case.findings[number - 1]
        said = _section(number, part, parts[: number - 1], _as_the_first(one, case.findings[0]), hidden)
        more += _with_its_ids(said, one)
    blocks = [one for one in message.blocks if not days or _heading(one) != _DAYS]
    place = _after_evidence(blocks)
    attached = [
        replace(one, name=f"{number}-{one.name}")
        for number, part in enumerate(parts[1:], start=2)
        for one in part.attachments
    ]
    return replace(
        message,
        blocks=(*blocks[:place], *days, *more, *_silenced(case), *_links(case, policy), *blocks[place:]),
        attachments=(*message.attachments, *attached),
        pictures=(*message.pictures, *_more_pictures(message, parts)),
        refers_to=case.references,
    )


def _more_pictures(message: Message, parts: Sequence[Message]) -> Iterator[Picture]:
    """What the further findings show besides: those of one household show the same."""
    shown = {one.svg for one in message.pictures}
    for number, part in enumerate(parts[1:], start=2):
        for one in part.pictures:
            if one.svg not in shown:
                shown.add(one.svg)
                yield replace(one, name=f"{number}-{one.name}")


def leading(case: CaseFile) -> Finding:
    """The finding that fills the template: the first, naming everybody whom the case is about."""
    first, *others = case.findings
    first = first.model_copy(update={"severity": case.severity})
    if not others:
        return first
    people, ties = united_people(case.findings)
    story = first.story.model_copy(
        update={
            "people": people,
            "ties": ties,
            "affected_users": _united(case.findings, _users_of),
            "affected_households": _united(case.findings, _households_of),
        }
    )
    update: dict[str, object] = {"story": story}
    if all(one.detector == first.detector for one in others):
        update |= _of_one_kind(case.findings)
        update["story"] = story.model_copy(update=_words_of_one_kind(case.findings))
    return first.model_copy(update=update)


def _without_people(finding: Finding) -> Finding:
    """A part of a case: its people stand in the one table of the case."""
    return finding.model_copy(update={"story": finding.story.model_copy(update={"people": (), "ties": ()})})


def _users_of(one: Finding) -> tuple[str, ...]:
    return one.users if one.story.affected_users is None else one.story.affected_users


def _households_of(one: Finding) -> tuple[str, ...]:
    return one.households if one.story.affected_households is None else one.story.affected_households


def _united(findings: Sequence[Finding], ids: Callable[[Finding], tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for finding in findings for one in ids(finding)))


def _of_one_kind(findings: Sequence[Finding]) -> dict[str, object]:
    """What several findings of one detector are together: since the first of them, and about all of them."""
    first = findings[0]
    times = [one.occurred_at for one in findings if one.occurred_at is not None]
    users, households = _united(findings, lambda one: one.users), _united(findings, lambda one: one.households)
    most = max(one.impact.users for one in findings)
    where = "in one household" if len(households) == 1 else f"in {count(len(households), 'household')}"
    return {
        "title": f"{first.title} ({len(findings)} {where})",
        "users": users,
        "households": households,
        "occurred_at": min(times, default=None),
        "impact": Impact(users=max(most, len(users)), households=len(households)),
    }


def _words_of_one_kind(findings: Sequence[Finding]) -> dict[str, object]:
    """The template's words for several of one kind: each further one has a section of its own below."""
    story, number = findings[0].story, len(findings)
    impacts = list(dict.fromkeys(one.story.impact for one in findings if one.story.impact))
    each = f"each of the {number}: " if len(impacts) == 1 else ""
    more = f"The same of {count(number - 1, 'other')} in this household: see below."
    return {
        "issue": f"{story.issue} {more}" if story.issue else "",
        "impact": f"{each}{'; '.join(impacts)}",
    }


def _section(
    number: int, part: Message, before: Sequence[Message], as_first: Callable[[str], str], hidden: frozenset[str]
) -> Iterator[Block]:
    """What one further finding says, under its number, without what one of those `before` it says in the same words.

    Words that differ only in whom they are about are the same: see `as_first`.
    """
    said = [block for one in before for block in one.blocks]
    known = {point for block in said if isinstance(block, Template) for point in _points(block)}
    words = {repr(block) for block in said}
    for block in part.blocks:
        if isinstance(block, Template):
            kept = [point for point in _points(block) if as_first(point) not in known or point.startswith(_WHO)]
            yield Section(f"Finding {number}: {part.title}", tuple(kept))
        elif block.heading not in hidden and as_first(repr(block)) not in words:
            yield replace(block, heading=f"Finding {number}: {block.heading}")


def _with_its_ids(section: Iterator[Block], one: Finding) -> Iterator[Block]:
    """A further finding's section with what it is about: words that are left out had named it."""
    ids = [f"{named(key)}: {value}" for key, value in one.subject.items() if key in _WHICH]
    for block in section:
        if isinstance(block, Section) and ids:
            who = sum(point.startswith(_WHO) for point in block.points)
            yield replace(block, points=(*block.points[:who], *ids, *block.points[who:]))
            ids = []
        else:
            yield block


def _as_the_first(one: Finding, first: Finding) -> Callable[[str], str]:
    """Puts the first finding's ids in the place of a further one's."""
    ids = [
        (one.subject[key], first.subject[key]) for key in one.subject if key in first.subject and key.endswith("_id")
    ]
    if len(one.users) == len(first.users) == 1:
        ids.append((one.users[0], first.users[0]))
    # Ids may be any text; only whole words are meant.
    differing = [(re.compile(rf"(?<![\w-]){re.escape(its)}(?![\w-])"), theirs) for its, theirs in ids if its != theirs]

    def put(words: str) -> str:
        for its, theirs in differing:
            words = theirs.join(its.split(words))
        return words

    return put


def _points(template: Template) -> Iterator[str]:
    for line in template.lines:
        if isinstance(line, Listing):
            yield f"{line.label}: {'; '.join(line.items)}"
        elif isinstance(line, Line):
            yield f"{line.label}: {line.value}"


def _heading(block: Block) -> str:
    return "" if isinstance(block, Template) else block.heading


def _after_evidence(blocks: Sequence[Block]) -> int:
    """Before what is said of the ticket as a whole: whom to tell, what it is, how to verify."""
    return next((place for place, one in enumerate(blocks) if _heading(one) in _SAID_ONCE), len(blocks))


def _by_day(findings: Sequence[Finding]) -> list[Table]:
    """What was done on each day, whatever pattern it shows: one table for all findings of an actor."""
    if len(findings) < 2 or findings[0].team != "trust-safety":
        return []
    days: dict[str, dict[str, str]] = defaultdict(dict)
    for one in findings:
        rows = one.evidence.get("days")
        if isinstance(rows, list | tuple):
            for row in rows:
                days[str(row["day"])] |= {named(key): cell(value) for key, value in row.items() if key != "day"}
            continue
        moments = Counter(f"{entry.at:%Y-%m-%d}" for entry in one.timeline)
        for day, number in moments.items():
            days[day][f"{one.title}: moments in its timeline"] = str(number)
    columns = list(dict.fromkeys(column for row in days.values() for column in row))
    rows_shown = tuple((day, *(days[day].get(one, "") for one in columns)) for day in sorted(days, reverse=True))
    return [Table("Evidence by day", ("Day", *columns), rows_shown)] if rows_shown else []


def _silenced(case: CaseFile) -> Iterator[Block]:
    if case.silenced:
        yield Section("Silenced in this case", case.silenced)


def _links(case: CaseFile, policy: Policy) -> Iterator[Block]:
    if case.repeats:
        yield Section("Seen before", tuple(map(_repeat, case.repeats)))
    if case.linked:
        rows = [_row(one, policy) for one in case.linked]
        note = f"{case.unlisted:,} more are not listed." if case.unlisted else ""
        # What nobody has written down, and what has no number, needs no column.
        shown = [name for name in rows[0] if name in ("Ticket", "State") or any(row[name] for row in rows)]
        yield Table("Linked tickets", tuple(shown), tuple(tuple(row[name] for name in shown) for row in rows), note)


def _repeat(one: Repeat) -> str:
    before = len(one.verdicts)
    nth = ORDINALS[before - 1] if before <= len(ORDINALS) else f"{before + 1:,}th"
    came = Counter(_COUNTED[verdict] for verdict in one.verdicts)
    outcomes = listed([f"{number} {what}" for what, number in came.items()], len(came))
    same = f"; {one.same} of them of this kind" if one.same else ""
    return f"This is the {nth} ticket about {one.what} {one.id} in 90 days. Those before it: {outcomes}{same}."


def _row(one: Linked, policy: Policy) -> dict[str, str]:
    both = [f"household {each}" for each in one.households] + [f"user {each}" for each in one.users]
    return {
        "Ticket": one.external_id,
        "Number": one.ref_id if one.ref_id and one.ref_id != one.external_id else "",
        "Team": policy.teams[one.team].name,
        "What": one.title,
        "Severity": one.severity,
        "Opened": stamp(one.opened_at),
        "State": _VERDICTS[one.verdict],
        "Outcome": one.outcome,
        "About": listed(both, 3),
    }
