"""Names everybody whom a finding of Trust & Safety involves, by their part in it, with what the source knows of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from detectors.cases.household import household_cases
from detectors.cases.involved import Known, known_of
from detectors.contract import Context, Detector, Finding, Involved, Tie
from detectors.domain.household import HouseholdCase
from detectors.engine.bookmark import digest_of
from detectors.findings import Found
from detectors.source import QueryError, Source

logger = logging.getLogger("hearthwatch.scan")
LEADER, WITNESS = "household leader", "witness"
BYSTANDERS = frozenset({LEADER, WITNESS, "removed", "used the code"})
"""Parts of people whose other accounts are nobody's business."""
HOUSEHOLDS_MOST = 3
"""Of so many households, where a finding names no more, leaders and other members are named too."""


Ties = Mapping[str, tuple[Tie, ...]]
"""The connected accounts of findings, by what they are of (see `tied_by`)."""
NONE_KNOWN: Ties = MappingProxyType({})


def with_people(
    source: Source,
    detectors: Sequence[Detector],
    findings: list[Found],
    context: Context,
    *,
    ties: bool = True,
    known_ties: Ties = NONE_KNOWN,
    at_once: int,
) -> list[Found]:
    """`findings`, those of Trust & Safety with the people in their stories. What cannot be read is left out, and said on the ticket.

    Without `ties` connected accounts are not looked for: who uses an address is found by reading some days of the audit table.
    Those that are known are not looked for again. So many statements as `at_once` may run beside one another.
    """
    roles = {detector.id: detector.meta.roles for detector in detectors if detector.meta.roles}
    about = [one for one in findings if isinstance(one, Finding) and roles.get(one.detector)]
    about = about[: context.limits.people_findings_most]
    if not about:
        return findings
    try:
        homes = _homes(source, about, context)
        parts = {one.fingerprint: dict(_parts(one, roles[one.detector], homes)) for one in about}
        most = context.limits.people_most
        looked_up = {user for one in parts.values() for user in list(one)[:most] if source.tables.is_user_id(user)}
        sought = [one for name, one in parts.items() if ties and tied_by(name, one) not in known_ties]
        anchors = {user for one in sought for user in anchors_of(one)[:most]} & looked_up
        known = known_of(source, sorted(looked_up), sorted(anchors), context, at_once)
    except QueryError:
        logger.debug("looking up the people involved failed", exc_info=True)
        return findings
    told = {one.fingerprint: _told(one, parts[one.fingerprint], known, looked_up, context, known_ties) for one in about}
    return [told.get(one.fingerprint, one) for one in findings]


def ties_of(findings: Iterable[Found]) -> Ties:
    """The connected accounts of the findings of which somebody has looked for them."""
    looked = ((one.fingerprint, one.story) for one in findings if isinstance(one, Finding) and one.story.people)
    return {tied_by(name, {who.user_id: who.role for who in story.people}): story.ties for name, story in looked}


def tied_by(fingerprint: str, parts: Mapping[str, str]) -> str:
    """A name for whose connections a finding tells of: as long as it is the same, they are looked for once a day."""
    return digest_of([fingerprint, sorted(anchors_of(parts))])


def anchors_of(parts: Mapping[str, str]) -> list[str]:
    """Those whose connections are looked for: who acts, is acted against, or whose account was used."""
    return [user for user, part in parts.items() if part not in BYSTANDERS]


def _told(
    finding: Finding,
    parts: Mapping[str, str],
    known: Known,
    looked_up: Iterable[str],
    context: Context,
    known_ties: Ties,
) -> Finding:
    wanted = set(looked_up)
    people = tuple(
        known.involved(user, part, context) if user in wanted else Involved(user_id=user, role=part)
        for user, part in parts.items()
    )
    ties = [tie for user in anchors_of(parts)[: context.limits.people_most] for tie in known.ties(user, context)]
    ties.sort(key=lambda tie: ("strong", "medium", "weak").index(tie.strength))
    found = known_ties.get(tied_by(finding.fingerprint, parts), tuple(ties[: context.limits.ties_most]))
    story = finding.story.model_copy(update={"people": people, "ties": found})
    return finding.model_copy(update={"story": story})


def _homes(source: Source, findings: Sequence[Finding], context: Context) -> dict[str, HouseholdCase]:
    wanted = {home for one in findings if len(one.households) <= HOUSEHOLDS_MOST for home in one.households}
    return {case.household_id: case for case in household_cases(source, sorted(wanted), context.watermark)}


def _parts(finding: Finding, roles: Mapping[str, str], homes: Mapping[str, HouseholdCase]) -> Iterator[tuple[str, str]]:
    """Each person once, with the first of their parts: who is named for it, then leaders, then whom it was done to, then who else was there."""
    seen = {""}
    facts: Mapping[str, Any] = {"subject": finding.subject, "evidence": finding.evidence}

    def of(ids: Iterable[str], part: str) -> Iterator[tuple[str, str]]:
        for user in dict.fromkeys(ids):
            if user not in seen:
                seen.add(user)
                yield user, part

    for path, part in roles.items():
        if path != "users":
            yield from of(_ids(facts, path.split(".")), part)
    cases = [homes[home] for home in finding.households if home in homes]
    leaders = [case.household.leader_id or "" for case in cases if case.household]
    # Before the many: a ticket shows the first ones.
    yield from of(leaders, LEADER)
    if "users" in roles:
        yield from of(finding.users, roles["users"])
    yield from of(finding.users, "involved")
    yield from of((row.user_id for case in cases for row in case.living), WITNESS)


def _ids(value: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _ids(each, path)
    elif path and isinstance(value, Mapping):
        yield from _ids(value.get(path[0]), path[1:])
    elif not path and value:
        yield str(value)
