"""Many findings of one detector are one incident, in which nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.contract import Finding, Impact, Story
from detectors.findings import Alike, Distinct
from detectors.limits import Limits
from escalation.decide.incidents import incidents, told_of
from tests.escalation.decide.test_causes import LIMITS, TRANSFER, everyone_left
from tests.escalation.findings import NOON, finding

EARLIER = NOON - timedelta(days=1)


def many(number: int, detector: str = "no-leader") -> list[Finding]:
    return [
        finding(
            detector,
            household=f"h{index:03}",
            user=f"u{index:03}",
            impact=Impact(users=1, households=1),
            occurred_at=NOON + timedelta(minutes=index),
        )
        for index in range(number)
    ]


def test_twenty_five_findings_are_findings() -> None:
    findings = many(25)
    assert incidents(findings, LIMITS, "production") == findings


def test_twenty_six_are_one_incident() -> None:
    (incident,) = incidents(many(26), LIMITS, "production")
    assert incident.subject == {"operation": "incident"}
    assert (incident.kind, incident.severity, incident.team) == ("state", "P0", "engineering")
    assert len(incident.members) == 26
    assert (incident.households[0], incident.households[-1], len(incident.users)) == ("h000", "h025", 26)
    assert incident.impact == Impact(users=26, households=26)
    assert incident.evidence["count"] == 26
    assert (incident.evidence["first"], incident.evidence["last"]) == (NOON, NOON + timedelta(minutes=25))
    assert len(incident.evidence["worst"]) == 10
    assert incident.story.steps[1] == "household h000, user u000 (2026-02-02 12:00:00 UTC)"
    assert incident.story.steps[-1] == "and 16 more, all of them in the attachment"


def test_the_words_of_an_incident() -> None:
    told = [
        incidents(many(30, detector), Limits(incident_members_most=most), "production")[0].story
        for detector, most in (("no-leader", 30), ("fake-households", 28))
    ]
    assert [one.steps[-1] for one in told] == [
        "and 20 more, all of them in the attachment",
        "and 20 more, the first 28 of all in the attachment",
    ]
    assert [one.screenshots for one in told] == [
        "None; all cases are in the attachment",
        "None; the first 28 cases are in the attachment",
    ]
    assert [one.requesting for one in told] == [
        "One investigation into the common cause of 30 cases, then repair of all of them",
        "One review of 30 cases together",
    ]
    assert {one.actual for one in told} == {"30 cases; of the first of them: it is not"}
    assert {one.expected for one in told} == {"No such case; of the first of them: all is well"}


def test_an_incident_of_findings_without_words_names_the_first_one() -> None:
    rows = [one.model_copy(update={"story": Story(), "occurred_at": None}) for one in many(26)]
    rows[3:5] = [
        one.model_copy(update={"first_seen": seen}) for one, seen in zip(rows[3:5], (NOON, EARLIER), strict=True)
    ]
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.story.expected == "No such case; of the first of them: it is not there"
    assert incident.story.actual == "26 cases; of the first of them: household h000, user u000"
    assert (incident.first_seen, incident.occurred_at, incident.evidence["last"]) == (EARLIER, None, None)


def test_an_incidents_identity_does_not_depend_on_its_rows() -> None:
    (one,), (other,) = (incidents(many(number), LIMITS, "production") for number in (26, 40))
    (elsewhere,) = incidents(many(26), LIMITS, "staging")
    assert one.fingerprint == other.fingerprint != elsewhere.fingerprint


def test_an_ongoing_incident_shrinks_to_its_end() -> None:
    (incident,) = incidents(many(1), LIMITS, "production", ongoing={"no-leader"})
    assert (incident.subject, len(incident.members)) == ({"operation": "incident"}, 1)
    assert incidents([], LIMITS, "production", ongoing={"no-leader"}) == []


def test_an_incident_has_the_worst_urgency_first_and_keeps_what_its_rows_explain() -> None:
    findings = [one.model_copy(update={"severity": "P2", "related": (TRANSFER.as_related(),)}) for one in many(25)]
    urgent = finding("no-leader", household="z")
    (incident,) = incidents([*findings, urgent], LIMITS, "production")
    assert incident.severity == "P0"
    assert incident.members[0].subject == {"household_id": "z"}
    assert incident.related == (TRANSFER.as_related(),)


def test_ids_that_are_hit_twice_count_once() -> None:
    twice = [
        finding(
            "duplicate-member", {"household_id": "h", "user_id": user, "window": str(row)}, household="h", user=user
        )
        for row in range(13)
        for user in ("a", "b")
    ]
    (incident,) = incidents(twice, LIMITS, "production")
    assert incident.impact == Impact(users=2, households=1)


def test_affected_people_who_are_not_named_are_summed() -> None:
    rows = [one.model_copy(update={"impact": Impact(users=4, households=1)}) for one in many(26)]
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.impact == Impact(users=104, households=26)


@pytest.mark.parametrize("first", [True, False])
def test_one_row_that_does_not_name_everybody_is_enough_for_a_sum(first: bool) -> None:
    rows = [one.model_copy(update={"households": ("h",), "users": ("u",)}) for one in many(26)]
    unnamed = rows[0].model_copy(update={"impact": Impact(users=4, households=3)})
    rows[0 if first else -1] = unnamed
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.impact == Impact(users=29, households=28)


@pytest.mark.parametrize(("named", "users"), [(1, 27), (4, 38)])
def test_what_was_counted_beside_an_incident(named: int, users: int) -> None:
    """Three more households, with one more person where everybody is named; else people are summed."""
    like = many(1)[0].model_copy(update={"impact": Impact(users=named, households=1)})
    people = Distinct()
    people.add(("u000", "new"))
    (incident,) = told_of(many(26), LIMITS, "production", alike=[Alike(like, 3, people)]).findings
    assert incident.evidence["count"] == 29
    assert incident.impact == Impact(users=users, households=29)


def test_only_some_rows_are_carried_but_all_are_counted() -> None:
    limits = Limits(incident_size=2, incident_members_most=3)
    (incident,) = incidents(many(5), limits, "production")
    assert (len(incident.members), incident.evidence["count"], incident.evidence["listed"]) == (3, 5, 3)


def test_what_only_has_rows_or_only_an_operation_is_a_group_too() -> None:
    rows = everyone_left("h1").model_copy(update={"subject": {"household_id": "h1"}})
    operation = everyone_left().model_copy(update={"members": ()})
    for group in (rows, operation):
        assert incidents([group], LIMITS, "production", ongoing={"orphaned-household"}) == [group]


def test_an_incident_is_told_in_the_words_of_its_most_urgent_row() -> None:
    rows = [one.model_copy(update={"title": "Another", "severity": "P2"}) for one in many(25)]
    (incident,) = incidents([*rows, many(1)[0].model_copy(update={"title": "The worst"})], LIMITS, "production")
    assert incident.title == "Incident: 26 cases of The worst"


def test_a_group_of_a_detectors_own_is_not_grouped_again() -> None:
    group = everyone_left("h1")
    told = incidents([group, *many(26, "orphaned-household")], LIMITS, "production")
    assert {one.subject["operation"] for one in told} == {"incident", "everyone-left"}
