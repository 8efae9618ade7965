"""A request to support with a status that nobody knows is left out: it may be settled."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.registry import BY_ID
from tests.support.towns import Scanner, Town

OF_SUPPORT = {
    "abuse-report": "threat",
    "capacity-request": "capacity",
    "leader-member-dispute": "dispute",
    "policy-question": "policy_question",
    "legal-matter": "subpoena",
}
PLACE = "support_requests.status"


@pytest.fixture
def town() -> Town:
    """An open request of each kind, and one with a word of another language."""
    town = Town()
    town.family("oak", "anna", "ben")
    for category in OF_SUPPORT.values():
        for status in ("Open", "erledigt"):
            named: dict[str, Any] = {"household_id": "oak", "subject_user_id": "ben"}
            town.report(f"{category} {status}", category, "anna", status=status, **named)
    return town


def test_what_is_known_is_filed(scanner: Scanner, town: Town) -> None:
    result = scanner(town, *(BY_ID[name] for name in OF_SUPPORT))
    assert sorted(one.detector for one in result.findings) == sorted(OF_SUPPORT)
    assert all(
        f"{PLACE} holds words" in str(entry.reason) and "left out" in str(entry.reason) for entry in result.coverage
    )


def test_where_no_word_is_known_nothing_can_be_told(on_duckdb: Scanner, town: Town) -> None:
    for row in town.support_requests:
        row["status"] = "offen" if row["status"] == "Open" else row["status"]
    result = on_duckdb(town, *(BY_ID[name] for name in OF_SUPPORT))
    assert not result.findings
    assert {entry.status for entry in result.coverage} == {"not_applicable"}
    assert all(f"{PLACE} holds no word that is known" in str(entry.reason) for entry in result.coverage)
