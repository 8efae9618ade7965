"""A retry is told in two places, in SQL for the passes and in Python for the facts: both must mean the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import func, select

from detectors.cases.audit_rows import event_of
from detectors.domain.retries import operation, without_retries
from detectors.rules.integrity.transfer_failed import DETECTOR as TRANSFER_FAILED
from detectors.source import SourceMapping, open_source
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, Scanner, Town, uid

TYPE = "household_leadership_transferred"
CORRELATIONS = st.sampled_from(["absent", None, "", " ", "a", "b", "1", 1, True])


@tries(10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(CORRELATIONS, st.integers(0, 3)), min_size=5, max_size=30))
def test_the_passes_and_the_facts_tell_retries_apart_alike(scanner: Scanner, drawn: list[tuple[Any, int]]) -> None:
    town = Town()
    for correlation, minutes in drawn:
        metadata = {} if correlation == "absent" else {"correlation_id": correlation}
        town.event(TYPE, "oak", "anna", at=NOON + minutes * MINUTE, **metadata)
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        events = source.tables["household_events"]
        told = select(func.count(operation(events).distinct()).label("number")).select_from(events)
        rows = source.rows(select(events), "test")
        assert source.rows(told, "test")[0]["number"] == len(without_retries(event_of(source, row) for row in rows))


@pytest.mark.parametrize("correlation", ["", None])
def test_transfers_without_a_correlation_are_not_one_operation(scanner: Scanner, correlation: str | None) -> None:
    """Leadership went to Ben and back; Ben was named once more, and that last transfer is not in force."""
    town = Town()
    town.family("oak", "anna", "ben")
    for hours, old, new in ((-3, "anna", "ben"), (-2, "ben", "anna"), (-1, "anna", "ben")):
        people = {"from_user_id": old, "to_user_id": new, "correlation_id": correlation}
        town.event(TYPE, "oak", old, at=NOON + hours * HOUR, **people)
    assert scanner.subjects(town, TRANSFER_FAILED) == [{"household_id": uid("oak")}]
    town.household_events.pop()
    assert scanner.findings(town, TRANSFER_FAILED) == []


def test_what_a_retry_says_otherwise_does_not_count(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    for minutes, new in ((0, "ben"), (1, "anna")):
        people = {"from_user_id": "cleo", "to_user_id": new, "correlation_id": "one"}
        town.event(TYPE, "oak", "cleo", at=NOON + minutes * MINUTE, **people)
    town.row("oak", "anna")["role"] = "member"
    town.home("oak")["leader_id"] = uid("cleo")
    town.row("oak", "cleo")["role"] = "leader"
    assert len(scanner.findings(town, TRANSFER_FAILED)) == 1
