"""Very many findings: what is kept of each is small, and each can still be told in full."""

from __future__ import annotations

import gc

from detectors.contract import Finding
from detectors.engine.result import ScanResult
from detectors.findings import BOXED, PLAIN, Brief, Keeper, in_order, whole
from detectors.limits import Limits
from detectors.rules.integrity.no_leader import DETECTOR
from escalation.decide.incidents import INCIDENT, one_per_cause, told_of
from tests.escalation.findings import finding
from tests.support.towns import Scanner, Town

MANY = PLAIN + 3 * BOXED + 7


def findings(number: int) -> list[Finding]:
    return [
        finding("no-leader", household=f"h{place:05}", evidence={"stuck_members": [f"u{place}"]})
        for place in range(number)
    ]


def kept(found: list[Finding]) -> Keeper:
    keeper = Keeper()
    for one in found:
        keeper.add(one)
    return keeper


def test_every_finding_comes_back_as_it_was() -> None:
    found = findings(MANY)
    keeper = kept(found)
    assert [isinstance(one, Brief) for one in keeper] == [place >= PLAIN for place in range(MANY)]
    assert [whole(one) for one in keeper] == found
    assert [whole(one).story for one in keeper] == [one.story for one in found]


def test_a_brief_answers_as_its_finding_does() -> None:
    found = findings(MANY)[-1]
    brief = Keeper(plain=0).brief(found)
    for name in ("detector", "team", "severity", "kind", "title", "subject", "households", "users", "impact", "marks"):
        assert getattr(brief, name) == getattr(found, name)
    for name in ("fingerprint", "first_seen", "occurred_at", "members", "related", "sort_key"):
        assert getattr(brief, name) == getattr(found, name)
    assert brief.as_related() == found.as_related()


def test_order_and_causes_do_not_depend_on_what_is_kept() -> None:
    found = [*findings(60), *(finding("transfer-failed", household=f"h{place:05}") for place in range(40))]
    keeper = Keeper(plain=0)
    briefs = [keeper.brief(one) for one in reversed(found)]
    assert [one.fingerprint for one in in_order(briefs)] == [
        one.fingerprint for one in sorted(found, key=lambda one: one.sort_key)
    ]
    for size in (10, 50):
        limits = Limits(incident_size=size)
        assert one_per_cause(briefs, limits, "production") == one_per_cause(found, limits, "production")
        stories = [[one.story for one in one_per_cause(some, limits, "production")] for some in (briefs, found)]
        assert stories[0] == stories[1]


def test_an_incident_lists_some_and_counts_all() -> None:
    told = told_of(kept(findings(MANY)), Limits(), "production")
    (incident,) = told.findings
    assert incident.subject == {"operation": INCIDENT}
    assert (len(incident.members), incident.evidence["listed"], incident.evidence["count"]) == (1000, 1000, MANY)
    assert len(incident.households) == 1000
    assert incident.impact.households == MANY
    assert incident.story.steps[-1] == f"and {MANY - 10:,} more, the first 1,000 of all in the attachment"
    # A ticket that was made for any of them before must be found again, listed or not.
    assert len({row.fingerprint for row, cause in told.rows() if cause is incident}) == MANY


def test_what_is_left_of_very_many_is_told_in_full() -> None:
    """Most are explained; the few that are not have no less of a text than if there had never been more."""
    found, causes = findings(MANY), [finding("transfer-failed", household=f"h{n:05}") for n in range(MANY - 3)]
    told = one_per_cause([*kept(found), *kept(causes)], Limits(), "production")
    left = [one for one in told if one.detector == "no-leader"]
    assert left == found[-3:]
    assert [one.story for one in left] == [one.story for one in found[-3:]]
    (incident,) = (one for one in told if one.detector == "transfer-failed")
    assert (incident.evidence["count"], len(incident.related)) == (MANY - 3, 1000)


def test_a_scan_of_very_many_keeps_few_whole_findings(on_duckdb: Scanner) -> None:
    result = many_leaderless(on_duckdb, MANY)
    assert len(result.findings) == MANY
    of_this_scan = {one.fingerprint for one in result.findings}
    gc.collect()
    kept_whole = [one for one in gc.get_objects() if isinstance(one, Finding) and one.fingerprint in of_this_scan]
    # The first ones, and those of a box that is not full yet.
    assert len(kept_whole) <= PLAIN + BOXED
    assert all(whole(one).story.issue and whole(one).evidence["reason"] for one in result.findings[:: MANY // 20])


def many_leaderless(scanner: Scanner, number: int) -> ScanResult:
    town = Town()
    town.family("sound", "anna", "ben")
    for place in range(number):
        town.family(f"home {place}", f"anna {place}", f"ben {place}")
        town.home(f"home {place}")["leader_id"] = None
    return scanner(town, DETECTOR)
