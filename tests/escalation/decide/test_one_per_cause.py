"""Causes and incidents together: nothing is lost, of whatever a scan has found."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.registry import BY_ID
from escalation.decide.causes import explain
from escalation.decide.incidents import one_per_cause
from tests.escalation.decide.test_causes import LIMITS
from tests.escalation.findings import finding
from tests.support.towns import Scanner, Town, uid


def test_a_takeover_that_left_the_old_leader_in_office_is_one_finding(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.event("household_leadership_transferred", "oak", "ben", from_user_id="anna", to_user_id="ben")
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    rules = (BY_ID["transfer-failed"], BY_ID["multiple-leaders"], BY_ID["unauthorised-transfer"])
    (told,) = explain(scanner.findings(town, *rules), LIMITS)
    assert (told.detector, told.team, told.severity) == ("unauthorised-transfer", "trust-safety", "Immediate")
    assert {effect.detector for effect in told.related} == {"transfer-failed", "multiple-leaders"}


detectors = st.sampled_from(
    [
        "multiple-leaders",
        "no-leader",
        "orphaned-household",
        "transfer-failed",
        "approval-not-applied",
        "concurrent-conflict",
        "unauthorised-transfer",
    ]
)
rows = st.tuples(detectors, st.sampled_from("ab"), st.sampled_from("xy"))


@given(st.sets(rows, max_size=20), st.integers(1, 4), st.randoms())
def test_nothing_is_lost_and_order_does_not_matter(drawn: set[tuple[str, str, str]], size: int, random: Random) -> None:
    findings = [
        finding(detector, {"household_id": household, "user_id": user}, household=household, user=user)
        for detector, household, user in sorted(drawn)
    ]
    told = one_per_cause(findings, Limits(incident_size=size), "production")
    shuffled = list(findings)
    random.shuffle(shuffled)
    assert one_per_cause(shuffled, Limits(incident_size=size), "production") == told
    everything = {(one.detector, tuple(sorted(one.subject.items()))) for one in findings}
    said = {
        *((one.detector, tuple(sorted(one.subject.items()))) for one in told if not one.members),
        *((one.detector, tuple(sorted(row.subject.items()))) for one in told for row in one.members),
        *((row.detector, tuple(sorted(row.subject.items()))) for one in told for row in one.related),
    }
    assert said == everything
